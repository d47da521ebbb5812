package pipelines

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// How one ended is told as the exit code tells it (fault.KindOf): a failure that a
// cancellation caused is one.
func TestEndingIsTheKindOfTheError(t *testing.T) {
	t.Parallel()
	canceled := fault.New(fault.Canceled, "stopped")
	for name, tt := range map[string]struct {
		outcome Outcome
		want    Ending
	}{
		"well":                   {Outcome{}, EndSucceeded},
		"cancelled":              {Outcome{Err: canceled}, EndCancelled},
		"cancelled, wrapped":     {Outcome{Err: fault.Wrap(canceled, "up")}, EndCancelled},
		"cancelled by a context": {Outcome{Err: fmt.Errorf("up: %w", context.Canceled)}, EndCancelled},
		"failed":                 {Outcome{Err: errors.New("no")}, EndFailed},
		"failed because of it":   {Outcome{Err: fault.New(fault.Deployment, "a role is missing").Because(canceled)}, EndFailed},
		"not begun":              {Outcome{Skipped: true, Err: canceled}, EndNotBegun},
	} {
		require.Equal(t, tt.want, tt.outcome.Ending(), name)
		if !tt.outcome.Skipped {
			require.Equal(t, tt.want == EndCancelled, fault.KindOf(tt.outcome.Err) == fault.Canceled, name)
		}
	}
}

func TestExpectIsWhatWasLookedAt(t *testing.T) {
	t.Parallel()
	id := func(model string) spec.ID { return spec.ID{Tenant: "acme", Model: model, Env: "dev"} }
	looked := func(model string, err error) Outcome {
		return Outcome{ID: id(model), Err: err, Result: stack.Result{Basis: model + "-1"}}
	}
	got := Expect([]Outcome{looked("a", nil), looked("b", errors.New("no")), looked("c", nil)}, []*spec.Pipeline{{ID: id("a")}, {ID: id("b")}})
	require.Equal(t, map[spec.ID]string{id("a"): "a-1"}, got)
}
