package check

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// filled returns the definitions of the built-in templates as they may be
// deployed, one for each choice of their cases.
func filled(t *testing.T) map[string]string {
	t.Helper()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	out := map[string]string{}
	for _, tmpl := range cat.List() {
		c := &checker{opts: options(), template: tmpl}
		texts := map[string][]byte{spec.DefinitionFile: tmpl.Definition}
		for _, d := range tmpl.Definitions {
			texts[d.File] = d.Definition
		}
		for file, text := range texts {
			for i := range c.choices() {
				src := fill(string(text), func(name string) sample {
					switch s := c.sampleFor(name, i); {
					case !s.open:
						return s
					case strings.HasSuffix(name, "Sec"):
						return sample{json: []byte("60")}
					case strings.HasSuffix(name, "Arn"):
						return sample{json: []byte(`"arn:aws:lambda:us-east-1:000000000000:function:f:live"`)}
					default:
						return s
					}
				})
				out[tmpl.Name+"-"+strings.TrimSuffix(file, ".asl.json")+"-"+count(i)] = src.text
			}
		}
	}
	return out
}

// Other validators of the language accept the built-in definitions, where they
// are installed.
func TestOtherValidators(t *testing.T) {
	t.Parallel()
	tools := []struct {
		name string
		args []string // before the file
		wrap func(definition string) any
	}{
		{"cfn-lint", []string{"--non-zero-exit-code", "error", "--"}, func(d string) any {
			return map[string]any{"Resources": map[string]any{"Machine": map[string]any{
				"Type":       "AWS::StepFunctions::StateMachine",
				"Properties": map[string]any{"RoleArn": "arn:aws:iam::000000000000:role/states", "DefinitionString": d},
			}}}
		}},
		{"asl-validator", []string{"--json-path"}, func(d string) any { return json.RawMessage(d) }},
	}
	for _, tool := range tools {
		t.Run(tool.name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(tool.name)
			if err != nil {
				t.Skip(tool.name + " is not installed")
			}
			if testing.Short() {
				t.Skip("-short: starts an interpreter for each definition")
			}
			dir, args := t.TempDir(), tool.args[:len(tool.args):len(tool.args)]
			for name, definition := range filled(t) {
				raw, err := json.Marshal(tool.wrap(definition))
				require.NoError(t, err)
				file := filepath.Join(dir, name+".json")
				require.NoError(t, os.WriteFile(file, raw, 0o600))
				args = append(args, file)
			}
			out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
			require.NoError(t, err, "%s", out)
			// A tool that accepts anything would prove nothing.
			broken, err := json.Marshal(tool.wrap(`{"StartAt": "A", "States": {"A": {"Type": "Nap"}}}`))
			require.NoError(t, err)
			file := filepath.Join(dir, "broken.json")
			require.NoError(t, os.WriteFile(file, broken, 0o600))
			out, err = exec.CommandContext(t.Context(), path, append(tool.args[:len(tool.args):len(tool.args)], file)...).CombinedOutput()
			require.Error(t, err, "%s", out)
		})
	}
}
