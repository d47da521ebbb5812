package app

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// trialRig is an update of an endpoint and of an alias, from revision 3 to revision 4.
type trialRig struct {
	*proving
	*rig
	said []stack.Diagnostic
	back []string
}

func newTrialRig(t *testing.T) *trialRig {
	t.Helper()
	o := newOperation(1)
	t.Cleanup(o.halt)
	id := spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}
	o.numbered.set(id, 4)
	x := &trialRig{rig: newRig(spec.AliasStep{Percent: 20, Wait: 10 * time.Minute})}
	x.rig.Shift.Of, x.rig.Shift.URN = program.ShiftFunction, "function"
	x.proving = &proving{
		app: newTestApp(t, nil, nil), o: o, p: &spec.Pipeline{ID: id}, ledger: &revisions.Ledger{Current: 3},
		jobBack: func(_ context.Context, to, from int, why string) (*stack.Job, error) {
			require.Equal(t, []int{3, 4}, []int{to, from})
			x.back = append(x.back, why)
			return &stack.Job{}, nil
		},
		aliasOf: func(context.Context, program.Shift) (shared, error) { return x.at, nil },
	}
	o.efforts.begin(id)
	o.shifts.hear(id, audience{})
	x.proving.begin()
	return x
}

// move moves the alias as the hook of its resource does.
func (x *trialRig) move(ctx context.Context) error {
	return x.o.efforts.bound(x.p.ID, func(ctx context.Context, _ program.Shift) error {
		err := x.run(ctx)
		if turned := (*turnedBackError)(nil); errors.As(err, &turned) {
			x.o.shifts.turn(x.p.ID, turned.err)
		}
		return err
	})(ctx, x.rig.Shift)
}

func (x *trialRig) resource(kind stack.EventType, of string, urn string) {
	path := map[string]string{kinds.Endpoint: "endpointConfigName", kinds.FunctionAlias: "functionVersion"}[of]
	x.see(context.Background(), stack.Event{Type: kind, Resource: &stack.Step{URN: urn, Type: of, Op: stack.OpUpdate, Diff: []stack.PropertyDiff{{Path: path}}}})
}

func (x *trialRig) verdict(ctx context.Context, err error, rolled bool) (error, bool) {
	return x.judge(ctx, stack.Result{}, err, rolled, func(d stack.Diagnostic) { x.said = append(x.said, d) })
}

var errRefused = fault.New(fault.Deployment, "the endpoint was turned back by its alarm")

// An endpoint that fails takes the function's alias back that has moved over before.
func TestEndpointTakesTheAliasBack(t *testing.T) {
	t.Parallel()
	for name, rolled := range map[string]bool{"turned back, or refused": true, "broken": false} {
		x := newTrialRig(t)
		require.NoError(t, x.move(t.Context()))
		x.resource(stack.EventResourceOutputs, kinds.FunctionAlias, "function")
		x.resource(stack.EventResourceFailed, kinds.Endpoint, "endpoint")
		verdict, again := x.verdict(t.Context(), errRefused, rolled)
		require.True(t, again, name)
		require.ErrorContains(t, verdict, "turned back to revision 3: the endpoint was turned back by its alarm", name)
		require.Equal(t, fault.Deployment, fault.KindOf(verdict), name)
		require.Equal(t, []string{"the update of the endpoint has failed"}, x.back, name)
		require.False(t, x.turned, name+": not before it is as before")
		job, _ := x.wayBack()
		require.NotNil(t, job, name)

		x.proving.to = &spec.Pipeline{}
		verdict, again = x.verdict(t.Context(), nil, false) // the way back has come to its end
		require.False(t, again, name)
		require.True(t, x.turned, name)
		require.ErrorContains(t, verdict, "turned back to revision 3", name)
	}

	// A rollback is not taken back, and does not say that it was.
	x := newTrialRig(t)
	x.chosen = true
	require.NoError(t, x.move(t.Context()))
	x.resource(stack.EventResourceOutputs, kinds.FunctionAlias, "function")
	x.resource(stack.EventResourceFailed, kinds.Endpoint, "endpoint")
	verdict, again := x.verdict(t.Context(), errRefused, true)
	require.False(t, again)
	require.ErrorContains(t, verdict, "what else the rollback has changed stays")
	require.False(t, x.turned)
}

// An alias that still moves when the endpoint fails goes back at once, and one that was to
// follow does not begin.
func TestEndpointStopsTheAlias(t *testing.T) {
	t.Parallel()
	x := newTrialRig(t)
	stopped := make(chan struct{})
	looks := 0
	look := x.rig.shifting.alarms
	x.rig.shifting.alarms = func(ctx context.Context, names []string) ([]stack.RolloutAlarm, error) {
		if looks++; looks == 3 {
			x.resource(stack.EventResourceFailed, kinds.Endpoint, "endpoint")
			<-ctx.Done()
			close(stopped)
			return nil, ctx.Err()
		}
		return look(ctx, names)
	}
	err := x.move(t.Context())
	<-stopped
	require.ErrorContains(t, err, "turned back to version 6: something else of the update has failed")
	require.Equal(t, six, x.at.live)
	require.Equal(t, [][]executions.Route{split(20), six}, x.at.led)
	require.ErrorContains(t, x.move(t.Context()), "does not move over: something else of the update has failed")
	require.Len(t, x.at.led, 2)

	x.resource(stack.EventResourceFailed, kinds.FunctionAlias, "function")
	verdict, again := x.verdict(t.Context(), errRefused, true)
	require.False(t, again)
	require.EqualError(t, verdict, errRefused.Error(), "the endpoint's error stands, and all is as before")
	require.Contains(t, fault.HintOf(verdict), "What served before serves on")
	require.True(t, x.turned)
	require.Empty(t, x.back)
}

// Autoscaling lets go of an endpoint that gets other machines: if that is turned back, the
// revision before comes back, since what served before was scaled.
func TestAutoscalingComesBack(t *testing.T) {
	t.Parallel()
	letGo := stack.Event{Type: stack.EventResourceOutputs, Resource: &stack.Step{Type: kinds.ScalingTarget, Op: stack.OpDeleteReplaced}}
	for name, atOnce := range map[string]bool{"bit by bit": false, "at once": true} {
		x := newTrialRig(t)
		x.atOnce = atOnce
		x.see(t.Context(), letGo)
		x.resource(stack.EventResourceFailed, kinds.Endpoint, "endpoint")
		verdict, again := x.verdict(t.Context(), errRefused, true)
		require.True(t, again, name)
		require.ErrorContains(t, verdict, "turned back to revision 3: the endpoint was turned back by its alarm", name)
		require.Equal(t, []string{"the update of the endpoint has failed"}, x.back, name)

		// one that is not as before is left, and it is said what that means
		x = newTrialRig(t)
		x.atOnce = atOnce
		x.see(t.Context(), letGo)
		x.resource(stack.EventResourceFailed, kinds.Endpoint, "endpoint")
		_, again = x.verdict(t.Context(), errRefused, false)
		require.False(t, again, name)
		require.Contains(t, x.said[0].Message, "autoscaling had let go of the endpoint", name)

		// one that it has taken hold of again fails for something else
		x = newTrialRig(t)
		x.atOnce = atOnce
		x.see(t.Context(), letGo)
		x.see(t.Context(), stack.Event{Type: stack.EventResourceOutputs, Resource: &stack.Step{Type: kinds.ScalingTarget, Op: stack.OpCreateReplacement}})
		_, again = x.verdict(t.Context(), errRefused, false)
		require.False(t, again, name)
		require.Empty(t, x.said, name)
	}
}

// Of a way back that fails too it is said that autoscaling is off, and what puts it back.
func TestAWayBackThatFailsTellsOfAutoscaling(t *testing.T) {
	t.Parallel()
	scaling := func(op stack.Op) stack.Event {
		return stack.Event{Type: stack.EventResourceOutputs, Resource: &stack.Step{Type: kinds.ScalingTarget, Op: op}}
	}
	for name, hold := range map[string]bool{"off": false, "on again": true} {
		x := newTrialRig(t)
		x.see(t.Context(), scaling(stack.OpDeleteReplaced))
		x.resource(stack.EventResourceFailed, kinds.Endpoint, "endpoint")
		_, again := x.verdict(t.Context(), errRefused, true)
		require.True(t, again, name)

		x.begin() // the way back
		if hold {
			x.see(t.Context(), scaling(stack.OpCreateReplacement))
		}
		verdict, again := x.verdict(t.Context(), fault.New(fault.Deployment, "no room").WithHint("Make room."), false)
		require.False(t, again, name)
		require.ErrorContains(t, verdict, "Turning back failed too: no room", name)
		if hold {
			require.NotContains(t, verdict.Error(), "utoscaling", name)
			require.Equal(t, "Make room.", fault.HintOf(verdict), name)
			continue
		}
		require.ErrorContains(t, verdict, "Autoscaling had let go of the endpoint for its new machines, and is off", name)
		require.Contains(t, fault.HintOf(verdict), "Make room. Autoscaling is put back by what comes to its end: `pipelinetui rollback acme/iris`, or `pipelinetui up acme/iris`.", name)
	}
}

// An engine that was killed has failed, whatever goes back because of it: nobody has cancelled.
func TestAKilledEngineIsAFailure(t *testing.T) {
	t.Parallel()
	killed := fault.New(fault.Deployment, "the engine was killed from outside").Because(stack.ErrEngineGone).WithHint("Run the same command again.")
	for name, moved := range map[string]bool{"nothing else had moved": false, "the function had": true} {
		x := newTrialRig(t)
		if x.halted = x.o.isHalted; moved {
			x.resource(stack.EventResourceOutputs, kinds.FunctionAlias, "other")
		}
		ctx, engine := context.WithCancel(t.Context())
		x.rig.tell = func(stack.Rollout) { engine() }
		require.Error(t, x.move(ctx))
		require.Equal(t, six, x.at.live, name)
		verdict, again := x.verdict(t.Context(), killed, false)
		require.False(t, again, name)
		require.Equal(t, fault.Deployment, fault.KindOf(verdict), name)
		require.ErrorContains(t, verdict, "the engine was killed from outside", name)
		require.ErrorContains(t, verdict, "turned back to version 6", name)
		require.Equal(t, "Run the same command again.", fault.HintOf(verdict), name)
		require.Equal(t, !moved, x.turned, name)
		require.Empty(t, x.back, name)
	}
}

// An alias that was turned back does not hide that the endpoint is broken.
func TestTurnedBackIsWhatIsAsBefore(t *testing.T) {
	t.Parallel()
	for rolled, turned := range map[bool]bool{true: true, false: false} {
		x := newTrialRig(t)
		x.ring = func(at []executions.Route, _ time.Duration) bool { return len(at) == 2 }
		require.Error(t, x.move(t.Context()))
		x.resource(stack.EventResourceFailed, kinds.FunctionAlias, "function")
		x.see(t.Context(), stack.Event{Type: stack.EventDiagnostic, Diagnostic: &stack.Diagnostic{
			URN: "urn:pulumi:s::p::" + kinds.Endpoint + "::endpoint", Severity: stack.SeverityError, Message: "no instances",
		}})
		x.resource(stack.EventResourceFailed, kinds.Endpoint, "endpoint")
		verdict, again := x.verdict(t.Context(), errors.New("hook failed"), rolled)
		require.False(t, again)
		require.ErrorContains(t, verdict, "a-failed is in ALARM")
		require.ErrorContains(t, verdict, "The update of the endpoint has failed too: no instances")
		require.Equal(t, turned, x.turned)
	}
	x := newTrialRig(t)
	x.ring = func(at []executions.Route, _ time.Duration) bool { return len(at) == 2 }
	require.Error(t, x.move(t.Context()))
	x.resource(stack.EventResourceFailed, kinds.FunctionAlias, "function")
	verdict, _ := x.verdict(t.Context(), errors.New("hook failed"), false)
	require.ErrorContains(t, verdict, "a-failed is in ALARM")
	require.True(t, x.turned, "nothing else was touched")
}

// When the provider's own call fails behind the last step, the alias goes back all the same;
// and if it can't, that is said.
func TestAliasWhoseLastCallFails(t *testing.T) {
	t.Parallel()
	x := newTrialRig(t)
	require.NoError(t, x.move(t.Context()))
	require.Equal(t, split(20), x.at.live)
	x.resource(stack.EventResourceFailed, kinds.FunctionAlias, "function")
	verdict, again := x.verdict(t.Context(), errors.New("ExpiredToken"), false)
	require.NoError(t, verdict, "its own error stands")
	require.False(t, again)
	require.Equal(t, six, x.at.live)
	require.Len(t, x.said, 1)
	require.Contains(t, x.said[0].Message, "led back to version 6")

	x = newTrialRig(t)
	require.NoError(t, x.move(t.Context()))
	x.aliasOf = func(context.Context, program.Shift) (shared, error) { return nil, errors.New("no network") }
	x.resource(stack.EventResourceFailed, kinds.FunctionAlias, "function")
	verdict, _ = x.verdict(t.Context(), errors.New("ExpiredToken"), true)
	require.ErrorContains(t, verdict, "ExpiredToken. And live of the function is not as before: no network")
	require.False(t, x.turned)

	x = newTrialRig(t)
	require.NoError(t, x.move(t.Context()))
	theirs := []executions.Route{{Version: "m:3", Weight: 100}}
	x.at.live = theirs
	x.resource(stack.EventResourceFailed, kinds.FunctionAlias, "function")
	verdict, _ = x.verdict(t.Context(), errors.New("ExpiredToken"), false)
	require.ErrorContains(t, verdict, "it leads to version 3 with 100%")
	require.Equal(t, theirs, x.at.live, "what somebody else has chosen stays")
}
