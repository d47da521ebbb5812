package stack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const testStack = "acme.iris.dev"

func urn(typ, name string) string {
	return "urn:pulumi:" + testStack + "::pipelinetui::" + typ + "::" + name
}

func TestUpTellsOutputsAndCountsWithFewProcesses(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	job := Job{Stack: testStack, Program: stashes(`{"a":1}`, "one", "two"), Message: `the "first" one`}

	run, err := f.Up(t.Context(), job)
	res, events := must(t, run, err)
	require.Equal(t, map[string]Output{
		"spec":     {Value: `{"a":1}`},
		"password": {Value: SecretValue, Secret: true},
	}, res.Outputs)
	require.Equal(t, map[Op]int{OpCreate: 4}, res.Changes)
	require.Equal(t, "4 created", res.Summary)
	require.Equal(t, Succeeded, res.Outcome)
	require.True(t, res.Created)
	require.True(t, res.HasChanges())
	require.Equal(t, []string{"up"}, f.Spawned(), "a new stack costs one process")
	requireOrdered(t, events)

	run, err = f.Up(t.Context(), job)
	res, events = must(t, run, err)
	require.Equal(t, map[Op]int{OpSame: 4}, res.Changes)
	require.False(t, res.HasChanges())
	require.False(t, res.Created)
	require.Len(t, res.Outputs, 2, "an update without changes tells the outputs too")
	require.Equal(t, []string{"up", "up"}, f.Spawned(), "a known stack costs one process")
	requireOrdered(t, events)

	updates, err := f.History(t.Context(), testStack, 10)
	require.NoError(t, err)
	require.Len(t, updates, 2)
	require.Equal(t, "update", updates[0].Kind)
	require.Equal(t, "succeeded", updates[0].Result)
	require.Equal(t, `the "first" one`, updates[1].Message)
	require.Equal(t, map[Op]int{OpCreate: 4}, updates[1].Changes)
	require.False(t, updates[1].End.Before(updates[1].Start))
}

// requireOrdered checks what every stream promises: numbered without gaps, in
// time order, one end which is the last, and no resource ends before it begins.
func requireOrdered(t *testing.T, events []Event) {
	t.Helper()
	require.NotEmpty(t, events)
	begun := map[string]bool{}
	for i, e := range events {
		require.Equal(t, i+1, e.Seq)
		require.Equal(t, testStack, e.Stack)
		if i > 0 {
			require.False(t, e.Time.Before(events[i-1].Time))
		}
		require.Equal(t, i == len(events)-1, e.Type == EventEnd)
		switch e.Type {
		case EventResourcePre:
			begun[e.Resource.URN] = true
		case EventResourceOutputs, EventResourceFailed:
			require.True(t, begun[e.Resource.URN], e.Resource.URN)
		}
	}
}

func TestNothingIsLeftInTemporaryFolders(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	f := open(t, "")
	run, err := f.Preview(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)
	run, err = f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	_, _ = must(t, run, err)
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	for _, entry := range left {
		require.NotContains(t, entry.Name(), "pulumi")
		require.NotContains(t, entry.Name(), "automation")
	}
	info, err := os.Stat(filepath.Join(f.home, "work", testStack))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestPreviewOfAStackThatDoesNotExistLeavesNothing(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	job := Job{Stack: testStack, Program: stashes("s", "one"), Config: map[string]ConfigValue{"aws:region": {Value: "us-east-1"}}}
	run, err := f.Preview(t.Context(), job)
	res, events := must(t, run, err)
	require.Equal(t, map[Op]int{OpCreate: 3}, res.Changes)
	require.Equal(t, "3 to create", res.Summary)
	require.True(t, res.Created)
	require.True(t, res.DryRun)
	require.Equal(t, []string{"preview"}, f.Spawned())
	require.Equal(t, map[string]string{"aws:region": "us-east-1"}, events[0].Config)
	requireOrdered(t, events)

	list, err := f.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	require.NoDirExists(t, filepath.Join(f.home, "work", testStack, "preview"))
}

func TestPreviewShowsWhatChanges(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	job := Job{Stack: testStack, Env: p.env()}
	program := func(value, key, token string) pulumi.RunFunc {
		return things(map[string]pulumi.Map{
			"updated":  {"value": pulumi.String(value), "nested": pulumi.Map{"list": pulumi.ToStringArray([]string{"a", value})}},
			"replaced": {"key": pulumi.String(key)},
			"secret":   {"token": pulumi.ToSecret(pulumi.String(token))},
			"same":     {"value": pulumi.String("x")},
		})
	}
	job.Program = program("old", "k1", "hunter2")
	run, err := f.Up(t.Context(), job)
	_, events := must(t, run, err)
	requireNoSecret(t, events)

	job.Program = program("new", "k2", "hunter3")
	run, err = f.Preview(t.Context(), job)
	res, events := must(t, run, err)
	requireNoSecret(t, events)
	require.Equal(t, map[Op]int{OpUpdate: 2, OpReplace: 1, OpSame: 2}, res.Changes)
	require.Equal(t, "2 to update, 1 to replace, 2 unchanged", res.Summary)

	var progress Progress
	for _, e := range events {
		progress.Apply(e)
	}
	got := map[string][]PropertyDiff{}
	ops := map[string]Op{}
	for _, r := range progress.Rows() {
		if r.IsStack() || r.IsProvider() {
			continue
		}
		require.Equal(t, StatusDone, r.Status, r.Name)
		got[r.Name], ops[r.Name] = r.Diff, r.Op
	}
	require.Equal(t, map[string]Op{"updated": OpUpdate, "replaced": OpReplace, "secret": OpUpdate, "same": OpSame}, ops)
	want := map[string][]PropertyDiff{
		"updated": {
			{
				Path: "nested", Kind: DiffUpdate,
				Old: map[string]any{"list": []any{"a", "old"}},
				New: map[string]any{"list": []any{"a", "new"}},
			},
			{Path: "value", Kind: DiffUpdate, Old: "old", New: "new"},
		},
		"replaced": {{Path: "key", Kind: DiffUpdate, Replace: true, Old: "k1", New: "k2"}},
		"secret":   {{Path: "token", Kind: DiffUpdate, Old: SecretValue, New: SecretValue}},
		"same":     nil,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}

	run, err = f.Up(t.Context(), job)
	res, events = must(t, run, err)
	requireNoSecret(t, events)
	require.Equal(t, "2 updated, 1 replaced, 2 unchanged", res.Summary)
}

func requireNoSecret(t *testing.T, events []Event) {
	t.Helper()
	data, err := json.Marshal(events)
	require.NoError(t, err)
	require.NotContains(t, string(data), "hunter")
}

func TestRefreshReportsDrift(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	job := Job{Stack: testStack, Env: p.env(), Program: things(map[string]pulumi.Map{
		"changed": {"value": pulumi.String("recorded")},
		"gone":    {"value": pulumi.String("x")},
		"same":    {"value": pulumi.String("x")},
	})}
	run, err := f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	p.drift("changed", "by hand")
	p.drift("gone", nil)
	want := map[string]Drift{
		"changed": {
			URN: urn(thingType, "changed"), Type: thingType, Name: "changed", Op: OpUpdate,
			Diff: []PropertyDiff{{Path: "value", Kind: DiffUpdate, Old: "recorded", New: "by hand"}},
		},
		"gone": {URN: urn(thingType, "gone"), Type: thingType, Name: "gone", Op: OpDelete},
	}
	for _, dry := range []bool{true, false} {
		run, err = f.Refresh(t.Context(), Job{Stack: testStack, Env: p.env(), DryRun: dry})
		res, _ := must(t, run, err)
		got := map[string]Drift{}
		for _, d := range res.Drift {
			got[d.Name] = d
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("dry run %v: -want +got\n%s", dry, diff)
		}
	}
	run, err = f.Refresh(t.Context(), Job{Stack: testStack, Env: p.env()})
	res, _ := must(t, run, err)
	require.Empty(t, res.Drift, "the refresh before has recorded it")
}

func TestDestroyAndRemove(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	up := Job{Stack: testStack, Env: p.env(), Program: things(map[string]pulumi.Map{"a": {"value": pulumi.String("x")}})}
	run, err := f.Up(t.Context(), up)
	_, _ = must(t, run, err)

	run, err = f.Destroy(t.Context(), Job{Stack: testStack, Env: p.env(), DryRun: true, Remove: true})
	res, _ := must(t, run, err)
	require.Equal(t, map[Op]int{OpDelete: 2}, res.Changes)
	require.False(t, res.Removed)
	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, state.Resources, 3)

	run, err = f.Destroy(t.Context(), Job{Stack: testStack, Env: p.env(), Remove: true})
	res, _ = must(t, run, err)
	require.Equal(t, "2 deleted", res.Summary)
	require.True(t, res.Removed)
	require.Equal(t, []string{"up", "destroy", "destroy"}, f.Spawned(), "the state of a file backend is read without a process")

	_, err = f.State(t.Context(), testStack)
	require.ErrorIs(t, err, fault.NotFound)
	run, err = f.Destroy(t.Context(), Job{Stack: testStack, Env: p.env()})
	_, events, err := wait(t, run, err)
	require.ErrorIs(t, err, fault.NotFound)
	require.Equal(t, EventEnd, events[len(events)-1].Type)

	run, err = f.Up(t.Context(), up)
	res, _ = must(t, run, err)
	require.True(t, res.Created, "the name can be used again")
}

func TestConfigIsWrittenAndReplaced(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	seen := map[string]string{}
	program := func(ctx *pulumi.Context) error {
		clear(seen)
		for _, key := range []string{"aws:region", "pipelinetui:token", "pipelinetui:old"} {
			if v, ok := ctx.GetConfig(key); ok {
				seen[key] = v
			}
		}
		return nil
	}
	job := Job{Stack: testStack, Program: program, Config: map[string]ConfigValue{
		"aws:region":        {Value: "us-east-1"},
		"pipelinetui:token": {Value: "hunter2", Secret: true},
		"pipelinetui:old":   {Value: "x"},
	}}
	run, err := f.Up(t.Context(), job)
	_, events := must(t, run, err)
	require.Equal(t, map[string]string{"aws:region": "us-east-1", "pipelinetui:token": "hunter2", "pipelinetui:old": "x"}, seen)
	requireNoSecret(t, events)
	require.Equal(t, []string{"up"}, f.Spawned(), "a secret costs no process")

	job.Config = map[string]ConfigValue{"aws:region": {Value: "eu-west-1"}}
	run, err = f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	require.Equal(t, map[string]string{"aws:region": "eu-west-1"}, seen)

	job.Config = nil
	run, err = f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	require.Equal(t, map[string]string{"aws:region": "eu-west-1"}, seen, "no config in the job leaves it as it is")
	data, err := os.ReadFile(filepath.Join(f.home, "work", testStack, "Pulumi."+testStack+".yaml"))
	require.NoError(t, err)
	require.Contains(t, string(data), "encryptionsalt: v1:")
	require.NotContains(t, string(data), "hunter2")

	job.Config = map[string]ConfigValue{"noNamespace:a:b:c": {Value: "x"}}
	run, err = f.Up(t.Context(), job)
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Invalid)
}

func TestStateListAndSpec(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	list, err := f.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)

	job := Job{Stack: testStack, Env: p.env(), Program: func(ctx *pulumi.Context) error {
		if err := stashes(`{"version":1}`)(ctx); err != nil {
			return err
		}
		_, err := newThing(ctx, "a", pulumi.Map{"token": pulumi.ToSecret(pulumi.String("hunter2"))}, pulumi.Protect(true))
		return err
	}}
	run, err := f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	job.Program = stashes(`{"version":2}`)
	run, err = f.Preview(t.Context(), job)
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.Deployment, "a protected resource cannot go")

	job.Program = func(ctx *pulumi.Context) error {
		if err := stashes(`{"version":2}`)(ctx); err != nil {
			return err
		}
		_, err := newThing(ctx, "a", pulumi.Map{"token": pulumi.ToSecret(pulumi.String("hunter2"))})
		return err
	}
	run, err = f.Up(t.Context(), job)
	_, _ = must(t, run, err)

	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.JSONEq(t, `{"version":2}`, string(state.Spec), "the newest spec, not the first")
	require.Equal(t, "passphrase", state.SecretsProvider)
	require.Equal(t, Output{Value: SecretValue, Secret: true}, state.Outputs["password"])
	byName := map[string]Resource{}
	for _, r := range state.Resources {
		byName[r.Name] = r
	}
	a := byName["a"]
	require.Equal(t, thingType, a.Type)
	require.Equal(t, "1", a.ID)
	require.Equal(t, map[string]any{"token": SecretValue}, a.Inputs)
	require.True(t, a.Custom)
	require.False(t, a.Protect)
	require.Equal(t, urn("pulumi:pulumi:Stack", "pipelinetui-"+testStack), a.Parent)
	require.Empty(t, state.Pending)

	revealed, err := f.Reveal(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, Output{Value: "hunter2", Secret: true}, revealed.Outputs["password"])

	list, err = f.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, testStack, list[0].Name)
	require.Equal(t, state.Count(), list[0].Resources)
	require.False(t, list[0].LastUpdate.IsZero())
	require.False(t, list[0].InProgress)

	_, err = f.State(t.Context(), "no.such.stack")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = f.History(t.Context(), "no.such.stack", 1)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = f.State(t.Context(), "../../etc")
	require.ErrorIs(t, err, fault.Invalid)
	require.True(t, strings.HasPrefix(f.Backend(), "file://"))
}
