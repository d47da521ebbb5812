package execution_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
)

func TestAMapRunIsSetWhileItRuns(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.API.Change("flowers-1", func(r *datatest.Record) {
		r.MapRuns[0].Status, r.MapRuns[0].StopDate = types.MapRunStatusRunning, nil
	})
	x := open(t, s, datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Press("5")
	x.Until("at the same time")
	x.Press("t")
	x.Until("Set the Map Run")
	x.Golden("mapset-120x40")
	x.Press("ctrl+u")
	x.Type("concurrency=lots")
	x.Press("enter")
	x.Until("is not a number")
	x.Press("ctrl+u")
	x.Type("concurrency=40 percent=5")
	x.Press("enter")
	x.Until("at most 40 at the same time")
	x.Until("set concurrency=40")
}

// TestWhatWasLeftAsItIsIsNotSet sets one thing while somebody else has set another.
func TestWhatWasLeftAsItIsIsNotSet(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.API.Change("flowers-1", func(r *datatest.Record) {
		r.MapRuns[0].Status, r.MapRuns[0].StopDate = types.MapRunStatusRunning, nil
		r.MapRuns[0].MaxConcurrency, r.MapRuns[0].ToleratedFailureCount, r.MapRuns[0].ToleratedFailurePercentage = 3, 4, 5
	})
	refuse := true
	s.API.Before = func(op string) error {
		if op == "UpdateMapRun" && refuse {
			refuse = false
			return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not you"}
		}
		return nil
	}
	x := open(t, s, datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Press("5")
	x.Until("at most 3 at the same time")
	x.Press("t")
	x.Until("concurrency=3 failures=4 percent=5")
	x.Press("enter")
	x.Until("nothing is to be set")
	s.API.Change("flowers-1", func(r *datatest.Record) { r.MapRuns[0].MaxConcurrency = 7 })
	x.Type("0")
	x.Press("enter")
	x.Until("not you")
	x.Until("concurrency=3 failures=4 percent=50")
	x.Press("enter")
	x.Until("set concurrency=7 failures=4 percent=50")
}

func TestAMapRunThatHasEndedIsNotSet(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Press("5")
	x.Until("at the same time")
	x.Press("t")
	x.Until("the Map Run has ended")
}
