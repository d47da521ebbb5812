package app

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// hurried is a clock on which nobody waits: what is waited for has passed.
type hurried struct{ now time.Time }

func (h *hurried) Now() time.Time { return h.now }

func (h *hurried) NewTimer(d time.Duration) clock.Timer {
	h.now = h.now.Add(d)
	c := make(chan time.Time, 1)
	c <- h.now
	return passed(c)
}

type passed chan time.Time

func (p passed) C() <-chan time.Time { return p }
func (passed) Stop() bool            { return false }

// sharedAlias is an alias, and where it has led to.
type sharedAlias struct {
	live  []executions.Route
	led   [][]executions.Route
	refus error
	fails int // calls that lead it fail so often, once it is shared
}

func (s *sharedAlias) Routes(context.Context) ([]executions.Route, error) { return s.live, nil }

func (s *sharedAlias) Lead(_ context.Context, routes ...executions.Route) error {
	if s.refus != nil && len(routes) > 1 {
		return s.refus
	}
	if len(s.led) > 0 && s.fails > 0 {
		s.fails--
		return errNobody
	}
	s.live, s.led = routes, append(s.led, routes)
	return nil
}

var errNobody = fault.New(fault.Internal, "nobody answers")

// rig is an alias that moves from version 6 to version 7.
type rig struct {
	*shifting
	at    *sharedAlias
	clock *hurried
	began time.Time
	told  []stack.Rollout
	ring  func(at []executions.Route, after time.Duration) bool
	blind func(after time.Duration) error // nil: whoever is asked for the alarms answers
}

func newRig(steps ...spec.AliasStep) *rig {
	began := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	r := &rig{at: &sharedAlias{live: []executions.Route{{Version: "m:6", Weight: 100}}}, clock: &hurried{began}, began: began}
	r.ring = func([]executions.Route, time.Duration) bool { return false }
	r.shifting = &shifting{
		Shift: program.Shift{Of: program.ShiftMachine, URN: "urn", Alias: "m:live", From: "m:6", To: "m:7", Steps: steps, Alarms: []string{"a-failed", "theirs"}},
		alias: r.at, clock: r.clock, haste: 1, poll: func() time.Duration { return 5 * time.Second },
		tell: func(x stack.Rollout) { r.told = append(r.told, x) },
		alarms: func(context.Context, []string) ([]stack.RolloutAlarm, error) {
			if r.blind != nil {
				if err := r.blind(r.clock.now.Sub(r.began)); err != nil {
					return nil, err
				}
			}
			state := "OK"
			if r.ring(r.at.live, r.clock.now.Sub(r.began)) {
				state = "ALARM"
			}
			return []stack.RolloutAlarm{{Name: "a-failed", State: state}, {Name: "theirs", State: "INSUFFICIENT_DATA"}}, nil
		},
	}
	return r
}

func split(to int) []executions.Route {
	return []executions.Route{{Version: "m:6", Weight: 100 - to}, {Version: "m:7", Weight: to}}
}

var (
	six   = []executions.Route{{Version: "m:6", Weight: 100}}
	seven = []executions.Route{{Version: "m:7", Weight: 100}}
)

// An alias takes the steps of its rollout, and waits behind each for as long as that says.
func TestAliasMovesBitByBit(t *testing.T) {
	t.Parallel()
	r := newRig(spec.AliasStep{Percent: 40, Wait: 10 * time.Minute}, spec.AliasStep{Percent: 80, Wait: 10 * time.Minute}, spec.AliasStep{Percent: 100, Wait: time.Minute})
	require.NoError(t, r.run(t.Context()))
	require.Equal(t, [][]executions.Route{split(40), split(80), seven}, r.at.led)
	require.Equal(t, 21*time.Minute, r.clock.now.Sub(r.began))
	first := r.told[0]
	require.Equal(t, &stack.AliasRollout{ARN: "m:live", Of: "state machine", From: "6", To: "7", Percent: 40}, first.Alias)
	require.Equal(t, r.began.Add(10*time.Minute), first.Next)
	require.Equal(t, []stack.RolloutAlarm{{Name: "a-failed", State: "OK"}, {Name: "theirs", State: "INSUFFICIENT_DATA"}}, first.Alarms)

	r = newRig(spec.AliasStep{Percent: 10, Wait: 10 * time.Minute})
	r.haste = 60
	require.NoError(t, r.run(t.Context()))
	require.Equal(t, 10*time.Second, r.clock.now.Sub(r.began))
}

// Whatever ends a rollout early, all calls are with the old version then.
func TestAliasIsTurnedBack(t *testing.T) {
	t.Parallel()
	step := spec.AliasStep{Percent: 20, Wait: 10 * time.Minute}
	for name, c := range map[string]struct {
		arrange func(*rig, context.CancelCauseFunc)
		want    [][]executions.Route
		kind    fault.Kind
		says    string
	}{
		"an alarm": {
			func(r *rig, _ context.CancelCauseFunc) {
				r.ring = func(at []executions.Route, after time.Duration) bool { return len(at) == 2 && after > time.Minute }
			}, [][]executions.Route{split(20), six}, fault.Deployment, "turned back to version 6: a-failed is in ALARM",
		},
		"an alarm from before": {
			func(r *rig, _ context.CancelCauseFunc) {
				r.ring = func([]executions.Route, time.Duration) bool { return true }
			}, nil, fault.Deployment, "in ALARM before the rollout has begun",
		},
		"by hand": {
			func(r *rig, stop context.CancelCauseFunc) {
				r.tell = func(stack.Rollout) { stop(errByHand) }
			}, [][]executions.Route{split(20), six}, fault.Deployment, "by hand",
		},
		"the operation is cancelled": {
			func(r *rig, stop context.CancelCauseFunc) {
				tell := r.tell
				r.tell = func(x stack.Rollout) { stop(nil); tell(x) }
			}, [][]executions.Route{split(20), six}, fault.Canceled, "interrupted",
		},
		"the engine is killed": {
			func(r *rig, stop context.CancelCauseFunc) {
				r.halted = func() bool { return false }
				r.tell = func(stack.Rollout) { stop(nil) }
			}, [][]executions.Route{split(20), six}, fault.Deployment, "the engine that waited for it is gone",
		},
		"nobody tells of the alarms": {
			func(r *rig, _ context.CancelCauseFunc) {
				r.blind = func(after time.Duration) error {
					if after > 2*time.Minute {
						return errNobody
					}
					return nil
				}
			}, [][]executions.Route{split(20), six}, fault.Deployment, "alarms can't be looked at: nobody answers",
		},
		"the way back goes at the third try": {
			func(r *rig, stop context.CancelCauseFunc) {
				r.at.fails = 2
				r.tell = func(stack.Rollout) { stop(errByHand) }
			}, [][]executions.Route{split(20), six}, fault.Deployment, "by hand",
		},
	} {
		r := newRig(step)
		ctx, stop := context.WithCancelCause(t.Context())
		c.arrange(r, stop)
		err := r.run(ctx)
		var turned *turnedBackError
		require.ErrorAs(t, err, &turned, name)
		require.Equal(t, c.kind, fault.KindOf(err), name)
		require.ErrorContains(t, err, c.says, name)
		require.Equal(t, c.want, r.at.led, name)
		require.Equal(t, six, r.at.live, name)
		for _, told := range r.told {
			require.NotContains(t, told.Message, "context canceled", name)
		}
		stop(nil)
	}
}

// An alias that a killed update has left with two versions is taken from there: to its end,
// or back by whatever comes next.
func TestAliasGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	steps := []spec.AliasStep{{Percent: 25, Wait: time.Minute}, {Percent: 50, Wait: time.Minute}, {Percent: 75, Wait: time.Minute}}
	r := newRig(steps...)
	r.at.live = split(50)
	require.NoError(t, r.run(t.Context()))
	require.Equal(t, [][]executions.Route{split(75)}, r.at.led, "50% is not begun anew, but watched once more")
	require.Equal(t, 2*time.Minute, r.clock.now.Sub(r.began))

	r = newRig(steps...)
	r.at.live = split(75)
	r.blind = func(time.Duration) error { return errNobody }
	require.ErrorContains(t, r.run(t.Context()), "alarms can't be looked at: nobody answers")
	require.Equal(t, six, r.at.live)

	r = newRig(steps...)
	r.at.live = split(75)
	r.ring = func([]executions.Route, time.Duration) bool { return true }
	require.ErrorContains(t, r.run(t.Context()), "turned back to version 6")
	require.Equal(t, six, r.at.live)

	// The next update, or a rollback, leads to another version still: from the good one.
	r = newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
	r.at.live, r.To = split(75), "m:8"
	require.NoError(t, r.run(t.Context()))
	require.Equal(t, [][]executions.Route{{{Version: "m:6", Weight: 90}, {Version: "m:8", Weight: 10}}}, r.at.led)

	r = newRig(steps...)
	r.at.live = seven // cut off behind the last step
	require.NoError(t, r.run(t.Context()))
	require.Empty(t, r.at.led)
}

// What only names another revision is not tried on a part of the executions.
func TestNothingNewMovesAtOnce(t *testing.T) {
	t.Parallel()
	for alike, want := range map[bool]int{true: 0, false: 1} {
		r := newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
		r.definition = func(_ context.Context, version string) (string, error) { return "of " + version, nil }
		r.Alike = func(text string) bool { return alike && text == "of m:6" }
		require.NoError(t, r.run(t.Context()))
		require.Len(t, r.at.led, want)
	}
	r := newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
	r.definition = func(context.Context, string) (string, error) { return "", errors.New("no right to the key") }
	r.Alike = func(string) bool { return true }
	require.NoError(t, r.run(t.Context()))
	require.Len(t, r.at.led, 1, "what is not known is tried")
}

// Versions of a function that can't share calls follow each other at once, and it is said;
// and nobody goes on with an alias that somebody else moves.
func TestAliasThatCannotBeShared(t *testing.T) {
	t.Parallel()
	apart := func(why string, err error) func(context.Context, string, string) (string, error) {
		return func(_ context.Context, a, b string) (string, error) {
			require.Equal(t, []string{"m:6", "m:7"}, []string{a, b})
			return why, err
		}
	}
	r := newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
	r.at.refus = &smithy.GenericAPIError{Code: "InvalidParameterValueException", Message: "no"}
	r.apartBy = apart("not the same role", nil)
	require.NoError(t, r.run(t.Context()))
	require.Empty(t, r.at.led)
	require.Equal(t, "AllAtOnce", r.told[0].Phase)
	require.Contains(t, r.told[0].Message, "not the same role")

	// Of several steps none is left but what is waited behind all of it, and that is true.
	for _, bake := range []bool{false, true} {
		steps := []spec.AliasStep{{Percent: 25, Wait: time.Minute}, {Percent: 50, Wait: time.Minute}, {Percent: 75, Wait: time.Minute}}
		var want [][]executions.Route
		if bake {
			steps, want = append(steps, spec.AliasStep{Percent: 100, Wait: time.Minute}), [][]executions.Route{seven}
		}
		r := newRig(steps...)
		r.at.refus = &smithy.GenericAPIError{Code: "InvalidParameterValueException", Message: "no"}
		r.apartBy = apart("not the same role", nil)
		require.NoError(t, r.run(t.Context()))
		require.Equal(t, want, r.at.led)
		require.Equal(t, time.Duration(len(want))*time.Minute, r.clock.now.Sub(r.began))
	}

	// Any other refusal is none of that: nothing moves, and the steps are not left out.
	for name, c := range map[string]struct {
		code string
		of   func(context.Context, string, string) (string, error)
	}{
		"the versions are alike":           {"InvalidParameterValueException", apart("", nil)},
		"nobody may look at them":          {"InvalidParameterValueException", apart("", errNobody)},
		"another code":                     {"ResourceConflictException", apart("not the same role", nil)},
		"versions of a machine always can": {"InvalidParameterValueException", nil},
	} {
		r := newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
		r.at.refus, r.apartBy = &smithy.GenericAPIError{Code: c.code, Message: "something else"}, c.of
		err := r.run(t.Context())
		var turned *turnedBackError
		require.ErrorAs(t, err, &turned, name)
		require.ErrorContains(t, err, "something else", name)
		require.Equal(t, six, r.at.live, name)
	}

	r = newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
	r.tell = func(stack.Rollout) { r.at.live = []executions.Route{{Version: "m:3", Weight: 100}} }
	err := r.run(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.ErrorContains(t, err, "version 3 with 100%")
	require.False(t, slices.ContainsFunc(r.at.led, func(x []executions.Route) bool { return len(x) == 1 }))
}

// A network that is gone for a while ends no rollout, and it is said that nobody looks.
func TestRolloutOutlivesABadMinute(t *testing.T) {
	t.Parallel()
	r := newRig(spec.AliasStep{Percent: 20, Wait: 10 * time.Minute})
	r.blind = func(after time.Duration) error {
		if after > 2*time.Minute && after < 2*time.Minute+50*time.Second {
			return errNobody
		}
		return nil
	}
	require.NoError(t, r.run(t.Context()))
	require.Equal(t, [][]executions.Route{split(20)}, r.at.led)
	require.True(t, slices.ContainsFunc(r.told, func(x stack.Rollout) bool { return strings.Contains(x.Message, "trying again: nobody answers") }))

	// What won't be otherwise in a minute is not waited for.
	r = newRig(spec.AliasStep{Percent: 20, Wait: 10 * time.Minute})
	r.blind = func(after time.Duration) error {
		if after > time.Minute {
			return fault.New(fault.Denied, "no right")
		}
		return nil
	}
	require.ErrorContains(t, r.run(t.Context()), "no right")
	require.Equal(t, six, r.at.live)
	require.Less(t, r.clock.now.Sub(r.began), 2*time.Minute)
}

// A way back that can't be taken is given up in the end, and said.
func TestAliasCannotBeTurnedBack(t *testing.T) {
	t.Parallel()
	r := newRig(spec.AliasStep{Percent: 20, Wait: 10 * time.Minute})
	r.at.fails = 1000
	r.ring = func(at []executions.Route, _ time.Duration) bool { return len(at) == 2 }
	err := r.run(t.Context())
	require.ErrorContains(t, err, "could not be turned back (a-failed is in ALARM): nobody answers")
	var turned *turnedBackError
	require.NotErrorAs(t, err, &turned)
	require.Equal(t, split(20), r.at.live)
	require.Equal(t, backWait, r.clock.now.Sub(r.began))
}

// What somebody else has chosen while a rollout goes on is not written over, whatever ends it.
func TestWayBackSparesWhatSomebodyElseChose(t *testing.T) {
	t.Parallel()
	theirs := []executions.Route{{Version: "m:3", Weight: 100}}
	r := newRig(spec.AliasStep{Percent: 20, Wait: 10 * time.Minute})
	r.ring = func(at []executions.Route, after time.Duration) bool {
		if after > time.Minute {
			r.at.live = theirs
		}
		return after > time.Minute
	}
	err := r.run(t.Context())
	require.Equal(t, fault.Conflict, fault.KindOf(err))
	require.ErrorContains(t, err, "version 3 with 100%. It was to be turned back (a-failed is in ALARM), and stays as they have it")
	require.Equal(t, theirs, r.at.live)
}

// A rollback is not refused, nor turned back, because of what it leads away from.
func TestRollbackDoesNotWaitWhereItRings(t *testing.T) {
	t.Parallel()
	for _, live := range [][]executions.Route{six, split(25)} {
		r := newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
		r.at.live, r.fleeing = live, true
		r.ring = func([]executions.Route, time.Duration) bool { return true }
		require.NoError(t, r.run(t.Context()))
		require.Empty(t, r.at.led, "the provider leads it")
		require.Equal(t, "AllAtOnce", r.told[0].Phase)
		require.Contains(t, r.told[0].Message, "a-failed is in ALARM")
	}
	r := newRig(spec.AliasStep{Percent: 10, Wait: time.Minute})
	r.fleeing = true
	require.NoError(t, r.run(t.Context()))
	require.Len(t, r.at.led, 1, "where nothing rings it goes as others do")
}

// Many aliases share what an account gives.
func TestPaceOfLooks(t *testing.T) {
	t.Parallel()
	var m moving
	require.Equal(t, 5*time.Second, m.pace(5*time.Second))
	for i := range 40 {
		defer m.add(spec.ID{Tenant: "acme", Model: strconv.Itoa(i / 2), Env: "prod"}, func(error) {})()
	}
	require.Equal(t, 20*time.Second, m.pace(5*time.Second))
}

// --fail-fast begins nothing more, and ends nothing that has begun: what is on its way goes
// on, and what of it is turned back is turned back whole.
func TestFailFastLeavesAloneWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	o := newOperation(2)
	defer o.halt()
	ctx, done := o.whileLive(t.Context())
	defer done()
	o.noMore()
	require.Error(t, o.begins.Err())
	require.NoError(t, ctx.Err())
	require.False(t, o.isHalted())
	verdict, _ := (&proving{o: o, p: &spec.Pipeline{}, moved: true, ledger: &revisions.Ledger{}}).halfway(t.Context(), fault.New(fault.Deployment, "an alarm"), "an alarm")
	require.ErrorContains(t, verdict, "no revision before it")

	o.Cancel()
	<-ctx.Done()
	other := newOperation(1)
	other.Cancel()
	require.Error(t, other.begins.Err())
}

// What an update comes to of which an alias was turned back.
func TestHalfway(t *testing.T) {
	t.Parallel()
	why := fault.New(fault.Deployment, "it was turned back").WithHint("mend it")
	for name, c := range map[string]struct {
		moved, chosen bool
		says          string
		turned        bool
	}{
		"nothing else had moved":       {false, false, "it was turned back", true},
		"a rollback":                   {true, true, "what else the rollback has changed stays", false},
		"the first revision":           {true, false, "there is no revision before it", false},
		"a rollback, and nothing else": {false, true, "it was turned back", true},
	} {
		p := &proving{o: newOperation(1), p: &spec.Pipeline{}, moved: c.moved, chosen: c.chosen, ledger: &revisions.Ledger{}}
		p.o.shifts.hear(p.p.ID, audience{})
		p.o.shifts.turn(p.p.ID, why)
		verdict, back := p.undo(t.Context(), errors.New("the hook's"), false, nil)
		require.False(t, back, name)
		require.ErrorContains(t, verdict, c.says, name)
		require.Equal(t, "mend it", fault.HintOf(verdict), name)
		require.Equal(t, c.turned, p.turned, name)
		p.o.halt()
	}
}
