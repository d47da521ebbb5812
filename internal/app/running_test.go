package app

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func TestSeveralPipelinesAreLookedAtAtOnce(t *testing.T) {
	t.Parallel()
	var list []*spec.Pipeline
	for i := range readers {
		list = append(list, &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: fmt.Sprint("m", i), Env: "dev"}})
	}
	var all sync.WaitGroup // one after the other would wait for ever
	all.Add(len(list))
	found, err := lookAt(t.Context(), list, func(_ context.Context, p *spec.Pipeline) (Running, error) {
		all.Done()
		all.Wait()
		r := Running{ID: p.ID}
		if p.Model != "m1" {
			r.Executions = make([]executions.Execution, 1)
		}
		return r, nil
	})
	require.NoError(t, err)
	var names []string
	for _, r := range found {
		names = append(names, r.ID.Model)
	}
	require.Equal(t, []string{"m0", "m2", "m3"}, names)
	_, err = lookAt(t.Context(), list, func(context.Context, *spec.Pipeline) (Running, error) {
		return Running{}, fault.New(fault.Denied, "no")
	})
	require.ErrorIs(t, err, fault.Denied)
}

func TestWhatIsOnlyUsefulEndsWithTheFirstSignal(t *testing.T) {
	t.Parallel()
	o := newOperation(1)
	ctx, done := o.whileLive(t.Context())
	defer done()
	require.NoError(t, ctx.Err())
	o.Cancel()
	<-ctx.Done()
}

func TestWhoWaitsKeepsNoSlot(t *testing.T) {
	t.Parallel()
	o := newOperation(2)
	o.slots = make(chan struct{}, 1)
	o.slots <- struct{}{} // ours
	waits, over, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- o.lend(func() error { close(waits); <-over; return nil })
	}()
	<-waits
	o.slots <- struct{}{} // another begins
	close(over)
	select {
	case <-ended:
		t.Fatal("two pipelines have the one slot")
	default:
	}
	<-o.slots // and ends
	require.NoError(t, <-ended)
	require.Len(t, o.slots, 1)
}

func TestSpecsReadTheGivenEnvironment(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, map[string]string{"TOKEN_OF_THIS_TEST": "s3cret"}, nil)
	got, ok := a.SpecOptions(nil).Environ("TOKEN_OF_THIS_TEST")
	require.True(t, ok)
	require.Equal(t, "s3cret", got)
}
