package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
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
		w := newItemWriter(format)
		require.NoError(t, w.add(json.RawMessage(first)))
		require.NoError(t, w.add(json.RawMessage(second)))
		path := filepath.Join(t.TempDir(), "items")
		require.NoError(t, w.write(path))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(got), format)
	}
	for _, format := range []string{"JSON", "JSONL", "CSV"} {
		w := newItemWriter(format)
		require.ErrorContains(t, w.add(nil), "does not hold the item", format)
		require.Zero(t, w.text.Len(), format)
	}
	require.ErrorContains(t, newItemWriter("CSV").add(json.RawMessage(`7`)), "not a row of a CSV file")
}
