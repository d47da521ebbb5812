package app

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
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

// machineRuns are the executions of a machine, on a clock of its own.
type machineRuns struct {
	runs    []executions.Execution
	looks   int
	starter func(m *machineRuns) // is called before each look
}

func (m *machineRuns) start(name string) {
	m.runs = append(m.runs, executions.Execution{ARN: name, Name: name, Start: time.Date(2026, 11, 30, 8, 0, m.looks, 0, time.UTC)})
}

func (m *machineRuns) List(context.Context, executions.ListInput) ([]executions.Execution, error) {
	m.looks++
	m.starter(m)
	return slices.Clone(m.runs), nil
}

func (m *machineRuns) Stop(_ context.Context, arn, _, _ string) error {
	m.runs = slices.DeleteFunc(m.runs, func(x executions.Execution) bool { return x.ARN == arn })
	return nil
}

// Who starts executions as fast as they are stopped is named, and not outrun for ever.
func TestStoppingEndsWhereSomebodyGoesOnStarting(t *testing.T) {
	t.Parallel()
	settle := func(starter func(*machineRuns)) error {
		m := &machineRuns{starter: starter}
		r := Running{ID: spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}, client: m}
		require.NoError(t, r.look(t.Context()))
		return r.settle(t.Context(), pipelines.RunningStop, "why", func(int) {}, func(context.Context) error { return nil })
	}
	for who, name := range map[string]string{"somebody": "ping-%d", "the batch nightly": "nightly-%06d"} {
		err := settle(func(m *machineRuns) { m.start(fmt.Sprintf(name, m.looks)) })
		require.Equal(t, fault.Conflict, fault.KindOf(err))
		require.ErrorContains(t, err, who+" goes on starting executions of acme/fraud")
		require.ErrorContains(t, err, "the newest is "+fmt.Sprintf(name, stopRounds+2))
		require.NotEmpty(t, fault.HintOf(err))
	}
	// One who starts one now and then is, and many that ran before are no matter of rounds.
	err := settle(func(m *machineRuns) {
		if m.looks < stopRounds {
			m.start(fmt.Sprint("now-and-then-", m.looks))
		}
	})
	require.NoError(t, err)
	early := time.Date(2026, 11, 30, 7, 0, 0, 0, time.UTC)
	err = settle(func(m *machineRuns) {
		if m.looks < 100 { // the list has a limit, and they come up one by one
			m.runs = append(m.runs, executions.Execution{ARN: fmt.Sprint(m.looks), Start: early.Add(-time.Duration(m.looks) * time.Second)})
		}
	})
	require.NoError(t, err)
}

// Waiting ends where each time that all have ended others run, and not for one that runs long.
func TestWaitingEndsWhereSomebodyGoesOnStarting(t *testing.T) {
	t.Parallel()
	settle := func(starter func(*machineRuns)) (*machineRuns, error) {
		m := &machineRuns{starter: starter}
		r := Running{ID: spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}, client: m}
		require.NoError(t, r.look(t.Context()))
		return m, r.settle(t.Context(), pipelines.RunningWait, "why", func(int) {}, func(context.Context) error { return nil })
	}
	_, err := settle(func(m *machineRuns) {
		m.runs = nil
		m.start(fmt.Sprintf("nightly-%06d", m.looks))
	})
	require.ErrorIs(t, err, fault.Conflict)
	require.ErrorContains(t, err, "the batch nightly goes on starting executions of acme/fraud as others end")
	m, err := settle(func(m *machineRuns) {
		switch {
		case m.looks == 1:
			m.start("long")
		case m.looks < 10*waitRounds: // others come and go beside it
			m.runs = m.runs[:1]
			m.start("short")
		default:
			m.runs = nil
		}
	})
	require.NoError(t, err)
	require.Equal(t, 10*waitRounds, m.looks)
}

func TestSpecsReadTheGivenEnvironment(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, map[string]string{"TOKEN_OF_THIS_TEST": "s3cret"}, nil)
	got, ok := a.SpecOptions(nil).Environ("TOKEN_OF_THIS_TEST")
	require.True(t, ok)
	require.Equal(t, "s3cret", got)
}
