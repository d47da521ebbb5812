package value

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"b":1,"a":{"d":[],"c":{}}}`:        `{"b":1,"a":{"d":[],"c":{}}}`,
		"\n[ 1 , 2.50 , 1e2 , -0 , 1E-5 ]\n": `[1,2.5,100.0,0,1.0E-5]`,
		`12345678901234567890123`:            `12345678901234567890123`,
		`0.1`:                                `0.1`,
		`1.0`:                                `1.0`,
		`1e10`:                               `1.0E10`,
		`"a\u00e9\ud83d\ude00\/\n\u0001\""`:  `"aé😀/\n\u0001\""`,
		`"<&>"`:                              `"<&>"`,
		`{"a":1,"a":2}`:                      `{"a":2}`,
		`null`:                               `null`,
		`{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":10,"1":0}`: `{"1":0,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":10}`,
	} {
		v, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, String(v), text)
		n, err := ParseNode(text)
		require.NoError(t, err)
		require.Equal(t, want, String(n.Value), text)
	}
}

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, msg string
		line, col int
	}{
		{`not a definition`, `Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')`, 1, 4},
		{`{'not': 1}`, `Unexpected character (''' (code 39)): was expecting double-quote to start field name`, 1, 3},
		{"{\n \"a\" 1}", `Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value`, 2, 7},
		{`[1 2]`, `Unexpected character ('2' (code 50)): was expecting comma to separate Array entries`, 1, 5},
		{`{"a":1`, `Unexpected end-of-input: expected close marker for Object`, 1, 7},
		{`"a`, `Unexpected end-of-input in VALUE_STRING`, 1, 3},
		{`"\x"`, `Unrecognized character escape 'x' (code 120)`, 1, 3},
		{`01`, `Invalid numeric value: Leading zeroes not allowed`, 1, 2},
		{``, `No content to map due to end-of-input`, 1, 1},
		{`{} x`, `Unexpected character ('x' (code 120)): Unexpected trailing content after the document`, 1, 5},
	} {
		_, err := Parse(c.text)
		var syntax *SyntaxError
		require.ErrorAs(t, err, &syntax, c.text)
		require.Equal(t, c.msg, syntax.Msg, c.text)
		require.Equal(t, []int{c.line, c.col}, []int{syntax.Line, syntax.Column}, c.text)
	}
}

func TestEqualAndCompare(t *testing.T) {
	t.Parallel()
	require.True(t, Equal(MustParse(`{"a":1,"b":[1.0]}`), MustParse(`{"b":[1],"a":1.0}`)))
	require.False(t, Equal(MustParse(`{"a":1}`), MustParse(`{"a":"1"}`)))
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"9007199254740992", "9007199254740993", -1},
		{"1.0", "1", 0},
		{"12345678901234567890", "1.0E3", 1},
	} {
		require.Equal(t, c.want, Compare(MustParse(c.a).(Number), MustParse(c.b).(Number)), c)
	}
}

// TestNoNumberBeyondJSON holds that whatever is built can be written and read
// again: JSON has no infinite number, and Step Functions shows it as a text
// (measured with TestState: github.com/floci-io/floci, pull request 2783).
func TestNoNumberBeyondJSON(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]any{
		`"Infinity"`:  Float(math.Inf(1)),
		`"-Infinity"`: Double(math.Inf(-1)),
		`"NaN"`:       Float(math.NaN()),
		`0`:           Number{},
		`1.0`:         Double(1),
		`1`:           Float(1),
		`1.0E300`:     Float(1e300),
		`["Infinity","-Infinity",0.0,{"k":"Infinity"}]`: MustParse(`[1e999, -1e999, 1e-999, {"k": 1.0E400}]`),
	} {
		require.Equal(t, want, String(got))
		require.Equal(t, want, String(MustParse(want)))
	}
	_, err := Parse(strings.Repeat("9", 1001))
	require.ErrorContains(t, err, "Number value length (1001) exceeds the maximum allowed (1000")
	require.Len(t, String(MustParse(strings.Repeat("9", 1000))), 1000)
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x\u00e9"],"b":null}`, `[`, `"\ud800"`, `-`, `1e999`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(String(v))
		if err != nil {
			t.Fatalf("%q: %v", String(v), err)
		}
		if String(again) != String(v) {
			t.Fatalf("%q != %q", String(again), String(v))
		}
	})
}

// What is not deep can be read again once it is written, and nothing else can.
func TestDeepIsWhatParseRefuses(t *testing.T) {
	t.Parallel()
	for levels := 998; levels < 1004; levels++ {
		for _, inner := range []any{nil, "text", []any{}, NewObject(0), []any{Int(1)}} {
			list, object := inner, inner
			for range levels {
				list, object = []any{true, list}, Of("a", 1, "b", object)
			}
			for _, v := range []any{list, object} {
				_, err := Parse(String(v))
				require.Equal(t, err != nil, Deep(v), "%d levels around %s", levels, String(inner))
			}
		}
	}
}
