package jsonpath

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

const doc = `{"a":{"b":[{"c":1,"d":"x"},{"c":2,"d":"y"},{"c":3}],"e f":true,"n":null},"list":[10,20,30,40],"s":"text","k.l":5}`

func TestEval(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		`$`:                                  doc,
		`$.s`:                                `"text"`,
		`$.a['e f']`:                         `true`,
		`$["k.l"]`:                           `5`,
		`$.a.n`:                              `null`,
		`$.list[0]`:                          `10`,
		`$.list[-1]`:                         `40`,
		`$.list[1:3]`:                        `[20,30]`,
		`$.list[:2]`:                         `[10,20]`,
		`$.list[-2:]`:                        `[30,40]`,
		`$.list[0,2]`:                        `[10,30]`,
		`$.list[*]`:                          `[10,20,30,40]`,
		`$.a.b[*].c`:                         `[1,2,3]`,
		`$..c`:                               `[1,2,3]`,
		`$.a.b[?(@.c > 1)].c`:                `[2,3]`,
		`$.a.b[?(@.d == 'x' || @.c==3)].c`:   `[1,3]`,
		`$.a.b[?(@.d)].d`:                    `["x","y"]`,
		`$.a.b[?(!@.d)].c`:                   `[3]`,
		`$.a.b[?(@.d =~ /Y/i)].c`:            `[2]`,
		`$.a.b[?(@.c in [1, 3])].c`:          `[1,3]`,
		`$.a.b[?(@.c >= 2 && @.c <= 2)].c`:   `[2]`,
		`$.a.b[?(@.c == $.list.length())].c`: `[]`,
		`$.list.length()`:                    `4`,
		`$.list.max()`:                       `40`,
		`$.list.avg()`:                       `25`,
		`$['s','k.l']`:                       `{"s":"text","k.l":5}`,
		`$.nope[*]`:                          `[]`,
		`$.nope.more[1:]`:                    `[]`,
		`$.list[7:]`:                         `[]`,
	} {
		p, err := Compile(path)
		require.NoError(t, err, path)
		v, err := p.Eval(value.MustParse(doc))
		require.NoError(t, err, path)
		require.Equal(t, value.String(value.MustParse(want)), value.String(v), path)
	}
}

func TestEvalNotFound(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		`$.nope`:    "No results for path: $['nope']",
		`$.nope.x`:  "Missing property in path $['nope']",
		`$.list[9]`: "No results for path: $['list'][9]",
		`$.a.b.c`: "Expected to find an object with property ['c'] in path $['a']['b'] but found 'com.fasterxml.jackson.databind.node.ArrayNode'. This " +
			"is not a json object according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.",
		`$['s']['x']`: "Expected to find an object with property ['x'] in path $['s'] but found 'com.fasterxml.jackson.databind.node.TextNode'. This is not " +
			"a json object according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'.",
	} {
		p, err := Compile(path)
		require.NoError(t, err, path)
		_, err = p.Eval(value.MustParse(doc))
		require.EqualError(t, err, want, path)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for _, path := range []string{``, `a`, `$.`, `$a`, `$.a.`, `$[`, `$['a'`, `$['a]`, `$[a]`, `$.a[?(@.b ==)]`, `$.a b`, `$.x.unknown()`, `$.a[1,]`} {
		_, err := Compile(path)
		require.ErrorIs(t, err, ErrSyntax, path)
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, doc, want string }{
		{`$`, `{"a":1}`, `9`},
		{`$.a`, `{"a":1,"b":2}`, `{"a":9,"b":2}`},
		{`$.x.y`, `{"a":1}`, `{"a":1,"x":{"y":9}}`},
		{`$['l'][1]`, `{"l":[1,2]}`, `{"l":[1,9]}`},
	} {
		p, err := Compile(c.path)
		require.NoError(t, err)
		before := value.MustParse(c.doc)
		v, ok := p.Set(before, value.Int(9))
		require.True(t, ok, c.path)
		require.Equal(t, c.want, value.String(v))
		require.Equal(t, c.doc, value.String(before), "the original is untouched")
	}
	for _, c := range []struct{ path, doc string }{{`$.a.b`, `{"a":1}`}, {`$.a`, `[1]`}, {`$.l[5]`, `{"l":[1]}`}, {`$.l[*]`, `{"l":[1]}`}} {
		p, err := Compile(c.path)
		require.NoError(t, err)
		_, ok := p.Set(value.MustParse(c.doc), value.Int(9))
		require.False(t, ok, c.path)
	}
}

func TestCompileRef(t *testing.T) {
	t.Parallel()
	r, err := CompileRef(`$$.Execution.Id`)
	require.NoError(t, err)
	require.Equal(t, FromContext, r.Source)
	r, err = CompileRef(`$name.a[0]`)
	require.NoError(t, err)
	require.Equal(t, FromVariable, r.Source)
	require.Equal(t, "name", r.Variable)
	require.Equal(t, "$['a'][0]", r.Path.Canonical())
	_, err = CompileRef(`$1a`)
	require.ErrorIs(t, err, ErrSyntax)
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`$.a[?(@.b == 'x')]`, `$..*`, `$['a','b'][1:2]`, `$.a.length()`} {
		f.Add(s)
	}
	v := value.MustParse(doc)
	f.Fuzz(func(_ *testing.T, s string) {
		if p, err := Compile(s); err == nil {
			_, _ = p.Eval(v)
			_, _ = p.Set(v, nil)
		}
	})
}

// A path that descends again and again from each place finds more places than
// there are bytes in its document.
func TestDescentIsBounded(t *testing.T) {
	t.Parallel()
	doc := value.MustParse(strings.Repeat(`{"a":`, 900) + "1" + strings.Repeat("}", 900))
	p, err := Compile("$..*..*..*..*")
	require.NoError(t, err)
	_, err = p.Eval(doc)
	require.ErrorContains(t, err, "too many places")
	p, err = Compile("$..a")
	require.NoError(t, err)
	v, err := p.Eval(doc)
	require.NoError(t, err)
	require.Len(t, v, 900)
}
