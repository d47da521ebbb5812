package executions

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestInputsOfAFile(t *testing.T) {
	t.Parallel()
	const mark = "\xef\xbb\xbf"
	long := strings.Repeat("x", maxLine)
	for _, c := range []struct {
		name, file, text string
		want             []string
		wrong            string
	}{
		{"lines", "a.jsonl", "{\"a\":1}\n\n [2] \n", []string{`{"a":1}`, `[2]`}, ""},
		{"lines of Windows", "a.jsonl", "{\"a\":1}\r\n\r\n[2]", []string{`{"a":1}`, `[2]`}, ""},
		{"lines behind a mark", "a.jsonl", mark + "{\"a\":1}\n", []string{`{"a":1}`}, ""},
		{"upper case", "A.JSONL", "1\n", []string{`1`}, ""},
		{"rows", "a.csv", "id,name\n1,\"x,y\"\n2,z\n", []string{`{"id":"1","name":"x,y"}`, `{"id":"2","name":"z"}`}, ""},
		{"rows behind a mark", "A.CSV", mark + "id,name\r\n1,x\r\n", []string{`{"id":"1","name":"x"}`}, ""},
		{"a quoted head behind a mark", "a.csv", mark + "\"id\"\n1\n", []string{`{"id":"1"}`}, ""},
		{"not JSON", "a.jsonl", "{\"a\":1}\n\n\n{a}\n", nil, "a.jsonl:4: input is not valid JSON at line 4, column 2"},
		{"a mark within", "a.jsonl", "1\n" + mark + "2\n", nil, "a.jsonl:2: input is not valid JSON"},
		{"a short row", "a.csv", "id,name\n1,\"x\ny\"\n1\n", nil, "a.csv:4: this row has another number of fields"},
		{"a bare quote", "a.csv", "id,name\n1,x\n2,y\"z\n", nil, "a.csv:3:4: bare \""},
		{"two of a name", "a.csv", "id,x,id\n1,2,3\n", nil, `a.csv:1: columns 1 and 3 are both called "id"`},
		{"two of a name behind a mark", "a.csv", mark + "id,id\n1,2\n", nil, `columns 1 and 2`},
		{"a column without a name", "a.csv", "id,\n1,2\n", nil, "a.csv:1: column 2 has no name"},
		{"a long line", "a.jsonl", "1\n\"" + long + "\"\n{\n", nil, "a.jsonl:2: the line that begins here has more than 512 KiB; an input may have 256 KiB\na.jsonl:3: "},
		{"too long an input", "a.jsonl", "1\n\"" + long[:MaxInput] + "\"\n", nil, "a.jsonl:2: input has 262146 bytes, 262144 at most"},
		{"a long row", "a.csv", "id\n1\n\"" + long + long, nil, "a.csv:3: the row that begins here has more than 512 KiB"},
		{"UTF-16", "a.jsonl", "\xff\xfe{\x00}\x00", nil, "a.jsonl is UTF-16"},
		{"UTF-16 without a mark", "a.csv", "i\x00d\x00\n\x001\x00", nil, "a.csv is UTF-16"},
		{"Latin-1 lines", "a.jsonl", "1\n\"\xe4\"\n", nil, "a.jsonl:2: this line is not UTF-8"},
		{"Latin-1 rows", "a.csv", "id\nx\n\xe4\n", nil, "a.csv:3: this line is not UTF-8"},
		{"Latin-1 head", "a.csv", "\xe4\nx\n", nil, "a.csv:1: this line is not UTF-8"},
		{"nothing", "a.jsonl", "\n", nil, "holds no inputs"},
		{"a head alone", "a.csv", "id\n", nil, "holds no inputs"},
		{"an empty file", "a.csv", "", nil, "holds no inputs"},
		{"tabs", "a.tsv", "id\tname\n1\tx,y\n", []string{`{"id":"1","name":"x,y"}`}, ""},
		{"one column", "a.csv", "id\n1;2\n", []string{`{"id":"1;2"}`}, ""},
		{"one column that is called so", "a.csv", "\"id;name\"\n1;2\n", []string{`{"id;name":"1;2"}`}, ""},
		{"semicolons among commas", "a.csv", "a;b,c\n1,2\n", []string{`{"a;b":"1","c":"2"}`}, ""},
		{"semicolons", "a.csv", "id;name\n1;x\n", nil, `a.csv:1: its fields are divided by semicolons, not by commas: it would be one column called "id;name"`},
		{"tabs in a .csv", "a.csv", "id\tname\n1\tx\n", nil, "a.csv:1: its fields are divided by tabs"},
		{"bars", "a.csv", "id|name\n1|x\n", nil, "a.csv:1: its fields are divided by bars (|)"},
		{"commas in a .tsv", "a.tsv", "id,name\n1,x\n", nil, "a.tsv:1: its fields are divided by commas, not by tabs"},
		{"Excel's first line", "a.csv", "sep=;\r\nid;name\r\n1;x\r\n", nil, `a.csv:1: "sep=;" is a word of Excel's`},
		{"old Mac rows", "a.csv", "id,name\r1,x\r2,y\r", nil, "a.csv: its lines end with a bare carriage return (CR)"},
		{"old Mac rows behind a mark", "a.csv", mark + "id\r1\r2", nil, "a bare carriage return"},
		{"old Mac lines", "a.jsonl", "{\"a\":1}\r{\"a\":2}\r", nil, "a.jsonl: its lines end with a bare carriage return (CR)"},
		{"Mac and Unix", "a.csv", "id,name\r1,x\n2,y\n", nil, "a bare carriage return"},
		{"a carriage return in a value", "a.csv", "id,name\n1,\"x\ry\"\n", []string{`{"id":"1","name":"x\ry"}`}, ""},
		{"white space of JSON", "a.jsonl", "{\"a\":\r1}\n", []string{"{\"a\":\r1}"}, ""},
		{"CR CR LF rows", "a.csv", "id,name\r\r\n1,x\r\r\n", nil, "CR CR LF"},
		{"CR CR LF lines", "a.jsonl", "{\"a\":1}\r\r\n", []string{`{"a":1}`}, ""},
		{"U+2028", "a.jsonl", "{\"a\":1}\u2028{\"a\":2}", nil, "a.jsonl: its lines end with U+2028"},
		{"U+2028 in a string", "a.jsonl", "{\"a\":\"\u2028\"}\n", []string{"{\"a\":\"\u2028\"}"}, ""},
		{"U+2028 rows", "a.csv", "id,name\u20281,x", nil, "U+2028"},
		{"U+2029", "a.csv", "id\u20291", nil, "U+2029"},
		{"NEL", "a.csv", "id,name\u00851,x\u0085", nil, "U+0085"},
		{"JSON text sequence", "a.jsonl", "\x1e{\"a\":1}\n\x1e{\"a\":2}\n", nil, "a record separator (RS)"},
		{"a list over lines", "a.jsonl", "[\n{\"a\":1},\n{\"a\":2}\n]\n", nil, "a.jsonl:1: it is one JSON document over several lines"},
		{"a document over lines", "a.jsonl", "{\n \"a\": 1\n}\n", nil, "a.jsonl:1: it is one JSON document over several lines"},
		{"NUL in a row", "a.csv", "id\nx\na\x00b\n", nil, "a.csv:3: this line holds a NUL byte"},
		{"NUL in a line", "a.jsonl", "1\n\"a\x00\"\n", nil, "a.jsonl:2: this line holds a NUL byte"},
		{"Parquet", "a.csv", "PAR1\x15\x04", nil, "a.csv is a Parquet file"},
		{"an old spreadsheet", "a.csv", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", nil, "a.csv is an old Excel"},
		{"another sort of file", "a.txt", "{}", nil, "neither a .jsonl nor a .csv or .tsv file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), c.file)
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
			n, err := CheckInputs(t.Context(), path)
			if c.wrong != "" {
				require.Error(t, err)
				require.Contains(t, strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""), c.wrong)
				require.Equal(t, fault.Invalid, fault.KindOf(err))
				require.Less(t, len(err.Error()), 600, "a message, not the data")
				return
			}
			require.NoError(t, err)
			require.Equal(t, len(c.want), n)
			require.Equal(t, c.want, inputsOf(t, Inputs(path)))
		})
	}
	_, err := CheckInputs(t.Context(), filepath.Join(t.TempDir(), "none.jsonl"))
	require.ErrorContains(t, err, "no such file")
}

func inputsOf(t *testing.T, items func(func([]byte, error) bool)) []string {
	t.Helper()
	var got []string
	for raw, err := range items {
		require.NoError(t, err)
		got = append(got, string(raw))
	}
	return got
}

func TestTenErrorsAreToldAndNoMore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("{a\n", 100)), 0o600))
	_, err := CheckInputs(t.Context(), path)
	require.Equal(t, maxInputErrors, strings.Count(err.Error(), "\n")+1)
	require.ErrorContains(t, err, fmt.Sprintf(":%d: ", maxInputErrors))
}

func TestSpooledInputs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want []string
	}{
		{"{\"a\":1}\n{\"a\":2}\n", []string{`{"a":1}`, `{"a":2}`}},
		{"\n\xef\xbb\xbf", nil},
		{"\xef\xbb\xbf[1]\n", []string{`[1]`}},
		{"12\n\"x\"\n", []string{`12`, `"x"`}},
		{"id,name\n1,x\n", []string{`{"id":"1","name":"x"}`}},
		{"{\"a\":", nil}, // broken JSON is no CSV
	} {
		f, err := SpoolInputs(t.Context(), "standard input", strings.NewReader(c.text))
		require.NoError(t, err)
		n, err := f.Check(t.Context())
		if c.want == nil {
			require.ErrorContains(t, err, "standard input")
		} else {
			require.NoError(t, err)
			require.Equal(t, len(c.want), n)
			require.Equal(t, c.want, inputsOf(t, f.Items()))
		}
		f.Close()
		require.NoFileExists(t, f.path)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := SpoolInputs(ctx, "standard input", strings.NewReader(""))
	require.ErrorIs(t, err, fault.Canceled)
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	got, err := ParseSince("24h", now)
	require.NoError(t, err)
	require.Equal(t, now.Add(-24*time.Hour), got)
	got, err = ParseSince("2026-01-31T08:00:00Z", now)
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC), got.UTC())
	_, err = ParseSince("soon", now)
	require.ErrorContains(t, err, "neither a duration nor a time")
}
