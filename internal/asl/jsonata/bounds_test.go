package jsonata

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

const (
	tooMuch = "Expression evaluation memory limit exceeded: Check for excessive memory usage"
	tooDeep = "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as tail-recursive."
	tooLong = "Expression evaluation timeout: Check for infinite loop"
)

// TestBounds: Step Functions ends an expression that needs too much. The
// boundaries of memory and depth, and the texts, were measured with TestState
// (github.com/floci-io/floci, issue 2737 and pull request 2790).
func TestBounds(t *testing.T) { // it looks at the process's memory
	doubling := `($d := function($s, $n) { $n = 0 ? $s : $d($s & $s, $n - 1) }; $length($d("x", %d)))`
	sum := func(terms int) string { return strings.Repeat("1+", terms-1) + "1" }
	for expr, want := range map[string]string{
		// Texts and sequences.
		fmt.Sprintf(doubling, 22):      "",
		fmt.Sprintf(doubling, 23):      tooMuch,
		fmt.Sprintf(doubling, 40):      tooMuch,
		`$count([1..873782])`:          "",
		`[1..873783] ~> $count()`:      tooMuch,
		`$sum([1..9999999])`:           tooMuch,
		`[1..1e18]`:                    "D2014: The size of the sequence allocated by the range operator (..) must not exceed 1e6.  Attempted to allocate 1000000000000000000.",
		`$count($range(1, 360145, 1))`: "",
		`$count($range(1, 360146, 1))`: tooMuch,
		`$range(-1e300, 1e300, 1)`:     tooMuch,
		// What makes much of little.
		`$length($pad("a", 6990256))`:                                             "",
		`$pad("a", 1e12)`:                                                         tooMuch,
		`$pad("a", -1e300)`:                                                       tooMuch,
		`$join([1..800000].("x"), $pad("", 1000))`:                                tooMuch,
		`$replace($pad("", 6000000), " ", "12")`:                                  tooMuch,
		`$replace($pad("", 600000), / /, $pad("", 1000))`:                         tooMuch,
		`$split($pad("", 6000000), "")`:                                           tooMuch,
		`$match($pad("", 6000000), / /)`:                                          tooMuch,
		`$count($match($pad("", 1000000), /( )( )( )( )( )( )( )( )/))`:           tooMuch,
		`[1..2000].([1..2000])`:                                                   tooMuch,
		`($d := {"l": [1..2000]}; $d.l@$x.l@$y.{"x": $x})`:                        tooMuch,
		`$append([1..800000], [1..800000])`:                                       tooMuch,
		`$reduce([1..40], function($a, $i) { [[$a], [$a]] }, [])`:                 tooMuch,
		`$string($reduce([1..40], function($a, $i) { [[$a], [$a]] }, []))`:        tooMuch,
		`$boolean($reduce([1..40], function($a, $i) { [[$a], [$a]] }, []))`:       tooMuch,
		`($a := $reduce([1..40], function($a, $i) { [[$a], [$a]] }, []); $a=$a)`:  tooMuch,
		`$count($reduce([1..40], function($a, $i) { {"a": $a, "b": $a} }, 1).**)`: tooMuch,
		`$reduce([1..40], function($a, $i) { {"a": $a, "b": $a} }, 1) ~> |$|{}|`:  tooMuch,
		`$count([1..200].$pad("", 6000000 + $))`:                                  tooMuch,
		`$length($fromMillis(0, "[Y,9999999999-9999999999]")) < 5000`:             "",
		// Depth.
		sum(100): "",
		sum(102): tooDeep,
		`($f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(20))`:                  "",
		`($f := function($n) { $n = 0 ? 0 : 1 + $f($n - 1) }; $f(1000))`:                tooDeep,
		strings.Repeat("(", 99) + "1" + strings.Repeat(")", 99):                         "",
		strings.Repeat("(", 102) + "1" + strings.Repeat(")", 102):                       tooDeep,
		`$reduce($append([$trim], [1..100000]), function($f, $i) { $f ~> $trim })("a")`: tooDeep,
		`$reduce([1..100000], function($a, $i) { [[$a]] }, 1)`:                          tooDeep,
		`$string($reduce([1..100000], function($a, $i) { {"a": $a} }, 1))`:              tooDeep,
		// Work.
		`($f := function($x) { $f($x + 1) }; $f(1))`:                                                                  tooLong,
		`($a := [1..100000]; $sum($map($a, function($x) { $count($filter($a, function($y) { $y = $x })) })))`:         tooLong,
		`$contains($pad("", 6000000), /` + strings.Repeat("(a*)*", 200) + `b/)`:                                       tooLong,
		`$count($distinct([1..100000].{"a": $}))`:                                                                     tooLong,
		`$reduce([1..100000], function($a, $b) { $a & "xxxxxxxxxxxxxxxxxxxxxxxxxx" })`:                                tooLong,
		`$length($reduce([1..10000], function($a, $b) { $a & "xxxxxxxxxxxxxxxxxxxxxxxxxx" }))`:                        "",
		`($s := $pad("", 4000000); $count([1..100000].($s & "")))`:                                                    tooLong,
		`($s := $pad("", 4000000); $t := $pad("", 4000000); $count([1..100000].($s = $t)))`:                           tooLong,
		`($s := $pad("", 4000000); $t := $pad("", 4000000); $count([1..100000].($s < $t)))`:                           tooLong,
		`($s := $pad("", 4000000); $count([1..100000].$substring($s, 3999990)))`:                                      tooLong,
		`($s := $pad("", 4000000); $count([1..100000].($s ~> /b/)))`:                                                  tooLong,
		`($s := $pad("", 4000000); $a := $s & "a"; $b := $s & "b"; $count($sort([1..100000].($ % 2 = 0 ? $a : $b))))`: tooLong,
		`($s := $pad("", 4000000); $a := $s & "a"; $b := $s & "b"; $count([1..100000]^($ % 2 = 0 ? $a : $b)))`:        tooLong,
		`($l := [1..800000]; $count([1..100000].($l[-1])))`:                                                           "",
		`($l := [1..800000]; $count([1..100000].(-1 in $l)))`:                                                         tooLong,
		`($l := [1..800000]; $count([1..100000].{"a": $l}))`:                                                          "",
		`($l := [1..800000]; $count([1..100000].$string($l)))`:                                                        tooMuch,
	} {
		name := expr
		if len(name) > 80 {
			name = name[:80]
		}
		t.Run(name, func(t *testing.T) {
			var after runtime.MemStats
			g := NewEngine(Env{})
			e, err := Compile(expr)
			require.NoError(t, err)
			began := time.Now()
			_, err = g.Eval(t.Context(), e, nil)
			runtime.ReadMemStats(&after)
			t.Logf("%v, %d MiB from the system", time.Since(began), after.Sys>>20)
			switch want {
			case "":
				require.NoError(t, err)
			case "*":
				require.Error(t, err)
			default:
				require.EqualError(t, err, want)
			}
			require.Less(t, after.Sys, uint64(1)<<30, "the process stays below a gigabyte")
		})
	}
}

// TestGarbageIsNotHeld: only what an evaluation holds counts, however much it
// throws away.
func TestGarbageIsNotHeld(t *testing.T) { // it looks at the process's memory
	g := NewEngine(Env{})
	e, err := Compile(`$count($reduce([1..8000], function($a, $i) { $append($a, $i) }, []))`)
	require.NoError(t, err)
	v, err := g.Eval(t.Context(), e, nil)
	require.NoError(t, err)
	require.Equal(t, "8000", value.String(v))
}

// TestTooDeepToParse: an expression that nests without reason is refused when the
// state machine is made, before any walk of its tree.
func TestTooDeepToParse(t *testing.T) {
	t.Parallel()
	const n = 200_000
	for _, text := range []string{
		strings.Repeat("(", n), strings.Repeat("[", n) + strings.Repeat("]", n), strings.Repeat(`{"a":`, n), strings.Repeat("-", n) + "1",
		strings.Repeat("1+", n) + "1", strings.Repeat("$a.", n) + "b", "$a" + strings.Repeat("[0]", n), "$f" + strings.Repeat("(1)", n),
		strings.Repeat("$a ? ", n), strings.Repeat("$x := ", n) + "1", strings.Repeat("function(){", n), strings.Repeat("/**/", n) + "(",
	} {
		_, err := Compile(text)
		require.Error(t, err, text[:20])
	}
}

func TestEvaluationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e, err := Compile(`($f := function($x) { $f($x + 1) }; $f(1))`)
	require.NoError(t, err)
	_, err = NewEngine(Env{}).Eval(ctx, e, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// TestNotFinite: a number that JSON does not have is a text in the result
// (measured: github.com/floci-io/floci, pull request 2783) and none that the
// language computes with (reference implementation, isNumeric and errors).
func TestNotFinite(t *testing.T) {
	t.Parallel()
	g := NewEngine(Env{})
	bound := map[string]Bound{"states": Bind(value.MustParse(`{"input":{"failed":1,"total":0,"huge":1e999}}`))}
	for expr, want := range map[string]string{
		`1/0`:                                   `"Infinity"`,
		`-1/0`:                                  `"-Infinity"`,
		`0/0`:                                   `"NaN"`,
		`1e308 * 10`:                            `"Infinity"`,
		`-1e308 - 1e308`:                        `"-Infinity"`,
		`5 % 0`:                                 `"NaN"`,
		`[1/0]`:                                 `["Infinity"]`,
		`{"k": 1/0}`:                            `{"k":"Infinity"}`,
		`{"k": [{"l": 0/0}, 1]}`:                `{"k":[{"l":"NaN"},1]}`,
		`$sum([1e308, 1e308])`:                  `"Infinity"`,
		`$average([1e308, 1e308])`:              `"Infinity"`,
		`$max([1, 1/0])`:                        `"Infinity"`,
		`$abs(-1/0)`:                            `"Infinity"`,
		`$floor(1/0)`:                           `"Infinity"`,
		`$round(1e308 * 10, 2)`:                 `"Infinity"`,
		`$map([0, 1], function($v) { 1 / $v })`: `["Infinity",1]`,
		`$states.input.failed/$states.input.total`: `"Infinity"`,
		`$states.input.huge`:                       `"Infinity"`,
		`$parse("[1e999]")`:                        `["Infinity"]`,
		`1/0 = 1/0`:                                `true`,
		`1/0 > 5`:                                  `true`,
		`0/0 ? "y" : "n"`:                          `"n"`,
		`$boolean(0/0)`:                            `false`,
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		v, err := g.Eval(t.Context(), e, bound)
		require.NoError(t, err, expr)
		require.Equal(t, want, value.String(v), expr)
		require.Equal(t, want, value.String(value.MustParse(value.String(v))))
	}
	for expr, want := range map[string]string{
		`1/0 + 1`:                   "D1001: Number out of range: Infinity",
		`1 - 1/0`:                   "D1001: Number out of range: Infinity",
		`0/0 + 1`:                   `T2001: The left side of the "+" operator must evaluate to a number`,
		`-(1/0)`:                    "D1001: Number out of range: Infinity",
		`$string(1/0)`:              "D3001: Attempting to invoke string function on Infinity or NaN",
		`"x" & 1/0`:                 "D3001: Attempting to invoke string function on Infinity or NaN",
		`$string([1/0])`:            "D1001: Number out of range: Infinity",
		`"x" & [1/0]`:               "D1001: Number out of range: Infinity",
		`$number("1e999")`:          `D3030: Unable to cast value to a number: "1e999"`,
		`$power(10, 1000)`:          "D3061: The power function has resulted in a value that cannot be represented as a JSON number: base=10, exponent=1000",
		`$sqrt(-1)`:                 "D3060: The sqrt function cannot be applied to a negative number: -1",
		`[1/0..2]`:                  "T2003: The left side of the range operator (..) must evaluate to an integer",
		`[1..1/0]`:                  "T2004: The right side of the range operator (..) must evaluate to an integer",
		`[1.5..3]`:                  "T2003: The left side of the range operator (..) must evaluate to an integer",
		`$formatInteger(1/0, "w")`:  "D1001: Number out of range: Infinity",
		`$formatInteger(0/0, "I")`:  `T0410: Argument 1 of function "formatInteger" does not match function signature`,
		`$formatInteger(1e15, "I")`: tooMuch,
		`$formatNumber(-1/0, "0")`:  "D1001: Number out of range: -Infinity",
		`$formatBase(1/0, 2)`:       "D1001: Number out of range: Infinity",
		`$fromMillis(1e300)`:        "D1001: Number out of range: 1e+300",
		`$random("x")`:              `T0410: Argument 1 of function "random" does not match function signature`,
		`$partition([1], -1)`:       `D3137: Second argument must be zero or greater`,
		`$substring("abc", 1e300) & $substring("abc", 1, 1e300) & $split("a", "b", 1e300)`: "*",
		`$base64decode("!!!")`:                   "an internal error",
		`$fromMillis(0, "[H01]", "Europe/Oslo")`: "an internal error",
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		_, err = g.Eval(t.Context(), e, bound)
		if want == "*" {
			require.NoError(t, err, expr)
			continue
		}
		require.EqualError(t, err, want, expr)
	}
}

// TestOwnFunctions: the functions that Step Functions adds (Developer Guide,
// "Transforming data with JSONata"; measured: github.com/floci-io/floci, issue
// 2662 and pull request 2676).
func TestOwnFunctions(t *testing.T) {
	t.Parallel()
	g := NewEngine(Env{UUID: func() string { return "u" }, Random: func() float64 { return 0.5 }})
	for expr, want := range map[string]string{
		`$random(42)`:                               `0.7275636800328681`,
		`$random(42.9)`:                             `0.7275636800328681`,
		`$range(-1.7, 2, 1)`:                        `[-1,0,1,2]`,
		`$range(0, 6, 2)`:                           `[0,2,4,6]`,
		`$range(0.9, 3.9, 1.9)`:                     `[0,1,2,3]`,
		`$range(3, 1, -1)`:                          `[3,2,1]`,
		`$count($range(1, 200000, 1))`:              `200000`,
		`$partition([1,2,3,4], 2)`:                  `[[1,2],[3,4]]`,
		`$partition([1,2,3], 2.9)`:                  `[[1,2],[3]]`,
		`$hash("input", "SHA-1")`:                   `"140f86aae51ab9e1cda9b4254fe98a74eb54c1a1"`,
		`$parse("{\"a\":1}").a`:                     `1`,
		`$fromMillis(0, "[H01]:[m01]", "-0500")`:    `"19:00"`,
		`$fromMillis(0, "[H01]:[m01]", "+0530")`:    `"05:30"`,
		`$fromMillis(0, "[H01]:[m01][Z]", "-0530")`: `"18:30-05:30"`,
		`$string(1e20)`:                             `"100000000000000000000"`,
		`$exists($range($nothing, 1, 1))`:           `false`,
		`$exists($partition($nothing, 1))`:          `false`,
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		v, err := g.Eval(t.Context(), e, nil)
		require.NoError(t, err, expr)
		require.Equal(t, want, value.String(v), expr)
	}
}
