package intrinsic

import (
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
	s := scope{value.MustParse(`{"a":[1,2,3,4,5],"s":"x,y;;z","o":{"p":1},"q":{"p":2,"r":3},"n":null,"text":"{\"k\":[1]}","paren":"(a, b)"}`), value.MustParse(`{"Execution":{"Name":"e"}}`)}
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

func TestFailures(t *testing.T) {
	t.Parallel()
	s := scope{value.MustParse(`{"a":[1],"s":"{"}`), value.NewObject(0)}
	for call, want := range map[string]string{
		`States.ArrayGetItem($.a, 3)`:   "The function 'States.ArrayGetItem($.a, 3)' had the following error: Index 3 out of bounds for length 1",
		`States.ArrayRange(1, 5, 0)`:    "The function 'States.ArrayRange(1, 5, 0)' had the following error: The step of the range must not be zero",
		`States.ArrayRange(1, 5000, 1)`: "The function 'States.ArrayRange(1, 5000, 1)' had the following error: The range must not have more than 1000 elements",
		`States.Hash('a', 'CRC')`:       "The function 'States.Hash('a', 'CRC')' had the following error: The algorithm 'CRC' is not supported",
		`States.JsonMerge($, $, true)`:  "The function 'States.JsonMerge($, $, true)' had the following error: Deep merging is not supported",
		`States.ArrayLength($.s)`:       "The function 'States.ArrayLength($.s)' had the following error: The first argument must be an array",
		`States.Format('{} {}', 1)`:     "The function 'States.Format('{} {}', 1)' had the following error: The number of arguments do not match the occurrences of {}: expected 2, got 1",
		`States.ArrayLength($.nope)`:    "No results for path: $['nope']",
	} {
		c, err := Compile(call)
		require.NoError(t, err, call)
		_, err = c.Eval(s, env)
		require.EqualError(t, err, want, call)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`States.Nope()`, `Format('x')`, `States.Format('x'`, `States.Format('x)`, `States.UUID(1)`, `States.MathAdd(1)`,
		`States.StringToJson('{"a":"\"b\""}')`, `States.Array(x)`, `States.UUID() more`, `States.Array({"a":1})`,
	} {
		_, err := Compile(call)
		require.ErrorIs(t, err, ErrSyntax, call)
	}
}
