package intrinsic

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

type scope struct{ data, context any }

func (s scope) Data() any    { return s.data }
func (s scope) Context() any { return s.context }
func (s scope) Variable(name string) (any, bool) {
	return value.MustParse(`{"x":7}`), name == "v"
}

var env = Env{UUID: func() string { return "the-uuid" }, Random: func() float64 { return 0.25 }}

func TestFunctions(t *testing.T) {
	t.Parallel()
	s := scope{
		value.MustParse(`{"a":[1,2,3,4,5],"s":"x,y;;z","o":{"p":1},"q":{"p":2,"r":3},"n":null,"text":"{\"k\":[1]}","paren":"(a, b)"}`),
		value.MustParse(`{"Execution":{"Name":"e"}}`),
	}
	for call, want := range map[string]string{
		`States.Format('Hello {}, {} of {} \{\} it\'s', $.s, $.a, $$.Execution.Name)`: `"Hello x,y;;z, [1, 2, 3, 4, 5] of e {} it's"`,
		`States.Format($.paren)`:                                `"(a, b)"`,
		`States.StringToJson($.text)`:                           `{"k":[1]}`,
		`States.JsonToString($.o)`:                              `"{\"p\":1}"`,
		`States.Array(1, 'a', true, null, $.n, States.Array())`: `[1,"a",true,null,null,[]]`,
		`States.ArrayPartition($.a, 2)`:                         `[[1,2],[3,4],[5]]`,
		`States.ArrayContains($.a, 3)`:                          `true`,
		`States.ArrayRange(1, 9, 4)`:                            `[1,5,9]`,
		`States.ArrayGetItem($.a, 1)`:                           `2`,
		`States.ArrayLength($.a)`:                               `5`,
		`States.ArrayUnique(States.Array(1, 1, 'a', 'a', 1.0))`: `[1,"a"]`,
		`States.Base64Encode('Data to encode')`:                 `"RGF0YSB0byBlbmNvZGU="`,
		`States.Base64Decode('RGF0YSB0byBlbmNvZGU=')`:           `"Data to encode"`,
		`States.Hash('input data', 'SHA-1')`:                    `"aaff4a450a104cd177d28d18d74485e8cae074b7"`,
		`States.JsonMerge($.o, $.q, false)`:                     `{"p":2,"r":3}`,
		`States.MathRandom(0, 100)`:                             `25`,
		`States.MathAdd(111, -1)`:                               `110`,
		`States.StringSplit($.s, ',;')`:                         `["x","y","z"]`,
		`States.UUID()`:                                         `"the-uuid"`,
		`States.MathAdd($v.x, States.ArrayLength($.a))`:         `12`,
	} {
		c, err := Compile(call)
		require.NoError(t, err, call)
		v, err := c.Eval(s, env)
		require.NoError(t, err, call)
		require.Equal(t, want, value.String(v), call)
	}
}

// What AWS answers (github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/States.*): all errors but two are worded
// alike, and name the outermost call.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := scope{value.MustParse(`{"a":[1],"s":"{","bad":"{bad json}","big":"` + strings.Repeat("é", 10_001) + `"}`), value.NewObject(0)}
	for _, call := range []string{
		`States.ArrayGetItem($.a, 3)`, `States.ArrayGetItem($.a, -1)`, `States.ArrayGetItem($.s, 0)`, `States.ArrayGetItem($.a, '0')`, `States.ArrayRange(1, 5, 0)`,
		`States.ArrayRange(1, 5, 0.49)`, `States.ArrayRange(1, 1001, 1)`, `States.ArrayRange('a', 5, 1)`, `States.ArrayRange(1, 5)`, `States.ArrayRange(1, 5, 1, 99)`,
		`States.ArrayPartition($.a, 0.6)`, `States.ArrayPartition($.a, -1)`, `States.ArrayPartition($.a, null)`, `States.Hash('a', 'CRC')`, `States.Hash('a', 'sha-256')`,
		`States.Hash($.big, 'MD5')`, `States.Hash('a')`, `States.JsonMerge($, $, true)`, `States.JsonMerge($, $.a, false)`, `States.ArrayLength($.s)`,
		`States.MathAdd(2147483647, 1)`, `States.MathAdd(3000000000, -3000000000)`, `States.MathAdd(1, '2')`, `States.MathAdd(1)`, `States.MathRandom(1, 1)`,
		`States.MathRandom(1.4, 1.6)`, `States.MathRandom(1, 10, null)`, `States.StringToJson(1)`, `States.StringToJson()`, `States.UUID(1)`, `States.Base64Decode('%')`,
		`States.Format('{} {}', 1)`, `States.Format(1)`,
	} {
		c, err := Compile(call)
		require.NoError(t, err, call)
		_, err = c.Eval(s, env)
		require.EqualError(t, err, "There was an error while evaluating the intrinsic function: "+call+". Invalid arguments in States."+c.Name, call)
	}
	const prefix = "There was an error while evaluating the intrinsic function: "
	for call, want := range map[string]string{
		`States.Format('Hello {', 1)`:              prefix + `States.Format('Hello {', 1). Invalid template in States.Format: matching '}' not found for '{'.`,
		`States.Format('Hello {{}}', 1)`:           prefix + `States.Format('Hello {{}}', 1). Invalid template in States.Format: matching '}' not found for '{'.`,
		`States.Format('}')`:                       prefix + `States.Format('}'). Invalid template in States.Format: matching '{' not found for '}'.`,
		`States.Array(1, States.ArrayLength('x'))`: prefix + `States.Array(1, States.ArrayLength('x')). Invalid arguments in States.ArrayLength`,
		`States.ArrayLength($.nope)`:               "No results for path: $['nope']",
		`States.StringToJson($.bad)`: prefix +
			"States.StringToJson($.bad). Cannot convert String to Json in States.StringToJson, caused by: Unexpected character ('b' (code 98)): was expecting " +
			"double-quote to start field name\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 2]",
	} {
		c, err := Compile(call)
		require.NoError(t, err, call)
		_, err = c.Eval(s, env)
		require.EqualError(t, err, want, call)
	}
}

// Where AWS cuts a fraction off, where it rounds, and what it lets pass (same source).
func TestLeniency(t *testing.T) {
	t.Parallel()
	s := scope{value.MustParse(`{"a":[10,20,30],"none":[]}`), value.NewObject(0)}
	for call, want := range map[string]string{
		`States.ArrayRange(1.4, 5.6, 2.2)`:     `[1,3,5]`,
		`States.ArrayRange(1.6, 1.4, 1)`:       `[1]`,
		`States.ArrayRange(5.4, -0.6, -2.4)`:   `[5,3,1]`,
		`States.ArrayPartition($.a, 2.6)`:      `[[10,20],[30]]`,
		`States.ArrayGetItem($.a, 1.9)`:        `20`,
		`States.ArrayGetItem($.none, 999)`:     `null`,
		`States.MathAdd(1.6, 2.7)`:             `5`,
		`States.MathAdd(0.1, 0.2)`:             `0`,
		`States.MathAdd(-2147483647, -1)`:      `-2147483648`,
		`States.JsonMerge($, $, 'false')`:      `{"a":[10,20,30],"none":[]}`,
		`States.Hash(1, 'MD5')`:                `"c4ca4238a0b923820dcc509a6f75849b"`,
		`States.StringToJson('')`:              `null`,
		`States.Format('\{{}\} \}\{', $.a[0])`: `"{10} }{"`,
	} {
		c, err := Compile(call)
		require.NoError(t, err, call)
		v, err := c.Eval(s, env)
		require.NoError(t, err, call)
		require.Equal(t, want, value.String(v), call)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`States.Nope()`, `Format('x')`, `States.Format('x'`, `States.Format('x)`,
		`States.StringToJson('{"a":"\"b\""}')`, `States.Array(x)`, `States.UUID() more`, `States.Array({"a":1})`,
	} {
		_, err := Compile(call)
		require.ErrorIs(t, err, ErrSyntax, call)
	}
}
