package jsonata

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// FuzzEval holds that an expression ends, with a value that JSON can hold or an
// error, and never by a fault of the evaluator.
func FuzzEval(f *testing.F) {
	for _, s := range []string{
		`$states.input.a[b > 1].c ~> $sum()`, `($f := function($n) { $n = 0 ? 1 : $n * $f($n - 1) }; $f(5))`, `[1..5].{"x": $}`,
		`$map([1, 2], function($v, $i, $a) { $v / 0 })`, `$states.input.l@$x.l#$i.{"x": $x, "i": $i}`, `$states.input ~> |a|{"z": 1}, ["b"]|`,
		`$match("abab", /a(b)/)`, `$replace("abc", /b/, "[$0]")`, `$formatNumber(1234.5, "#,##0.00")`, `$formatInteger(12, "I;o")`, `$formatBase(255, 16)`,
		`$fromMillis(0, "[Y0001]-[M01]-[D01]T[H01]:[m01]", "-0530")`, `$toMillis("2026-01-02", "[Y0001]-[M01]-[D01]")`, `$parseInteger("XII", "I")`,
		`$states.input.a^(>b, <c)`, `$states.input.a{c: $sum(b)}`, `$states.input.a.%.l`, `$states.input.**.b`, `$substring("abc", -2, 1e300)`,
		`$pad("x", -5, "ab")`, `$split("a b", " ", 1)`, `$join(["a", "b"], ",")`, `$sort([3, 1], function($l, $r) { $l > $r })`, `$zip([1], [2])`,
		`$sift({"a": 1}, function($v) { $v })`, `$each({"a": 1}, function($v, $k) { $k })`, `$reduce([1, 2], function($a, $b) { $a & $b })`,
		`$partition([1, 2, 3], 2)`, `$range(1, 9, 3)`, `$hash({"a": 1}, "MD5")`, `$parse("[1e999]")`, `$random(7)`, `1e308 * 10`, `"\ud800"`, `$round(2.5, -400)`,
		`function($x)<n:n>{$x}("a")`, `$lookup([{"a": 1}], "a")`, `$distinct([[1], [1]])`, `$spread({"a": 1})`, `$single([1], function($x) { true })`,
		"`a b`", `/* c */ 1`, `a ?: b ?? c`, `$.$$`, `$trim ~> $uppercase`, `$substringAfter(?, "a")("bab")`, `$base64decode("_w==")`, `$decodeUrl("%zz")`,
	} {
		f.Add(s)
	}
	g := NewEngine(Env{UUID: func() string { return "u" }, Random: func() float64 { return 0.5 }})
	bound := map[string]Bound{"states": Bind(value.MustParse(`{"input":{"a":[{"b":1,"c":"x"},{"b":2.5,"c":"y"}],"l":[1,2,3],"s":"text","n":null,"t":true}}`)), "v": Bind(value.Int(7))}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Compile(text)
		if err != nil {
			return
		}
		v, err := g.Eval(t.Context(), e, bound)
		var crash *gnata.PanicError
		if errors.As(err, &crash) {
			t.Fatalf("%v\n%s", crash.Value, crash.Stack)
		}
		if err != nil {
			return
		}
		written := value.String(v)
		again, err := value.Parse(written)
		require.NoError(t, err, written)
		require.Equal(t, written, value.String(again))
	})
}
