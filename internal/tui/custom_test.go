package tui_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/custom"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func routed(t *testing.T, source *datatest.Source, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	s := tuitest.Open(t, source, nil, append([]tuitest.Option{tuitest.Routed(), tuitest.Size(120, 30), tuitest.Now(datatest.Recorded)}, opts...)...)
	s.Until("acme")
	return s
}

// What a command runs gets what is selected for its placeholders, and the variables of the
// session; nothing of it goes through a shell.
func TestCommandsOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	out := custom.Command{Name: "say it", Key: "f6", Run: []string{"/bin/sh", "-c", `echo "<$1> $$FROM_THE_SESSION"`, "sh", "$PIPELINE; x"}, Output: true}
	grave := custom.Command{Name: "make it", Run: []string{"/bin/sh", "-c", "exit 3", "$MODEL"}, Confirm: true, Background: true, Changes: true}
	other := custom.Command{Name: "of an execution", Key: "f7", Run: []string{"true", "$EXECUTION_ARN"}}
	elsewhere := custom.Command{Name: "not here", Key: "f8", Run: []string{"true"}, Pages: []string{"Execution"}}
	s := routed(t, datatest.New(t), tuitest.Custom(custom.Custom{Commands: []custom.Command{out, grave, other, elsewhere}}))
	s.Press("f6")
	s.Until("<acme/fraud/prod; x> yes")
	s.Press("esc")
	s.Press(":")
	s.Type("make it")
	s.Until("make it")
	s.Press("enter")
	s.Until("In the sandbox, account 000000000000, us-east-1.")
	s.Until("exit 3 fraud")
	s.Advance(time.Second)
	s.Press("y")
	s.Until("make it has failed: exit status 3")
	s.Press("f7")
	s.Until("nothing is selected that $EXECUTION_ARN could stand for")
	s.Press(":")
	s.Type("not here")
	s.Until("nothing is called so")
}

func TestAReadOnlySessionGivesNoCommandThatChanges(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.ReadOnly = true
	file := filepath.Join(t.TempDir(), "made")
	s := routed(t, source, tuitest.Custom(custom.Custom{Commands: []custom.Command{{Name: "make", Key: "f6", Run: []string{"touch", file}, Background: true, Changes: true}}}))
	s.Press("f6")
	s.Until("the session is read-only")
	_, err := os.Stat(file)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// The program begins whatever is wrong with the user's files, and says what that is first.
func TestWrongFilesAreToldFirst(t *testing.T) {
	t.Parallel()
	s := routed(t, datatest.New(t), tuitest.Custom(custom.Custom{}, fault.New(fault.Invalid, `/c/keys.yaml:2:3: unknown name "delte"`).WithHint(`Did you mean "delete"?`)))
	s.Until(`/c/keys.yaml:2:3: unknown name "delte"`)
	s.Until(`Did you mean "delete"?`)
	s.Press("esc")
	s.Until("4 pipelines")
}

func TestViews(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, custom.ViewsFile), []byte("views:\n  of acme: {filter: acme, sort: model, reverse: true, columns: [model, status]}\n"), 0o600))
	own, wrong := custom.Load(dir, "")
	require.Empty(t, wrong)
	s := routed(t, datatest.New(t), tuitest.Custom(own))
	s.Press("enter") // from another page, too
	s.Press(":")
	s.Type("view of acme")
	s.Press("enter")
	s.Until("/acme")
	require.NotContains(t, s.Screen(), "globex")
	require.NotContains(t, s.Screen(), "TENANT")
	require.Regexp(t, `(?s)iris-batch.*iris .*fraud`, s.Screen())

	s.Press("V", "down", "down")
	s.Until("filter acme, by model, reversed, columns model, status.")
	s.Press("s")
	s.Type("mine")
	s.Press("enter")
	s.Until("saved the view mine")
	again, wrong := custom.Load(own.Dir, "")
	require.Empty(t, wrong)
	require.Equal(t, "mine", again.Views[1].Name)
	require.Equal(t, own.Views[0].Filter, again.Views[1].Filter)
	require.Equal(t, own.Views[0].Columns, again.Views[1].Columns)

	s.Press("V", "a")
	s.Until("globex")
	require.Contains(t, s.Screen(), "TENANT")
}

func contexts() data.Contexts {
	return data.Contexts{Now: data.Context{Target: "sandbox", Backend: "s3://mine"}, Profiles: []data.Profile{
		{Name: "dev", Region: "eu-west-1"}, {Name: "prod", Region: "us-east-1", SignIn: "aws sso login --profile prod"},
	}}
}

// Nothing is restarted: the session goes elsewhere, begins anew there, and what is wrong
// with the credentials leaves it where it is.
func TestTheSessionGoesElsewhere(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	var went []data.Context
	here := data.Place{Target: "sandbox", Account: "000000000000", Region: "us-east-1", Backend: "file:///x"}
	source.ContextsFunc = func() (data.Contexts, error) { return contexts(), nil }
	source.PlaceFunc = func(context.Context) (data.Place, error) { return here, nil }
	source.SwitchFunc = func(_ context.Context, to data.Context) error {
		went = append(went, to)
		if to.Profile == "prod" {
			return fault.New(fault.Unauthenticated, "the AWS sign-in has expired").WithHint("Sign in with `aws sso login --profile prod`.")
		}
		here = data.Place{Target: to.Target, Account: "111122223333", Region: "eu-west-1"}
		return nil
	}
	s := routed(t, source)
	s.Press("enter") // a page of the place that is left
	s.Press("ctrl+t")
	s.Until("sign in with: aws sso login --profile prod")
	s.Golden("context-120x30")
	s.Press("G", "y")
	require.Equal(t, "aws sso login --profile prod", s.Copied()[len(s.Copied())-1])
	s.Press("enter")
	s.Until("the AWS sign-in has expired")
	s.Until("The session is where it was.")
	s.Press("esc")
	s.Until("sandbox")
	s.Press("k", "enter")
	s.Until("111122223333")
	s.Until("4 pipelines")
	require.Equal(t, []data.Context{{Target: "aws", Profile: "prod", Backend: "s3://mine"}, {Target: "aws", Profile: "dev", Backend: "s3://mine"}}, went)

	s.Press(":")
	s.Type("ctx sandbox")
	s.Press("enter")
	s.Until("4 pipelines")
	require.Equal(t, data.Context{Target: "sandbox", Backend: "s3://mine"}, went[2])

	s.Press("ctrl+t", "r")
	s.Until("Region")
	s.Press("ctrl+u")
	s.Type("eu-north-1")
	s.Press("enter")
	s.Until("4 pipelines")
	require.Equal(t, data.Context{Target: "sandbox", Region: "eu-north-1", Backend: "s3://mine"}, went[3])
}

func TestWhatRunsHoldsTheSession(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.HoldAfter = 3
	source.ContextsFunc = func() (data.Contexts, error) { return contexts(), nil }
	source.SwitchFunc = func(context.Context, data.Context) error {
		t.Error("it went")
		return nil
	}
	s := routed(t, source)
	_, cmd := s.App.Env().Jobs.Start(pipelines.Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{{ID: datatest.Iris, Region: "us-east-1"}}})
	s.Run(cmd)
	s.Until("1 operation")
	s.Hit("ctrl+t")
	s.Until("not now: refresh acme/iris: wait for the end, or cancel it (^o)")
	s.Hit("enter")
	s.Until("switch: refresh acme/iris: wait for the end")
	source.Release()
}

// ^g and ^p work in a box as on a page; one whose text would be lost says so first.
func TestTheRootsKeysWorkInBoxes(t *testing.T) {
	t.Parallel()
	s, p := shell(t, datatest.New(t))
	editor := func() {
		s.Send(ui.Ask{From: p.Host, Dialog: dialog.NewEditor(&p.Env.Theme, "Input", "", "{}", func(string) error { return nil }, nil)})
		s.Until("Input")
	}
	editor()
	s.Press("ctrl+p")
	s.Until("Command")
	require.NotContains(t, s.Screen(), "take it")
	s.Press("esc")
	editor()
	s.Type("x")
	s.Press("ctrl+g")
	s.Until("This text is kept nowhere")
	s.Press("ctrl+g")
	require.NotContains(t, s.Screen(), "take it", "the same again throws it away")
	require.Empty(t, p.keys())
}

// Everything that is typed takes the clipboard, filters of lists too.
func TestAFilterTakesWhatIsPasted(t *testing.T) {
	t.Parallel()
	if !tuitest.WithClipboard(t, "globex") {
		return
	}
	s := routed(t, datatest.New(t))
	s.Press("/", "ctrl+v")
	s.Until("/globex")
	require.NotContains(t, s.Screen(), "acme")
}

func TestTheExampleInTwoKeys(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.PipelinesFunc = func(context.Context) ([]pipelines.Pipeline, error) { return nil, nil }
	s := tuitest.Open(t, source, nil, tuitest.Routed(), tuitest.Size(100, 30))
	s.Until("an example that works as it is")
	s.Hit("E")
	s.Until("example/iris")
	s.Wait("the preview", func() bool { return len(source.Requests()) > 0 })
	require.Equal(t, stack.OperationPreview, source.Requests()[0].Operation)
}
