package examples

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func generated(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := python(t, append([]string{"iris-batch/generate.py"}, args...)...).Output()
	require.NoError(t, err)
	return out
}

// TestIrisBatchGenerator: the data set is the same on every machine, and what is
// broken is broken as asked.
func TestIrisBatchGenerator(t *testing.T) {
	t.Parallel()
	whole := generated(t)
	sum := sha256.Sum256(whole)
	require.Equal(t, "abe6756ddfe49f95ea309c989e74856e5ac07c4af3dbbbf640e938f5cfd09700", hex.EncodeToString(sum[:]))
	require.Equal(t, 10_000, bytes.Count(whole, []byte("\n")))
	require.True(t, bytes.HasPrefix(whole, generated(t, "--count", "20")), "a smaller data set is the beginning of a larger one")

	type record struct {
		ID          int `json:"id"`
		PetalLength any `json:"petal_length"`
	}
	for kind, broken := range map[string]func(any) bool{
		"unit":     func(v any) bool { s, ok := v.(string); return ok && strings.HasSuffix(s, " cm") },
		"missing":  func(v any) bool { return v == nil },
		"negative": func(v any) bool { x, ok := v.(float64); return ok && x < 0 },
	} {
		var at []int
		for i, line := range bytes.Split(bytes.TrimSpace(generated(t, "--count", "2000", "--broken", "4", "--kind", kind)), []byte("\n")) {
			var r record
			require.NoError(t, json.Unmarshal(line, &r))
			require.Equal(t, i+1, r.ID)
			if broken(r.PetalLength) {
				at = append(at, i)
			}
		}
		require.Equal(t, []int{250, 750, 1250, 1750}, at, kind)
	}
}

// batchOf calls the preprocess function with a batch.
func batchOf(t *testing.T, repair string, items string, environ ...string) (out []byte, failed string) {
	t.Helper()
	cmd := python(t, "-c", `
import json, sys
sys.path.insert(0, "iris-batch/preprocess")
import index
try:
    print(json.dumps(index.handler(json.load(sys.stdin), None)))
except Exception as error:
    print(type(error).__name__, error, file=sys.stderr)
    sys.exit(1)
`)
	cmd.Env = append(append(os.Environ(), "REPAIR="+repair), environ...)
	cmd.Stdin = strings.NewReader(items)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		require.IsType(t, &exec.ExitError{}, err)
	}
	return out, strings.TrimSpace(errs.String())
}

func TestIrisBatchPreprocess(t *testing.T) {
	t.Parallel()
	flower := func(petal string) string {
		return `{"items": [{"id": 3, "sepal_length": 7.0, "sepal_width": 3.2, "petal_length": ` + petal + `, "petal_width": 1.4}], "batch": {}}`
	}
	var got struct {
		Records []struct {
			Instances [][]float64 `json:"instances"`
		} `json:"records"`
		IDs    []int `json:"ids"`
		Errors []struct {
			ID, Index    int
			Error, Cause string
		} `json:"errors"`
	}
	for _, c := range []struct{ repair, petal string }{{"", "4.7"}, {"units", "4.7"}, {"units", `"4.7 cm"`}} {
		out, failed := batchOf(t, c.repair, flower(c.petal))
		require.Empty(t, failed)
		require.NoError(t, json.Unmarshal(out, &got))
		require.Equal(t, []int{3}, got.IDs)
		require.Empty(t, got.Errors)
		require.InDelta(t, (4.7-3.758)/1.7594, got.Records[0].Instances[0][2], 0.01)
		require.False(t, math.IsNaN(got.Records[0].Instances[0][0]))
	}
	for name, c := range map[string]struct{ repair, petal, want string }{
		"text":               {"", `"4.7 cm"`, `InvalidFlower flower 3: petal_length must be a number, not "4.7 cm"`},
		"another text":       {"units", `"tall"`, `InvalidFlower flower 3: petal_length must be a number, not "tall"`},
		"another unit":       {"units", `"x cm"`, `InvalidFlower flower 3: petal_length must be a number, not "x cm"`},
		"negative":           {"units", "-1", "InvalidFlower flower 3: petal_length is -1, but"},
		"negative with unit": {"units", `"-1 cm"`, "InvalidFlower flower 3: petal_length is -1.0, but"},
	} {
		_, failed := batchOf(t, c.repair, flower(c.petal), "STRICT=batch")
		require.Contains(t, failed, c.want, name)
		// Without it the flower fails alone.
		out, failed := batchOf(t, c.repair, flower(c.petal))
		require.Empty(t, failed)
		require.NoError(t, json.Unmarshal(out, &got))
		require.Empty(t, got.Records)
		require.Empty(t, got.IDs)
		require.Len(t, got.Errors, 1)
		require.Equal(t, 3, got.Errors[0].ID)
		require.Equal(t, 0, got.Errors[0].Index)
		require.Contains(t, got.Errors[0].Error+" "+got.Errors[0].Cause, c.want, name)
	}
	_, failed := batchOf(t, "", `{"items": [1]}`, "STRICT=batch")
	require.Contains(t, failed, "an item must be a JSON object")
	_, failed = batchOf(t, "", `{"input": {}}`)
	require.Contains(t, failed, "must have a list 'items'")
}

// TestIrisBatchScaler: both examples serve the same model.
func TestIrisBatchScaler(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("iris/preprocess/scaler.json")
	require.NoError(t, err)
	got, err := os.ReadFile("iris-batch/preprocess/scaler.json")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}
