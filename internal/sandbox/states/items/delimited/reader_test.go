package delimited_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items/delimited"
)

func all(r *delimited.Reader) ([][]string, error) {
	var out [][]string
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, rec)
	}
}

// The rules of "How Step Functions parses input CSV files", each with the corner
// where it meets the others.
func TestRules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text      string
		delimiter byte
		want      [][]string
	}{
		"plain":                         {"a,b\nc,d\n", ',', [][]string{{"a", "b"}, {"c", "d"}}},
		"no break at the end":           {"a,b", ',', [][]string{{"a", "b"}}},
		"nothing":                       {"", ',', nil},
		"empty lines":                   {"\n\na\n\n\nb\n\n", ',', [][]string{{"a"}, {"b"}}},
		"empty fields":                  {",\n,,", ',', [][]string{{"", ""}, {"", "", ""}}},
		"an empty text in quotes":       {"\"\"\n\"\",x", ',', [][]string{{""}, {"", "x"}}},
		"CRLF":                          {"a,b\r\nc,d\r\n", ',', [][]string{{"a", "b"}, {"c", "d"}}},
		"CR":                            {"a\rb\r", ',', [][]string{{"a"}, {"b"}}},
		"byte order mark":               {"\ufeffid,x\n1,2", ',', [][]string{{"id", "x"}, {"1", "2"}}},
		"byte order mark and quotes":    {"\ufeff\"i,d\"\n1", ',', [][]string{{"i,d"}, {"1"}}},
		"a mark later is text":          {"a\n\ufeffb", ',', [][]string{{"a"}, {"\ufeffb"}}},
		"quoted delimiter":              {`"a,b",c`, ',', [][]string{{"a,b", "c"}}},
		"quoted line break":             {"\"a\nb\",c\nd", ',', [][]string{{"a\nb", "c"}, {"d"}}},
		"doubled quote in quotes":       {`"a""b",c`, ',', [][]string{{`a"b`, "c"}}},
		"doubled quotes at both ends":   {`"""a""",c`, ',', [][]string{{`"a"`, "c"}}},
		"one quote in quotes":           {`"""",c`, ',', [][]string{{`"`, "c"}}},
		"doubled quote without quotes":  {`{""k"":""v""},4`, ',', [][]string{{`{"k":"v"}`, "4"}}},
		"begins with a doubled quote":   {`""a"",b`, ',', [][]string{{`"a"`, "b"}}},
		"a single quote inside":         {`5" disk,b`, ',', [][]string{{`5" disk`, "b"}}},
		"text after the closing quote":  {`"a"b,c`, ',', [][]string{{`ab`, "c"}}},
		"escaped backslash":             {`D:\\Data\\m.bin,12`, ',', [][]string{{`D:\Data\m.bin`, "12"}}},
		"escaped delimiter":             {`report\, final,3`, ',', [][]string{{"report, final", "3"}}},
		"escaped quotes":                {`\"a\",b`, ',', [][]string{{`"a"`, "b"}}},
		"escaped quote in quotes":       {`"a\",b",c`, ',', [][]string{{`a",b`, "c"}}},
		"escaped backslash in quotes":   {`"a\\",c`, ',', [][]string{{`a\`, "c"}}},
		"backslash before another":      {`a\bc\n,\d`, ',', [][]string{{"abcn", "d"}}},
		"backslash before a break":      {"a\\\nb", ',', [][]string{{"a"}, {"b"}}},
		"backslash at the end":          {`a\`, ',', [][]string{{"a"}}},
		"a lone backslash is a record":  {"\\\na", ',', [][]string{{""}, {"a"}}},
		"another delimiter's escape":    {`a\,b|c\|d`, '|', [][]string{{"a,b", "c|d"}}},
		"semicolon":                     {`a;"b;c"`, ';', [][]string{{"a", "b;c"}}},
		"tab":                           {"a\t\"b\tc\"\td\\\te", '\t', [][]string{{"a", "b\tc", "d\te"}}},
		"space":                         {"a  b", ' ', [][]string{{"a", "", "b"}}},
		"spaces around are text":        {` a , "b" `, ',', [][]string{{" a ", ` "b" `}}},
		"what is not UTF-8 is replaced": {"a\xffb,c", ',', [][]string{{"a\ufffdb", "c"}}},
		"NUL is text":                   {"a\x00b,\\\x00", ',', [][]string{{"a\x00b", "\x00"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := all(delimited.NewReader(strings.NewReader(c.text), c.delimiter))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			slow, err := all(delimited.NewReader(iotest.OneByteReader(strings.NewReader(c.text)), c.delimiter))
			require.NoError(t, err)
			require.Equal(t, c.want, slow, "however the text arrives")
		})
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		line int
		says string
	}{
		"open quote":          {"a\nb\n\"c,d\ne\n", 3, "not closed"},
		"UTF-16":              {"\xff\xfea\x00", 1, "UTF-16"},
		"too large":           {"a\n" + strings.Repeat("x", delimited.MaxRecord+1), 2, "larger than"},
		"too large in quotes": {"\"" + strings.Repeat("x", delimited.MaxRecord+1), 1, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := all(delimited.NewReader(strings.NewReader(c.text), ','))
			var problem *delimited.Error
			require.ErrorAs(t, err, &problem)
			require.Equal(t, c.line, problem.Line)
			require.Contains(t, problem.Problem, c.says)
		})
	}
}

// An error of the source is passed on, not taken for the end of the file.
func TestBrokenSource(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, text := range []string{"", "a,b", "\"a", "a\n"} {
		_, err := all(delimited.NewReader(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), ','))
		require.ErrorIs(t, err, broken, "after %q", text)
	}
}

// quoted writes a text so that it reads back equal, whatever is in it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `""`).Replace(s) + `"`
}

// FuzzReader: no text makes the reader panic or hang, how it arrives makes no
// difference, and what is quoted reads back equal.
func FuzzReader(f *testing.F) {
	for _, s := range []string{"a,b\n", "\"a\"\"b\",c\\,d", "\ufeffx", "\\", "\"", "\"\"\"", "a\r\nb", "{\"\"k\"\":1}"} {
		f.Add(s, byte(','))
	}
	f.Fuzz(func(t *testing.T, text string, delimiter byte) {
		if delimiter >= 0x80 || strings.IndexByte("\"\\\r\n", delimiter) >= 0 {
			t.Skip("validation lets no such delimiter through to the reader")
		}
		got, err := all(delimited.NewReader(strings.NewReader(text), delimiter))
		slow, slowErr := all(delimited.NewReader(iotest.OneByteReader(strings.NewReader(text)), delimiter))
		require.Equal(t, err, slowErr)
		require.Equal(t, got, slow)
		valid := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\ufffd"))
		back, err := all(delimited.NewReader(strings.NewReader(quoted(valid)+string(rune(delimiter))+quoted("x")), delimiter))
		require.NoError(t, err)
		require.Equal(t, [][]string{{valid, "x"}}, back)
	})
}

// endless gives one text over and over, n bytes of it.
type endless struct {
	text string
	n    int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && n < e.n {
		n += copy(p[n:min(len(p), e.n)], e.text)
	}
	e.n -= n
	return n, nil
}

// Empty lines are no records, however many there are, and cost no more than their bytes:
// nothing is allocated for one.
func TestManyEmptyLines(t *testing.T) { // it counts allocations
	for text, lines := range map[string]int{"\n": 1 << 20, "\r\n": 1 << 19, "\r": 1 << 20} {
		r := delimited.NewReader(io.MultiReader(&endless{text, 1 << 20}, strings.NewReader("a,b"+text+text+"c"+text)), ',')
		record, err := r.Read()
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, record)
		require.Equal(t, lines+2, r.Line(), "%q", text)
		record, err = r.Read()
		require.NoError(t, err)
		require.Equal(t, []string{"c"}, record)
		require.Equal(t, lines+4, r.Line(), "%q", text)
		_, err = r.Read()
		require.ErrorIs(t, err, io.EOF)

		empty := delimited.NewReader(&endless{text, 64 << 20}, ',')
		require.Less(t, testing.AllocsPerRun(1, func() { _, err = empty.Read() }), 100.0)
		require.ErrorIs(t, err, io.EOF)
	}
}

func BenchmarkEmptyLines(b *testing.B) {
	b.SetBytes(64 << 20)
	for b.Loop() {
		if _, err := delimited.NewReader(&endless{"\n", 64 << 20}, ',').Read(); !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
}
