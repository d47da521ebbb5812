package value

import (
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// Encode writes v as compact JSON, as AWS does: no spaces, no escapes but the
// needed ones.
func Encode(v any) []byte { return Append(nil, v) }

// String is Encode as a string.
func String(v any) string { return string(Append(nil, v)) }

// Fits reports whether v, written as JSON, takes no more than limit bytes, give
// or take the escapes of its texts. It looks at no more of v than that: parts of
// a value may be shared, so that it is much longer written than held.
func Fits(v any, limit int) bool { return Room(v, limit) >= 0 }

// Room is what is left of so many bytes once v is written, below 0 if it does not
// fit; see Fits.
func Room(v any, left int) int {
	switch x := v.(type) {
	case nil:
		return left - 4
	case bool:
		return left - 4
	case Number:
		return left - len(x.text)
	case string:
		return left - len(x) - 2
	case []any:
		left -= 1 + max(1, len(x))
		for _, e := range x {
			if left < 0 {
				return left
			}
			left = Room(e, left)
		}
	case *Object:
		left -= 1 + max(1, x.Len())
		for i, k := range x.Keys() {
			if left < 0 {
				return left
			}
			left = Room(x.vals[i], left-len(k)-3)
		}
	}
	return left
}

// Append appends the compact JSON of v to b.
func Append(b []byte, v any) []byte {
	switch x := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		if x {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case Number:
		return append(b, x.String()...)
	case string:
		return appendString(b, x)
	case []any:
		b = append(b, '[')
		for i, e := range x {
			if i > 0 {
				b = append(b, ',')
			}
			b = Append(b, e)
		}
		return append(b, ']')
	case *Object:
		b = append(b, '{')
		for i, k := range x.Keys() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, k)
			b = append(b, ':')
			b = Append(b, x.vals[i])
		}
		return append(b, '}')
	default:
		return append(b, "null"...)
	}
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, s[start:i]...)
				b = append(b, "\uFFFD"...)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// MarshalJSON lets an Object be a part of documents that encoding/json writes.
func (o *Object) MarshalJSON() ([]byte, error) { return Encode(o), nil }

// Deep reports whether v nests more deeply than Parse reads: such a value could be
// written, but never be read again. Like Append it walks all of v: what may be far
// longer written than held is asked of Fits before.
func Deep(v any) bool { return deep(v, 0) }

func deep(v any, depth int) bool {
	if depth > maxDepth {
		return true
	}
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			if deep(e, depth+1) {
				return true
			}
		}
	case *Object:
		for i := range x.Len() {
			if deep(x.vals[i], depth+1) {
				return true
			}
		}
	}
	return false
}
