package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// specOf writes a spec with pipelines of one tenant.
func specOf(t *testing.T, tenant string, models ...string) string {
	t.Helper()
	text := "apiVersion: pipelinetui/v1\ndefaults:\n  template: realtime\n  parameters:\n    image: sandbox/linear\n    modelDataUrl: s3://models/model.tar.gz\npipelines:\n"
	for _, m := range models {
		text += "  - {tenant: " + tenant + ", model: " + m + "}\n"
	}
	file := filepath.Join(t.TempDir(), "spec.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// What is typed becomes options, without anything being done.
func TestDeployOptions(t *testing.T) {
	t.Parallel()
	var got *deployOptions
	keep := func(_ context.Context, _ *Deps, o *deployOptions) error { got = o; return nil }
	deps := newSession(nil, nothing(), func(string) (string, bool) { return "", false }).deps
	up := newUp(deps, keep)
	up.SetArgs(strings.Fields("acme/iris --set a=1 --set b=2 --template realtime -f x.yaml --tenant acme -l k=v --failed --parallel 3 --fail-fast -m why --refresh --running stop -y"))
	require.NoError(t, up.ExecuteContext(t.Context()))
	require.Equal(t, &deployOptions{
		selection: selection{args: []string{"acme/iris"}, file: "x.yaml", template: "realtime", set: []string{"a=1", "b=2"}, tenant: "acme", labels: []string{"k=v"}, failed: true},
		command:   "up", operation: stack.OperationUp, yes: true, parallel: 3, failFast: true, refresh: true, runningHow: "stop", message: "why",
		fleetOptions: fleetOptions{stopAt: "0%"},
	}, got)
	preview := newPreview(deps, keep)
	preview.SetArgs(strings.Fields("a/b --expect-no-changes --details"))
	require.NoError(t, preview.ExecuteContext(t.Context()))
	require.True(t, got.expect && got.details && !got.changing() && got.building())
	destroy := newDestroy(deps, keep)
	destroy.SetArgs(strings.Fields("a/b --keep-stack"))
	require.NoError(t, destroy.ExecuteContext(t.Context()))
	require.True(t, got.keep && got.changing() && !got.building() && !got.yes)
	require.Equal(t, pipelines.RunningIgnore, got.running())
	refresh := newRefresh(deps, keep)
	refresh.SetArgs(strings.Fields("a/b --clear-pending-creates --yes"))
	require.NoError(t, refresh.ExecuteContext(t.Context()))
	require.True(t, got.clear && got.yes)
}

func TestUpOfASpec(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "upspec", "one", "two")
	g := &engine{}
	l := (&line{w: w, engine: g}).run(t, "up", "-f", file, "--yes", "-m", "because")
	l.ends(t, ExitOK, "target sandbox", "upspec/one", "2 pipelines: 2 succeeded")
	require.Equal(t, []stack.Operation{stack.OperationUp}, g.operations(), "nothing is previewed where nobody looks")
	req := g.last(t)
	require.Equal(t, "because", req.Message)
	require.True(t, req.ClearDeadLocks, "--yes clears locks of the dead")
	require.Len(t, req.Pipelines, 2)

	l = (&line{w: w, engine: &engine{}}).run(t, "up", "-f", file, "upspec/two", "--yes", "-o", "json")
	doc := l.ends(t, ExitOK).doc(t, "Deployment")
	require.Equal(t, "up", doc["operation"])
	require.Len(t, doc["pipelines"], 1)
	one := doc["pipelines"].([]any)[0].(map[string]any) // a test
	require.Equal(t, "upspec/two", one["pipeline"])
	require.Equal(t, "succeeded", one["result"])
	require.NotEmpty(t, one["resources"])
	require.NotEmpty(t, one["outputs"])

	l = (&line{w: w, engine: &engine{}}).run(t, "up", "-f", file, "--yes", "-o", "jsonl")
	events, result := l.ends(t, ExitOK).lines(t, "Deployment")
	require.Equal(t, "event", events[0]["type"])
	require.NotEmpty(t, events[0]["pipeline"])
	require.Len(t, result["pipelines"], 2)
}

func TestUpAsks(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "upasks", "one")
	g := &engine{}
	l := (&line{w: w, engine: g, tty: true, typed: "details\nyes\n"}).run(t, "up", "-f", file)
	l.ends(t, ExitOK, "Apply these changes? [yes/no/details]")
	require.Equal(t, []stack.Operation{stack.OperationPreview, stack.OperationUp}, g.operations())
	require.Equal(t, "basis of upasks/one", g.last(t).Expect[g.last(t).Pipelines[0].ID], "what was agreed to is what is done")
	for _, answer := range []string{"no\n", "\n", ""} {
		g = &engine{}
		(&line{w: w, engine: g, tty: true, typed: answer}).run(t, "up", "-f", file).ends(t, ExitCancelled)
		require.Equal(t, []stack.Operation{stack.OperationPreview}, g.operations())
	}
	g = &engine{fails: map[stack.Operation]string{stack.OperationPreview: ""}}
	(&line{w: w, engine: g, tty: true, typed: "yes\n"}).run(t, "up", "-f", file).ends(t, ExitDeployment)
	require.Equal(t, []stack.Operation{stack.OperationPreview}, g.operations(), "nobody is asked to apply what cannot be planned")
}

func TestUpThatFails(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "upfails", "one", "two")
	g := &engine{fails: map[stack.Operation]string{stack.OperationUp: "upfails/two"}}
	l := (&line{w: w, engine: g}).run(t, "up", "-f", file, "--yes")
	l.ends(t, ExitDeployment, "2 pipelines: 1 succeeded, 1 failed", "error: up upfails/two")
	l = (&line{w: w, engine: g}).run(t, "up", "-f", file, "--yes", "-o", "json")
	doc := l.ends(t, ExitDeployment).doc(t, "Deployment")
	require.InDelta(t, 1, doc["summary"].(map[string]any)["failed"], 0) // a test
	refused := fault.New(fault.Denied, "no right to do that")
	(&line{w: w, engine: &engine{refused: refused}}).run(t, "up", "-f", file, "--yes").ends(t, ExitCredentials, "no right to do that")
}

func TestUpOfWhatExists(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "upexists/iris")
	g := &engine{}
	(&line{w: w, engine: g}).run(t, "up", "upexists/iris", "--set", "instanceType=ml.m5.large", "--yes").ends(t, ExitOK)
	p := g.last(t).Pipelines[0]
	require.Equal(t, id, p.ID)
	require.Equal(t, "ml.m5.large", p.Parameters["instanceType"])
	(&line{w: w, engine: g}).run(t, "up", "upexists/*", "--yes").ends(t, ExitOK)
	require.Equal(t, "ml.m5.xlarge", g.last(t).Pipelines[0].Parameters["instanceType"])
	(&line{w: w, engine: g}).run(t, "up", "--tenant", "upexists", "--yes").ends(t, ExitOK)
	require.Len(t, g.last(t).Pipelines, 1)
	before := len(g.operations())
	(&line{w: w, engine: g}).run(t, "up", "upexists/other", "--yes").ends(t, ExitNotFound, "there is no pipeline upexists/other yet", "--template")
	(&line{w: w, engine: g}).run(t, "up", "nobody/*", "--yes").ends(t, ExitNotFound)
	(&line{w: w, engine: g}).run(t, "up", "upexists/iris", "--tenant", "other", "--yes").ends(t, ExitNotFound, "of the tenant other")
	(&line{w: w, engine: g}).run(t, "up", "Upexists/iris", "no/such/thing/x", "--yes").ends(t, ExitUsage)
	(&line{w: w, engine: g}).run(t, "up", "upexists/iris", "--set", "instanceType=nothing", "--yes").ends(t, ExitUsage, "instanceType")
	(&line{w: w, engine: g}).run(t, "up", "upexists/iris", "--running", "perhaps", "--yes").ends(t, ExitUsage, "wait, stop, ignore")
	(&line{w: w, engine: g}).run(t, "up", "-f", "x.yaml", "--template", "realtime", "--yes").ends(t, ExitUsage, "excludes --file")
	require.Len(t, g.operations(), before, "nothing was begun")
	(&line{w: w, engine: g}).run(t, "up", "upexists/new", "--template", "realtime", "--set", "image=sandbox/linear", "--set", "modelDataUrl=s3://m/m.tar.gz", "--yes").ends(t, ExitOK)
	require.Equal(t, "new", g.last(t).Pipelines[0].Model)
}

func TestPreview(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "preview", "one")
	l := (&line{w: w, engine: &engine{}}).run(t, "preview", "-f", file)
	l.ends(t, ExitOK, "preview/one", "to create")
	(&line{w: w, engine: &engine{}}).run(t, "preview", "-f", file, "--expect-no-changes").ends(t, ExitChanges, "no changes were expected")
	l = (&line{w: w, engine: &engine{replaces: true}}).run(t, "preview", "-f", file, "--details")
	l.ends(t, ExitOK, "! ")
	(&line{w: w, engine: &engine{}}).run(t, "preview", "-f", file, "nobody/*").ends(t, ExitNotFound, "no pipeline matches", "There are preview/one")
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "destroy/iris")
	w.pipeline(t, "destroy/fraud")
	for typed, want := range map[string]ExitCode{"destroy/iris\n": ExitOK, "yes\n": ExitCancelled, "": ExitCancelled} {
		g := &engine{}
		(&line{w: w, engine: g, tty: true, typed: typed}).run(t, "destroy", "destroy/iris").ends(t, want, "Type destroy/iris to go ahead")
		require.Equal(t, want == ExitOK, len(g.operations()) == 1)
		if want == ExitOK {
			require.NotEmpty(t, g.last(t).Expect, "a stack that has changed since is left alone")
			require.False(t, g.last(t).Keep)
		}
	}
	g := &engine{}
	(&line{w: w, engine: g, tty: true, typed: "destroy 2\n"}).run(t, "destroy", "destroy/*", "--keep-stack").ends(t, ExitOK)
	require.Len(t, g.last(t).Pipelines, 2)
	require.True(t, g.last(t).Keep)
	file := specOf(t, "destroy", "iris")
	(&line{w: w, engine: g}).run(t, "destroy", "-f", file, "--yes").ends(t, ExitOK)
	require.Len(t, g.last(t).Pipelines, 1)
	(&line{w: w, engine: g}).run(t, "destroy", "destroy/none", "--yes").ends(t, ExitNotFound)
	(&line{w: w, engine: g}).run(t, "destroy", "destroy/*", "-l", "team=none", "--yes").ends(t, ExitNotFound)
	(&line{w: w, engine: g}).run(t, "destroy", "destroy/*", "-l", "team=botany", "--yes").ends(t, ExitOK)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "refresh/iris")
	g := &engine{}
	(&line{w: w, engine: g}).run(t, "refresh", "refresh/iris", "--yes", "--clear-pending-creates").ends(t, ExitOK, "no drift")
	require.True(t, g.last(t).ClearPending)
	(&line{w: w, engine: &engine{}, tty: true, typed: "y\n"}).run(t, "refresh", "refresh/iris").ends(t, ExitOK, "Read the real state of 1 pipeline")
	l := (&line{w: w, engine: &engine{drift: true}}).run(t, "refresh", "refresh/iris", "--yes", "--expect-no-changes")
	l.ends(t, ExitChanges, "bucket")
}

func TestOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	id := inWorld(t).pipeline(t, "onlyfailed/good")
	bad := inWorld(t).pipeline(t, "onlyfailed/bad")
	g := &engine{}
	(&line{w: inWorld(t), engine: g}).run(t, "refresh", "onlyfailed/*", "--failed", "--yes").ends(t, ExitOK, "of 2 pipelines none failed last time")
	require.Empty(t, g.operations())
	inWorld(t).history(t, bad, "failed")
	(&line{w: inWorld(t), engine: g}).run(t, "refresh", "onlyfailed/*", "--failed", "--yes").ends(t, ExitOK)
	require.Len(t, g.last(t).Pipelines, 1)
	require.Equal(t, bad, g.last(t).Pipelines[0].ID)
	require.NotEqual(t, id, bad)
}

// A state that cannot be used holds none of several up, and fails by itself.
func TestADamagedStateAmongSeveral(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "damaged/good")
	require.NoError(t, os.WriteFile(filepath.Join(w.home, "state", ".pulumi", "stacks", "pipelinetui", "damaged.bad.dev.json"), []byte("{"), 0o600))
	t.Cleanup(func() {
		_ = os.Remove(filepath.Join(w.home, "state", ".pulumi", "stacks", "pipelinetui", "damaged.bad.dev.json"))
	})
	for _, args := range [][]string{{"up", "damaged/*"}, {"up", "damaged/good", "damaged/bad"}, {"refresh", "damaged/*"}, {"destroy", "damaged/good", "damaged/bad"}} {
		g := &engine{}
		(&line{w: w, engine: g}).run(t, append(args, "--yes")...).ends(t, ExitDeployment, "damaged/bad is left out", "1 succeeded, 1 failed")
		require.Len(t, g.last(t).Pipelines, 1, args)
	}
	code := (&line{w: w, engine: &engine{}}).run(t, "up", "damaged/bad", "--yes").code
	require.NotEqual(t, ExitOK, code)
}

// Executions that a replacement disturbs are told of, and waited for or stopped.
func TestRunningExecutionsAreSettled(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "settle/iris")
	w.run(t, "run", "settle/iris", "--input", `{"do": "wait"}`, "--name", "long").ends(t, ExitOK)
	g := &engine{replaces: true}
	(&line{w: w, engine: g}).run(t, "up", "settle/iris", "--yes", "--running", "stop").ends(t, ExitOK, "they are stopped")
	require.Equal(t, []stack.Operation{stack.OperationPreview, stack.OperationUp}, g.operations())
	require.Equal(t, pipelines.RunningStop, g.last(t).Settle[id])
	g = &engine{replaces: true}
	(&line{w: w, engine: g, tty: true, typed: "settle/iris\n"}).run(t, "destroy", "settle/iris").ends(t, ExitOK, "they will fail")
	require.Empty(t, g.last(t).Settle)
	g = &engine{fails: map[stack.Operation]string{stack.OperationPreview: ""}}
	(&line{w: w, engine: g}).run(t, "up", "settle/iris", "--yes", "--running", "wait").ends(t, ExitDeployment)
	require.Equal(t, []stack.Operation{stack.OperationPreview}, g.operations())
	w.run(t, "executions", "stop", "settle/iris", "long", "--yes").ends(t, ExitOK)
}

// The first signal asks politely, the second one whether to force.
func TestSignalsOfAnOperation(t *testing.T) {
	t.Parallel()
	w, file := inWorld(t), specOf(t, "signals", "one")
	for name, tt := range map[string]struct {
		tty  bool
		sent []os.Signal
		want []string
	}{
		"nobody is there":    {false, []os.Signal{os.Interrupt, syscall.SIGTERM}, []string{"cancelling", "interrupt again to force", "forcing: what is in flight"}},
		"somebody says yes":  {true, []os.Signal{os.Interrupt, os.Interrupt}, []string{"cancelling", "Force? [yes/no]", "forcing: what is in flight"}},
		"sent twice at once": {false, []os.Signal{os.Interrupt, os.Interrupt, syscall.SIGTERM}, []string{"cancelling", "forcing: what is in flight"}},
		"a closed terminal":  {false, []os.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGTERM}, []string{"cancelling", "forcing: what is in flight"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &engine{hold: make(chan struct{}), begun: make(chan struct{}, 1)}
			l := &line{w: w, engine: g, tty: tt.tty, typed: "yes\n", signals: make(chan os.Signal)}
			go func() {
				<-g.begun
				for _, sig := range tt.sent {
					l.signals <- sig
				}
			}()
			l.run(t, "up", "-f", file, "--yes").ends(t, ExitCancelled, tt.want...)
		})
	}
}
