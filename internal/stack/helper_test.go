package stack

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/leaktest"
	"github.com/pipelinetui/pipelinetui/internal/signaltest"
)

func TestMain(m *testing.M) {
	if os.Getenv(asAnalyzer) != "" {
		if err := serveAnalyzer(); err != nil {
			os.Exit(1)
		}
		return
	}
	signaltest.Reset()
	leaktest.Main(m,
		// glog, which the SDK links, starts this one in its init.
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		// pulumi.NewContext does not close its connections if the engine goes
		// away just then, as on an early Cancel. We make no gRPC client.
		goleak.IgnoreTopFunction("google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run"),
		goleak.IgnoreAnyFunction("google.golang.org/grpc.(*addrConn).connect"))
}

// pulumiPath is the real CLI: PIPELINETUI_PULUMI, the checkout's bin/ or PATH.
func pulumiPath(t *testing.T) string {
	t.Helper()
	path, _, err := FindPulumi(t.Context(), FindOptions{
		Explicit: os.Getenv("PIPELINETUI_PULUMI"), BesideExe: filepath.Join("..", "..", "bin"), Path: os.Getenv("PATH"),
	})
	if errors.Is(err, fault.NotFound) {
		t.Skip("no Pulumi CLI: run `make pulumi`, or set PIPELINETUI_PULUMI")
	}
	require.NoError(t, err)
	return path
}

type fixture struct {
	*Engine
	home    string
	backend string
}

// raced are the tests of the real engine that -short, and so the race detector, is for: all
// goroutines of a Run (events, cancel, a program that hangs, a reader that is slow, several at
// once) are in these. The others would say the same again, some seconds a process.
var raced = map[string]bool{
	"TestUpTellsOutputsAndCountsWithFewProcesses": true, "TestParallelUps": true, "TestLockConflict": true,
	"TestSlowReaderDoesNotHoldTheEngine": true, "TestCancelBeforeTheEngineIsReadyLeavesNoLock": true,
	"TestAnEngineThatReportsNothingIsInterruptedOnce": true, "TestAProgramThatWaitsForEverDoesNotOutliveTheEngine": true,
	"TestAMakingThatHangsEnds": true, "TestPanicKeepsItsTrace": true, "TestKillLeavesALockAndAPendingOperation": true,
}

// open returns an Engine with a home of its own. backend "" means a new one.
func open(t *testing.T, backend string, change ...func(*Options)) *fixture {
	t.Helper()
	if name, _, _ := strings.Cut(t.Name(), "/"); testing.Short() && !raced[name] {
		t.Skip("takes a process of the engine, and goroutines that others have: runs without -short")
	}
	f := &fixture{home: t.TempDir(), backend: backend}
	if backend == "" {
		f.backend = FileURL(filepath.Join(f.home, ownState))
	}
	opts := Options{
		PulumiPath: pulumiPath(t), Home: f.home, Backend: f.backend,
		Env: map[string]string{envPassphrase: "correct horse"},
		Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&opts)
	}
	e, err := Open(t.Context(), opts)
	require.NoError(t, err)
	f.Engine = e
	return f
}

// withoutCLI returns an Engine that can read files, and nothing else.
func withoutCLI(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{home: t.TempDir()}
	f.backend = FileURL(filepath.Join(f.home, ownState))
	f.Engine = &Engine{
		free: freeBytes,
		opts: Options{Home: f.home, Backend: f.backend, Project: DefaultProject}, log: slog.New(slog.DiscardHandler),
		dirs: map[string]*sync.Mutex{}, fileStacks: map[string]fileStack{},
	}
	require.NoError(t, f.prepareBackend())
	return f
}

// must runs an operation to its end and wants it to succeed.
func must(t *testing.T, run *Run, err error) (Result, []Event) {
	t.Helper()
	res, events, err := wait(t, run, err)
	if err != nil {
		t.Fatalf("%v\ncause: %v", err, errors.Unwrap(err))
	}
	return res, events
}

// wait runs an operation to its end and reads all its events.
func wait(t *testing.T, run *Run, err error) (Result, []Event, error) {
	t.Helper()
	require.NoError(t, err)
	var events []Event
	for e := range run.Events() {
		events = append(events, e)
	}
	res, err := run.Wait()
	dump(t, events)
	return res, events, err
}

// dump keeps the events of a test where RECORD says, to make fixtures of them.
func dump(t *testing.T, events []Event) {
	t.Helper()
	dir := os.Getenv("RECORD")
	if dir == "" {
		return
	}
	name := strings.NewReplacer("/", "_").Replace(t.Name())
	f, err := os.OpenFile(filepath.Join(dir, name+".jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	enc := json.NewEncoder(f)
	for _, e := range events {
		require.NoError(t, enc.Encode(e))
	}
}

// stashes is a program of resources that need no plugin.
func stashes(spec string, names ...string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		if _, err := pulumi.NewStash(ctx, specName, &pulumi.StashArgs{Input: pulumi.Any(spec)}); err != nil {
			return err
		}
		for _, name := range names {
			if _, err := pulumi.NewStash(ctx, name, &pulumi.StashArgs{Input: pulumi.Any("value of " + name)}); err != nil {
				return err
			}
		}
		ctx.Export("spec", pulumi.String(spec))
		ctx.Export("password", pulumi.ToSecret(pulumi.String("hunter2")))
		return nil
	}
}

// things is a program of Things, registered in no particular order.
func things(things map[string]pulumi.Map) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for name, props := range things {
			if _, err := newThing(ctx, name, props); err != nil {
				return err
			}
		}
		return nil
	}
}
