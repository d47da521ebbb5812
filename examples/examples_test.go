// Package examples holds no code: it tests that the examples do what they say.
package examples

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

func python(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	cmd := exec.CommandContext(t.Context(), exe, append([]string{"-B"}, args...)...)
	cmd.Stderr = t.Output()
	return cmd
}

// TestIrisTraining runs the training again: the committed model has to be what
// the committed script makes of the committed data, to the byte.
func TestIrisTraining(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	text, err := python(t, "iris/train.py", "--out", out).Output()
	require.NoError(t, err)
	for _, name := range []string{"model/model.json", "model.tar.gz", "preprocess/scaler.json"} {
		want, err := os.ReadFile(filepath.Join("iris", name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%s differs from what train.py writes", name)
	}
	require.Contains(t, string(text), "accuracy over the data set: 0.9733")
	require.Contains(t, string(text), "accuracy on unseen flowers (5-fold): 0.9467")
}

type model struct {
	Classes []string    `json:"classes"`
	Weights [][]float64 `json:"weights"`
	Bias    []float64   `json:"bias"`
}

func (m model) predict(row []float64) string {
	best, label := 0.0, ""
	for c, name := range m.Classes {
		score := m.Bias[c]
		for j, x := range row {
			score += m.Weights[c][j] * x
		}
		if label == "" || score > best {
			best, label = score, name
		}
	}
	return label
}

// TestIrisServing sends every flower through the preprocess function and the
// model, as the pipeline does, and counts what comes out right.
func TestIrisServing(t *testing.T) {
	t.Parallel()
	cmd := python(t, "-c", `
import json, sys
sys.path.insert(0, "iris/preprocess")
import index
for line in sys.stdin:
    print(json.dumps(index.handler({"input": json.loads(line), "execution": {}}, None)))
`)
	data, err := os.ReadFile("iris/flowers.jsonl")
	require.NoError(t, err)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	require.NoError(t, err)

	var m model
	text, err := os.ReadFile("iris/model/model.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &m))

	flowers, replies := bufio.NewScanner(bytes.NewReader(data)), bufio.NewScanner(bytes.NewReader(out))
	total, right := 0, 0
	for flowers.Scan() {
		require.True(t, replies.Scan())
		var flower struct {
			ID      int    `json:"id"`
			Species string `json:"species"`
		}
		var reply struct {
			Body struct {
				Instances [][]float64 `json:"instances"`
			} `json:"body"`
		}
		require.NoError(t, json.Unmarshal(flowers.Bytes(), &flower))
		require.NoError(t, json.Unmarshal(replies.Bytes(), &reply))
		total++
		require.Equal(t, total, flower.ID)
		require.Len(t, reply.Body.Instances, 1)
		if m.predict(reply.Body.Instances[0]) == flower.Species {
			right++
		}
	}
	require.Equal(t, 150, total)
	require.GreaterOrEqual(t, float64(right)/float64(total), 0.95)
}

func TestIrisRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ input, want string }{
		"no flower":  {`[1]`, "the input must be a JSON object"},
		"missing":    {`{"bad": 1}`, "sepal_length is missing"},
		"text":       {`{"sepal_length": "5"}`, `sepal_length must be a number, not "5"`},
		"bool":       {`{"sepal_length": true}`, "sepal_length must be a number, not true"},
		"negative":   {`{"sepal_length": 5, "sepal_width": -1}`, "sepal_width is -1, but"},
		"too large":  {`{"sepal_length": 500}`, "sepal_length is 500, but"},
		"not finite": {`{"sepal_length": Infinity}`, "sepal_length is inf, but"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := python(t, "-c", `
import json, sys
sys.path.insert(0, "iris/preprocess")
import index
try:
    index.handler({"input": json.loads(sys.argv[1])}, None)
except Exception as error:
    print(type(error).__name__, error)
`, tc.input)
			out, err := cmd.Output()
			require.NoError(t, err)
			require.Contains(t, string(out), "InvalidFlower "+tc.want)
		})
	}
}

// TestSpecs loads every spec of the examples by the rules of the program.
func TestSpecs(t *testing.T) {
	t.Parallel()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	found := 0
	require.NoError(t, filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		set, err := spec.Load(path, cat, spec.Options{Region: "us-east-1"})
		require.NoError(t, err, fault.HintOf(err))
		require.NotEmpty(t, set.Pipelines)
		found++
		return nil
	}))
	require.GreaterOrEqual(t, found, 2)

	set, err := spec.Load("iris/pipelines.yaml", cat, spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	require.Len(t, set.Pipelines, 1)
	iris := set.Pipelines[0]
	require.Equal(t, "acme/iris", iris.ID.String())
	abs, err := filepath.Abs("iris")
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"modelDataUrl":    filepath.Join(abs, "model.tar.gz"),
		"preprocess.code": filepath.Join(abs, "preprocess"),
	}, iris.Files)
}
