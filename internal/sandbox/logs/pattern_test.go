package logs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// By the examples of
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html.
func TestPatterns(t *testing.T) {
	t.Parallel()
	const message = `{"level":"ERROR","status":404,"took":1.5,"ok":false,"none":null,"user":{"name":"ann","tags":["a","b"],"x.y":1},"items":[{"id":1},{"id":2}]}`
	for pattern, want := range map[string]bool{
		`{ $.level = "ERROR" }`:                                  true,
		`{ $.level = ERROR }`:                                    true,
		`{$.level="ERR*"}`:                                       true,
		`{ $.level = "WARN" }`:                                   false,
		`{ $.level != "WARN" }`:                                  true,
		`{ $.level = %^ERR% }`:                                   true,
		`{ $.status = 404 }`:                                     true,
		`{ $.status = 4* }`:                                      true,
		`{ $.status >= 400 && $.status < 500 }`:                  true,
		`{ $.status > 500 || $.took = 15e-1 }`:                   true,
		`{ ($.status > 500 || $.took > 1) && $.level = "INFO" }`: false,
		`{ $.ok IS FALSE }`:                                      true,
		`{ $.ok IS TRUE }`:                                       false,
		`{ $.none IS NULL }`:                                     true,
		`{ $.missing IS NULL }`:                                  false,
		`{ $.missing NOT EXISTS }`:                               true,
		`{ $.user NOT EXISTS }`:                                  false,
		`{ $.missing = "x" }`:                                    false,
		`{ $.user.name = "ann" }`:                                true,
		`{ $.user.tags[1] = "b" }`:                               true,
		`{ $.user["x.y"] = 1 }`:                                  true,
		`{ $.items[*].id = 2 }`:                                  true,
		`{ $.items[0].id = 2 }`:                                  false,
		`{ $.*.name = "ann" }`:                                   true,
		`%"status":40\d%`:                                        true,
		`ERROR -WARN`:                                            true,
		`"level" INFO`:                                           false,
	} {
		holds, err := parsePattern(pattern)
		if assert.NoError(t, err, pattern) {
			assert.Equal(t, want, holds(message), pattern)
		}
	}
	holds, err := parsePattern(`{ $.level = "ERROR" }`)
	require.NoError(t, err)
	require.False(t, holds(`level ERROR`), "what is no JSON has no members")
	for _, bad := range []string{`{ $.a = "x }`, `{ $.a }`, `{ a = 1 }`, `{ $.a = 1`, `{ ($.a = 1 }`, `{ $.a > x }`, `{ $.a = 1 } x`, `{ $. = 1 }`, `{ $.a[ = 1 }`, `%(%`, `{ $.a = %(% }`, `"x`} {
		_, err := parsePattern(bad)
		assert.ErrorContains(t, err, "InvalidParameterException: Invalid filter pattern: ", bad)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{ ($.a[0].b = "x*" && $.c > 1) || $.d NOT EXISTS }`, `{"a":[{"b":"x"}]}`)
	f.Add(`%a%`, `a`)
	f.Add(`-a ?b "c d"`, `c d`)
	f.Fuzz(func(_ *testing.T, pattern, message string) {
		if holds, err := parsePattern(pattern); err == nil {
			holds(message)
		}
	})
}
