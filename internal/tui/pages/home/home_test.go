package home_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/frametest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/home"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func open(t *testing.T, source data.Source, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	opts = append([]tuitest.Option{tuitest.Now(datatest.Recorded)}, opts...)
	return tuitest.Open(t, source, home.New, opts...)
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

// line is the line of the screen that holds all the words.
func line(t *testing.T, s *tuitest.Session, words ...string) string {
	t.Helper()
	for _, l := range strings.Split(s.Screen(), "\n") {
		all := true
		for _, w := range words {
			all = all && strings.Contains(l, w)
		}
		if all {
			return l
		}
	}
	t.Fatalf("no line with %q:\n%s", words, s.Screen())
	return ""
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	sizes := [][2]int{{60, 16}, {80, 24}, {120, 40}}
	for _, size := range sizes {
		name := fmt.Sprintf("%dx%d", size[0], size[1])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, datatest.New(t), tuitest.Size(size[0], size[1]))
			s.Until("2 failed")
			s.Golden("home-" + name)
			s.Press("t")
			s.Golden("home-tenants-" + name)
		})
	}
	t.Run("ascii", func(t *testing.T) {
		t.Parallel()
		s := open(t, datatest.New(t), tuitest.ASCII(), tuitest.Size(120, 40))
		s.Until("InService")
		for _, r := range s.Screen() {
			require.Less(t, r, rune(0x80), "%q in\n%s", r, s.Screen())
		}
		s.Golden("home-ascii")
	})
}

// TestNothingIsToldByColourAlone compares the screens with and without colours.
func TestNothingIsToldByColourAlone(t *testing.T) {
	t.Parallel()
	plain, colour := open(t, datatest.New(t)), open(t, datatest.New(t), tuitest.Color("light"))
	plain.Until("InService")
	colour.Until("InService")
	require.Equal(t, plain.Screen(), colour.Screen())
	require.NotEqual(t, plain.Styled(), colour.Styled())
}

func TestNamesAreThereBeforeTheStates(t *testing.T) {
	t.Parallel()
	source, inner := datatest.New(t), datatest.New(t)
	source.Unread()
	gate := make(chan struct{})
	source.ReadFunc = func(ctx context.Context, id spec.ID) (pipelines.Pipeline, error) {
		select {
		case <-gate:
			return inner.Read(ctx, id)
		case <-ctx.Done():
			return pipelines.Pipeline{}, ctx.Err()
		}
	}
	s := open(t, source, tuitest.Hurried())
	s.Until("iris-batch")
	s.Until("reading")
	require.Contains(t, s.Screen(), "4 still to read")
	require.NotContains(t, s.Screen(), "ready")
	close(gate)
	s.UntilGone("still to read")
	require.Contains(t, line(t, s, "iris-batch"), "ready")
}

// many is a source with n pipelines of a few tenants, none of them read.
func many(t testing.TB, n int) *datatest.Source {
	t.Helper()
	source, inner := datatest.New(t), datatest.New(t)
	whole, err := inner.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	list := make([]pipelines.Pipeline, n)
	for i := range list {
		id := spec.ID{Tenant: fmt.Sprintf("tenant%02d", i%37), Model: fmt.Sprintf("model%05d", i), Env: "dev"}
		list[i] = pipelines.Pipeline{ID: id, Summary: stack.Summary{Name: id.StackName(), LastUpdate: whole.Summary.LastUpdate}}
	}
	source.PipelinesFunc = func(context.Context) ([]pipelines.Pipeline, error) { return list, nil }
	source.ReadFunc = func(_ context.Context, id spec.ID) (pipelines.Pipeline, error) {
		p := whole
		p.ID, p.Summary.Name = id, id.StackName()
		return p, nil
	}
	return source
}

// TestReadsAreBoundedAndThoseInSightComeFirst counts how many states are read at
// once and in which order.
func TestReadsAreBoundedAndThoseInSightComeFirst(t *testing.T) {
	t.Parallel()
	source := many(t, 60)
	inner := source.ReadFunc
	begun, goOn := make(chan spec.ID, 60), make(chan struct{})
	source.ReadFunc = func(ctx context.Context, id spec.ID) (pipelines.Pipeline, error) {
		begun <- id
		select {
		case <-goOn:
			return inner(ctx, id)
		case <-ctx.Done():
			return pipelines.Pipeline{}, ctx.Err()
		}
	}
	s := open(t, source, tuitest.Hurried())
	s.Until("tenant07")
	s.Wait("begin to read", func() bool { return len(begun) == 4 })
	s.Hit("G")
	s.Screen()
	for range 4 {
		require.Less(t, len(begun), 5, "four at a time")
		<-begun
	}
	goOn <- struct{}{}
	s.Wait("read on", func() bool { return len(begun) == 1 })
	require.Contains(t, s.Screen(), (<-begun).Model, "what is in sight after the jump to the end")
	close(goOn)
	s.UntilGone("still to read")
}

// An endpoint that has begun to change says that somebody is at work: the list, which knows
// who, is not waited for.
func TestAnEndpointThatChangesHasTheListReadAgain(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	var busy atomic.Bool
	source.LiveFunc = func(_ context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
		l := pipelines.Live{Endpoint: "InService", At: datatest.Recorded}
		if busy.Load() && p.ID == datatest.Iris {
			l.Endpoint = "Updating"
		}
		return l, nil
	}
	all, err := source.Pipelines(t.Context())
	require.NoError(t, err)
	source.PipelinesFunc = func(context.Context) ([]pipelines.Pipeline, error) {
		list := slices.Clone(all)
		for i := range list {
			if busy.Load() && list[i].ID == datatest.Iris {
				list[i].Summary.InProgress = true
			}
		}
		return list, nil
	}
	s := open(t, source)
	s.Until("InService")
	s.Advance(ui.ListEvery)
	busy.Store(true)
	s.Advance(ui.ListEvery * 9 / 10) // the list's time has not come; that of AWS has
	s.Until("● updating")
}

func TestOnlyRowsInSightArePolledAndWithinTheirTime(t *testing.T) {
	t.Parallel()
	source := many(t, 200)
	asked := make(chan spec.ID, 1000)
	source.LiveFunc = func(_ context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
		asked <- p.ID
		return pipelines.Live{Endpoint: "InService", At: datatest.Recorded}, nil
	}
	s := open(t, source)
	s.Screen()
	s.Advance(time.Second)
	seen := map[spec.ID]int{}
	for len(asked) > 0 {
		seen[<-asked]++
	}
	require.LessOrEqual(t, len(seen), 24, "what fits the screen")
	require.GreaterOrEqual(t, len(seen), 15)
	for id, n := range seen {
		require.Equal(t, 1, n, id)
		require.Contains(t, s.Screen(), id.Model)
	}
	s.Advance(5 * time.Second)
	require.Empty(t, asked, "it is too early to ask again")
	for range 15 {
		s.Advance(time.Second)
	}
	require.NotEmpty(t, asked)
}

// TestAPageThatIsCoveredAsksNothing opens another page over the list.
func TestAPageThatIsCoveredAsksNothing(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	asked := make(chan spec.ID, 1000)
	source.LiveFunc = func(_ context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
		asked <- p.ID
		return pipelines.Live{At: datatest.Recorded}, nil
	}
	var page ui.Page
	s := tuitest.Open(t, source, func(h *ui.Host) ui.Page { page = home.New(h); return page }, tuitest.Now(datatest.Recorded))
	page.Update(ui.Hidden{})
	for len(asked) > 0 {
		<-asked
	}
	for range 40 {
		s.Advance(time.Second)
	}
	require.Empty(t, asked)
	s.Send(ui.Deliver{To: page.Base().ID, Msg: ui.Shown{}})
	s.Idle()
	require.NotEmpty(t, asked)
}

func TestOpenAndActionsOnTheSelected(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t))
	s.Until("InService")
	s.Press("j", "enter")
	require.Equal(t, ui.OpenPipeline{ID: datatest.Iris}, last[ui.OpenPipeline](t, s))
	s.Press("x")
	require.Equal(t, ui.OpenPipeline{ID: datatest.Iris, Tab: "executions"}, last[ui.OpenPipeline](t, s))
	s.Press("e")
	require.Equal(t, datatest.Iris, *last[ui.OpenWizard](t, s).Change)
	s.Press("N")
	require.Equal(t, datatest.Iris, *last[ui.OpenWizard](t, s).Like)
	s.Press("n")
	require.Equal(t, ui.OpenWizard{}, last[ui.OpenWizard](t, s))
	s.Press("y")
	require.Equal(t, []string{"acme/iris"}, s.Copied())
}

func TestBulkActionsTakeWhatIsMarked(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t))
	s.Until("InService")
	s.Press(" ", " ")
	require.Contains(t, s.Screen(), "2 marked")
	s.Press("D")
	req := last[ui.OpenDeploy](t, s).Request
	require.Equal(t, stack.OperationDestroy, req.Operation)
	require.Equal(t, []spec.ID{datatest.Fraud, datatest.Iris}, []spec.ID{req.Pipelines[0].ID, req.Pipelines[1].ID})
	require.Contains(t, s.Screen(), "2 marked", "the answer may be no")

	s.Press("*", "r")
	req = last[ui.OpenDeploy](t, s).Request
	require.Equal(t, stack.OperationRefresh, req.Operation)
	require.Len(t, req.Pipelines, 4)

	s.Press("esc")
	require.NotContains(t, s.Screen(), "marked", "esc takes the marks off")
}

func TestWhatCanNotBeBroughtUpSaysWhy(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	s := open(t, source)
	s.Until("InService")
	// The recorded spec names files of the machine it was recorded on.
	s.Press("j", "u")
	s.Until("These pipelines can't be brought up")
	require.Contains(t, s.Screen(), "acme/iris")
	s.Press("esc")
	require.NotContains(t, s.Screen(), "can't be brought up")
	require.Empty(t, s.Requests())
}

func TestUpOpensTheDeployPageWithFreshSpecs(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	id := spec.ID{Tenant: "acme", Model: "plain", Env: "dev"}
	cat, err := source.Catalog(t.Context())
	require.NoError(t, err)
	p, ok, err := spec.Trial(lookup(t, cat, "realtime"), "us-east-1")
	require.NoError(t, err)
	require.True(t, ok)
	doc := strings.ReplaceAll(string(p.Document), p.ID.Tenant, id.Tenant)
	made, err := spec.FromDocument([]byte(doc), cat, source.SpecOptions())
	require.NoError(t, err)
	source.PipelinesFunc = func(context.Context) ([]pipelines.Pipeline, error) {
		return []pipelines.Pipeline{{ID: made.ID, Spec: made, State: &stack.State{Spec: made.Document}}}, nil
	}
	s := open(t, source)
	s.Press("u")
	req := last[ui.OpenDeploy](t, s).Request
	require.Equal(t, stack.OperationUp, req.Operation)
	require.Equal(t, made.ID, req.Pipelines[0].ID)
	require.NotSame(t, made, req.Pipelines[0], "checked again")
	s.Press("p")
	require.Equal(t, stack.OperationPreview, last[ui.OpenDeploy](t, s).Request.Operation)
}

func lookup(t *testing.T, cat *spec.Catalog, name string) *spec.Template {
	t.Helper()
	x, err := cat.Lookup(name)
	require.NoError(t, err)
	return x
}

func TestReadOnlyRefusesWithTheReason(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.ReadOnly = true
	s := open(t, source)
	s.Until("InService")
	for _, key := range []string{"n", "N", "u", "r", "D", "e", "R"} {
		s.Press(key)
		require.Contains(t, s.Screen(), "read-only", key)
		require.Empty(t, s.Requests(), key)
	}
	s.Press("enter")
	last[ui.OpenPipeline](t, s)
}

func TestFilterSortAndGroup(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t), tuitest.Size(120, 40))
	s.Until("InService")
	s.Press("/")
	s.Type("acme batch")
	require.Contains(t, s.Screen(), "iris-batch")
	require.NotContains(t, s.Screen(), "churn")
	s.Press("enter", "esc")
	require.Contains(t, s.Screen(), "churn")
	s.Press("t")
	require.Contains(t, line(t, s, "acme", "pipelines"), "3 pipelines")
	require.Contains(t, line(t, s, "globex"), "1 pipeline")
	s.Press("t")
	require.NotContains(t, s.Screen(), "3 pipelines")
	s.Press("s", "S")
	screen := s.Screen()
	require.Less(t, strings.Index(screen, "globex"), strings.Index(screen, "iris-batch"), screen)
}

func TestMouse(t *testing.T) {
	t.Parallel()
	s := open(t, datatest.New(t))
	s.Until("InService")
	s.Click(12, 6)
	require.Empty(t, s.Requests(), "the first click selects")
	s.Click(12, 6)
	require.Equal(t, datatest.IrisBatch, last[ui.OpenPipeline](t, s).ID)
	s.Click(3, 3)
	s.Click(3, 3)
	require.Contains(t, s.Screen(), "TENANT▾")
}

func TestErrorsAreShownWithTheirHints(t *testing.T) {
	t.Parallel()
	source, inner := datatest.New(t), datatest.New(t)
	source.Unread()
	source.ReadFunc = func(ctx context.Context, id spec.ID) (pipelines.Pipeline, error) {
		if id == datatest.Fraud {
			return pipelines.Pipeline{}, fault.New(fault.Denied, "the state can't be decrypted\x1b[31m").WithHint("Set PULUMI_CONFIG_PASSPHRASE.")
		}
		return inner.Read(ctx, id)
	}
	source.LiveFunc = func(ctx context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
		if p.ID == datatest.IrisBatch {
			return pipelines.Live{}, fault.New(fault.Unauthenticated, "the token has expired").WithHint("Run `aws sso login`.")
		}
		return inner.Live(ctx, p)
	}
	s := open(t, source)
	s.Until("unreadable")
	require.Contains(t, line(t, s, "fraud", "prod"), "unreadable")
	require.Contains(t, s.Screen(), "the state can't be decrypted")
	require.Contains(t, s.Screen(), "Set PULUMI_CONFIG_PASSPHRASE.")
	s.Press("j", "j")
	require.Contains(t, s.Screen(), "the token has expired")
	require.Contains(t, s.Screen(), "Run `aws sso login`.")
	s.Press("i")
	s.Until("AWS: the token has expired")
	s.Press("esc")
}

func TestAListThatCanNotBeReadSaysWhy(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	list := source.Pipelines
	fails := true
	source.PipelinesFunc = nil
	good, err := list(t.Context())
	require.NoError(t, err)
	source.PipelinesFunc = func(context.Context) ([]pipelines.Pipeline, error) {
		if fails {
			return nil, fault.New(fault.Denied, "s3://states: access denied").WithHint("Check the credentials of the backend.")
		}
		return good, nil
	}
	s := open(t, source)
	require.Contains(t, s.Screen(), "s3://states: access denied")
	require.Contains(t, s.Screen(), "Check the credentials of the backend.")
	s.Press("enter")
	require.Contains(t, s.Screen(), "there is no pipeline selected")
	fails = false
	s.Press("ctrl+r")
	s.Until("iris-batch")
	fails = true
	s.Press("ctrl+r")
	s.Until("the list can't be read")
	require.Contains(t, s.Screen(), "iris-batch", "what is known stays")
}

func TestEmptyHomeTellsWhatToDo(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.PipelinesFunc = func(context.Context) ([]pipelines.Pipeline, error) { return nil, nil }
	s := open(t, source)
	s.Until("No pipelines yet")
	s.Golden("home-empty")
	s.Press("n")
	last[ui.OpenWizard](t, s)
}

func TestANewPipelineAppearsByItself(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	s := open(t, source)
	s.Until("InService")
	s.Press("j")
	id := spec.ID{Tenant: "aaa", Model: "first", Env: "dev"}
	source.Add(pipelines.Pipeline{ID: id, Summary: stack.Summary{Name: id.StackName()}})
	for range 11 {
		s.Advance(time.Second)
	}
	s.Until("first")
	s.Press("enter")
	require.Equal(t, datatest.Iris, last[ui.OpenPipeline](t, s).ID, "the cursor stays with its pipeline")
	source.Remove(id)
	s.Send(ui.Changed{IDs: []spec.ID{id}})
	s.UntilGone("first")
}

func TestAnOperationOfTheSessionShowsOnItsRow(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.HoldAfter = 12
	var host *ui.Host
	s := tuitest.Open(t, source, func(h *ui.Host) ui.Page { host = h; return home.New(h) }, tuitest.Now(datatest.Recorded))
	s.Until("InService")
	p, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	s.Press("g", " ", " ")
	require.Contains(t, s.Screen(), "2 marked")
	s.Press("g")
	job, cmd := host.Env.Jobs.Start(pipelines.Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{p.Spec}})
	s.Run(cmd)
	s.Until("refresh ")
	s.Until("1 marked") // the other one is not worked on
	s.Press("esc")
	s.Until("1 operation under way")
	s.Press("j", "D")
	require.Contains(t, s.Screen(), "refresh is at work on acme/iris")
	s.Press("o")
	require.Same(t, job, last[ui.OpenJob](t, s).Job)
	source.Release()
	s.Wait("end", job.Done)
	s.UntilGone("under way")
	require.NoError(t, errors.Join(job.Err))
	require.Contains(t, line(t, s, "iris ", "dev"), "ready")
}

// TestDriftIsHonest shows what the history, and what the session, knows of drift.
func TestDriftIsHonest(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	iris, err := source.Read(t.Context(), datatest.Iris)
	require.NoError(t, err)
	at := datatest.Recorded.Add(-26 * time.Hour)
	refresh := stack.Update{Kind: "refresh", Result: "succeeded", Start: at, End: at, Changes: map[stack.Op]int{stack.OpUpdate: 2, stack.OpSame: 20}}
	iris.History = []stack.Update{refresh}
	source.Add(iris)
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("InService")
	require.Contains(t, line(t, s, "iris ", "dev"), "▲ 2 26h")
	s.Press("j")
	require.Contains(t, s.Screen(), "a refresh 26h ago found 2 resources changed outside; u puts them right")
	up := stack.Update{Kind: "update", Result: "succeeded", Start: at.Add(time.Hour), End: at.Add(time.Hour)}
	iris.History, iris.Read = []stack.Update{up, refresh}, iris.Read.Add(time.Second)
	source.Add(iris)
	s.Press("ctrl+r")
	s.Until("put right since")
}

func TestTinyScreensDoNotPanic(t *testing.T) {
	t.Parallel()
	var page ui.Page
	s := tuitest.Open(t, datatest.New(t), func(h *ui.Host) ui.Page { page = home.New(h); return page }, tuitest.Now(datatest.Recorded))
	s.Until("InService")
	for w := 1; w < 70; w += 7 {
		for h := 1; h < 20; h++ {
			require.Len(t, strings.Split(page.View(w, h), "\n"), h)
		}
	}
	page.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("t")})
	for h := 1; h < 20; h++ {
		require.Len(t, strings.Split(page.View(61, h), "\n"), h)
	}
}

// BenchmarkFrame is a key and a frame with 10,000 pipelines of which all were read.
func BenchmarkFrame(b *testing.B) {
	for _, mode := range []string{"plain", "tenants", "filtered", "sorted"} {
		b.Run(mode, func(b *testing.B) {
			s := tuitest.Open(b, whole(b, 10_000), home.New, tuitest.Now(datatest.Recorded), tuitest.Size(120, 40), tuitest.Color("dark"))
			switch mode {
			case "tenants":
				s.Press("t")
			case "filtered":
				s.Press("/", "m", "enter")
			case "sorted":
				s.Press("s", "s", "s", "s", "s")
			}
			s.Screen()
			b.ReportAllocs()
			meter := frametest.Start()
			for i := 0; b.Loop(); i++ {
				s.App.Update(keys.Msg("jjjjjjjkjjjjG"[i%13 : i%13+1]))
				s.App.View()
			}
			meter.Report(b, b.N)
		})
	}
}

// BenchmarkAnswer is the answer to a question about one of 10,000 pipelines in a
// sorted and filtered list, and the frame after it.
func BenchmarkAnswer(b *testing.B) {
	s := tuitest.Open(b, whole(b, 10_000), home.New, tuitest.Now(datatest.Recorded), tuitest.Size(120, 40), tuitest.Color("dark"))
	s.Press("/", "m", "enter", "s", "s", "s", "s", "s")
	ids := make([]spec.ID, 0, 10_000)
	list, err := whole(b, 10_000).Pipelines(b.Context())
	require.NoError(b, err)
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	b.ReportAllocs()
	meter := frametest.Start()
	for i := 0; b.Loop(); i++ {
		s.App.Update(ui.Changed{IDs: ids[i%len(ids) : i%len(ids)+1]})
		s.App.View()
	}
	meter.Report(b, b.N)
}

// whole is many with all states read.
func whole(t testing.TB, n int) *datatest.Source {
	t.Helper()
	source := many(t, n)
	list, err := source.Pipelines(t.Context())
	require.NoError(t, err)
	for i := range list {
		list[i], err = source.Read(t.Context(), list[i].ID)
		require.NoError(t, err)
	}
	return source
}

// TestOldAnswersSayHowOldTheyAre lets AWS answer once and then no more.
func TestOldAnswersSayHowOldTheyAre(t *testing.T) {
	t.Parallel()
	source, inner := datatest.New(t), datatest.New(t)
	asked := map[spec.ID]bool{}
	var mu sync.Mutex
	source.LiveFunc = func(ctx context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
		mu.Lock()
		defer mu.Unlock()
		if asked[p.ID] {
			return pipelines.Live{}, fault.New(fault.Throttled, "too many requests")
		}
		asked[p.ID] = true
		return inner.Live(ctx, p)
	}
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("InService")
	require.NotContains(t, s.Screen(), "SEEN")
	for range 61 {
		s.Screen()
		s.Advance(time.Second)
	}
	s.Until("SEEN")
	require.Contains(t, line(t, s, "iris ", "dev"), "1m")
	require.Contains(t, s.Screen(), "too many requests")
}

// TestMarksAreNotActedOnUnseen hides a marked pipeline, and takes one away.
func TestMarksAreNotActedOnUnseen(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("InService")
	s.Press(" ", " ", "/")
	s.Type("fraud")
	s.Press("enter")
	require.Contains(t, s.Screen(), "2 marked, 1 of them hidden by the filter")
	s.Press("r")
	require.Len(t, last[ui.OpenDeploy](t, s).Request.Pipelines, 1)
	s.Press("esc", "esc", "g", " ")
	require.Contains(t, s.Screen(), "1 marked")
	source.Remove(datatest.Fraud)
	s.Send(ui.Changed{IDs: []spec.ID{datatest.Fraud}})
	s.UntilGone("fraud")
	require.NotContains(t, s.Screen(), "marked")
}

// TestTagsAreColumnsAndFilters shows one tag after the other, sorts and filters by
// their values.
func TestTagsAreColumnsAndFilters(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	for id, tags := range map[spec.ID]map[string]string{datatest.Iris: {"team": "vision", "tier": "gold"}, datatest.Fraud: {"team": "risk"}} {
		p, err := source.Read(t.Context(), id)
		require.NoError(t, err)
		own := *p.Spec
		own.Tags = tags
		p.Spec, p.Read = &own, p.Read.Add(time.Second)
		source.Add(p)
	}
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("InService")
	require.NotContains(t, s.Screen(), "TEAM")
	s.Press("#")
	require.Contains(t, s.Screen(), "TEAM")
	require.Contains(t, line(t, s, "iris ", "dev"), "vision")
	require.Contains(t, line(t, s, "fraud ", "prod"), "risk")
	s.Press("/")
	s.Type("team=risk")
	s.Press("enter")
	require.NotContains(t, s.Screen(), "vision")
	require.Contains(t, s.Screen(), "1 of 4")
	s.Press("esc", "#")
	require.Contains(t, s.Screen(), "TIER")
	require.Contains(t, line(t, s, "iris ", "dev"), "gold")
	s.Press("#")
	require.NotContains(t, s.Screen(), "TIER", "after the last one none")
}
