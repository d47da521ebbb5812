//go:build unix

// Package e2e runs the real binary, the real engine and the real sandbox, as a
// user would: one script in testdata for each behaviour. A script is named after
// its subject; its first lines say what it shows.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/early"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/signaltest"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// TestMain lets more scripts run at a time than there are processors: each waits for
// sandboxes, locks and answers half of its time.
func TestMain(m *testing.M) {
	signaltest.Reset()
	early.Restore() // it is loaded with the command line
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = parallel.Value.Set(strconv.Itoa(4 + runtime.GOMAXPROCS(0))) // a number is one
	}
	code := m.Run()
	_ = os.RemoveAll(programsDir) // "" is nothing
	os.Exit(code)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	pulumi := findPulumi(t, root)
	bin := programs(t)
	seeds := newSeeds(bin, root, pulumi, t.TempDir())
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"exits": cmdExits, "ptui": cmdPtui, "json": cmdJSON, "waitfor": cmdWaitFor, "kill9": cmdKill9, "env-from": cmdEnvFrom, "setjson": cmdSetJSON,
		"kept": cmdKept, "tty": cmdTTY, "record": cmdRecord, "tui": cmdTUI, "crashes": cmdCrashes,
		"crashes-rollout": cmdCrashesRollout, "changing": cmdChanging, "seed": seeds.cmd, "tmpfs": cmdTmpfs, "fill": cmdFill,
	}
	for name := range awsCommands {
		commands[name] = cmdAWS(name)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts(t),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("PIPELINETUI_HOME", home)
			e.Setenv("PIPELINETUI_PULUMI", pulumi)
			e.Setenv("PIPELINETUI_SANDBOX_ENDPOINT_DELAY", "50ms")
			e.Setenv("IRIS", filepath.Join(root, "examples", "iris"))
			e.Setenv("BATCH", filepath.Join(root, "examples", "iris-batch"))
			e.Setenv("ROOT", root)
			e.Setenv("TEMPLATES", filepath.Join(root, "e2e", "testdata", "templates"))
			e.Setenv("PATH", strings.Join([]string{bin, filepath.Join(root, "bin"), os.Getenv("PATH")}, string(os.PathListSeparator)))
			e.Setenv("NO_COLOR", "1")
			e.Setenv(seldomGC[0], seldomGC[1])
			e.Defer(func() { stopSandbox(home) })
			return seeds.sow(home)
		},
		Cmds: commands,
		Condition: func(cond string) (bool, error) {
			if name, ok := strings.CutPrefix(cond, "has:"); ok {
				if _, err := os.Stat(filepath.Join(root, "bin", name)); err == nil {
					return true, nil
				}
				_, err := exec.LookPath(name)
				return err == nil, nil
			}
			if cond == "mount" {
				return mayMount(t.TempDir()), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// longest are the scripts that take longest, each of which would be waited for alone if it
// were among the last to begin.
var longest = []string{"killedrollout", "rollouts", "changing", "failures", "batch", "revisions", "killed", "accounts", "capacity", "changes", "damagedstack"}

// scripts are the files of testdata, the longest first.
func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	place := func(file string) int {
		if i := slices.Index(longest, strings.TrimSuffix(filepath.Base(file), ".txtar")); i >= 0 {
			return i
		}
		return len(longest)
	}
	slices.SortStableFunc(files, func(a, b string) int { return place(a) - place(b) })
	require.Equal(t, len(longest), slices.IndexFunc(files, func(f string) bool { return place(f) == len(longest) }), "each of the longest is there")
	return files
}

// seldomGC is for programs that end within seconds: what they spend on collecting garbage, of
// which they would have none to speak of in the end, is a sixth of what they cost.
var seldomGC = [2]string{"GOGC", "400"}

// programs returns a folder with what the scripts run, which is built once and written to by
// nobody else. PIPELINETUI_BINARY names a pipelinetui that was built for the test already:
// linking one takes ten seconds.
func programs(t *testing.T) string {
	t.Helper()
	bin, err := builtPrograms()
	require.NoError(t, err)
	return bin
}

// programsDir is what TestMain takes away.
var programsDir string

var builtPrograms = sync.OnceValues(func() (bin string, err error) {
	if bin, err = os.MkdirTemp("", "pipelinetui-e2e-*"); err != nil {
		return "", err
	}
	programsDir = bin
	packages := []string{"./examples/iris-batch/verify"}
	if made := os.Getenv("PIPELINETUI_BINARY"); made == "" {
		packages = append(packages, "./cmd/pipelinetui")
	} else if err := copyFile(made, filepath.Join(bin, "pipelinetui")); err != nil {
		return "", fmt.Errorf("PIPELINETUI_BINARY: %w", err)
	}
	build := exec.Command("go", append([]string{"build", "-ldflags=-s -w", "-o", bin + string(filepath.Separator)}, packages...)...)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return bin, nil
})

// copyFile copies a program: one that is built again while tests run stays as it was.
func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return wholefile.WriteProgram(to, raw)
}

// findPulumi returns the CLI that `make pulumi` built, or the one on PATH.
func findPulumi(t *testing.T, root string) string {
	t.Helper()
	if p := os.Getenv("PIPELINETUI_PULUMI"); p != "" {
		return p
	}
	name := filepath.Join(root, "bin", "pulumi")
	if _, err := os.Stat(name); err == nil {
		return name
	}
	p, err := exec.LookPath("pulumi")
	if err != nil {
		t.Skip("no Pulumi CLI: run `make pulumi` first")
	}
	return p
}

// stopSandbox ends the daemon that a script started, however the script ended.
func stopSandbox(home string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, _ = sandbox.Stop(ctx, filepath.Join(home, "sandbox")) // it may never have run
}

// cmdExits runs a command and wants an exit code: exits 10 pipelinetui run ...
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if args[1] == "ptui" {
		if got := ptui(ts, args[2:]); int(got) != want {
			ts.Fatalf("exit code %d, want %d", got, want)
		}
		return
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// cmdJSON checks a value of the JSON document on stdout: json PATH REGEXP. PATH
// is dotted; length is that of a list. !json wants no match.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH REGEXP")
	}
	got := lookup(ts, args[0])
	re, err := regexp.Compile("^(?:" + args[1] + ")$")
	ts.Check(err)
	if re.MatchString(got) == neg {
		ts.Fatalf("%s is %q, want%s %s\nstdout:\n%s", args[0], got, map[bool]string{true: " not"}[neg], args[1], ts.ReadFile("stdout"))
	}
}

// cmdSetJSON sets a variable to a value of stdout's document, or to the part of
// it that a regexp's group matches: setjson VAR PATH [REGEXP].
func cmdSetJSON(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: setjson VARIABLE PATH [REGEXP]")
	}
	value := lookup(ts, args[1])
	if len(args) == 3 {
		m := regexp.MustCompile(args[2]).FindStringSubmatch(value)
		if len(m) != 2 {
			ts.Fatalf("%s does not match %q", args[2], value)
		}
		value = m[1]
	}
	ts.Setenv(args[0], value)
}

func lookup(ts *testscript.TestScript, path string) string {
	var doc any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc); err != nil {
		ts.Fatalf("stdout is not one JSON document: %v\n%s", err, ts.ReadFile("stdout"))
	}
	for _, part := range strings.Split(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[part]
		case []any:
			if part == "length" {
				doc = float64(len(v))
				continue
			}
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(v) {
				ts.Fatalf("no element %s in %s\n%s", part, path, ts.ReadFile("stdout"))
			}
			doc = v[i]
		default:
			return ""
		}
	}
	switch v := doc.(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		raw, err := json.Marshal(v)
		ts.Check(err)
		return string(raw)
	}
}

// waitLimit bounds waitfor; only a broken build waits that long.
const (
	waitLimit = 5 * time.Minute
	waitRest  = 30 * time.Millisecond
)

// cmdWaitFor runs a command again and again until its stdout matches: waitfor
// REGEXP PROGRAM [ARG...]. Between two runs it rests as long as one took, or waitRest, so
// that what it waits for gets on.
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor REGEXP PROGRAM [ARG...]")
	}
	re, err := regexp.Compile(args[0])
	ts.Check(err)
	run := func() string {
		_ = ts.Exec(args[1], args[2:]...)
		return ts.ReadFile("stdout")
	}
	own, here := awsCommands[args[1]]
	switch {
	case here:
		caller := newAWSCaller(ts)
		defer caller.close()
		run = func() string {
			var out strings.Builder
			_ = own(caller, &out, args[2:])
			return out.String()
		}
	case args[1] == "ptui":
		here = true
		run = func() string {
			out, _, _ := runHere(ts, args[2:])
			return string(out)
		}
	}
	last := ""
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); {
		began := time.Now()
		if last = run(); re.MatchString(last) {
			if here {
				fmt.Fprint(ts.Stdout(), last) // what follows looks at it
			}
			return
		}
		time.Sleep(max(time.Since(began), waitRest))
	}
	ts.Fatalf("%s never matched; last stdout:\n%s", args[0], last)
}

// cmdKill9 kills the process whose number stdout's document has under pid, and
// waits until it is gone: kill9.
func cmdKill9(ts *testscript.TestScript, _ bool, _ []string) {
	pid, err := strconv.Atoi(lookup(ts, "pid"))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); {
		// A killed daemon is nobody's child; it is gone once it is a zombie or
		// unknown. Its first thread may be one while others, and the socket with them,
		// are not.
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		threads, terr := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil || strings.Contains(string(raw), ") Z ") && (terr != nil || len(threads) <= 1) {
			return
		}
	}
	ts.Fatalf("process %d survived SIGKILL", pid)
}

// cmdEnvFrom takes over the variables of `sandbox env -o json` on stdout.
func cmdEnvFrom(ts *testscript.TestScript, _ bool, _ []string) {
	var doc struct {
		Variables []struct{ Name, Value string } `json:"variables"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc))
	for _, v := range doc.Variables {
		ts.Setenv(v.Name, v.Value)
	}
}
