package intrinsic

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// FuzzEval holds that a call ends with a value that JSON can hold, or an error.
func FuzzEval(f *testing.F) {
	for _, s := range []string{
		`States.Format('{} {}', $.s, States.Array(1, 'a'))`, `States.StringToJson('[1e999, -0]')`, `States.JsonToString($)`, `States.ArrayPartition($.a, 2)`,
		`States.ArrayRange(9223372036854775806, 9223372036854775807, 1)`, `States.ArrayRange(0, -5, -1)`, `States.ArrayGetItem($.a, 1e300)`, `States.ArrayUnique($.a)`,
		`States.Base64Decode('_w==')`, `States.Base64Encode($.s)`, `States.Hash($.a, 'MD5')`, `States.JsonMerge($, $, false)`,
		`States.MathRandom(-9223372036854775808, 9223372036854775807, 3)`,
		`States.MathAdd(1e300, 1)`, `States.StringSplit('a,b;c', ',;')`, `States.UUID()`, `States.ArrayContains($.a, $.a[?(@.b > 1)])`, `States.ArrayLength($..*)`,
	} {
		f.Add(s)
	}
	s := scope{value.MustParse(`{"a":[1,2.5,{"b":2}],"s":"x{}y","n":null}`), value.MustParse(`{"Execution":{"Name":"e"}}`)}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Compile(text)
		if err != nil {
			return
		}
		v, err := c.Eval(s, env)
		if err != nil {
			return
		}
		written := value.String(v)
		again, err := value.Parse(written)
		require.NoError(t, err, written)
		require.Equal(t, written, value.String(again))
	})
}
