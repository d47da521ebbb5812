package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
)

// yaml reads the document on standard output.
func (l *line) yaml(t *testing.T) map[string]any {
	t.Helper()
	var doc map[string]any
	require.NoError(t, yaml.Unmarshal(l.out.Bytes(), &doc), l.out.String())
	return doc
}

func TestToolOptions(t *testing.T) {
	t.Parallel()
	require.Equal(t, &cancelOptions{pipeline: "a/b", restore: true, yes: true}, parsed(t, newCancel, "a/b --restore -y"))
	require.Equal(t, &ejectOptions{pipeline: "a/b", dir: "d", force: true}, parsed(t, newEject, "a/b d --force"))
	require.Equal(t, &templatesShowOptions{"realtime"}, parsed(t, newTemplatesShow, "realtime"))
	require.Equal(t, &templatesCheckOptions{[]string{"a", "b"}, true}, parsed(t, newTemplatesCheck, "a b --strict"))
	require.Equal(t, &templatesNewOptions{"d", "batch"}, parsed(t, newTemplatesNew, "d --from batch"))
	require.Equal(t, &sandboxResetOptions{true, true}, parsed(t, newSandboxReset, "--keys --yes"))
	require.Equal(t, &sandboxEnvOptions{"111122223333"}, parsed(t, newSandboxEnv, "--account 111122223333"))
	require.Equal(t, &sandboxExecOptions{[]string{"aws", "--region", "x"}}, parsed(t, newSandboxExec, "aws --region x"))
	require.Equal(t, &sandboxAccountAddOptions{"111122223333"}, parsed(t, newSandboxAccountAdd, "111122223333"))
	require.Equal(t, &faultsClearOptions{[]int{2, 3}}, parsed(t, newSandboxFaultsClear, "2 3"))
	require.Equal(t, &app.SandboxServing{Dir: "d", Port: 1, Delay: 3e9, Images: "a=b", Account: "1", Haste: 60, MaxItemBytes: 9},
		parsed(t, newSandboxServe, "--dir d --port 1 --endpoint-delay 3s --images a=b --account 1 --haste 60 --max-item-bytes 9"))
	two := 2.0
	require.Equal(t, &quotasSetOptions{account: "111122223333", values: map[string]*float64{"sagemaker/L-614B09FD": &two, "sagemaker/ml.m5.xlarge": nil}},
		parsed(t, newSandboxQuotasSet, "sagemaker/L-614B09FD=2 sagemaker/ml.m5.xlarge=default --account 111122223333"))
	set := parsed(t, newSandboxFaultsSet, "--quotas=false")
	require.True(t, set.switches && !set.rules && !set.quotas)
}

func TestVersionAndDoctor(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.run(t, "version").ends(t, ExitOK, "pipelinetui ", "Pulumi CLI v3.240.0")
	doc := w.run(t, "version", "-o", "json").ends(t, ExitOK).doc(t, "Version")
	require.Equal(t, "v3.240.0", doc["pulumi"])
	l := w.run(t, "doctor")
	require.Contains(t, l.out.String(), "SETTING")
	require.Contains(t, l.out.String(), w.home)
	doc = w.run(t, "doctor", "-o", "json").doc(t, "Doctor")
	require.NotEmpty(t, doc["checks"])
	require.NotEmpty(t, doc["settings"])
	l = (&line{w: w, environ: map[string]string{"PIPELINETUI_PULUMI": filepath.Join(w.home, "none")}}).run(t, "doctor")
	l.ends(t, ExitNotFound, "no Pulumi CLI at")
	require.Contains(t, l.out.String(), "✘")

	// Who asks what is wrong is told of the config file too.
	config := filepath.Join(t.TempDir(), "config.yaml")
	for text, want := range map[string]string{"target: [\n": "config file " + config, "colour: red\n": `unknown setting "colour"`, "target: gcp\n": "gcp"} {
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
		l = w.run(t, "doctor", "--config", config).ends(t, ExitUsage, want)
		require.Contains(t, strings.SplitN(l.out.String(), "\n", 2)[0], "✘ config file")
		require.Contains(t, l.out.String(), "Pulumi CLI")
		w.run(t, "list", "--config", config).ends(t, ExitUsage, want)
		w.run(t, "doctor", "--config", config, "--target", "none").ends(t, ExitUsage)
	}
}

// Only who asks for it has the newest release looked up, and where that can't be done it is
// said so: nothing is told that is not known.
func TestVersionCheck(t *testing.T) {
	t.Parallel()
	asked, answer := 0, `{"tag_name": "v9.8.7", "html_url": "https://releases.example/v9.8.7"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	w := inWorld(t)
	at := func(url string, args ...string) *line {
		l := &line{w: w, environ: map[string]string{"PIPELINETUI_RELEASE_URL": url}}
		return l.run(t, append([]string{"version"}, args...)...)
	}
	at(server.URL).ends(t, ExitOK)
	at(server.URL, "-o", "json").ends(t, ExitOK)
	require.Zero(t, asked)
	at(server.URL, "--check").ends(t, ExitOK, "the newest release is v9.8.7, and this program is none", "https://releases.example/v9.8.7")
	require.Equal(t, map[string]any{"version": "v9.8.7", "url": "https://releases.example/v9.8.7"}, at(server.URL, "--check", "-o", "json").ends(t, ExitOK).doc(t, "Version")["release"])
	answer = `{"tag_name": "v9.8.7", "html_url": "javascript:alert(1)"}`
	require.Equal(t, map[string]any{"version": "v9.8.7"}, at(server.URL, "--check", "-o", "json").ends(t, ExitOK).doc(t, "Version")["release"])
	for _, bad := range []string{"", "<html>", `{"tag_name": "newest"}`} {
		answer = bad
		at(server.URL, "--check").ends(t, ExitError, "the newest release is not known", "PIPELINETUI_RELEASE_URL")
	}
	server.Close()
	at(server.URL, "--check").ends(t, ExitError, "the newest release is not known: download "+server.URL+": ", "connection refused", "PIPELINETUI_RELEASE_URL", "code: unreachable")
	require.Equal(t, ExitError, at(server.URL, "--check", "-o", "json").code)
	at("ftp://x", "--check").ends(t, ExitUsage, "not an http or https URL")
}

func TestDocs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := inWorld(t)
	w.run(t, "docs", "--dir", dir, "--man", filepath.Join(dir, "man")).ends(t, ExitOK)
	for _, f := range []string{"cli.md", "keys.md", "man/pipelinetui-up.1"} {
		raw, err := os.ReadFile(filepath.Join(dir, f))
		require.NoError(t, err)
		require.NotEmpty(t, raw)
		require.NotContains(t, string(raw), "sandbox serve", "hidden ones are for nobody")
	}
	w.run(t, "docs").ends(t, ExitOK)
	w.run(t, "docs", "--dir", filepath.Join(dir, "none")).ends(t, ExitError)
}

func TestTemplateCommands(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.run(t, "templates", "list").ends(t, ExitOK, "realtime", "batch")
	w.run(t, "templates", "show", "batch").ends(t, ExitOK, "Blocks:", "PARAMETER", "Secrets")
	dir := filepath.Join(t.TempDir(), "my-scoring")
	w.run(t, "templates", "new", dir, "--from", "realtime").ends(t, ExitOK, "is a copy of realtime", "templates check")
	w.run(t, "templates", "new", dir).ends(t, ExitUsage)
	w.run(t, "templates", "check", dir).ends(t, ExitOK, "nothing found")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "statemachine.asl.json"), []byte(`{"StartAt": "None", "States": {}}`), 0o600))
	w.run(t, "templates", "check", dir).ends(t, ExitUsage, "error", "Correct what is listed above")
	doc := w.run(t, "templates", "check", dir, "-o", "json").ends(t, ExitUsage).doc(t, "TemplateCheck")
	require.NotZero(t, doc["errors"])
	w.run(t, "schema").ends(t, ExitOK, "$schema")
	_, result := w.run(t, "schema", "-o", "jsonl").ends(t, ExitOK).lines(t, "Schema")
	require.NotEmpty(t, result["schema"])
	(&line{w: w, environ: map[string]string{"PIPELINETUI_TEMPLATES": filepath.Join(dir, "none")}}).run(t, "templates", "list").ends(t, ExitUsage)
}

func TestListAndShow(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "looks/iris")
	w.run(t, "list", "looks/*").ends(t, ExitOK, "looks/iris", "realtime", "ready")
	w.run(t, "list", "--tenant", "looks", "--quick", "-l", "team=botany").ends(t, ExitOK, "looks/iris")
	doc := w.run(t, "list", "looks/*", "-o", "json").ends(t, ExitOK).doc(t, "PipelineList")
	require.Len(t, doc["pipelines"], 1)
	w.run(t, "list", "nobody/*").ends(t, ExitNotFound)
	w.run(t, "show", "looks/iris").ends(t, ExitOK, "Parameters", "instanceType", "History",
		"\nResources\n  NAME ", "\n  machine  ", "\nHistory\n  VERSION ", "\n  1   ")
	w.run(t, "show", "looks/iris", "--quick", "-o", "json").ends(t, ExitOK).doc(t, "Pipeline")
	w.run(t, "show", "looks/none").ends(t, ExitNotFound)
	newHome(t, t.TempDir()).run(t, "list", "--quick").ends(t, ExitOK, "no pipelines yet")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "cancel/iris")
	w.run(t, "cancel", "cancel/iris", "--yes").ends(t, ExitOK, "cancel/iris is not locked")
	w.run(t, "cancel", "cancel/iris").ends(t, ExitUsage, "Add --yes")
	lock := func() {
		w.write(t, filepath.Join("state", ".pulumi", "locks", "organization", app.Project, "cancel.iris.dev", "one.json"), map[string]any{
			"pid": 1 << 30, "username": "ann", "hostname": "elsewhere", "timestamp": "2026-01-02T03:04:05Z",
		})
	}
	lock()
	(&line{w: w, tty: true, typed: "no\n"}).run(t, "cancel", "cancel/iris").ends(t, ExitCancelled, "is locked by ann@elsewhere", "Clear the lock?")
	(&line{w: w, tty: true, typed: "yes\n"}).run(t, "cancel", "cancel/iris").ends(t, ExitOK, "the lock of cancel/iris is cleared", "pipelinetui up cancel/iris")
	lock()
	doc := w.run(t, "cancel", "cancel/iris", "--yes", "-o", "json").ends(t, ExitOK).doc(t, "Cancel")
	require.Equal(t, true, doc["cleared"])
	w.run(t, "cancel", "cancel/none", "--yes").ends(t, ExitNotFound)
	w.run(t, "cancel", "Cancel/none", "--yes").ends(t, ExitUsage)
	// A lock is told of before anything is asked.
	lock()
	(&line{w: w, tty: true, engine: &engine{}, typed: "no\n"}).run(t, "refresh", "cancel/iris").ends(t, ExitCancelled, "cancel/iris")
	w.run(t, "cancel", "cancel/iris", "--yes").ends(t, ExitOK)
	// Nor is one not locked on which an operation has begun that has not come to its lock yet.
	host, err := os.Hostname()
	require.NoError(t, err)
	w.write(t, filepath.Join("work", "cancel.iris.dev", "operations.json"), map[string]any{
		"change": map[string]any{"operation": "up", "started": time.Now().UTC(), "user": "ann", "host": host, "pid": os.Getpid()},
	})
	w.run(t, "cancel", "cancel/iris", "--yes").ends(t, ExitLocked, "which has begun to work on cancel/iris", "--force")
	doc = w.run(t, "cancel", "cancel/iris", "--yes", "--force", "-o", "json").ends(t, ExitOK).doc(t, "Cancel")
	require.Equal(t, []any{}, doc["locks"])
}

func TestRestore(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "restore/iris")
	file := filepath.Join(w.home, "state", ".pulumi", "stacks", app.Project, id.StackName()+".json")
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	damage := func() {
		require.NoError(t, os.WriteFile(file+".bak", good, 0o600))
		require.NoError(t, os.WriteFile(file, []byte(`{"version": 3, "check`), 0o600))
	}
	damage()
	w.run(t, "show", "restore/iris").ends(t, ExitError, "damaged")
	(&line{w: w, tty: true, typed: "no\n"}).run(t, "cancel", "restore/iris", "--restore").ends(t, ExitCancelled, "in the place of the damaged state?")
	(&line{w: w, tty: true, typed: "yes\n"}).run(t, "cancel", "restore/iris", "--restore").ends(t, ExitOK, "is restored", "is kept in")
	damage()
	doc := w.run(t, "cancel", "restore/iris", "--restore", "--yes", "-o", "json").ends(t, ExitOK).doc(t, "Cancel")
	require.NotEmpty(t, doc["aside"])
}

func TestSandboxCommands(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.run(t, "sandbox", "status").ends(t, ExitOK, "the sandbox runs at "+w.info.Endpoint)
	w.run(t, "sandbox", "start").ends(t, ExitOK, w.info.Endpoint)
	doc := w.run(t, "sandbox", "status", "-o", "json").ends(t, ExitOK).doc(t, "Sandbox")
	require.Equal(t, true, doc["running"])
	require.EqualValues(t, 1, doc["settings"].(map[string]any)["haste"])
	hasty := map[string]string{"PIPELINETUI_SANDBOX_HASTE": "100"}
	(&line{w: w, environ: hasty}).run(t, "sandbox", "start").ends(t, ExitOK, "it runs with sandboxHaste 1; 100 is asked for (environment PIPELINETUI_SANDBOX_HASTE)",
		"Run `pipelinetui sandbox stop`, then `pipelinetui sandbox start`")
	(&line{w: w, environ: hasty}).run(t, "doctor").ends(t, ExitOK, "it runs with sandboxHaste 1; 100 is asked for")
	doc = (&line{w: w, environ: hasty}).run(t, "sandbox", "start", "-o", "json").ends(t, ExitOK).doc(t, "Sandbox")
	require.Equal(t, []any{map[string]any{"setting": "sandboxHaste", "running": "1", "asked": "100", "source": "environment PIPELINETUI_SANDBOX_HASTE"}}, doc["differs"])
	l := w.run(t, "sandbox", "env").ends(t, ExitOK, "export AWS_ACCESS_KEY_ID=", w.info.Endpoint)
	require.Contains(t, l.out.String(), w.info.AccessKeyID)
	w.run(t, "sandbox", "account", "add", "111122223333").ends(t, ExitOK, "has account 111122223333")
	w.run(t, "sandbox", "account", "list").ends(t, ExitOK, "111122223333", "the first one")
	w.run(t, "sandbox", "account", "add", "12").ends(t, ExitUsage)
	w.run(t, "sandbox", "account", "add", "444455556666", "-o", "json").ends(t, ExitOK).doc(t, "SandboxAccount")
	doc = w.run(t, "sandbox", "account", "list", "-o", "json").ends(t, ExitOK).doc(t, "SandboxAccounts")
	require.Len(t, doc["accounts"], 3)
	doc = w.run(t, "sandbox", "env", "--account", "111122223333", "-o", "json").ends(t, ExitOK).doc(t, "SandboxEnv")
	require.NotEmpty(t, doc["variables"])
	w.run(t, "sandbox", "env", "--account", "999999999999").ends(t, ExitNotFound)
	w.run(t, "sandbox", "logs").ends(t, ExitOK)
	w.run(t, "sandbox", "logs", "-o", "json").ends(t, ExitOK).doc(t, "SandboxLogs")
	w.run(t, "sandbox", "reset").ends(t, ExitUsage, "Add --yes")
	(&line{w: w, tty: true, typed: "no\n"}).run(t, "sandbox", "reset").ends(t, ExitCancelled, "Delete everything in the sandbox?")
	(&line{w: w, tty: true, typed: "no\n"}).run(t, "sandbox", "reset", "--keys").ends(t, ExitCancelled, "Make a new key")
	empty := newHome(t, t.TempDir())
	empty.run(t, "sandbox", "status").ends(t, ExitOK, "not running")
	empty.run(t, "sandbox", "stop").ends(t, ExitOK, "the sandbox is not running")
	empty.run(t, "sandbox", "reset", "--yes").ends(t, ExitOK, "everything in the sandbox is deleted")
	empty.run(t, "sandbox", "reset", "--keys", "--yes").ends(t, ExitOK, "the next start makes another")
	empty.run(t, "sandbox", "logs").ends(t, ExitNotFound, "there is no log yet")
	empty.serve(t)
	empty.run(t, "sandbox", "stop").ends(t, ExitOK, "the sandbox was stopped")
	require.NoError(t, <-empty.stopped)
	doc = empty.run(t, "sandbox", "stop", "-o", "json").ends(t, ExitOK).doc(t, "Sandbox")
	require.Equal(t, []any{false, nil}, []any{doc["running"], doc["stopped"]})
}

func TestWriteLog(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{
		console.Table: "{\"a\": 1}\nplain text\n",
		console.Lines: `{"type":"line","line":{"a":1}}` + "\n" + `{"type":"line","line":"plain text"}`,
		console.JSON:  "\"plain text\"",
	} {
		streams, out, _ := console.Buffers("")
		deps := newSession(nil, streams, none).deps
		deps.SetForm(form)
		require.NoError(t, writeLog(t.Context(), deps, strings.NewReader("{\"a\": 1}\n\nplain text")))
		require.Contains(t, out.String(), want, form)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	// A sandbox of its own: faults are everybody's.
	w := newHome(t, t.TempDir())
	w.serve(t)
	t.Cleanup(func() { w.stop(); <-w.stopped })
	w.run(t, "sandbox", "faults", "list").ends(t, ExitOK, "nothing goes wrong on purpose")
	w.run(t, "sandbox", "faults", "set", "--call", "sfn.StartExecution", "--throttle", "--share", "0.5", "--times", "2").
		ends(t, ExitOK, "sfn.StartExecution, 50 % of them, 2 times", "throttled")
	w.run(t, "sandbox", "faults", "set", "--error", "ModelError", "--status", "424", "--latency", "5ms", "--jitter", "5ms").
		ends(t, ExitOK, "fails with ModelError (424)", "5 to 10 ms late")
	w.run(t, "sandbox", "faults", "set", "--error", "Boom", "--latency", "5ms").ends(t, ExitOK, "fails with Boom (500)", "5 ms late")
	w.run(t, "sandbox", "faults", "set", "--quotas").ends(t, ExitOK, "AWS's quotas count; 0 calls refused")
	doc := w.run(t, "sandbox", "faults", "list", "-o", "json").ends(t, ExitOK).doc(t, "SandboxFaults")
	require.Equal(t, true, doc["quotas"])
	w.run(t, "sandbox", "faults", "clear", "1").ends(t, ExitOK, "ModelError")
	w.run(t, "sandbox", "faults", "clear", "9").ends(t, ExitNotFound)
	w.run(t, "sandbox", "faults", "clear", "x").ends(t, ExitUsage, "not the number of a fault")
	w.run(t, "sandbox", "faults", "set").ends(t, ExitUsage, "give --quotas")
	w.run(t, "sandbox", "faults", "clear").ends(t, ExitOK, "nothing goes wrong")
	require.Equal(t, 3, throttled(app.FaultStatus{Throttled: map[string]int{"a": 1, "b": 2}}))
}

func TestEject(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.run(t, "eject", "eject/none", t.TempDir()).ends(t, ExitNotFound)
	w.run(t, "eject", "Eject/none", t.TempDir()).ends(t, ExitUsage)
	text := ejected(&app.Ejected{Stack: "a.b.dev", Dir: "/x", Resources: 3, Files: []string{"Pulumi.yaml"}, Sandbox: true})
	require.Contains(t, text, "3 resources written to /x")
	require.Contains(t, text, "pipelinetui sandbox exec -- pulumi preview --stack a.b.dev")
}

// What the full screen needs, and why it is not shown.
func TestWhyTheScreenIsNotShown(t *testing.T) {
	t.Parallel()
	for want, tt := range map[string]struct {
		in, out bool
		environ map[string]string
		form    string
	}{
		"":                               {true, true, nil, console.Table},
		"the output is to be json":       {true, true, nil, console.JSON},
		"standard input is not a":        {false, true, nil, console.Table},
		"standard output is not":         {true, false, nil, console.Table},
		"TERM is dumb":                   {true, true, map[string]string{"TERM": "dumb"}, console.Table},
		"CI is set, so nobody sits here": {true, true, map[string]string{"CI": "1"}, console.Table},
	} {
		streams := nothing()
		streams.InTTY, streams.OutTTY = tt.in, tt.out
		deps := newSession(nil, streams, func(k string) (string, bool) { v, ok := tt.environ[k]; return v, ok }).deps
		deps.SetForm(tt.form)
		require.Contains(t, cannotShow(deps), want)
		require.Equal(t, want == "", cannotShow(deps) == "")
	}
}

func TestDarkAndUnicode(t *testing.T) {
	t.Parallel()
	of := func(environ map[string]string) *Deps {
		if environ["PIPELINETUI_HOME"] == "" {
			environ["PIPELINETUI_HOME"] = t.TempDir()
		}
		s := newSession(nil, nothing(), func(k string) (string, bool) { v, ok := environ[k]; return v, ok })
		s.global = newRoot(s).PersistentFlags()
		require.NoError(t, s.resolve(t.Context()))
		return s.deps
	}
	for environ, want := range map[string]bool{"": true, "15;0": true, "0;15": false, "0;7": false, "0;8": true, "nonsense": true} {
		require.Equal(t, want, dark(of(map[string]string{"COLORFGBG": environ})), environ)
	}
	require.False(t, dark(of(map[string]string{"PIPELINETUI_BACKGROUND": "light"})))
	require.True(t, dark(of(map[string]string{"PIPELINETUI_BACKGROUND": "dark", "COLORFGBG": "0;15"})))
	for locale, want := range map[string]bool{"": false, "C": false, "en_GB.UTF-8": true, "de_DE.utf8": true} {
		require.Equal(t, want, unicode(of(map[string]string{"LC_ALL": locale})), locale)
	}
	require.True(t, unicode(of(map[string]string{"PIPELINETUI_UNICODE": "always"})))
	require.False(t, unicode(of(map[string]string{"PIPELINETUI_UNICODE": "never", "LANG": "en_GB.UTF-8"})))
}

func TestNewNeedsSomebody(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.run(t, "new", "new/iris").ends(t, ExitUsage, "nobody can be asked here")
	(&line{w: w, tty: true}).run(t, "new", "New/iris").ends(t, ExitUsage)
	(&line{w: w, tty: true, engine: &engine{}}).run(t, "new", "new/iris", "--template", "realtime").ends(t, ExitCancelled)
}
