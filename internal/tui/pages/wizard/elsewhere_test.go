package wizard_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/templates"
)

// away is a Source on a machine that has neither the template nor the files of
// acme/iris: the stack has the template with it, the bucket copies of the files.
func away(t *testing.T) (s *datatest.Source, copies map[string]string) {
	t.Helper()
	dir := t.TempDir()
	copies = map[string]string{"preprocess.code": filepath.Join(dir, "code"), "modelDataUrl": filepath.Join(dir, "model.tar.gz")}
	iris := filepath.Join("..", "..", "..", "..", "examples", "iris")
	require.NoError(t, os.CopyFS(copies["preprocess.code"], os.DirFS(filepath.Join(iris, "preprocess"))))
	raw, err := os.ReadFile(filepath.Join(iris, "model.tar.gz"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copies["modelDataUrl"], raw, 0o600))

	all := t.TempDir()
	require.NoError(t, os.CopyFS(all, templates.FS))
	s = datatest.New(t)
	s.CatalogFunc = func() (*spec.Catalog, error) { return spec.LoadCatalog(nil, filepath.Join(all, "batch")) }
	s.RebuildFunc = func(p pipelines.Pipeline) (*spec.Pipeline, error) {
		o := s.SpecOptions()
		o.Copies = copies
		return spec.FromDocument(p.State.Spec, catalog(t), o)
	}
	return s, copies
}

func TestChangeWhatWasMadeElsewhere(t *testing.T) {
	t.Parallel()
	s, copies := away(t)
	x := open(t, s, ui.OpenWizard{Change: &datatest.Iris}, [2]int{100, 30})
	x.Until("image")
	x.Press("ctrl+s")
	x.Until("Ready to change")
	require.Regexp(t, "What changes\\n.*  nothing", x.Screen())
	x.Press("esc")
	x.Until("modelEnvironment")
	for range 12 {
		x.Press("tab") // past the fields with files: they are looked at
	}
	require.NotContains(t, x.Screen(), "no such file")
	x.Press("ctrl+s")
	x.Until("Ready to change")

	x = open(t, s, ui.OpenWizard{Change: &datatest.Iris}, [2]int{100, 30})
	x.Until("image")
	x.Press("pgdown")
	x.Press("right")
	x.Press("ctrl+s")
	x.Until("Ready to change")
	require.NotRegexp(t, "What changes\\n.*  nothing", x.Screen())
	x.Press("enter")
	asked := x.Requests()[len(x.Requests())-1].(ui.OpenDeploy)
	made := asked.Request.Pipelines[0]
	require.Equal(t, copies, made.Files, "what is deployed are the copies")
	require.Equal(t, "/home/ana/ml/examples/iris/preprocess", made.Parameters.String("preprocess.code"), "the spec keeps its words")
}

// What has no copy either is asked for.
func TestChangeWithoutCopies(t *testing.T) {
	t.Parallel()
	s, _ := away(t)
	s.RebuildFunc = func(pipelines.Pipeline) (*spec.Pipeline, error) {
		return nil, fault.New(fault.Invalid, "preprocess.code is not on this machine")
	}
	x := open(t, s, ui.OpenWizard{Change: &datatest.Iris}, [2]int{100, 30})
	x.Until("image")
	x.Press("ctrl+s")
	x.Until("preprocess.code")
	require.NotContains(t, x.Screen(), "Ready to change")
}
