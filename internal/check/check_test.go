package check

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata"
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

// valid are state machines as they would be on AWS, of every kind of template.
const valid = "../asl/testdata/valid/*.asl.json"

func TestDefinitionsAreClean(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(valid)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 13)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Empty(t, lines(Definition(string(raw), filepath.Base(name))))
	}
}

// What AWS took and ran may have warnings, but no errors. The one exception did
// fail on AWS: it reads a variable that nothing assigns.
func TestNoErrorInWhatAWSTakes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../sandbox/states/testdata/asl-cases/*.json")
	require.NoError(t, err)
	checked, failed := 0, map[string]bool{}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		var cases []struct {
			Name     string
			Machines []struct{ Definition json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(raw, &cases), name)
		for _, c := range cases {
			for _, m := range c.Machines {
				checked++
				text := string(m.Definition)
				if s := ""; json.Unmarshal(m.Definition, &s) == nil {
					text = s
				}
				for _, f := range Definition(text, c.Name) {
					if f.Severity == Error {
						failed[f.String()] = true
					}
				}
			}
		}
	}
	require.Greater(t, checked, 100)
	const exception = "states_variables/test_error_output.py::TestStateVariablesTemplate::test_map_catch_error[MAP_CATCH_ERROR_OUTPUT_WITH_RETRY]:"
	for text := range failed {
		require.True(t, strings.HasPrefix(text, exception) && strings.HasSuffix(text, "(undefined-variable)"), text)
	}
	require.Len(t, failed, 2)
}

// Every function that the check knows is one of the evaluator's, and every
// operation of the list has the form that Step Functions wants.
func TestLists(t *testing.T) {
	t.Parallel()
	env := gnata.Library()
	own := []string{"hash", "parse", "partition", "range", "uuid"} // Step Functions' own
	for _, f := range functions {
		_, ok := env.Lookup(f)
		require.True(t, ok || slices.Contains(own, f), f)
	}
	ops := operations()
	require.Len(t, ops, 13)
	for service, names := range ops {
		require.NotEmpty(t, names, service)
		for _, n := range names {
			require.Regexp(t, "^[a-z][A-Za-z0-9]+$", n)
		}
	}
	require.Contains(t, ops["sagemakerruntime"], "invokeEndpoint")
	for name := range needed {
		if service, ok := strings.CutPrefix(name, "aws-sdk:"); ok {
			service, op, _ := strings.Cut(service, ":")
			require.Contains(t, ops[service], op)
			continue
		}
		require.Contains(t, optimized, name)
	}
}

func FuzzDefinition(f *testing.F) {
	for _, m := range mutations {
		if m.file == sm {
			f.Add("{\"QueryLanguage\": \"JSONata\", \"States\": {\"A\": {" + m.now + "}}}")
		}
	}
	raw, err := fs.ReadFile(templates.FS, "realtime/statemachine.asl.json")
	require.NoError(f, err)
	f.Add(string(raw))
	f.Fuzz(func(t *testing.T, text string) {
		for _, found := range append(Definition(text, "x"), Template(fstest.MapFS{
			"template.yaml":         {Data: []byte("name: x\ntitle: X\nversion: \"1\"\nblocks: [storage, workflow]\n")},
			"statemachine.asl.json": {Data: []byte(text)},
		}, "x", options()).Findings...) {
			require.LessOrEqual(t, found.Line, strings.Count(text, "\n")+5)
			require.NotEmpty(t, found.Message)
		}
	})
}
