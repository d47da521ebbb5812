package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func open(t *testing.T, source data.Source, id spec.ID, tab string, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	opts = append([]tuitest.Option{tuitest.Now(datatest.Recorded)}, opts...)
	return tuitest.Open(t, source, func(h *ui.Host) ui.Page { return pipeline.New(h, id, tab) }, opts...)
}

// last is the newest request, of type T.
func last[T any](t *testing.T, s *tuitest.Session) T {
	t.Helper()
	all := s.Requests()
	require.NotEmpty(t, all, s.Screen())
	req, ok := all[len(all)-1].(T)
	require.True(t, ok, "%T", all[len(all)-1])
	return req
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}} {
		for _, tab := range []string{"overview", "resources", "executions", "updates", "definition"} {
			name := fmt.Sprintf("%s-%dx%d", tab, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := open(t, datatest.New(t), datatest.Iris, tab, tuitest.Size(size[0], size[1]))
				s.Until("ready")
				s.Golden(name)
			})
		}
	}
	t.Run("ascii", func(t *testing.T) {
		t.Parallel()
		s := open(t, datatest.New(t), datatest.Iris, "resources", tuitest.ASCII(), tuitest.Size(120, 40))
		s.Until("ready")
		for _, r := range s.Screen() {
			require.Less(t, r, rune(0x80), "%q in\n%s", r, s.Screen())
		}
		s.Golden("resources-ascii")
	})
	t.Run("resource", func(t *testing.T) {
		t.Parallel()
		s := open(t, datatest.New(t), datatest.Iris, "resources")
		s.Until("ready")
		s.Press("/")
		s.Type("lambda:Function")
		s.Press("enter", "G", "enter")
		s.Golden("resource-80x24")
	})
	t.Run("failed", func(t *testing.T) {
		t.Parallel()
		s := open(t, datatest.New(t), datatest.Churn, "updates")
		s.Until("failed")
		s.Golden("failed-80x24")
	})
}

func TestNothingIsToldByColourAlone(t *testing.T) {
	t.Parallel()
	for _, tab := range []string{"overview", "resources", "updates", "definition"} {
		plain, colour := open(t, datatest.New(t), datatest.Iris, tab), open(t, datatest.New(t), datatest.Iris, tab, tuitest.Color("light"))
		require.Equal(t, plain.Screen(), colour.Screen())
		require.NotEqual(t, plain.Styled(), colour.Styled())
	}
}

func TestTabsByKeysAndMouse(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t), datatest.Iris, "")
	s.Until("protection")
	s.Press("tab")
	s.Until("RESOURCE")
	s.Press("shift+tab")
	s.Until("protection")
	s.Press("shift+tab")
	s.Until("of the newest")
	s.Press("shift+tab")
	s.Until("nothing of which there are")
	s.Press("shift+tab")
	s.Until("Nothing was logged")
	s.Press("shift+tab")
	s.Until("no revision is known")
	s.Press("shift+tab")
	s.Until("Preprocess")
	tabs := strings.Split(s.Screen(), "\n")[3]
	s.Click(strings.Index(tabs, "Upda"), 3)
	s.Until("RESULT")
	require.Contains(t, s.Screen(), "succeeded")
	s.Press("1")
	s.Until("protection")
	s.Press("esc")
	require.True(t, s.Quit() || strings.Contains(s.Screen(), "acme/iris"), "the first page stays")
}

func TestValuesAreCopiedWholeAndSecretsNever(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	p, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	state := *p.State
	state.Outputs = map[string]stack.Output{
		"zSecret": {Value: "hunter2", Secret: true},
		"yLong":   {Value: strings.Repeat("x", 300) + "END"},
		"xEvil":   {Value: "a\x1b[31mred\x07"},
	}
	p.State = &state
	source.Add(p)
	s := open(t, source, datatest.Iris, "", tuitest.Size(120, 40))
	s.Press("/")
	s.Type("zSecret")
	s.Press("enter")
	require.Contains(t, s.Screen(), "[secret]")
	s.Press("y")
	require.Contains(t, s.Screen(), "can't be copied")
	require.Empty(t, s.Copied())
	s.Press("enter")
	require.NotContains(t, s.Screen(), "hunter2")
	s.Press("esc", "esc", "/")
	s.Type("yLong")
	s.Press("enter")
	require.NotContains(t, s.Screen(), "END")
	s.Press("enter")
	s.Until("END")
	s.Press("c")
	require.Equal(t, strings.Repeat("x", 300)+"END", s.Copied()[0])
	s.Press("esc", "/")
	s.Type("xEvil")
	require.NotContains(t, s.Styled(), "\x1b[31mred")
}

func TestParametersOfAnUnknownTemplateAreHidden(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	p, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	other := *p.Spec
	other.Template = "gone"
	other.Parameters = spec.Values{"token": "hunter2"}
	p.Spec = &other
	source.Add(p)
	s := open(t, source, datatest.Iris, "", tuitest.Size(120, 60))
	s.Until("token")
	require.NotContains(t, s.Screen(), "hunter2")
}

func TestResourceIsInspectedSearchedAndCopied(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.ConsoleFunc = func(r stack.Resource) string { return "https://console.aws.amazon.com/" + r.Name }
	s := open(t, source, datatest.Iris, "resources")
	s.Press("/")
	s.Type("dev-ep")
	s.Press("enter", "G", "y", "U", "C")
	require.Equal(t, "ptui-acme-iris-dev-ep", s.Copied()[0])
	require.Contains(t, s.Copied()[1], "urn:pulumi:acme.iris.dev::")
	require.Equal(t, "https://console.aws.amazon.com/endpoint", s.Copied()[2])
	s.Press("enter")
	s.Until("inputs: what was asked for")
	s.Press("/")
	s.Type("endpointConfigName")
	s.Until("1 of")
	s.Press("enter", "esc", "esc", "esc")
	s.Press("left", "left")
	require.NotContains(t, s.Screen(), "sagemaker-role", "the branch is shut")
	s.Press("z", "z")
	require.Contains(t, s.Screen(), "sagemaker-role")
}

func TestUpdatesAreCountedFromTheOldest(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t), datatest.Iris, "updates", tuitest.Size(120, 40))
	s.Until("27 created")
	s.Press("enter")
	s.Until("Update 3 of acme/iris")
	s.Until("refresh")
	s.Press("esc", "G", "enter")
	s.Until("Update 1 of acme/iris")
}

func TestDefinitionIsReadSearchedAndSaved(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t), datatest.Iris, "definition", tuitest.Size(120, 40))
	s.Until("InvokeEndpoint")
	s.Press("enter")
	s.Until("State Preprocess")
	require.Contains(t, s.Screen(), "lambda:invoke")
	s.Press("esc", "v")
	s.Until("StartAt")
	s.Press("/")
	s.Type("PayloadTooLarge")
	s.Press("enter", "n", "N")
	s.Until("1 of")
	s.Press("esc", "y")
	require.Contains(t, s.Copied()[0], `"StartAt"`)
	file := filepath.Join(t.TempDir(), "machine.asl.json")
	for range 2 {
		s.Press("w")
		s.Press("ctrl+u")
		s.Type(file)
		s.Press("enter")
	}
	s.Until("exists already")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.JSONEq(t, s.Copied()[0], string(raw))
}

func TestActionsAskForOperations(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t), datatest.Iris, "")
	s.Until("protection")
	s.Press("D")
	require.Equal(t, stack.OperationDestroy, last[ui.OpenDeploy](t, s).Request.Operation)
	s.Press("r")
	req := last[ui.OpenDeploy](t, s).Request
	require.Equal(t, stack.OperationRefresh, req.Operation)
	require.Equal(t, datatest.Iris, req.Pipelines[0].ID)
	s.Press("e")
	require.Equal(t, datatest.Iris, *last[ui.OpenWizard](t, s).Change)
	s.Press("o")
	s.Until("no operation of this session has worked on it")
	s.Press("u")
	s.Until("can't be brought up") // the recorded files are not here
}

func TestReadOnlyRefusesWithTheReason(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.ReadOnly = true
	s := open(t, source, datatest.Iris, "")
	s.Until("protection")
	for _, key := range []string{"u", "r", "D", "e", "N"} {
		s.Press(key)
		require.Contains(t, s.Screen(), "read-only", key)
		require.Empty(t, s.Requests(), key)
	}
}

func TestAStaleLockIsExplainedAndCleared(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	locked := true
	source.LocksFunc = func(context.Context, spec.ID) ([]stack.Lock, error) {
		if !locked || len(source.Unlocked()) > 0 {
			return nil, nil
		}
		return []stack.Lock{{Where: "/state/locks/1.json", User: "ana", Host: "build-7", PID: 4711, Since: datatest.Recorded.Add(-3 * time.Hour), Stale: true}}, nil
	}
	s := open(t, source, datatest.Iris, "", tuitest.Size(120, 40))
	s.Until("locked by ana on build-7, process 4711 for 3h: that process is gone")
	s.Press("L")
	s.Until("Clear the lock of acme/iris?")
	s.Golden("lock-stale")
	s.Press("y")
	require.Empty(t, source.Unlocked(), "a grave question is deaf for a moment")
	s.Advance(time.Second)
	s.Press("y")
	s.UntilGone("locked by")
	require.Equal(t, []spec.ID{datatest.Iris}, source.Unlocked())
}

// Somebody else may begin at any moment: the key that asks for the lock looks at it, and so
// does the page by itself; and an endpoint that changes says that there is something to read.
func TestWhoHoldsTheStackIsLookedAt(t *testing.T) {
	t.Parallel()
	by := func(source *datatest.Source) *atomic.Bool {
		var held atomic.Bool
		source.LocksFunc = func(context.Context, spec.ID) ([]stack.Lock, error) {
			if !held.Load() {
				return nil, nil
			}
			return []stack.Lock{{User: "bo", Host: "laptop", PID: 12, Since: datatest.Recorded}}, nil
		}
		return &held
	}
	t.Run("when asked", func(t *testing.T) {
		t.Parallel()
		source := datatest.New(t)
		held := by(source)
		s := open(t, source, datatest.Iris, "")
		s.Press("L")
		s.Until("nobody holds the stack")
		held.Store(true)
		s.Press("L")
		s.Until("Held by bo on laptop, process 12")
		s.Press("esc")
		s.Until("being updated by bo on laptop")
		require.Contains(t, s.Screen(), "● updating")
	})
	t.Run("by itself", func(t *testing.T) {
		t.Parallel()
		source := datatest.New(t)
		held := by(source)
		s := open(t, source, datatest.Iris, "")
		s.Until("✔ ready")
		held.Store(true)
		s.Advance(ui.HeldEvery)
		s.Until("being updated by bo on laptop")
		held.Store(false)
		s.Advance(ui.HeldEvery)
		s.Until("✔ ready")
	})
	t.Run("where the backend only lists", func(t *testing.T) {
		t.Parallel()
		source := datatest.New(t)
		source.PlaceFunc = func(context.Context) (data.Place, error) {
			return data.Place{Target: "aws", Account: "000000000000", Region: "us-east-1", Backend: "s3://states"}, nil
		}
		var busy atomic.Bool
		source.ReadFunc = func(ctx context.Context, id spec.ID) (pipelines.Pipeline, error) {
			list, err := source.Pipelines(ctx)
			p := list[slices.IndexFunc(list, func(p pipelines.Pipeline) bool { return p.ID == id })]
			p.Summary.InProgress = busy.Load()
			return p, err
		}
		source.LiveFunc = func(context.Context, pipelines.Pipeline) (pipelines.Live, error) {
			l := pipelines.Live{At: datatest.Recorded, Endpoint: "InService"}
			if busy.Load() {
				l.Endpoint = "Updating"
			}
			return l, nil
		}
		held := by(source)
		s := open(t, source, datatest.Iris, "")
		s.Until("✔ ready")
		busy.Store(true)
		held.Store(true)
		s.Advance(ui.RetryAfter)
		s.Until("being updated by bo on laptop")
	})
}

func TestALiveLockWantsTheNameTyped(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.LocksFunc = func(context.Context, spec.ID) ([]stack.Lock, error) {
		return []stack.Lock{{User: "bo", Host: "laptop", PID: 12, Since: datatest.Recorded.Add(-time.Minute)}}, nil
	}
	s := open(t, source, datatest.Iris, "")
	s.Until("being updated by bo on laptop")
	s.Press("L")
	s.Advance(time.Second)
	s.Until("can ruin the state")
	s.Press("y", "enter")
	require.Empty(t, source.Unlocked())
	s.Press("ctrl+u")
	s.Type("acme/iris")
	s.Press("enter")
	s.Wait("unlock", func() bool { return len(source.Unlocked()) == 1 })
}

func TestCutOffOperationsShowTheWayOut(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	p, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	state := *p.State
	state.Pending = []stack.PendingOperation{{URN: "urn:x", Type: "aws:sagemaker/endpoint:Endpoint", Name: "endpoint", Kind: "creating"}}
	p.State = &state
	source.Add(p)
	s := open(t, source, datatest.Iris, "", tuitest.Size(100, 30))
	s.Until("cut off: creating endpoint")
	require.Contains(t, s.Screen(), "incomplete")
	s.Press("M")
	s.Until("may or may not exist")
	s.Golden("cut-off")
	s.Press("f")
	req := last[ui.OpenDeploy](t, s).Request
	require.Equal(t, stack.OperationRefresh, req.Operation)
	require.True(t, req.ClearPending)
}

func TestAPipelineThatIsGoneSaysSo(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	s := open(t, source, spec.ID{Tenant: "no", Model: "such", Env: "dev"}, "")
	s.Until("there is no pipeline no/such on this backend")
	s.Press("u")
	s.Until("not read yet")

	s = open(t, source, datatest.Iris, "")
	s.Until("protection")
	source.ReadFunc = func(context.Context, spec.ID) (pipelines.Pipeline, error) {
		return pipelines.Pipeline{}, fault.New(fault.Denied, "access denied").WithHint("Check the credentials.")
	}
	s.Press("ctrl+r")
	s.Until("what is shown is old: access denied")
	require.Contains(t, s.Screen(), "protection")
}

func TestAnOperationOfTheSessionShowsAndIsReadAfterwards(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.HoldAfter = 12
	var host *ui.Host
	s := tuitest.Open(t, source, func(h *ui.Host) ui.Page { host = h; return pipeline.New(h, datatest.Iris, "updates") }, tuitest.Now(datatest.Recorded))
	s.Until("27 created")
	p, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	job, cmd := host.Env.Jobs.Start(pipelines.Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{p.Spec}})
	s.Run(cmd)
	s.Until("⠋ refresh ")
	s.Press("D")
	s.Until("refresh is at work on it")
	source.Release()
	s.Wait("end", job.Done)
	s.Until("✔ ready")
}

func TestTinyScreensDoNotPanic(t *testing.T) {
	t.Parallel()
	for _, tab := range []string{"overview", "resources", "updates", "definition"} {
		var page ui.Page
		s := tuitest.Open(t, datatest.New(t), func(h *ui.Host) ui.Page { page = pipeline.New(h, datatest.Iris, tab); return page }, tuitest.Now(datatest.Recorded))
		s.Idle()
		for w := 1; w < 70; w += 7 {
			for h := 1; h < 20; h++ {
				require.Len(t, strings.Split(page.View(w, h), "\n"), h)
			}
		}
	}
}

func TestSpecIsSavedAsYAMLThatMakesThePipelineAgain(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	s := open(t, source, datatest.Iris, "", tuitest.Size(120, 40))
	s.Until("protection")
	file := filepath.Join(t.TempDir(), "iris.yaml")
	s.Press("w")
	s.Until("Save the spec")
	s.Press("ctrl+u")
	s.Type(file)
	s.Press("enter")
	s.Until("saved to")
	cat, err := source.Catalog(t.Context())
	require.NoError(t, err)
	set, err := spec.Load(file, cat, spec.Options{Region: "us-east-1", SkipFiles: true})
	require.NoError(t, err)
	p, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	require.Equal(t, p.ID, set.Pipelines[0].ID)
	require.Equal(t, p.Spec.Tags, set.Pipelines[0].Tags)
	for name, v := range p.Spec.Parameters {
		if param, _ := lookup(t, cat, p.Spec.Template).Parameter(name); param.Type != spec.TypePath {
			require.Equal(t, v, set.Pipelines[0].Parameters[name], name)
			continue
		}
		require.True(t, filepath.IsAbs(set.Pipelines[0].Parameters.String(name)), "%s is found from anywhere", name)
	}
}

func lookup(t *testing.T, cat *spec.Catalog, name string) *spec.Template {
	t.Helper()
	x, err := cat.Lookup(name)
	require.NoError(t, err)
	return x
}

func TestExecutionsAreATab(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t), datatest.Iris, "executions")
	s.Until("order-6")
	s.Press("enter")
	require.Equal(t, datatest.Iris, last[ui.OpenExecution](t, s).ID)
	s.Press("tab")
	s.Until("RESULT")
	s.Press("R")
	s.Until("Run acme/iris")
	s.Press("esc")
	s.Until("order-6")
	s.Press("/")
	s.Type("order-2")
	s.Press("enter")
	require.NotContains(t, s.Screen(), "order-6")
	s.Press("esc")
	s.Until("order-6")

	s = open(t, datatest.New(t), datatest.Iris, "run")
	s.Until("Run acme/iris")
}

// TestNoExecutionsAreListedOnOtherTabs counts what is asked of Step Functions.
func TestNoExecutionsAreListedOnOtherTabs(t *testing.T) {
	t.Parallel()
	source, inner := datatest.New(t), datatest.New(t)
	machines := 0
	source.MachineFunc = func(ctx context.Context, id spec.ID) (*pipelines.Machine, error) {
		machines++
		return inner.Machine(ctx, id)
	}
	s := open(t, source, datatest.Iris, "")
	s.Until("protection")
	require.Zero(t, machines)
	s.Press("3")
	s.Until("order-6")
	require.Equal(t, 1, machines)
}

// Out of sight, behind another tab or page, no execution is listed, whatever happens;
// back in sight the list is read at once.
func TestNothingIsListedOutOfSight(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.LiveFunc = func(context.Context, pipelines.Pipeline) (pipelines.Live, error) { return pipelines.Live{}, nil } // which lists too
	source.API.Change("order-6", func(r *datatest.Record) { r.Describe.Status = types.ExecutionStatusRunning })
	s := open(t, source, datatest.Iris, "executions")
	s.Until("1 running")
	asked := func() int { return source.API.Calls("ListExecutions") }
	before := asked()
	s.Advance(5 * time.Second)
	s.Wait("to look again", func() bool { return asked() > before })
	for name, sight := range map[string]struct{ away, back func() }{
		"tab":  {func() { s.Press("1") }, func() { s.Press("3") }},
		"page": {func() { s.Send(ui.Hidden{}) }, func() { s.Send(ui.Shown{}) }},
	} {
		s.Idle()
		sight.away()
		s.Idle()
		before = asked()
		for range 10 {
			s.Advance(20 * time.Second)
			s.Idle()
		}
		s.Send(ui.Changed{IDs: []spec.ID{datatest.Iris}})
		s.Press("ctrl+r")
		s.Idle()
		require.Equal(t, before, asked(), name)
		sight.back()
		s.Wait("to look again", func() bool { return asked() > before })
	}
}

// TestAnObjectStoreIsNotProbedForLocksThatAreNotThere: the probe itself takes the
// lock for a moment.
func TestAnObjectStoreIsNotProbedForLocksThatAreNotThere(t *testing.T) {
	t.Parallel()
	source, inner := datatest.New(t), datatest.New(t)
	source.PlaceFunc = func(ctx context.Context) (data.Place, error) {
		place, err := inner.Place(ctx)
		place.Backend = "s3://states"
		return place, err
	}
	probes := make(chan spec.ID, 100)
	source.LocksFunc = func(_ context.Context, id spec.ID) ([]stack.Lock, error) {
		probes <- id
		return []stack.Lock{{User: "bo", Host: "laptop", Since: datatest.Recorded}}, nil
	}
	s := open(t, source, datatest.Iris, "")
	s.Until("protection")
	s.Press("ctrl+r")
	require.Empty(t, probes)
	p, err := inner.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	p.Summary.InProgress = true
	source.Add(p)
	s.Press("ctrl+r")
	s.Until("being updated by bo on laptop")
	require.Len(t, probes, 1)
}

// TestADamagedStateIsRestoredFromItsCopy: where the command line has
// `cancel --restore`, the page has a key.
func TestADamagedStateIsRestoredFromItsCopy(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	whole, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	broken := whole
	broken.State, broken.Spec = nil, nil
	broken.Err = fault.New(fault.Damaged, "acme.iris.dev.json: it is cut off after 9000 bytes")
	source.Add(broken)
	source.CopiesFunc = func(context.Context, spec.ID) ([]stack.Copy, error) {
		return []stack.Copy{{File: "acme.iris.dev.json.bak", Made: datatest.Recorded, Resources: 36}}, nil
	}
	var unsure error
	source.RestoreFunc = func(_ context.Context, id spec.ID) (pipelines.Restored, error) {
		source.Add(whole)
		return pipelines.Restored{Copy: stack.Copy{File: "acme.iris.dev.json.bak", Made: datatest.Recorded, Resources: 36}, Aside: "acme.iris.dev.json.damaged-1", Unsure: unsure}, nil
	}
	s := open(t, source, datatest.Iris, "", tuitest.Size(120, 30))
	s.Until("cut off after 9000 bytes")
	require.Contains(t, s.Screen(), "damaged")
	require.Contains(t, s.Screen(), "M puts a copy in its place")
	s.Press("M")
	s.Until("Restore the state of acme/iris?")
	require.Contains(t, s.Screen(), "the copy of 2026-11-25 23:25:00 UTC (36 resources)")
	s.Advance(time.Second)
	s.Press("y")
	s.Until("is restored")
	s.UntilGone("cut off after 9000 bytes")

	// What may be missing in the copy and can't be looked for is said until somebody has read it.
	source.Add(broken)
	unsure = fault.New(fault.Denied, "not allowed to look")
	s = open(t, source, datatest.Iris, "", tuitest.Size(120, 30))
	s.Until("cut off after 9000 bytes")
	s.Press("M")
	s.Advance(time.Second)
	s.Press("y")
	s.Until("perhaps not all of it")
	require.Contains(t, s.Screen(), "not allowed to look")

	// Nobody has a copy: that is said, with what is wrong.
	source.Add(broken)
	source.CopiesFunc = func(context.Context, spec.ID) ([]stack.Copy, error) { return nil, nil }
	s = open(t, source, datatest.Iris, "", tuitest.Size(120, 30))
	s.Until("cut off after 9000 bytes")
	s.Press("M")
	s.Until("There is no copy of the state")

	// A read-only session offers nothing.
	source.ReadOnly = true
	s = open(t, source, datatest.Iris, "", tuitest.Size(120, 30))
	s.Until("cut off after 9000 bytes")
	s.Press("M")
	s.Until("read-only")
}
