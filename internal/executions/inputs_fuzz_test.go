package executions

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// FuzzInputs reads any bytes as a file of inputs, in both forms and as a stream: it is
// refused with an error that names it, or every item is an input that StartExecution
// takes, as many as were counted.
func FuzzInputs(f *testing.F) {
	for _, text := range []string{
		"", "\n", "{}\n", "{\"a\":1}\r\n[2]\n\n3", "{\"a\":1", "\xef\xbb\xbf{}\n", "\xff\xfe{\x00}\x00", "nul\n", "{}{}\n", "{\"a\":1e999}", "\"\xff\"\n",
		"a,b\n1,2\n", "a,a\n1,2\n", "a,\n1,2\n", "a\n\"x\ny\"\n", "a\n\"x", "a,b\n1\n", "a\r\n1\r\n", "a;b\n1;2\n", "\xef\xbb\xbfa\n1\n", "a\n\x1b[31m\n", "\"a\"x\n1\n",
	} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	f.Add(bytes.Repeat([]byte("["), 2_000), false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte, csv bool) {
		path := filepath.Join(dir, "x.jsonl")
		if csv {
			path = filepath.Join(dir, "x.csv")
		}
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		file, err := OpenInputs(path)
		require.NoError(t, err)
		read(t, file, csv)

		spooled, err := SpoolInputs(t.Context(), "standard input", bytes.NewReader(raw))
		require.NoError(t, err)
		defer spooled.Close()
		read(t, spooled, spooled.csv)
	})
}

func read(t *testing.T, file *InputFile, csv bool) {
	t.Helper()
	n, err := file.Check(t.Context())
	if err != nil {
		require.Equal(t, fault.Invalid, fault.KindOf(err), err)
		require.Contains(t, err.Error(), file.Name)
		require.Less(t, len(err.Error()), 16<<10, "an error is no copy of the file")
		return
	}
	for item, err := range file.Items() {
		require.NoError(t, err)
		require.True(t, json.Valid(item) && utf8.Valid(item), "%q", item)
		require.LessOrEqual(t, len(item), 256<<10)
		if csv {
			require.True(t, strings.HasPrefix(string(item), "{"), "%q", item)
		}
		n--
	}
	require.Zero(t, n)
}
