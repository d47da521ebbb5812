package stack

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// blocked is an update that waits in the creation of the Thing "slow"; "later"
// depends on it.
func blocked(p *testProvider) Job {
	return Job{Stack: testStack, Env: p.env(), Program: func(ctx *pulumi.Context) error {
		slow, err := newThing(ctx, "slow", pulumi.Map{"block": pulumi.String("slow")})
		if err != nil {
			return err
		}
		_, err = newThing(ctx, "later", pulumi.Map{"value": pulumi.String("x")}, pulumi.DependsOn([]pulumi.Resource{slow}))
		return err
	}}
}

func receive[T any](t *testing.T, ch <-chan T) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(time.Minute):
		t.Fatal("waited for a minute")
	}
}

func TestCancelWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"by Cancel", "by the end of ctx"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f, p := open(t, ""), serveProvider(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			run, err := f.Up(ctx, blocked(p))
			require.NoError(t, err)
			receive(t, p.startedGate("slow"))
			locks, err := f.Locks(t.Context(), testStack)
			require.NoError(t, err)
			require.Len(t, locks, 1)
			require.False(t, locks[0].Stale)
			list, err := f.List(t.Context())
			require.NoError(t, err)
			require.True(t, list[0].InProgress)

			if how == "by Cancel" {
				run.Cancel()
				run.Cancel()
			} else {
				cancel()
			}
			require.Eventually(t, func() bool { return p.canceled() > 0 }, time.Minute, 10*time.Millisecond)
			run.Cancel() // not a second signal
			select {
			case <-run.Done():
				t.Fatal("did not wait for the creation in flight")
			default:
			}
			close(p.releaseGate("slow"))

			_, events, err := wait(t, run, nil)
			require.ErrorIs(t, err, fault.Canceled)
			requireOrdered(t, events)
			require.Equal(t, Canceled, events[len(events)-1].End.Outcome)
			require.Equal(t, 1, interrupts(events), "exactly one SIGINT")

			locks, err = f.Locks(t.Context(), testStack)
			require.NoError(t, err)
			require.Empty(t, locks)
			state, err := f.State(t.Context(), testStack)
			require.NoError(t, err)
			require.Empty(t, state.Pending)
			names := map[string]bool{}
			for _, r := range state.Resources {
				names[r.Name] = true
			}
			require.True(t, names["slow"], "what was in flight is recorded")
			require.False(t, names["later"], "what had not begun is not begun")
		})
	}
}

// interrupts counts the signals that the engine says it received.
func interrupts(events []Event) int {
	n := 0
	for _, e := range events {
		if e.Type == EventStdOut && strings.Contains(e.Message, "^C received") {
			n++
		}
	}
	return n
}

func TestCancelBeforeTheEngineIsReadyLeavesNoLock(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)

	began := len(f.Spawned())
	run, err = f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s", "another")})
	require.NoError(t, err)
	// The process is there, the engine has reported nothing yet.
	require.Eventually(t, func() bool { return len(f.Spawned()) > began }, time.Minute, time.Millisecond)
	run.Cancel()
	_, events, err := wait(t, run, nil)
	require.ErrorIs(t, err, fault.Canceled)
	require.LessOrEqual(t, interrupts(events), 1)
	locks, err := f.Locks(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, locks)
}

func TestCancelBeforeTheStartStartsNothing(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	run, err := f.Up(ctx, Job{Stack: testStack, Program: stashes("s")})
	_, events, err := wait(t, run, err)
	require.ErrorIs(t, err, fault.Canceled)
	require.Len(t, events, 1)
	require.Empty(t, f.Spawned())
}

func TestKillLeavesALockAndAPendingOperation(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	began := time.Now()
	run, err := f.Up(t.Context(), blocked(p))
	require.NoError(t, err)
	receive(t, p.startedGate("slow"))
	// The engine tells of what it does on a way of its own: what the provider is at already may
	// not have been told yet, and is lost with a kill.
	var progress Progress
	for ev := range run.Events() {
		progress.Apply(ev)
		if r := ev.Resource; r != nil && !ev.Planning && r.URN == urn(thingType, "slow") {
			break
		}
	}
	run.Kill()
	_, events, err := wait(t, run, nil)
	require.ErrorIs(t, err, fault.Canceled)
	require.Contains(t, fault.HintOf(err), "pipelinetui cancel acme/iris")
	require.Zero(t, interrupts(events))
	close(p.releaseGate("slow"))

	for _, e := range events {
		progress.Apply(e)
	}
	row, ok := progress.Row(urn(thingType, "slow"))
	require.True(t, ok)
	require.Equal(t, StatusFailed, row.Status)

	locks, err := f.Locks(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, locks, 1)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, host, locks[0].Host)
	require.NotEmpty(t, locks[0].User)
	require.NotZero(t, locks[0].PID)
	require.WithinRange(t, locks[0].Since, began.Add(-time.Second), time.Now(), "by a clock of seconds at worst")
	require.True(t, locks[0].Stale, "its process is gone: %+v", locks[0])

	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, []PendingOperation{{
		URN: urn(thingType, "slow"), Type: thingType, Name: "slow", Kind: "creating", Inputs: map[string]any{"block": "slow"},
	}}, state.Pending)

	run, err = f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: stashes("s")})
	_, events, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Locked)
	require.Contains(t, err.Error(), "@"+host)
	require.Contains(t, err.Error(), "that process is gone")
	require.Len(t, events, 1, "the engine never opened its stream, and the stream of the Run ends all the same")

	require.NoError(t, f.Unlock(t.Context(), testStack, locks))
	locks, err = f.Locks(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, locks)

	run, err = f.Refresh(t.Context(), Job{Stack: testStack, Env: p.env(), ClearPendingCreates: true})
	_, _ = must(t, run, err)
	state, err = f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, state.Pending)
}

func TestAProgramThatWaitsForEverDoesNotOutliveTheEngine(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	waiting, never := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(never) })
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: func(*pulumi.Context) error {
		close(waiting)
		<-never
		return nil
	}})
	require.NoError(t, err)
	receive(t, waiting)
	run.Kill()
	receive(t, run.Done())
	_, err = run.Wait()
	require.ErrorIs(t, err, fault.Canceled)
}

func TestLockConflict(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	first, err := f.Up(t.Context(), blocked(p))
	require.NoError(t, err)
	receive(t, p.startedGate("slow"))

	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Locked)
	require.NotContains(t, err.Error(), "gone")
	require.Contains(t, err.Error(), "(pid ")
	require.Contains(t, fault.HintOf(err), "pipelinetui cancel")

	close(p.releaseGate("slow"))
	_, _ = must(t, first, nil)
}
