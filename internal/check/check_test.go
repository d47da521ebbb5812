package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// options are those that the tool itself uses.
func options() Options {
	o := Options{Provided: program.Provided(), Integrations: program.Integrations()}
	for _, b := range program.Blocks() {
		o.Blocks = append(o.Blocks, Block{b.Name, b.Title, b.Needs, b.Requires, b.Reads, b.Provides, b.Exports})
	}
	o.Trial = func(t *spec.Template) error {
		p, ok, err := spec.Trial(t, "us-east-1")
		if err != nil || !ok {
			return err
		}
		_, err = program.Pipeline(p, t, program.Env{Account: "000000000000", Region: "us-east-1", Partition: "aws"})
		return err
	}
	return o
}

func lines(findings []Finding) []string {
	out := []string{}
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

func TestBuiltinTemplatesAreClean(t *testing.T) {
	t.Parallel()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	require.NotEmpty(t, cat.List())
	for _, tmpl := range cat.List() {
		r := Template(tmpl.FS, "templates/"+tmpl.Name, options())
		require.Equal(t, tmpl.Name, r.Template)
		require.Empty(t, lines(r.Findings))
	}
}

// The definitions in testdata are state machines as they would be on AWS, of
// every kind of template.
func TestDefinitionsAreClean(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/asl/*.asl.json")
	require.NoError(t, err)
	require.Len(t, files, 13)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Empty(t, lines(Definition(string(raw), filepath.Base(name))))
	}
}
