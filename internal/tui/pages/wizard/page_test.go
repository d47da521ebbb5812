package wizard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/wizard"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/templates"
)

func open(t *testing.T, s *datatest.Source, o ui.OpenWizard, size [2]int) *tuitest.Session {
	t.Helper()
	return tuitest.Open(t, s, func(h *ui.Host) ui.Page { return wizard.New(h, o) }, tuitest.Size(size[0], size[1]), tuitest.Now(datatest.Recorded))
}

func sizes() [][2]int { return [][2]int{{80, 24}, {120, 40}, {60, 16}} }

func name(what string, size [2]int) string { return fmt.Sprintf("%s-%dx%d", what, size[0], size[1]) }

func TestCreate(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("create", size), func(t *testing.T) {
			t.Parallel()
			x := open(t, datatest.New(t), ui.OpenWizard{}, size)
			x.Until("realtime")
			x.Golden(name("cards", size))
			x.Press("down", "enter")
			x.Until("Names on AWS")
			x.Type("acme")
			x.Press("enter")
			x.Type("Risk")
			x.Golden(name("identity", size))
			x.Press("ctrl+u")
			x.Type("risk")
			x.Press("pgdown")
			x.Type("sandbox/linear")
			x.Press("enter")
			x.Type("s3://models/risk/model.tar.gz")
			x.Golden(name("model", size))
			x.Press("pgdown")
			x.Press("down")
			x.Golden(name("endpoint", size))
			x.Press("enter")
			x.Type("c5.x")
			x.Golden(name("pick", size))
			x.Press("enter")
			x.Press("ctrl+s")
			x.Until("12 questions asked")
			x.Golden(name("review", size))
			x.Press("enter")
			req := x.Requests()
			require.Len(t, req, 1)
			r := req[0].(ui.OpenDeploy).Request
			require.Equal(t, stack.OperationUp, r.Operation)
			require.Equal(t, spec.ID{Tenant: "acme", Model: "risk", Env: "dev"}, r.Pipelines[0].ID)
			require.Equal(t, "ml.c5.xlarge", r.Pipelines[0].Parameters.String("instanceType"))
			require.NotContains(t, string(r.Pipelines[0].Document), "endpointKind")
		})
	}
}

// All problems are told at once, and each is one key away from its field.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("problems", size), func(t *testing.T) {
			t.Parallel()
			id := datatest.Iris
			x := open(t, datatest.New(t), ui.OpenWizard{Like: &id}, size)
			x.Until("Names on AWS")
			x.Press("ctrl+s")
			x.Until("to mend")
			x.Golden(name("problems", size))
			x.Press("down", "up", "enter")
			x.Until("Names on AWS")
			x.Type("new")
			require.Contains(t, x.Screen(), "new")
		})
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("change", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			id := spec.ID{Tenant: "globex", Model: "risk", Env: "dev"}
			made, err := spec.Build(spec.Answers{ID: id, Template: "realtime", Values: map[string]string{
				"image": "sandbox/linear", "modelDataUrl": "s3://models/risk/model.tar.gz", "preprocess.memoryMb": "512",
			}}, catalog(t), spec.Options{Region: "us-east-1"})
			require.NoError(t, err)
			s.Add(pipelines.Pipeline{ID: id, Spec: made})
			x := open(t, s, ui.OpenWizard{Change: &id}, size)
			x.Until("image")
			x.Press("pgdown")
			x.Press("right")
			x.Golden(name("change", size))
			x.Press("ctrl+s")
			x.Until("12 questions asked")
			x.Golden(name("change-review", size))
			x.Press("esc")
			x.Until("endpointKind")
			// Leaving with answers asks.
			for n := 0; n < 5 && !strings.Contains(x.Screen(), "Leave the form?"); n++ {
				x.Press("esc")
			}
			x.Until("Leave the form?")
			x.Until("esc leave")
			x.Press("esc") // means it
			x.UntilGone("Leave the form?")
			require.NotContains(t, x.Screen(), "endpointKind")
		})
	}
}

func TestSave(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, datatest.New(t), ui.OpenWizard{}, [2]int{100, 30})
	x.Until("realtime")
	x.Press("down", "enter")
	for _, text := range []string{"acme", "risk", "", "", "sandbox/linear", "s3://models/risk/model.tar.gz"} {
		x.Type(text)
		x.Press("enter")
	}
	x.Press("ctrl+s")
	x.Until("Ready to create")
	file := filepath.Join(dir, "x.yaml")
	for i := range 2 {
		x.Press("w")
		x.Until("Save the spec")
		x.Press("ctrl+u")
		x.Type(file)
		x.Press("enter")
		if i == 0 {
			x.Until("saved")
			require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
			continue
		}
		x.Until("exists already")
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "mine", string(raw))
		x.Advance(1e9)
		x.Press("y")
		x.Wait("to save", func() bool {
			raw, err := os.ReadFile(file)
			return err == nil && string(raw) != "mine"
		})
	}
	set, err := spec.Load(file, catalog(t), spec.Options{})
	require.NoError(t, err)
	require.Equal(t, "acme/risk", set.Pipelines[0].String())
}

// A spec with secrets replaces a file that others can read by one that they can't.
func TestASpecWithSecretsIsReadableByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	id := spec.ID{Tenant: "globex", Model: "risk", Env: "dev"}
	made, err := spec.Build(spec.Answers{ID: id, Template: "realtime", Values: map[string]string{
		"image": "sandbox/linear", "modelDataUrl": "s3://models/risk/model.tar.gz", "preprocess.environment": `{"TOKEN":{"secret":"hush"}}`,
	}}, catalog(t), spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	s.Add(pipelines.Pipeline{ID: id, Spec: made})
	file := filepath.Join(t.TempDir(), "x.yaml")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o644)) // readable by all is what it is about
	x := open(t, s, ui.OpenWizard{Change: &id}, [2]int{100, 30})
	x.Until("image")
	x.Press("ctrl+s")
	x.Until("Ready to change")
	x.Press("w")
	x.Until("Save the spec")
	x.Press("ctrl+u")
	x.Type(file)
	x.Press("enter")
	x.Until("exists already")
	x.Advance(1e9)
	x.Press("y")
	x.Until("readable by you alone")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// What is pasted by ctrl+v is an answer as what is typed.
func TestWhatIsPastedIsAnAnswer(t *testing.T) {
	t.Parallel()
	if !tuitest.WithClipboard(t, "acme") {
		return
	}
	x := open(t, datatest.New(t), ui.OpenWizard{}, [2]int{100, 30})
	x.Until("realtime")
	x.Press("down", "enter")
	x.Until("Names on AWS")
	x.Press("ctrl+v")
	x.Press("tab")
	x.Type("risk")
	x.Until("acme-risk")
}

// Tags that the editor can't take are refused in it, and none is lost.
func TestTheEditorOfTagsLosesNone(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	id := spec.ID{Tenant: "globex", Model: "risk", Env: "dev"}
	made, err := spec.Build(spec.Answers{ID: id, Template: "realtime", Tags: map[string]string{"cost": "ml"}, Values: map[string]string{
		"image": "sandbox/linear", "modelDataUrl": "s3://models/risk/model.tar.gz",
	}}, catalog(t), spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	s.Add(pipelines.Pipeline{ID: id, Spec: made})
	x := open(t, s, ui.OpenWizard{Change: &id}, [2]int{120, 40})
	x.Until("image")
	for range 12 { // to the last step, and a few more
		if strings.Contains(x.Screen(), "cost=ml") {
			break
		}
		x.Press("pgdown")
	}
	x.Until("cost=ml")
	x.Press("enter")
	x.Until("One KEY=value a line.")
	require.NotContains(t, x.Screen(), "secretsManager", "tags hold no secrets")
	x.Press("ctrl+end", "enter")
	x.Type(`x={"secret":"y"}`)
	x.Press("ctrl+s")
	x.Until("tags.x must be a string")
	x.Press("ctrl+u")
	x.Type("x=y")
	x.Press("ctrl+s")
	x.Until("cost=ml, x=y")
}

// TestAWrongFileKeepsItsName: what cannot be written is asked for again, as it was typed.
func TestAWrongFileKeepsItsName(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), ui.OpenWizard{}, [2]int{100, 30})
	x.Until("realtime")
	x.Press("down", "enter")
	for _, text := range []string{"acme", "risk", "", "", "sandbox/linear", "s3://models/risk/model.tar.gz"} {
		x.Type(text)
		x.Press("enter")
	}
	x.Press("ctrl+s")
	x.Until("Ready to create")
	x.Press("w")
	x.Until("Save the spec")
	x.Press("ctrl+u")
	file := filepath.Join(t.TempDir(), "nowhere", "x.yaml")
	x.Type(file)
	x.Press("enter")
	x.Until("It could not be written: no such file or directory.")
	require.Contains(t, x.Screen(), "nowhere/x.yaml")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	x.Advance(1e9)
	x.Press("enter")
	x.Until("saved")
	require.FileExists(t, file)
}

// TestHelpAndTheWayOutWhileTyping: a text never begins with ?, other keys work always,
// and the footer shows those that do.
func TestHelpAndTheWayOutWhileTyping(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), ui.OpenWizard{}, [2]int{100, 30})
	x.Until("realtime")
	x.Press("down", "enter")
	x.Until("Names on AWS")
	footer := func() string {
		lines := strings.Split(strings.TrimRight(x.Screen(), "\n"), "\n")
		return lines[len(lines)-1]
	}
	x.Press("?")
	x.Until("all keys of this page")
	x.Advance(1e9)
	x.Press("esc")
	x.UntilGone("all keys of this page")
	x.Type("a")
	require.Contains(t, footer(), "F1 help")
	require.Contains(t, footer(), "^p command")
	require.Contains(t, footer(), "^c quit")
	x.Type("?")
	require.Contains(t, x.Screen(), `a?`, "a letter as any other")
	x.Press("f1")
	x.Until("all keys of this page")
	x.Advance(1e9)
	x.Press("esc")
	x.Press("ctrl+p")
	x.Until("Command")
	x.Advance(1e9)
	x.Press("esc")
	x.Press("ctrl+g")
	x.Until("stay")
}

// TestLeftChangesNothing: an arrow that goes back elsewhere does not answer a question.
func TestLeftChangesNothing(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), ui.OpenWizard{Change: &datatest.Iris}, [2]int{100, 30})
	x.Until("image")
	x.Press("pgdown")
	before := x.Screen()
	x.Press("left")
	require.Equal(t, before, x.Screen())
	x.Press("right")
	require.NotEqual(t, before, x.Screen())
	x.Press("h")
	require.Equal(t, before, x.Screen())
}

// TestAnEditorAsksBeforeItLosesText: one escape over a changed text is a question.
func TestAnEditorAsksBeforeItLosesText(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), ui.OpenWizard{Change: &datatest.Iris}, [2]int{100, 30})
	x.Until("image")
	x.Press("down", "down", "enter")
	x.Until("One KEY=value a line")
	x.Advance(1e9)
	x.Type("A=b")
	x.Press("esc")
	x.Until("again throws it away")
	x.Type("c")
	x.UntilGone("again throws it away")
	require.Contains(t, x.Screen(), "A=bc")
	x.Press("esc", "esc")
	x.UntilGone("One KEY=value a line")
	x.Press("enter")
	x.Until("One KEY=value a line")
	x.Advance(1e9)
	x.Press("esc")
	x.UntilGone("One KEY=value a line")
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "model"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model", "model.tar.gz"), []byte{0x1f, 0x8b}, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model", "notes.txt"), nil, 0o600))
	x := open(t, datatest.New(t), ui.OpenWizard{}, [2]int{100, 30})
	x.Until("realtime")
	x.Press("down", "enter", "pgdown", "enter")
	x.Type(dir + "/x")
	x.Press("ctrl+f")
	x.Until("model/")
	require.NotContains(t, x.Screen(), "notes.txt")
	x.Type("mod")
	x.Press("enter")
	x.Until("model.tar.gz")
	require.NotContains(t, x.Screen(), "notes.txt", "only what the field may name is shown")
	x.Press("enter")
	x.Until("model/model.tar.gz")
}

// Answers are not lost by a key that leaves the program or goes home.
func TestUnsaved(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), ui.OpenWizard{}, [2]int{80, 24})
	x.Until("realtime")
	x.Press("down", "enter")
	x.Type("acme")
	x.Press("pgdown", "pgdown", "q")
	x.Until("This loses the answers of the form.")
	x.Press("s")
	require.False(t, x.Quit())
	x.Press("ctrl+c")
	x.Until("This loses")
	x.Press("ctrl+c")
	x.Wait("to end", x.Quit)
}

// Whatever the size, whatever the colours.
func TestLooks(t *testing.T) {
	t.Parallel()
	var page ui.Page
	x := tuitest.Open(t, datatest.New(t), func(h *ui.Host) ui.Page { page = wizard.New(h, ui.OpenWizard{}); return page },
		tuitest.ASCII(), tuitest.Color("light"), tuitest.Now(datatest.Recorded))
	all := func() {
		t.Helper()
		for _, r := range x.Screen() {
			require.Less(t, r, rune(128), "%q in\n%s", r, x.Screen())
		}
		for _, w := range []int{1, 2, 7, 20, 45, 60, 99, 100, 150} {
			for _, h := range []int{1, 2, 3, 5, 8, 13, 21, 40} {
				require.Len(t, strings.Split(page.View(w, h), "\n"), h)
			}
		}
	}
	x.Until("realtime")
	all()
	x.Press("down", "enter")
	for _, keys := range [][]string{{"pgdown"}, {"pgdown", "down", "enter"}, {"esc"}, {"pgup", "down", "ctrl+f"}, {"esc"}, {"ctrl+s"}, {"enter"}} {
		x.Press(keys...)
		all()
	}
}

func catalog(t testing.TB) *spec.Catalog {
	t.Helper()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	return cat
}
