package insights

import (
	"math"
	"net/netip"
	"strings"
	"time"
)

// arithmetic by how it binds, the loosest first.
var arithmetic = []map[string]func(a, b float64) float64{
	{"+": func(a, b float64) float64 { return a + b }, "-": func(a, b float64) float64 { return a - b }},
	{"*": func(a, b float64) float64 { return a * b }, "/": func(a, b float64) float64 { return a / b }, "%": math.Mod},
	{"^": math.Pow},
}

func (r *reader) sum() (expression, error) { return r.binary(0) }

func (r *reader) binary(level int) (expression, error) {
	if level == len(arithmetic) {
		return r.signed()
	}
	left, err := r.binary(level + 1)
	for err == nil {
		fn := arithmetic[level][r.token]
		if fn == nil {
			return left, nil
		}
		if err = r.next(); err != nil {
			break
		}
		var right expression
		if right, err = r.binary(level + 1); err == nil {
			a, b := left, right
			left = func(x Record) any { return numeric(fn, a(x), b(x)) }
		}
	}
	return nil, err
}

func numeric(fn func(a, b float64) float64, a, b any) any {
	x, ok := number(a)
	y, both := number(b)
	if out := fn(x, y); ok && both && finite(out) {
		return out
	}
	return nil
}

func (r *reader) signed() (expression, error) {
	if r.token != "-" {
		return r.primary()
	}
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer func() { r.depth-- }()
	if err := r.next(); err != nil {
		return nil, err
	}
	of, err := r.signed()
	return func(x Record) any { return numeric(func(a, b float64) float64 { return b - a }, of(x), 0.0) }, err
}

func (r *reader) call(name string) (expression, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer func() { r.depth-- }()
	fn, ok := functions[strings.ToLower(name)]
	if !ok {
		return nil, wrong("the function %s is not known", name)
	}
	if err := r.next(); err != nil {
		return nil, err
	}
	args, err := r.list(")")
	if err != nil {
		return nil, err
	}
	if len(args) < fn.least || fn.most >= 0 && len(args) > fn.most {
		return nil, wrong("the function %s does not take %d arguments", name, len(args))
	}
	return func(x Record) any {
		values := make([]any, len(args))
		for i, a := range args {
			values[i] = a(x)
		}
		out := fn.run(x, values)
		if _, ok := out.(excess); ok {
			r.q.fail("the function %s makes a text of more than %d MB", name, maxText>>20)
			return nil
		}
		return out
	}, nil
}

// excess is in the place of a text that would be too long.
type excess struct{}

func concat(_ Record, a []any) any {
	parts, size := make([]string, len(a)), 0
	for i, v := range a {
		parts[i] = text(v)
		if size += len(parts[i]); size > maxText {
			return excess{}
		}
	}
	return strings.Join(parts, "")
}

func replace(_ Record, a []any) any {
	in, old, with := text(a[0]), text(a[1]), text(a[2])
	if len(in)+strings.Count(in, old)*(len(with)-len(old)) > maxText {
		return excess{}
	}
	return strings.ReplaceAll(in, old, with)
}

type function struct {
	least, most int // most < 0: any number
	run         func(r Record, a []any) any
}

func onNumber(fn func(float64) float64) function {
	return function{1, 1, func(_ Record, a []any) any { return numeric(func(x, _ float64) float64 { return fn(x) }, a[0], 0.0) }}
}

func onText(fn func(string) any) function {
	return function{1, 1, func(_ Record, a []any) any {
		if a[0] == nil {
			return nil
		}
		return fn(text(a[0]))
	}}
}

func best(better func(c int) bool) function {
	return function{1, -1, func(_ Record, a []any) any {
		var out any
		for _, v := range a {
			if v != nil && (out == nil || better(compare(v, out))) {
				out = v
			}
		}
		return out
	}}
}

// functions by their names in small letters.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-operations-functions.html
var functions = map[string]function{
	"abs": onNumber(math.Abs), "ceil": onNumber(math.Ceil), "floor": onNumber(math.Floor), "log": onNumber(math.Log), "sqrt": onNumber(math.Sqrt),
	"greatest": best(func(c int) bool { return c > 0 }), "least": best(func(c int) bool { return c < 0 }),
	"strlen": onText(func(s string) any { return float64(len([]rune(s))) }), "toupper": onText(func(s string) any { return strings.ToUpper(s) }),
	"tolower": onText(func(s string) any { return strings.ToLower(s) }), "isvalidip": onText(isAddress),
	"trim": trimmer(strings.Trim), "ltrim": trimmer(strings.TrimLeft), "rtrim": trimmer(strings.TrimRight),
	"ispresent": {1, 1, func(_ Record, a []any) any { return a[0] != nil }},
	"isempty":   {1, 1, func(_ Record, a []any) any { return text(a[0]) == "" }},
	"isblank":   {1, 1, func(_ Record, a []any) any { return strings.TrimSpace(text(a[0])) == "" }},
	"coalesce": {1, -1, func(_ Record, a []any) any {
		for _, v := range a {
			if v != nil {
				return v
			}
		}
		return nil
	}},
	"concat":      {1, -1, concat},
	"strcontains": {2, 2, func(_ Record, a []any) any { return strings.Contains(text(a[0]), text(a[1])) }},
	"replace":     {3, 3, replace},
	"substr":      {2, 3, substring},
	"tomillis":    {1, 1, func(_ Record, a []any) any { return numeric(func(x, _ float64) float64 { return x }, a[0], 0.0) }},
	"frommillis": {1, 1, func(_ Record, a []any) any {
		if n, ok := number(a[0]); ok {
			return time.UnixMilli(int64(n)).UTC()
		}
		return nil
	}},
	"datefloor": {2, 2, func(_ Record, a []any) any { return floorTime(a[0], a[1], 0) }},
	"dateceil":  {2, 2, func(_ Record, a []any) any { return floorTime(a[0], a[1], 1) }},
	"bin":       {1, 1, func(r Record, a []any) any { return floorTime(r["@timestamp"], a[0], 0) }},
}

func isAddress(s string) any {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func trimmer(fn func(s, cut string) string) function {
	return function{1, 2, func(_ Record, a []any) any {
		cut := " \t\r\n"
		if len(a) == 2 {
			cut = text(a[1])
		}
		return fn(text(a[0]), cut)
	}}
}

func substring(_ Record, a []any) any {
	runes := []rune(text(a[0]))
	from, ok := number(a[1])
	if !ok {
		return nil
	}
	start := int(min(max(from, 0), float64(len(runes))))
	end := len(runes)
	if len(a) == 3 {
		n, ok := number(a[2])
		if !ok {
			return nil
		}
		end = start + int(min(max(n, 0), float64(len(runes)-start)))
	}
	return string(runes[start:end])
}

// floorTime cuts a time to multiples of a span, or goes to the next one.
func floorTime(v, span any, up int) any {
	at, ok := v.(time.Time)
	d, known := spanOf(text(span))
	if !ok || !known {
		return nil
	}
	floor := at.UTC().Truncate(d)
	if up > 0 && !floor.Equal(at) {
		floor = floor.Add(d)
	}
	return floor
}

var units = map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}

// spanOf reads 30s, 5m, 1h and the like.
func spanOf(text string) (time.Duration, bool) {
	digits := strings.TrimRight(text, "smhdw")
	n, known := decimal(digits)
	unit, ok := units[text[len(digits):]]
	d := time.Duration(n * float64(unit))
	return d, known && ok && d > 0
}
