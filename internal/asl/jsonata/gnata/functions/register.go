// Package functions implements the JSONata 2.x standard library.
package functions

import (
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/evaluator"
)

// EvalFn is a callback used by higher-order functions to invoke a lambda or
// builtin function value without creating an import cycle. The env parameter
// carries the per-evaluation call counter, ensuring concurrent Eval calls
// don't share stack-depth state.
type EvalFn func(fn any, args []any, focus any, env *evaluator.Environment) (any, error)

// builtinFuncs lists all plain BuiltinFunction registrations (name → func).
var builtinFuncs = []struct {
	name string
	fn   func([]any, any) (any, error)
}{
	// ── String ────────────────────────────────────────────────────────────────
	{"string", fnString},
	{"uppercase", fnUppercase},
	{"lowercase", fnLowercase},
	{"length", fnLength},
	{"substring", fnSubstring},
	{"substringBefore", fnSubstringBefore},
	{"substringAfter", fnSubstringAfter},
	{"trim", fnTrim},
	{"pad", fnPad},
	{"contains", fnContains},
	{"split", fnSplit},
	{"join", fnJoin},
	{"base64encode", fnBase64Encode},
	{"base64decode", fnBase64Decode},
	{"encodeUrl", fnEncodeURL},
	{"encodeUrlComponent", fnEncodeURLComponent},
	{"decodeUrl", fnDecodeURL},
	{"decodeUrlComponent", fnDecodeURLComponent},
	{"formatNumber", fnFormatNumber},
	{"formatBase", fnFormatBase},
	{"formatInteger", fnFormatInteger},
	{"parseInteger", fnParseInteger},
	// ── Numeric ───────────────────────────────────────────────────────────────
	{"number", fnNumber},
	{"abs", fnAbs},
	{"floor", fnFloor},
	{"ceil", fnCeil},
	{"round", fnRound},
	{"power", fnPower},
	{"sqrt", fnSqrt},
	{"random", fnRandom},
	{"sum", fnSum},
	{"max", fnMax},
	{"min", fnMin},
	{"average", fnAverage},
	// ── Array ─────────────────────────────────────────────────────────────────
	{"count", fnCount},
	{"append", fnAppend},
	{"reverse", fnReverse},
	{"shuffle", fnShuffle},
	{"distinct", fnDistinct},
	{"zip", fnZip},
	// ── Object ────────────────────────────────────────────────────────────────
	{"keys", fnKeys},
	{"clone", fnClone},
	{"spread", fnSpread},
	{"merge", fnMerge},
	{"error", fnError},
	{"lookup", fnLookup},
	// ── Boolean ───────────────────────────────────────────────────────────────
	{"boolean", fnBoolean},
	{"not", fnNot},
	{"exists", fnExists},
	// ── Misc ──────────────────────────────────────────────────────────────────
	{"assert", fnAssert},
	{"type", fnTypeOf},
	// ── Date / Time ───────────────────────────────────────────────────────────
	{"now", fnNow},
	{"millis", fnMillis},
	{"fromMillis", fnFromMillis},
	{"toMillis", fnToMillis},
}

// RegisterAll binds every JSONata built-in function into env.
// evalFn must call evaluator.ApplyFunction (supplied by gnata.go).
func RegisterAll(env *evaluator.Environment, evalFn EvalFn) {
	for _, b := range builtinFuncs {
		fn := &evaluator.SignedBuiltin{Fn: b.fn, Check: signatures()[b.name]}
		if before := checks[b.name]; before != nil {
			fn.Env = checked(b.fn, before)
		}
		env.Bind(b.name, fn)
	}
	for name, fn := range map[string]evaluator.EnvAwareBuiltin{
		"match": makeFnMatch(evalFn), "replace": makeFnReplace(evalFn), "sort": makeFnSort(evalFn), "sift": makeFnSift(evalFn), "each": makeFnEach(evalFn),
		"map": makeFnMap(evalFn), "filter": makeFnFilter(evalFn), "single": makeFnSingle(evalFn), "reduce": makeFnReduce(evalFn),
	} {
		env.Bind(name, &evaluator.SignedBuiltin{Env: fn, Check: signatures()[name]})
	}
}

// signatures are those of the reference implementation, version 2.0.6, which is what
// Step Functions says that it has.
var signatures = sync.OnceValue(func() map[string]*evaluator.Check {
	out := map[string]*evaluator.Check{}
	for name, text := range map[string]string{
		"sum": "<a<n>:n>", "count": "<a:n>", "max": "<a<n>:n>", "min": "<a<n>:n>", "average": "<a<n>:n>",
		"string": "<x-b?:s>", "substring": "<s-nn?:s>", "substringBefore": "<s-s:s>", "substringAfter": "<s-s:s>", "lowercase": "<s-:s>", "uppercase": "<s-:s>",
		"length": "<s-:n>", "trim": "<s-:s>", "pad": "<s-ns?:s>", "match": "<s-f<s:o>n?:a<o>>", "contains": "<s-(sf):b>", "replace": "<s-(sf)(sf)n?:s>",
		"split": "<s-(sf)n?:a<s>>", "join": "<a<s>s?:s>", "formatNumber": "<n-so?:s>", "formatBase": "<n-n?:s>", "formatInteger": "<n-s:s>", "parseInteger": "<s-s:n>",
		"number": "<(nsb)-:n>", "floor": "<n-:n>", "ceil": "<n-:n>", "round": "<n-n?:n>", "abs": "<n-:n>", "sqrt": "<n-:n>", "power": "<n-n:n>",
		"boolean": "<x-:b>", "not": "<x-:b>", "map": "<af>", "zip": "<a+>", "filter": "<af>", "single": "<af?>", "reduce": "<afj?:j>", "sift": "<o-f?:o>",
		"keys": "<x-:a<s>>", "lookup": "<x-s:x>", "append": "<xx:a>", "exists": "<x:b>", "spread": "<x-:a<o>>", "merge": "<a<o>:o>", "reverse": "<a:a>",
		"each": "<o-f:a>", "error": "<s?:x>", "assert": "<bs?:x>", "type": "<x:s>", "sort": "<af?:a>", "shuffle": "<a:a>", "distinct": "<x:x>",
		"base64encode": "<s-:s>", "base64decode": "<s-:s>", "encodeUrlComponent": "<s-:s>", "encodeUrl": "<s-:s>", "decodeUrlComponent": "<s-:s>", "decodeUrl": "<s-:s>",
		"toMillis": "<s-s?:n>", "fromMillis": "<n-s?s?:s>", "random": "<:n>", "clone": "<(oa)-:o>", "now": "<s?s?:s>", "millis": "<:n>",
	} {
		out[name] = evaluator.NewCheck(name, text)
	}
	return out
})
