package deploy_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
)

const endpointURN = "urn:pulumi:a::p::aws-native:sagemaker:Endpoint::endpoint"

// moving is an up whose endpoint moves over until the test ends; say tells of it.
func moving(t *testing.T, s *datatest.Source) (say func(stack.Event), end func()) {
	t.Helper()
	o := &played{updates: make(chan pipelines.Update, 16), results: []pipelines.Outcome{{ID: datatest.Iris}}}
	s.OperateFunc = func(_ context.Context, req pipelines.Request) (pipelines.Operation, error) {
		if req.Operation == stack.OperationUp {
			return o, nil
		}
		events, err := datatest.Events(datatest.PreviewReplace, "acme/iris", datatest.Iris)
		if err != nil {
			return nil, err
		}
		changes := map[stack.Op]int{stack.OpUpdate: 1}
		return play(events, pipelines.Outcome{ID: datatest.Iris, Result: stack.Result{Basis: "1", Changes: changes}}), nil
	}
	seq := 0
	return func(e stack.Event) {
		seq++
		e.Seq, e.Time, e.Stack = seq, datatest.Recorded, datatest.Iris.StackName()
		o.updates <- pipelines.Update{ID: datatest.Iris, Event: e}
	}, func() { close(o.updates) }
}

func step(kind stack.EventType) stack.Event {
	return stack.Event{Type: kind, Resource: &stack.Step{URN: endpointURN, Type: "aws-native:sagemaker:Endpoint", Name: "endpoint", Op: stack.OpUpdate, ID: "e"}}
}

func rolling(phase string, at int, alarm string) stack.Event {
	return stack.Event{Type: stack.EventRollout, Rollout: &stack.Rollout{
		URN: endpointURN, Endpoint: "e", Phase: phase, Old: 7, New: at, Wanted: 7, Next: datatest.Recorded.Add(4 * time.Minute),
		Alarms: []stack.RolloutAlarm{{Name: datatest.Iris.BaseName() + "-5xx", State: alarm}, {Name: "checkout-errors", State: "INSUFFICIENT_DATA"}},
		Brake:  datatest.Iris.BaseName() + "-5xx",
	}}
}

// A rollout is shown as it happens, and can be turned back while it goes on; ctrl+c says
// what leaving means.
func TestARolloutIsShownAndTurnedBack(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	var mu sync.Mutex
	var turned []string
	s.TurnBackFunc = func(p *spec.Pipeline, endpoint string) error {
		mu.Lock()
		defer mu.Unlock()
		turned = append(turned, p.ID.String()+" "+endpoint)
		if len(turned) > 2 {
			return fault.New(fault.Conflict, "it is being turned back already")
		}
		return nil
	}
	say, end := moving(t, s)
	x := open(t, s, stack.OperationUp, [2]int{120, 40}, datatest.Iris)
	t.Cleanup(end) // before the session's own end
	x.Until("yes")
	x.Press("y")
	x.Until("This takes something away")
	x.Advance(time.Second) // a grave question takes no key at once
	x.Press("y")
	say(stack.Event{Type: stack.EventPrelude})
	say(step(stack.EventResourcePre))
	say(rolling("Baking", 1, "OK"))
	x.Until("new 1 of 7 · old 7 · Baking · next step in 3m59s")
	x.Until("turned back by ✔ 5xx  ○ checkout-errors")
	few := rolling("Baking", 7, "OK")
	few.Rollout.Percent = 20
	say(few)
	x.Until("new 7 of 7 takes 20% · old 7 · Baking")
	say(rolling("Baking", 1, "OK"))
	alias := stack.Event{Type: stack.EventRollout, Rollout: &stack.Rollout{URN: "alias", Phase: "Baking", Alias: &stack.AliasRollout{Of: "function", From: "6", To: "7", Percent: 20}}}
	say(alias)
	x.Until("function version 7 20% · version 6 80%")
	x.Until("new 1 of 7 · old 7")
	x.Press("ctrl+c")
	x.Until("SageMaker goes on with it")
	x.Until("version of the function")
	x.Until("turn the rollout back")
	x.Until("leave the rollout going")
	x.Advance(time.Second)
	x.Press("k", "b")
	x.Until("AWS has no call for that")
	x.Until("version of the function")
	x.Advance(time.Second) // a grave question takes no key at once
	x.Press("y")
	x.Until("SageMaker takes the new fleet back")
	mu.Lock()
	require.Equal(t, []string{"acme/iris e", "acme/iris "}, turned)
	mu.Unlock()
	say(rolling("Baking", 1, "ALARM"))
	x.Until("✘ 5xx")
	gone := step(stack.EventResourceFailed)
	gone.Resource = &stack.Step{URN: "alias", Type: "aws:lambda/alias:Alias", Name: "alias", Op: stack.OpUpdate}
	say(gone)
	x.UntilGone("no alarm watches it")
	say(step(stack.EventResourceFailed))
	x.UntilGone("old 7")
	x.Press("b")
	require.NotContains(t, x.Screen(), "Turn the rollout", "it is over: the key is another's again")
}

// The question of ctrl+c has both ways: back, and on without anybody who waits.
func TestTheQuestionOfCtrlCTurnsARolloutBack(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	turned := make(chan string, 1)
	s.TurnBackFunc = func(p *spec.Pipeline, endpoint string) error {
		turned <- p.ID.String() + " " + endpoint
		return nil
	}
	say, end := moving(t, s)
	x := open(t, s, stack.OperationUp, [2]int{120, 40}, datatest.Iris)
	t.Cleanup(end)
	x.Until("yes")
	x.Press("y")
	x.Until("This takes something away")
	x.Advance(time.Second)
	x.Press("y")
	say(step(stack.EventResourcePre))
	say(rolling("Baking", 1, "OK"))
	x.Until("new 1 of 7")
	for _, key := range []string{"ctrl+c", "c"} { // on the way out, and of the operation
		x.Press(key)
		x.Until("turn the rollout back")
		x.Advance(time.Second)
		x.Press("b")
		require.Equal(t, "acme/iris e", <-turned)
		x.Until("SageMaker takes the new fleet back")
		x.Advance(time.Minute) // what it says is gone
		x.UntilGone("SageMaker takes the new fleet back")
	}
	back := rolling("Deleting", 0, "ALARM")
	back.Rollout.TurningBack = true
	say(back)
	x.Until("turning back")
	x.Press("c")
	x.Until("it is being turned back")
}

func TestARolloutFitsSmallScreens(t *testing.T) {
	t.Parallel()
	for _, opts := range []tuitest.Option{tuitest.ASCII(), tuitest.Color("light")} {
		s := datatest.New(t)
		say, end := moving(t, s)
		x := openWith(t, s, stack.OperationUp, [2]int{80, 24}, opts, datatest.Iris)
		t.Cleanup(end)
		x.Until("yes")
		x.Press("y")
		x.Until("This takes something away")
		x.Advance(time.Second)
		x.Press("y")
		say(step(stack.EventResourcePre))
		say(rolling("Baking", 3, "ALARM"))
		x.Until("new 3 of 7")
		x.Until("5xx")
	}
}
