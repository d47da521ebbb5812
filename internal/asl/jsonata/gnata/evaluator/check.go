package evaluator

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Check holds arguments against the signature of a function of the library, as the
// reference implementation does: the kinds of the arguments are written as a text,
// which the signature matches as a regular expression. So an error names the same
// argument as there.
type Check struct {
	name   string
	params []checkParam
	whole  *regexp.Regexp   // of all parameters, a group each
	parts  []*regexp.Regexp // of the first, of the first two, ...
}

type checkParam struct {
	array   bool
	subtype string         // of an array's elements, "" for any
	context *regexp.Regexp // what the context may be that stands for the argument
}

// anything is what the symbols 'x' and 'a' take: a value that is no array stands for
// an array of itself. 'm' is a missing argument.
const anything = "[asnblfom]"

// NewCheck reads a signature in the reference's form ("<s-nn?:s>").
func NewCheck(name, signature string) *Check {
	c := &Check{name: name}
	var sources []string
	s := strings.TrimPrefix(signature, "<")
	for s != "" && s[0] != ':' && s[0] != '>' {
		var p checkParam
		var source string
		switch s[0] {
		case '(':
			choice, rest, _ := strings.Cut(s[1:], ")")
			source, s = "["+choice+"m]", rest
		case 'a', 'x':
			p.array, source, s = s[0] == 'a', anything, s[1:]
		case 'j':
			source, s = "[asnblom]", s[1:]
		case 'f':
			source, s = "f", s[1:]
		default:
			source, s = "["+s[:1]+"m]", s[1:]
		}
		if strings.HasPrefix(s, "<") { // <n> of an array; what is said of functions is not checked
			inner, rest, _ := strings.Cut(s[1:], ">")
			if p.array {
				p.subtype = inner
			}
			s = rest
		}
		if s != "" && strings.ContainsRune("-?+", rune(s[0])) {
			if s[0] == '-' {
				p.context = regexp.MustCompile(source)
			}
			source += strings.Replace(s[:1], "-", "?", 1)
			s = s[1:]
		}
		sources = append(sources, "("+source+")")
		c.params = append(c.params, p)
		c.parts = append(c.parts, regexp.MustCompile("^"+strings.Join(sources, "")))
	}
	c.whole = regexp.MustCompile("^" + strings.Join(sources, "") + "$")
	return c
}

// Arguments returns the arguments, with the context in front where it stands for the
// first, or the error T0410, T0411 or T0412.
func (c *Check) Arguments(args []any, focus any) ([]any, error) {
	var kinds strings.Builder
	for _, a := range args {
		kinds.WriteByte(kind(a))
	}
	groups := c.whole.FindStringSubmatchIndex(kinds.String())
	if groups == nil {
		return nil, c.mismatch(kinds.String())
	}
	at, injected := 0, false
	for i, p := range c.params {
		matched := groups[2*i+3] - groups[2*i+2]
		if groups[2*i+2] < 0 {
			matched = 0
		}
		if matched == 0 && p.context != nil {
			if !p.context.MatchString(string(kind(focus))) {
				return nil, c.fail("T0411", at, "Context value is not a compatible type with argument %d of function %s")
			}
			injected = true
		}
		for range matched {
			if !p.holds(args[at]) {
				return nil, &JSONataError{Code: "T0412", Message: fmt.Sprintf("Argument %d of function %s must be an array of %s", at+1, Quote(c.name), Quote(plural[p.subtype[0]]))}
			}
			at++
		}
	}
	if injected {
		return append([]any{focus}, args...), nil
	}
	return args, nil
}

// holds reports whether the elements of an array are of the kind that they must be;
// a value that is no array counts as its only element.
func (p checkParam) holds(arg any) bool {
	if p.subtype == "" || arg == nil {
		return true
	}
	items, ok := elements(arg)
	if !ok {
		return kind(arg) == p.subtype[0]
	}
	for _, item := range items {
		if kind(item) != p.subtype[0] {
			return false
		}
	}
	return true
}

func elements(v any) ([]any, bool) {
	if seq, ok := v.(*Sequence); ok {
		return seq.Values, true
	}
	list, ok := v.([]any)
	return list, ok
}

var plural = map[byte]string{'a': "arrays", 'b': "booleans", 'f': "functions", 'n': "numbers", 'o': "objects", 's': "strings"}

// mismatch finds the first argument that no longer fits.
func (c *Check) mismatch(kinds string) error {
	good := 0
	for _, part := range c.parts {
		m := part.FindString(kinds)
		if !part.MatchString(kinds) {
			break
		}
		good = len(m)
	}
	return c.fail("T0410", good, "Argument %d of function %s does not match function signature")
}

func (c *Check) fail(code string, at int, text string) error {
	return &JSONataError{Code: code, Message: fmt.Sprintf(text, at+1, Quote(c.name))}
}

// kind is the symbol of a value in signatures.
func kind(v any) byte {
	switch v.(type) {
	case nil:
		return 'm'
	case string:
		return 's'
	case bool:
		return 'b'
	case float64, json.Number:
		return 'n'
	case []any, *Sequence:
		return 'a'
	case BuiltinFunction, EnvAwareBuiltin, *Lambda, *SignedBuiltin:
		return 'f'
	}
	switch _, regex := MapGet(v, "pattern"); {
	case IsNull(v):
		return 'l'
	case regex: // a regular expression is a function
		return 'f'
	}
	return 'o'
}

// Quote writes a value into an error as the reference does: as JSON.
func Quote(v any) string {
	switch x := v.(type) {
	case nil:
		return "undefined"
	case float64:
		return FormatFloat(x)
	case string:
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(x) != nil {
			return strconv.Quote(x)
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	if IsNull(v) {
		return "null"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
