package execution_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

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

func TestAMapRunThatHasEndedIsNotSet(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Press("5")
	x.Until("at the same time")
	x.Press("t")
	x.Until("the Map Run has ended")
}
