package stack

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/process"
)

// named lists the ids of the provider's things with a name.
func (p *testProvider) named(name string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for id, thing := range p.things {
		if thing["name"].StringValue() == name {
			ids = append(ids, id)
		}
	}
	return ids
}

// cutOff kills an update while the provider makes the thing "slow", and lets the
// provider finish it afterwards. It returns the id that nobody has recorded.
func cutOff(t *testing.T, f *fixture, p *testProvider, job Job) string {
	t.Helper()
	before := p.named("slow")
	run, err := f.Up(t.Context(), job)
	require.NoError(t, err)
	receive(t, p.startedGate("slow"))
	run.Kill()
	_, _, err = wait(t, run, nil)
	require.ErrorIs(t, err, fault.Canceled)
	close(p.releaseGate("slow"))
	var made string
	require.Eventually(t, func() bool {
		for _, id := range p.named("slow") {
			if len(before) == 0 || id != before[0] {
				made = id
			}
		}
		return made != ""
	}, time.Minute, 5*time.Millisecond)
	return made
}

func program(key string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		_, err := newThing(ctx, "slow", pulumi.Map{"key": pulumi.String(key)})
		return err
	}
}

func settleAs(id string) *Recovery {
	return &Recovery{ClearDeadLocks: true, Settle: func(context.Context, PendingOperation, func(Event)) (string, error) { return id, nil }}
}

func TestRecoveryAdoptsWhatWasMade(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	made := cutOff(t, f, p, blocked(p))
	var asked []PendingOperation
	recovery := &Recovery{ClearDeadLocks: true, Settle: func(_ context.Context, op PendingOperation, _ func(Event)) (string, error) {
		asked = append(asked, op)
		return made, nil
	}}
	run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: recovery})
	res, events := must(t, run, err)
	require.Len(t, asked, 1)
	require.Equal(t, map[string]any{"block": "slow"}, asked[0].Inputs, "the caller finds the resource by its inputs")
	require.Equal(t, asked, res.Recovered)
	require.Contains(t, events[0].Diagnostic.Message, "cleared the lock")
	require.Contains(t, events[1].Diagnostic.Message, "cut off while creating")
	// The first program gave no key: changed, thus replaced, and the old one gone.
	require.Equal(t, 1, res.Changes[OpReplace])
	require.Len(t, p.named("slow"), 1)
	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, state.Pending)
	require.Equal(t, []string{"up", "stack export", "stack import", "refresh", "up"}, f.Spawned())
	history, err := f.History(t.Context(), testStack, 0)
	require.NoError(t, err)
	var looks []bool
	for _, u := range history {
		if u.Kind == "refresh" {
			looks = append(looks, u.Look())
		}
	}
	require.Equal(t, []bool{true}, looks, "what it calls a refresh is a look at what was cut off")
	run, err = f.Refresh(t.Context(), Job{Stack: testStack, Env: p.env()})
	_, _ = must(t, run, err)
	history, err = f.History(t.Context(), testStack, 1)
	require.NoError(t, err)
	require.False(t, history[0].Look())
}

// What the repair has brought into the state is migrated by the same update: the state is
// read anew after it.
func TestWhatWasJustRepairedIsMigrated(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	made := cutOff(t, f, p, blocked(p))
	edited := 0
	run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: settleAs(made), Migration: &Migration{
		From: []string{thingType}, Why: "it has another form now",
		Edit: func(deployment json.RawMessage) (json.RawMessage, error) {
			edited++
			return deployment, nil
		},
	}})
	_, _ = must(t, run, err)
	require.Equal(t, 1, edited)
}

func TestRecoveryForgetsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	made := cutOff(t, f, p, blocked(p))
	p.drift("slow", nil)
	run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: settleAs(made)})
	res, _ := must(t, run, err)
	require.Equal(t, 1, res.Changes[OpCreate])
	require.Len(t, p.named("slow"), 1)
}

// A creation of which nobody can tell what became of it stops every operation, but for the
// one that is asked to forget it. What may yet be told is never forgotten.
func TestRecoveryForgetsWhatNobodyCanTellIfAsked(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	cutOff(t, f, p, blocked(p))
	failing := func(kind fault.Kind) *Recovery {
		return &Recovery{ClearDeadLocks: true, Settle: func(context.Context, PendingOperation, func(Event)) (string, error) {
			return "", fault.New(kind, "nobody knows")
		}}
	}
	for _, kind := range []fault.Kind{fault.Unsupported, fault.Damaged, fault.Denied} {
		run, err := f.Destroy(t.Context(), Job{Stack: testStack, Env: p.env(), Recovery: failing(kind), ClearPendingCreates: true})
		_, _, err = wait(t, run, err)
		require.ErrorIs(t, err, kind)
		run, err = f.Refresh(t.Context(), Job{Stack: testStack, Env: p.env(), Recovery: failing(kind)})
		_, _, err = wait(t, run, err)
		require.ErrorIs(t, err, kind)
	}
	run, err := f.Refresh(t.Context(), Job{Stack: testStack, Env: p.env(), Recovery: failing(fault.Throttled), ClearPendingCreates: true})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Throttled, "the next time it may be told")
	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, state.Pending, 1)

	run, err = f.Refresh(t.Context(), Job{Stack: testStack, Env: p.env(), Recovery: failing(fault.Unsupported), ClearPendingCreates: true})
	_, events := must(t, run, err)
	require.Contains(t, events[0].Diagnostic.Message, "slow is forgotten, and may exist: nobody knows")
	state, err = f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, state.Pending)
}

func TestRecoveryOfAReplacementThatWasCutOff(t *testing.T) {
	t.Parallel()
	for _, last := range []Operation{OperationUp, OperationDestroy} {
		t.Run(string(last), func(t *testing.T) {
			t.Parallel()
			f, p := open(t, ""), serveProvider(t)
			run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1")})
			_, _ = must(t, run, err)
			made := cutOff(t, f, p, Job{Stack: testStack, Env: p.env(), Program: func(ctx *pulumi.Context) error {
				_, err := newThing(ctx, "slow", pulumi.Map{"key": pulumi.String("2"), "block": pulumi.String("slow")})
				return err
			}})
			require.Len(t, p.named("slow"), 2)
			job := Job{Stack: testStack, Env: p.env(), Program: program("2"), Recovery: settleAs(made), Remove: true}
			if last == OperationUp {
				run, err = f.Up(t.Context(), job)
				_, _ = must(t, run, err)
				require.Len(t, p.named("slow"), 1)
				return
			}
			run, err = f.Destroy(t.Context(), job)
			_, _ = must(t, run, err)
			require.Empty(t, p.named("slow"))
		})
	}
}

func TestALockThatMayBeHeldIsNotCleared(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	run, err := f.Up(t.Context(), blocked(p))
	require.NoError(t, err)
	receive(t, p.startedGate("slow"))
	second, err := f.Destroy(t.Context(), Job{Stack: testStack, Env: p.env(), Recovery: settleAs("x")})
	_, events, err := wait(t, second, err)
	require.ErrorIs(t, err, fault.Locked)
	require.ErrorContains(t, err, "destroy "+testStack+": locked by ")
	require.NotContains(t, err.Error(), "is gone")
	for _, ev := range events {
		require.Nil(t, ev.Diagnostic, "nothing of what goes on was cut off")
	}
	require.Empty(t, f.DeadLocks(t.Context(), testStack))
	close(p.releaseGate("slow"))
	_, _ = must(t, run, nil)
}

func TestAnUnsettledOperationChangesNothing(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	cutOff(t, f, p, blocked(p))
	recovery := &Recovery{ClearDeadLocks: true, Settle: func(context.Context, PendingOperation, func(Event)) (string, error) {
		return "", fault.New(fault.Denied, "not allowed to look")
	}}
	run, err := f.Destroy(t.Context(), Job{Stack: testStack, Env: p.env(), Recovery: recovery})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Denied)
	pending, err := f.Pending(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, pending, 1)
}

func TestWhatChangedSinceThePreviewIsNotApplied(t *testing.T) {
	t.Parallel()
	f, prov := open(t, ""), serveProvider(t)
	job := Job{Stack: testStack, Env: prov.env(), Program: program("1")}
	run, err := f.Preview(t.Context(), job)
	first, _ := must(t, run, err)
	require.NotEmpty(t, first.Basis)

	job.Expect = first.Basis
	run, err = f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	run, err = f.Up(t.Context(), job)
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Conflict, "it exists now")
	require.NotEmpty(t, fault.HintOf(err))

	job.Expect = ""
	run, err = f.Preview(t.Context(), job)
	second, _ := must(t, run, err)
	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, second.Basis, state.Basis)
	run, err = f.Up(t.Context(), job) // by somebody else, changing nothing
	_, _ = must(t, run, err)
	job.Expect = second.Basis
	run, err = f.Destroy(t.Context(), job)
	_, _ = must(t, run, err)
}

func TestAdoptInto(t *testing.T) {
	t.Parallel()
	const deployment = `{"kept": 1, "resources": [
		{"urn": "urn:pulumi:s::p::t::old", "type": "t", "id": "old", "pendingReplacement": true}],
		"pending_operations": [
		{"type": "creating", "resource": {"urn": "urn:pulumi:s::p::t::old", "type": "t", "inputs": {"name": "n"}, "future": true}},
		{"type": "creating", "resource": {"urn": "urn:pulumi:s::p::t::unknown", "type": "t"}},
		{"type": "creating", "resource": {"urn": "urn:pulumi:s::p::pulumi:index:Stash::spec", "type": "pulumi:index:Stash"}},
		{"type": "deleting", "resource": {"urn": "urn:pulumi:s::p::t::gone", "type": "t", "id": "g"}}]}`
	out, targets, err := adoptInto(json.RawMessage(deployment), map[string]string{"urn:pulumi:s::p::t::old": "new"})
	require.NoError(t, err)
	require.Equal(t, []string{"urn:pulumi:s::p::t::old", "urn:pulumi:s::p::t::gone"}, targets)
	require.JSONEq(t, `{"kept": 1, "resources": [
		{"urn": "urn:pulumi:s::p::t::old", "type": "t", "id": "new", "inputs": {"name": "n"}, "outputs": {"name": "n"}, "future": true}]}`, string(out))
}

func TestANumberThatWasInheritedMakesALockStale(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	require.NoError(t, err)
	me := Lock{PID: os.Getpid(), Host: host, Since: time.Now()}
	require.False(t, isStale(me))
	if _, known := process.Look(me.PID); known {
		me.Since = time.Now().Add(-240 * time.Hour)
		require.True(t, isStale(me), "this process is younger than that")
	}
	require.False(t, isStale(Lock{PID: os.Getpid(), Host: "elsewhere", Since: me.Since}))
}

func TestHalfWrittenAttributesDoNotLockAnybodyOut(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)
	dir, _ := f.stacksDir()
	file := filepath.Join(dir, testStack+".json")
	require.NoFileExists(t, file+".attrs", "they are not written in one step")
	require.NoError(t, os.WriteFile(file+".attrs", []byte(`{"md5": "ab`), 0o600))
	p := f.place(testStack, nil)
	_, err = f.export(t.Context(), p, false)
	require.Error(t, err, "if this works, the engine has been mended")
	again := open(t, f.backend)
	require.NoError(t, again.prepare(p))
	_, err = again.export(t.Context(), p, false)
	require.NoError(t, err)
}

func TestACreationOfUnknownEndIsKept(t *testing.T) {
	t.Parallel()
	failing := func(why string) pulumi.RunFunc {
		return func(ctx *pulumi.Context) error {
			if _, err := newThing(ctx, "first", pulumi.Map{"key": pulumi.String("1")}); err != nil {
				return err
			}
			_, err := newThing(ctx, "slow", pulumi.Map{"key": pulumi.String("1"), "fail": pulumi.String(why)})
			return err
		}
	}
	f, p := open(t, ""), serveProvider(t)
	run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: failing("api error AccessDenied: no"), Recovery: settleAs("")})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Deployment)
	pending, err := f.Pending(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, pending, "that was an answer")

	run, err = f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: failing("connection reset by peer"), Recovery: settleAs("")})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Deployment)
	pending, err = f.Pending(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, "slow", pending[0].Name)
	require.True(t, pending[0].Creating())

	// It had been made after all.
	p.mu.Lock()
	p.things["77"] = resource.PropertyMap{"key": resource.NewProperty("1"), "name": resource.NewProperty("slow")}
	p.mu.Unlock()
	run, err = f.Destroy(t.Context(), Job{Stack: testStack, Env: p.env(), Recovery: settleAs("77")})
	res, _ := must(t, run, err)
	require.Len(t, res.Recovered, 1)
	require.Empty(t, p.named("slow"))
	require.Empty(t, p.named("first"))
}
