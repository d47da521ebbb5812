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
		`[]`:                                                     true,
		`"level" INFO`:                                           false,
	} {
		p, err := parsePattern(pattern)
		if assert.NoError(t, err, pattern) {
			assert.Equal(t, want, p.holds(message), pattern)
		}
	}
	for _, text := range []string{`level ERROR`, `127.0.0.1 - frank`, `7`, `"text"`, `{"a":1} {"b":2}`} {
		p, err := parsePattern(`{ $.level NOT EXISTS }`)
		require.NoError(t, err)
		require.False(t, p.holds(text), "what is no JSON has no members: %s", text)
	}
	for _, bad := range []string{
		`{ $.a = "x }`, `{ $.a }`, `{ a = 1 }`, `{ $.a = 1`, `{ ($.a = 1 }`, `{ $.a > x }`, `{ $.a = 1 } x`, `{ $. = 1 }`,
		`{ $.a[ = 1 }`, `%(%`, `{ $.a = %(% }`, `"x`, `[a`, `[a, ]`, `[..., ...]`, `[a = 1, b] c`, `[a = b = c]`, `[a = 1 && b = 2]`, `[a > x]`,
	} {
		_, err := parsePattern(bad)
		assert.ErrorContains(t, err, "InvalidParameterException: Invalid filter pattern: ", bad)
	}
}

// By the examples of the same page, with messages as a web server writes them.
func TestColumns(t *testing.T) {
	t.Parallel()
	const missing = `127.0.0.1 - ann [10/Oct/2025:13:25:15 -0700] "GET /logo.png HTTP/1.0" 404 1534`
	for pattern, want := range map[string]bool{
		`[ip, id, user, at, request, status, size]`:       true,
		`[ip, id, user, at, request, status]`:             false,
		`[ip, id, user, at, request, status, size, more]`: false,
		`[...]`:                         true,
		`[ip, ...]`:                     true,
		`[..., size]`:                   true,
		`[ip, ..., status = 404, size]`: true,
		`[ip, id, user, at, request, status, size, ...]`:              true,
		`[ip, id, user, at, request = "*.png *", status = 4*, size]`:  true,
		`[ip, id, user, at, request = *.png*, status = 4*, size]`:     true,
		`[ip, id, user, at, request, status = 5*, size]`:              false,
		`[..., status >= 400, size > 1000]`:                           true,
		`[..., status = 404.0, size]`:                                 true,
		`[..., size > 2000]`:                                          false,
		`[..., status = 404 || status = 410, size]`:                   true,
		`[..., status != 404 && status != 410, size]`:                 false,
		`[ip != 127.0.0.1, ...]`:                                      false,
		`[ip = %127\.0\.0\.[0-9]%, id, user, at = 10/Oct/2025*, ...]`: true,
		`[ip, id, user = "ann", ...]`:                                 true,
		`[a, b]`:                                                      false,
	} {
		p, err := parsePattern(pattern)
		if assert.NoError(t, err, pattern) {
			assert.Equal(t, want, p.holds(missing), pattern)
		}
	}
	p, err := parsePattern(`[ip, ..., status = 4*, size]`)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"$ip": "127.0.0.1", "$2": "-", "$3": "ann", "$4": "10/Oct/2025:13:25:15 -0700", "$5": "GET /logo.png HTTP/1.0", "$status": "404", "$size": "1534",
	}, p.values(missing))
	p, err = parsePattern(`{ $.a.b = * && $.c NOT EXISTS }`)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"$.a.b": "1.50"}, p.values(`{"a":{"b":1.50}}`))
}

func FuzzPattern(f *testing.F) {
	f.Add(`{ ($.a[0].b = "x*" && $.c > 1) || $.d NOT EXISTS }`, `{"a":[{"b":"x"}]}`)
	f.Add(`%a%`, `a`)
	f.Add(`[a = 1 || a = x*, ..., b != %y%]`, `1 "2 3" [4 5] 6`)
	f.Add(`-a ?b "c d"`, `c d`)
	f.Fuzz(func(_ *testing.T, pattern, message string) {
		if p, err := parsePattern(pattern); err == nil && p.holds(message) {
			p.values(message)
		}
	})
}
