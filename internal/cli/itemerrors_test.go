package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// The items that failed alone are written in the format in which the pipeline reads
// a data set.
func TestItemWriter(t *testing.T) {
	t.Parallel()
	const first, second = `{"id": "1", "text": "a, \"b\" \\ c"}`, "{\n \"text\": \"<d>\",\n \"id\": \"2\"\n}"
	for format, want := range map[string]string{
		"JSONL":     `{"id":"1","text":"a, \"b\" \\ c"}` + "\n" + `{"text":"<d>","id":"2"}` + "\n",
		"S3FLATTEN": `{"id":"1","text":"a, \"b\" \\ c"}` + "\n" + `{"text":"<d>","id":"2"}` + "\n",
		"JSON":      "[" + first + ",\n" + second + "]\n",
		"CSV":       "id,text\n1,\"a, \"\"b\"\" \\\\ c\"\n2,<d>\n",
	} {
		w := newItemWriter("as-input", format)
		require.NoError(t, w.add(json.RawMessage(first)))
		require.NoError(t, w.add(json.RawMessage(second)))
		path := filepath.Join(t.TempDir(), "items")
		require.NoError(t, w.write(path))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(got), format)
	}
	for _, format := range []string{"JSON", "JSONL", "CSV"} {
		w := newItemWriter("as-input", format)
		err := w.add(nil)
		require.ErrorContains(t, err, "does not hold the item", format)
		require.Contains(t, fault.HintOf(err), "--as-input", "the flag that was given")
		require.Zero(t, w.text.Len(), format)
		problems := spec.Problems(w.write(filepath.Join(t.TempDir(), "none", "x")))
		require.Len(t, problems, 1, format)
		require.Equal(t, "--as-input", problems[0].Source, format)
	}
	require.ErrorContains(t, newItemWriter("items", "CSV").add(json.RawMessage(`7`)), "not a row of a CSV file")
}
