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
		`$sum(['a'])`:            `T0412: Argument 1 of function "sum" must be an array of "numbers"`,
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

// What AWS answers to the functions that it adds (github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/Feature.JSONataBuiltins-*).
func TestAddedFunctions(t *testing.T) {
	t.Parallel()
	g := NewEngine(Env{UUID: func() string { return "u" }, Random: func() float64 { return 0.5 }})
	bound := map[string]Bound{"states": Bind(value.MustParse(`{"input":{"a":[1,2,3],"null":null,"o":{}}}`))}
	const undefined = "returned nothing (undefined)"
	wrong := func(arg, fn string) string {
		return "T0410: Argument " + arg + ` of function "` + fn + `" does not match function signature`
	}
	for expr, want := range map[string]string{
		`$partition([1,2,3,4,5], 2.6)`: `[[1,2],[3,4],[5]]`, `$partition($states.input.a)`: `[[1,2,3]]`,
		`$partition($states.input.a, 0)`: undefined, `$partition($states.input.a, 0.9)`: undefined,
		`$partition($states.input.a, -1)`:  "D3137: Second argument must be zero or greater",
		`$partition($states.input.a, "2")`: wrong("2", "partition"), `$partition($states.input.a, null)`: wrong("2", "partition"),
		`$partition($states.input.a, 2, 99)`: wrong("3", "partition"), `$partition("text", 2)`: `T0412: Argument 1 of function "partition" must be an array of undefined`,
		`$range(1.4, 5.6, 2.2)`: `[1,3,5]`, `$range(1, 10, 0)`: undefined, `$range(1, 10, 0.49)`: undefined, `$range(1, 5)`: undefined,
		`$range("a", 5, 1)`: wrong("1", "range"), `$range(1, 5, null)`: wrong("3", "range"), `$range(1, 5, 1, 99)`: wrong("4", "range"),
		`$hash("hello", "SHA-256")`: `"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"`,
		`$hash("data", "sha-256")`:  "D3137: Hash algorithm 'sha-256' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5",
		`$hash(123, "MD5")`:         wrong("1", "hash"), `$hash()`: wrong("1", "hash"), `$hash("a", "MD5", "b")`: wrong("3", "hash"), `$hash("a")`: wrong("2", "hash"),
		`$parse(' {"a":1} ')`: `{"a":1}`, `$parse("{bad}")`: "D3137: Invalid JSON", `$parse("")`: "D3137: Invalid JSON", `$parse()`: undefined,
		`$parse(123)`: wrong("1", "parse"), `$parse(null)`: wrong("1", "parse"), `$parse($states.input.o)`: wrong("1", "parse"), `$parse("1", 1)`: wrong("2", "parse"),
		`$uuid("x")`: wrong("1", "uuid"), `$uuid(null)`: wrong("1", "uuid"), `$uuid(1, 2)`: wrong("1", "uuid"),
		`$random(77)`: `0.7240700207191966`, `$random("seed")`: wrong("1", "random"), `$random(null)`: wrong("1", "random"), `$random(77, 88)`: wrong("2", "random"),
	} {
		e, err := Compile(expr)
		require.NoError(t, err, expr)
		v, err := g.Eval(t.Context(), e, bound)
		if err != nil {
			require.EqualError(t, err, want, expr)
			continue
		}
		require.Equal(t, want, value.String(v), expr)
	}
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
		`$a[0] / $b / 2`:                              {"a", "b"},
		`($a) / $b & {"k": 1} / $c`:                   {"a", "b", "c"},
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
		`$states.input.a[0] / size / 2`:               {"size"},
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
