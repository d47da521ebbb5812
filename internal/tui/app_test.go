package tui_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// page is the least page that there can be; it takes down what it is told.
type page struct {
	*ui.Host
	title     string
	told      []tea.Msg
	capturing bool
	init      tea.Cmd
	view      func(w, h int) string
	onKey     func(string) tea.Cmd
}

func (p *page) Init() tea.Cmd { return p.init }

func (p *page) Update(msg tea.Msg) tea.Cmd {
	p.told = append(p.told, msg)
	if k, ok := msg.(tea.KeyMsg); ok && p.onKey != nil {
		return p.onKey(k.String())
	}
	return nil
}

func (p *page) View(w, h int) string {
	if p.view != nil {
		return p.view(w, h)
	}
	return "the page " + p.title
}

func (p *page) Keys() keys.Map {
	return keys.Map{{Title: "Page", Bindings: []keys.Binding{
		keys.New("start", "start an operation", "u"), keys.New("never", "never possible", "x").Unless("it cannot be"),
	}}}
}
func (p *page) Capturing() bool { return p.capturing }
func (p *page) Title() string   { return p.title }
func (p *page) Age() time.Time  { return tuitest.Start.Add(-3 * time.Second) }

func (p *page) keys() []string {
	var out []string
	for _, m := range p.told {
		if k, ok := m.(tea.KeyMsg); ok {
			out = append(out, k.String())
		}
	}
	return out
}

func told[T any](p *page) (out []T) {
	for _, m := range p.told {
		if v, ok := m.(T); ok {
			out = append(out, v)
		}
	}
	return out
}

// shell opens a session with one page.
func shell(t *testing.T, source *datatest.Source, opts ...tuitest.Option) (*tuitest.Session, *page) {
	t.Helper()
	var p *page
	s := tuitest.Open(t, source, func(h *ui.Host) ui.Page {
		p = &page{Host: h, title: "first"}
		return p
	}, opts...)
	return s, p
}

// operation makes a page start an operation with the key u.
func operation(p *page, op stack.Operation, ids ...spec.ID) {
	p.onKey = func(k string) tea.Cmd {
		if k != "u" {
			return nil
		}
		var list []*spec.Pipeline
		for _, id := range ids {
			list = append(list, &spec.Pipeline{ID: id, Region: "us-east-1"})
		}
		_, cmd := p.Env.Jobs.Start(pipelines.Request{Operation: op, Pipelines: list})
		return cmd
	}
}

func TestScreens(t *testing.T) {
	t.Parallel()
	s, _ := shell(t, datatest.New(t))
	s.Until("sandbox")
	s.Golden("shell-80x24")
	s.Press("?")
	s.Golden("help-80x24")
	s.Press("esc", ":")
	s.Golden("palette-empty-80x24")
	s.Type("iris")
	s.Until("acme/iris")
	s.Golden("palette-80x24")
	s.Press("esc")
	s.Resize(50, 10)
	s.Golden("too-small")
	for _, size := range [][2]int{{1, 1}, {2, 3}, {60, 16}, {200, 60}} {
		s.Resize(size[0], size[1])
		s.Screen()
	}
}

func TestAKeyThatCannotBeUsedSaysWhy(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	s.Press("x")
	s.Until("never: it cannot be")
	require.Empty(t, p.keys())
	s.Advance(6 * time.Second)
	s.UntilGone("it cannot be")
}

func TestGlobalKeysAreOffWhileATextIsTyped(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	p.capturing = true
	s.Press("q", "?", ":", "u")
	require.Equal(t, []string{"q", "?", ":", "u"}, p.keys())
	require.False(t, s.Quit())
	s.Press("ctrl+c")
	require.True(t, s.Quit())
}

func TestKeysThatArriveTogetherAreSeveral(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	s.Send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("jjü")})
	s.Send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("pasted"), Paste: true})
	require.Equal(t, []string{"j", "j", "ü", "[pasted]"}, p.keys())
}

func TestThePaletteGoesAnywhere(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	s.Press(":")
	s.Type("iris-b")
	s.Until("acme/iris-batch")
	s.Press("enter")
	require.Equal(t, []tea.Msg{ui.OpenPipeline{ID: datatest.IrisBatch}}, s.Requests())
	s.Press(":")
	s.Type("start")
	s.Press("enter")
	require.Equal(t, []string{"u"}, p.keys(), "the palette presses keys for the user")
}

func TestThePaletteOpensAnExecutionByItsARN(t *testing.T) {
	t.Parallel()
	s, _ := shell(t, datatest.New(t))
	const arn = "arn:aws:states:us-east-1:000000000000:execution:somebody-elses:run-1"
	s.Press(":")
	s.Type(arn)
	s.Until("open execution")
	s.Press("enter")
	require.Equal(t, []tea.Msg{ui.OpenExecution{ARN: arn}}, s.Requests())
}

func TestPagesAndAnswers(t *testing.T) {
	t.Parallel()
	var second *page
	source := datatest.New(t)
	first := &page{title: "first"}
	s := openWith(t, source, first, func(h *ui.Host, request tea.Msg) ui.Page {
		if _, ok := request.(ui.OpenPipeline); !ok {
			return nil
		}
		second = &page{Host: h, title: "second"}
		return second
	})
	s.Send(ui.OpenPipeline{})
	s.Until("first › second")
	answer := first.Do(func(context.Context) tea.Msg { return "for the first" })
	s.Send(answer())
	require.Equal(t, []string{"for the first"}, told[string](first), "answers find their page wherever it lies")
	require.Empty(t, told[string](second))
	late := second.Do(func(context.Context) tea.Msg { return "too late" })
	s.Send(ui.Back{})
	s.UntilGone("second")
	require.Error(t, second.Context().Err(), "a closed page's work is ended")
	s.Send(late())
	require.Empty(t, told[string](second))
	s.Send(ui.Back{})
	s.Until("first")
	require.NotEmpty(t, told[ui.Shown](first))
}

func openWith(t *testing.T, source data.Source, first *page, route func(*ui.Host, tea.Msg) ui.Page) *tuitest.Session {
	t.Helper()
	return tuitest.Open(t, source, func(h *ui.Host) ui.Page {
		first.Host = h
		return first
	}, tuitest.Routes(route))
}

// What is typed on after a key that opens a dialog is the dialog's: in one read, or while
// the program is still at it.
func TestKeysTypedWhileADialogOpensAreTheDialogs(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	var got string
	p.onKey = func(k string) tea.Cmd {
		if k != "a" {
			return nil
		}
		return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewPrompt(&p.Env.Theme, "Name", "", "", func(text string) (tea.Msg, error) {
			got = text
			return "named", nil
		})})
	}
	s.Send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("axu")})
	s.Hit("d", "enter")
	s.Idle()
	require.Equal(t, "xud", got)
	require.Equal(t, []string{"a"}, p.keys())
}

func TestDialogsAnswerTheirPage(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	s.Send(ui.Ask{From: p.Host, Dialog: dialog.NewConfirm(&p.Env.Theme, "Really?", "It is gone then.", "yes!")})
	s.Press("y")
	s.Until("Really?")
	require.Empty(t, told[string](p), "a grave dialog is deaf for a moment")
	s.Advance(time.Second)
	s.Press("y")
	s.UntilGone("Really?")
	require.Equal(t, []string{"yes!"}, told[string](p))
	s.Send(ui.Ask{From: p.Host, Dialog: dialog.NewTypeName(&p.Env.Theme, "Destroy", "All of it.", "acme/iris", "destroy!")})
	s.Advance(time.Second)
	s.Type("acme/irix")
	s.Press("enter")
	s.Until("that is not acme/iris")
	s.Press("backspace")
	s.Type("s")
	s.Press("enter")
	require.Equal(t, []string{"yes!", "destroy!"}, told[string](p))
}

func TestLeavingWhileAnOperationRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, key string
		cancelled bool
		killed    bool
	}{{"cancel", "c", true, false}, {"wait", "w", false, false}, {"force", "f", false, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := datatest.New(t)
			source.HoldAfter = 5
			s, p := shell(t, source)
			operation(p, stack.OperationUp, datatest.Iris)
			s.Press("u")
			s.Until("1 operation")
			s.Press("q")
			s.Until("keep working")
			s.Advance(time.Second)
			if c.name == "wait" {
				s.Golden("leave-80x24")
			}
			s.Press("k")
			require.False(t, s.Quit(), "keep working keeps working")
			s.Press("ctrl+c")
			s.Advance(time.Second)
			s.Press(c.key)
			require.True(t, c.cancelled || c.killed || !s.Quit(), "it waits for the end")
			if c.name == "wait" {
				s.Until("then leaving")
				source.Release()
			}
			s.Wait("to quit", s.Quit)
			job := p.Env.Jobs.All()[0]
			require.Equal(t, c.cancelled, job.Cancelled)
			require.Equal(t, c.killed, job.Killed)
			require.True(t, job.Done())
		})
	}
}

// The operation ends while it is asked what shall become of it: the question is over.
func TestTheQuestionEndsWithTheOperation(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.HoldAfter = 5
	s, p := shell(t, source)
	operation(p, stack.OperationUp, datatest.Iris)
	s.Press("u")
	s.Until("1 operation")
	s.Press("ctrl+c")
	s.Until("keep working")
	source.Release()
	s.UntilGone("keep working")
	require.True(t, p.Env.Jobs.All()[0].Done())
	require.False(t, s.Quit())
}

func TestTheEndOfAnOperationIsTold(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	operation(p, stack.OperationUp, datatest.Churn)
	s.Press("u")
	s.Until("up globex/churn has failed")
	require.Equal(t, []ui.Changed{{IDs: []spec.ID{datatest.Churn}}}, told[ui.Changed](p))
	require.NotEmpty(t, told[ui.JobChanged](p))
	require.Len(t, s.App.Notes(), 1, "the scrollback keeps it, whichever page is open")
	require.Contains(t, s.App.Notes()[0], "up globex/churn: ")
	job := p.Env.Jobs.All()[0]
	d, ok := job.Progress[datatest.Churn].FirstError()
	require.True(t, ok)
	require.Contains(t, d.Message, "cannot run in the sandbox")
}

func TestAnOperationThatCannotBegin(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.OperateFunc = func(context.Context, pipelines.Request) (pipelines.Operation, error) {
		return nil, fault.New(fault.Locked, "another operation holds the stack\x1b[31m")
	}
	s, p := shell(t, source)
	operation(p, stack.OperationUp, datatest.Iris)
	s.Press("u")
	s.Until("did not begin: another operation holds the stack")
	require.NotContains(t, s.Styled(), "stack\x1b[31m", "outside text is drawn without its escapes")
}

func TestTheTargetIsAskedAgainUntilItIsThere(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	place, _ := source.Place(t.Context())
	there := false
	source.PlaceFunc = func(context.Context) (data.Place, error) {
		if there {
			return place, nil
		}
		return data.Place{}, fault.New(fault.Unauthenticated, "the credentials have expired").WithHint("Run `aws sso login`.")
	}
	s, p := shell(t, source)
	s.Until("no target")
	s.Until("aws sso login")
	require.Empty(t, told[ui.Placed](p))
	there = true
	s.Advance(11 * time.Second)
	s.Until("sandbox")
	require.Len(t, told[ui.Placed](p), 1)
}

func TestReadOnlyAndARealAccountAreSeen(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.PlaceFunc = func(context.Context) (data.Place, error) {
		return data.Place{
			Target: "aws", Account: "111122223333", Identity: "arn:aws:sts::111122223333:assumed-role/ops/ana", Region: "eu-west-1",
			Backend: "s3://acme-state", ReadOnly: true,
		}, nil
	}
	s, _ := shell(t, source, tuitest.Size(100, 20))
	s.Until(" aws ")
	s.Golden("aws-100x20")
}

func TestAPanicEndsTheProgramAndIsKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "logs", "pipelinetui.log")
	source := &logSource{Source: datatest.New(t), file: file}
	in, out := newPipe(t), &buffer{}
	done := make(chan error, 1)
	go func() {
		_, err := tui.Run(t.Context(), tui.Config{Source: source, Theme: plainTheme(), Start: func(h *ui.Host) ui.Page {
			return &page{Host: h, title: "first", onKey: func(string) tea.Cmd { panic("a fault of ours") }}
		}}, tui.Terminal{In: in, Out: out})
		done <- err
	}()
	in.typed("z")
	err := <-done
	require.ErrorIs(t, err, fault.Internal)
	require.Contains(t, fault.HintOf(err), file)
	raw, rerr := os.ReadFile(file)
	require.NoError(t, rerr)
	require.Contains(t, string(raw), "a fault of ours")
	require.Contains(t, string(raw), "app_test.go", "the log tells where")
	require.Contains(t, out.String(), "\x1b[?1049l", "the screen is given back")
}

func TestNoticesAreShownAndSignalsEndTheProgram(t *testing.T) {
	t.Parallel()
	in, out := newPipe(t), &buffer{}
	signals, notices := make(chan os.Signal, 1), make(chan string, 1)
	done := make(chan error, 1)
	size := tea.WindowSizeMsg{Width: 80, Height: 24}
	go func() {
		_, err := tui.Run(t.Context(), tui.Config{Source: datatest.New(t), Theme: plainTheme(), Start: func(h *ui.Host) ui.Page {
			return &page{Host: h, title: "first"}
		}}, tui.Terminal{In: in, Out: out, Signals: signals, Notices: notices, Size: &size})
		done <- err
	}()
	notices <- "installing the plugin aws"
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "installing the plugin aws") }, time.Minute, time.Millisecond)
	signals <- os.Interrupt
	require.NoError(t, <-done)
}

func TestAPanicWhileDrawing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	a := tui.New(ctx, tui.Config{Source: datatest.New(t), Theme: plainTheme(), Start: func(h *ui.Host) ui.Page {
		return &page{Host: h, view: func(int, int) string { panic("cannot draw") }}
	}})
	a.Init()
	a.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	require.Contains(t, a.View(), "fault")
	_, cmd := a.Update(keys.Msg("z"))
	require.IsType(t, tea.QuitMsg{}, cmd())
	require.Contains(t, a.Crash().Error(), "cannot draw")
}

// The name of an action finds it even where a cursor's key is called the same; with
// arguments it is a command.
func TestThePaletteTakesCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typed, shown, line string
		want               []string
		operation          stack.Operation
	}{
		{"up acme/iris", "up acme/iris", "pipelinetui up acme/iris", []string{"acme/iris"}, stack.OperationUp},
		{"preview irba", "preview acme/iris-batch", "pipelinetui preview acme/iris-batch", []string{"acme/iris-batch"}, stack.OperationPreview},
		{"up acme/iris acme/iris-batch", "up acme/iris acme/iris-batch", "pipelinetui up acme/iris acme/iris-batch", []string{"acme/iris", "acme/iris-batch"}, stack.OperationUp},
		{"destroy 'acme/*/*'", "3 pipelines", "pipelinetui destroy 'acme/*/*'", []string{"acme/fraud/prod", "acme/iris", "acme/iris-batch"}, stack.OperationDestroy},
		{"refresh globex/churn", "refresh globex/churn", "pipelinetui refresh globex/churn", []string{"globex/churn"}, stack.OperationRefresh},
	} {
		t.Run(c.typed, func(t *testing.T) {
			t.Parallel()
			source := datatest.New(t)
			source.RebuildFunc = func(p pipelines.Pipeline) (*spec.Pipeline, error) { return p.Spec, nil }
			s, _ := shell(t, source)
			s.Press(":")
			s.Type(c.typed)
			s.Until(c.shown)
			s.Until("= " + c.line)
			s.Press("ctrl+y")
			require.Equal(t, []string{c.line}, s.Copied())
			s.Press("enter")
			require.Len(t, s.Requests(), 1, s.Screen())
			req := s.Requests()[0].(ui.OpenDeploy).Request
			require.Equal(t, c.operation, req.Operation)
			var got []string
			for _, p := range req.Pipelines {
				got = append(got, p.ID.String())
			}
			require.ElementsMatch(t, c.want, got)
		})
	}
}

func TestThePaletteRunsWithAnInput(t *testing.T) {
	t.Parallel()
	s, _ := shell(t, datatest.New(t))
	s.Press(":")
	s.Type(`run acme/iris {"a": "it's"}`)
	s.Until(`= pipelinetui run acme/iris --input '{"a": "it'\''s"}'`)
	s.Press("enter", ":")
	s.Type("run acme/iris @order.json")
	s.Press("enter")
	require.Equal(t, []tea.Msg{
		ui.OpenPipeline{ID: datatest.Iris, Tab: "run", Input: `{"a": "it's"}`},
		ui.OpenPipeline{ID: datatest.Iris, Tab: "run", Input: "@order.json"},
	}, s.Requests())
	s.Press(":")
	s.Until("again")
	s.Press("enter") // the newest one
	require.Len(t, s.Requests(), 3)
	require.Equal(t, s.Requests()[1], s.Requests()[2])
}

// What cannot be done is said where it was typed, and the text stays.
func TestThePaletteKeepsWhatCannotBeDone(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.RebuildFunc = func(pipelines.Pipeline) (*spec.Pipeline, error) {
		return nil, fault.New(fault.Invalid, "instanceType is wrong\x1b[2J").WithHint("Use another.")
	}
	s, _ := shell(t, source)
	s.Press(":")
	s.Type("up acme/nothing")
	s.Until("nothing is called so")
	s.Press("ctrl+u")
	s.Type("up none/such acme/iris")
	s.Until("no pipeline matches none/such")
	s.Press("ctrl+u")
	s.Type("up acme/iris")
	s.Press("enter")
	s.Until("instanceType is wrong")
	s.Until("Use another.")
	s.Until(":up acme/iris")
	require.Empty(t, s.Requests())
}

func TestAReadOnlyPaletteChangesNothing(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.ReadOnly = true
	s, _ := shell(t, source)
	s.Until("read-only")
	for _, typed := range []string{"up acme/iris", "destroy acme/iris", "run acme/iris {}", "change acme/iris"} {
		s.Press(":")
		s.Type(typed)
		s.Until("the session is read-only")
		s.Press("enter", "esc")
	}
	require.Empty(t, s.Requests())
}

func TestActionsAsCommands(t *testing.T) {
	t.Parallel()
	s := tuitest.Open(t, datatest.New(t), nil, tuitest.Routed())
	s.Until("iris-batch")
	s.Press("=")
	s.Golden("as-commands-80x24")
	s.Type("destroy")
	s.Press("enter")
	require.Equal(t, []string{"pipelinetui destroy acme/fraud/prod"}, s.Copied())
	s.Press("*", "=")
	s.Until("up              pipelinetui up acme/fraud/prod acme/iris a…")
}

// What is done by the palette is done while a filter is typed, and is no letter of it.
func TestThePaletteTypesNoLettersIntoAFilter(t *testing.T) {
	t.Parallel()
	s := tuitest.Open(t, datatest.New(t), nil, tuitest.Routed())
	s.Until("iris-batch")
	s.Press("/")
	s.Type("iris-b")
	s.UntilGone("fraud")
	s.Press("ctrl+p")
	s.Type("destroy")
	s.Press("enter")
	s.Until("acme/iris-batch") // the page of it
	require.Contains(t, s.Screen(), "Destroy")
	require.NotContains(t, s.Screen(), "iris-bD")

	for typed, want := range map[string]string{"help": "Keys", "as commands": "nothing on this page"} {
		s, p := shell(t, datatest.New(t))
		p.capturing = true
		s.Press("ctrl+p")
		s.Type(typed)
		s.Press("enter")
		s.Until(want)
		require.Empty(t, p.keys(), typed)
	}
}

func TestThePaletteTakesWhatIsPasted(t *testing.T) {
	t.Parallel()
	if !tuitest.WithClipboard(t, "refresh acme/iris-batch") {
		return
	}
	s, _ := shell(t, datatest.New(t))
	s.Press(":")
	s.Press("ctrl+v")
	s.Until("= pipelinetui refresh acme/iris-batch")
	s.Press("enter")
	require.Equal(t, stack.OperationRefresh, s.Requests()[len(s.Requests())-1].(ui.OpenDeploy).Request.Operation)
}

// A list that is not there yet, or can't be read, is no list without the pipeline.
func TestThePaletteSaysThatTheListIsMissing(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	failed := make(chan struct{})
	source.PipelinesFunc = func(ctx context.Context) ([]pipelines.Pipeline, error) {
		select {
		case <-failed:
		case <-ctx.Done():
		}
		return nil, fault.New(fault.Invalid, "the login has expired")
	}
	s, _ := shell(t, source)
	s.Hit(":")
	for _, r := range "up acme/iris " {
		s.Hit(string(r))
	}
	s.Until("reading the pipelines ...")
	require.NotContains(t, s.Screen(), "no pipeline matches")
	close(failed)
	s.Until("the pipelines can't be read: the login has expired")
	require.NotContains(t, s.Screen(), "no pipeline matches")
}

// The list of a dialog scrolls by the wheel; the page behind it does not see it.
func TestTheWheelScrollsTheListOfADialog(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	var list []dialog.Listed
	for i := range 60 {
		list = append(list, dialog.Listed{Name: fmt.Sprintf("acme/model-%02d", i)})
	}
	s.Send(ui.Ask{From: p.Host, Dialog: dialog.NewAssent(&p.Env.Theme, "Destroy", "All of these:", list, []string{"yes"}, func(string) bool { return false }, nil)})
	s.Until("acme/model-00")
	s.Wheel(40, 12, 3)
	s.UntilGone("acme/model-00")
	require.Empty(t, told[tea.MouseMsg](p))
}

// A form is no trap: what is no text works while a text is typed.
func TestHelpAndPaletteAreReachableWhileATextIsTyped(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	p.capturing = true
	s.Golden("typing-80x24")
	s.Press("f1")
	s.Until("Keys")
	s.Press("esc", "ctrl+p")
	s.Until("Command")
	s.Press("esc", "ctrl+g")
	require.Empty(t, p.keys())
}
