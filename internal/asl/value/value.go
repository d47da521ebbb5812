// Package value owns JSON as Amazon States Language sees it: objects keep the
// order of their keys, integers and decimals keep their digits, and syntax
// errors carry AWS's own texts and positions. Values are immutable once built
// and may be shared between goroutines. It imports nothing of this module.
//
// A value is one of nil, bool, Number, string, []any or *Object.
package value

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Number is a JSON number in the form in which AWS prints it: an integer of any
// length, or a decimal as Java's Double.toString writes it. Only this package
// makes one, and only of what JSON can hold; the zero Number is 0.
type Number struct{ text string }

// String is the number as JSON.
func (n Number) String() string {
	if n.text == "" {
		return "0"
	}
	return n.text
}

// Int returns an integer as a Number.
func Int(n int64) Number { return Number{strconv.FormatInt(n, 10)} }

// Float returns the value of f: a Number, which is written without a fraction if
// it is whole and fits 2^63, or one of the texts "Infinity", "-Infinity" and
// "NaN". JSON has no such numbers, and Step Functions shows them as texts
// (measured with TestState: github.com/floci-io/floci, pull request 2783).
func Float(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<63 {
		return Int(int64(f))
	}
	return Double(f)
}

// Double is Float that keeps a fraction of nothing: 1.0.
func Double(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return Number{javaDouble(f)}
}

// IsInt reports whether n has neither fraction nor exponent.
func (n Number) IsInt() bool { return !strings.ContainsAny(n.text, ".eE") }

// Int64 returns the integer n; ok is false if it is a decimal or too large.
func (n Number) Int64() (i int64, ok bool) {
	i, err := strconv.ParseInt(n.String(), 10, 64)
	return i, err == nil
}

// Float64 returns the nearest float64.
func (n Number) Float64() float64 {
	f, _ := strconv.ParseFloat(n.String(), 64) // an integer may be too large, which is ±Inf
	return f
}

// Compare compares two numbers exactly: -1, 0 or 1.
func Compare(a, b Number) int {
	if x, ok := a.Int64(); ok {
		if y, ok := b.Int64(); ok {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	}
	x, okx := new(big.Rat).SetString(a.String())
	y, oky := new(big.Rat).SetString(b.String())
	if !okx || !oky {
		return strings.Compare(a.text, b.text)
	}
	return x.Cmp(y)
}

// javaDouble writes f as Java's Double.toString does.
func javaDouble(f float64) string {
	abs := math.Abs(f)
	if abs == 0 || (abs >= 1e-3 && abs < 1e7) {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	s := strconv.FormatFloat(f, 'E', -1, 64)
	mant, exp, _ := strings.Cut(s, "E")
	if !strings.Contains(mant, ".") {
		mant += ".0"
	}
	e, _ := strconv.Atoi(exp) // FormatFloat's own output
	return mant + "E" + strconv.Itoa(e)
}

// number gives a JSON number's text its canonical form. A decimal that a double
// cannot hold is "Infinity", as it is to the parser of AWS.
func number(text string) any {
	if !strings.ContainsAny(text, ".eE") {
		if text == "-0" {
			return Number{"0"}
		}
		return Number{text}
	}
	f, _ := strconv.ParseFloat(text, 64) // the grammar is known to be right; too large is ±Inf
	return Double(f)
}

// Object is a JSON object that keeps the order of its keys.
type Object struct {
	keys  []string
	vals  []any
	index map[string]int // only for objects of more than a few keys
}

const indexFrom = 9

// NewObject returns an empty object with room for n keys.
func NewObject(n int) *Object {
	return &Object{keys: make([]string, 0, n), vals: make([]any, 0, n)}
}

// Of builds an object from pairs of key and value.
func Of(pairs ...any) *Object {
	o := NewObject(len(pairs) / 2)
	for i := 0; i+1 < len(pairs); i += 2 {
		key, _ := pairs[i].(string)
		o.Set(key, pairs[i+1])
	}
	return o
}

func (o *Object) find(key string) int {
	if o.index != nil {
		if i, ok := o.index[key]; ok {
			return i
		}
		return -1
	}
	for i, k := range o.keys {
		if k == key {
			return i
		}
	}
	return -1
}

// Set sets key; it must not be called once the object is shared.
func (o *Object) Set(key string, v any) {
	if i := o.find(key); i >= 0 {
		o.vals[i] = v
		return
	}
	o.keys = append(o.keys, key)
	o.vals = append(o.vals, v)
	if o.index != nil {
		o.index[key] = len(o.keys) - 1
	} else if len(o.keys) >= indexFrom {
		o.index = make(map[string]int, 2*len(o.keys))
		for i, k := range o.keys {
			o.index[k] = i
		}
	}
}

// Get returns the value of key.
func (o *Object) Get(key string) (any, bool) {
	if o == nil {
		return nil, false
	}
	if i := o.find(key); i >= 0 {
		return o.vals[i], true
	}
	return nil, false
}

// With returns a copy of o in which key is v.
func (o *Object) With(key string, v any) *Object {
	c := o.Clone()
	c.Set(key, v)
	return c
}

// Clone returns a shallow copy that may be changed.
func (o *Object) Clone() *Object {
	c := NewObject(o.Len() + 1)
	for i, k := range o.Keys() {
		c.Set(k, o.vals[i])
	}
	return c
}

// Without returns a copy of o without key.
func (o *Object) Without(key string) *Object {
	c := NewObject(o.Len())
	for i, k := range o.Keys() {
		if k != key {
			c.Set(k, o.vals[i])
		}
	}
	return c
}

// Len returns the number of keys.
func (o *Object) Len() int {
	if o == nil {
		return 0
	}
	return len(o.keys)
}

// Keys returns the keys in order; the caller must not change the slice.
func (o *Object) Keys() []string {
	if o == nil {
		return nil
	}
	return o.keys
}

// At returns the i-th key and value.
func (o *Object) At(i int) (string, any) { return o.keys[i], o.vals[i] }

// Equal reports deep equality; key order does not matter and numbers compare by
// value.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case Number:
		y, ok := b.(Number)
		return ok && Compare(x, y) == 0
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !Equal(x[i], y[i]) {
				return false
			}
		}
		return true
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i, k := range x.keys {
			v, ok := y.Get(k)
			if !ok || !Equal(x.vals[i], v) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}

// TypeName names v's JSON type in lower case: null, boolean, number, string,
// array, object.
func TypeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case Number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}
