package jsonata

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

func TestEval(t *testing.T) {
	t.Parallel()
	g := NewEngine(Env{UUID: func() string { return "the-uuid" }, Random: func() float64 { return 0.5 }})
	bound := map[string]Bound{
		"states": Bind(value.MustParse(`{"input":{"z":1,"a":[1,2.50,{"q":null,"b":2,"a":1}],"s":"{\"b\":1,\"a\":2}","big":12345678901234567890,"f":1.0,"one":[0]}}`)),
		"v":      Bind(value.MustParse(`4.3`)),
		"quote":  Bind(`"`),
	}
	for expr, want := range map[string]string{
		`$states.input.a[1] + $v`:              `6.8`,
		`$states.input.z + 1`:                  `2`,
		`$states.input.big`:                    `12345678901234567890`,
		`$states.input.f`:                      `1.0`,
		`$states.input.one`:                    `[0]`,
		`$parse($states.input.s)`:              `{"b":1,"a":2}`,
		`$parse('null')`:                       `null`,
		`$partition($states.input.a, 2)`:       `[[1,2.5],[{"q":null,"b":2,"a":1}]]`,
		`$range(0, 10, 3)`:                     `[0,3,6,9]`,
		`$range(3, 1, -1)`:                     `[3,2,1]`,
		`$hash('abc', 'MD5')`:                  `"900150983cd24fb0d6963f7d28e17f72"`,
		`$hash('Hash this string', 'SHA-256')`: `"1cac63f39fd68d8c531f27b807610fb3d50f0fc3f186995767fb6316e7200a3e"`,
		`$uuid()`:                              `"the-uuid"`,
		`$random()`:                            `0.5`,
		`$random(7) = $random(7)`:              `true`,
		`$merge([$states.input.a[2], {"new": 1, "b": 3}])`: `{"q":null,"b":3,"a":1,"new":1}`,
		`$contains('hello$world', /^hello\$/)`:             `true`,
		`$quote = '"'`:                                     `true`,
		`$count([])`:                                       `0`,
		`[]`:                                               `[]`,
		`null`:                                             `null`,
		`$length($now())`:                                  `24`,
		`$string($states.input.a)`:                         `"[1,2.5,{\"q\":null,\"b\":2,\"a\":1}]"`,
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		v, err := g.Eval(t.Context(), e, bound)
		require.NoError(t, err, expr)
		require.Equal(t, want, value.String(v), expr)
	}
	for expr, want := range map[string]string{
		`$states.input.nope`:     "returned nothing (undefined)",
		`$fn := function($x){1}`: "returned an unsupported result type",
		`$eval('1')`:             "T1006: Attempted to invoke a non-function",
		`'a' + 1`:                `T2001: The left side of the "+" operator must evaluate to a number`,
		`1 - 'a'`:                `T2002: The right side of the "-" operator must evaluate to a number`,
		`$number('x')`:           `D3030: Unable to cast value to a number: "x"`,
		`$length(1)`:             `T0410: Argument 1 of function "length" does not match function signature`,
		`$sum(['a'])`:            `T0412: Argument 1 of function "sum" must be an array of "number"`,
		`$error('boom')`:         "D3137: boom",
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		_, err = g.Eval(t.Context(), e, bound)
		require.EqualError(t, err, want, expr)
	}
	_, err := Compile(`1 +`)
	require.Error(t, err)
}

func TestVariables(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`$a + $b.c[$d]`:                               {"a", "b", "d"},
		`$states.input.x & $name`:                     {"name"},
		`$map($items, function($v, $i){ $v + $off })`: {"items", "off"},
		`($x := 1; $x + $y)`:                          {"y"},
		`'$no' & "$no" & $yes /* $no */`:              {"yes"},
		`$contains($s, /$x/)`:                         {"s"},
		`$`:                                           nil,
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		require.Equal(t, want, e.Variables(), expr)
	}
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]string{
		`phone & $x`:                                  {"phone"},
		`$states.input.items[price > 3].name`:         nil,
		`$states.input.(a + b)`:                       nil,
		`$map($states.input.a, function($v){ $v.b })`: nil,
		`$map(items, function($v){ $v.b })`:           {"items"},
		`{"a": $states.input.a, "b": [$x, y]}`:        {"y"},
		`$states.input.a{name: $sum(price)}`:          nil,
		`$states.input.a^(>price)`:                    nil,
		`$states.input.a[$ = 1]`:                      nil,
		`$ & 'x'`:                                     {"$"},
		`$exists($states.input.x) ? true : null`:      nil,
		`1e3 + 2`:                                     nil,
		`($fn := function($x){$x}; $fn(3))`:           nil,
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		require.Equal(t, want, e.TopLevel(), expr)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`1 +`:              "Unexpected end of expression",
		`"unterminated`:    "String literal must be terminated by a matching quote",
		`$match("a", /abc`: "No terminating / in regular expression",
	} {
		_, err := Compile(expr)
		require.EqualError(t, err, want, expr)
	}
}
