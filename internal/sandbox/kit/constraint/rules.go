package constraint

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// breach is a rule that a value breaks.
type breach struct{ kind, rule string }

// limit words a bound: lengths of texts and collections, values of numbers.
func limit(what, comparison string, n float64) string {
	return "Member must have " + what + " " + comparison + " than or equal to " + strconv.FormatFloat(n, 'f', -1, 64)
}

func (s *shape) numeric() bool {
	return slices.Contains([]string{"integer", "long", "float", "double"}, s.Type)
}

func (s *shape) measure() string {
	if s.numeric() {
		return "value"
	}
	return "length"
}

// bounds compares a length or number with what is allowed.
func (s *shape) bounds(n float64) (out []breach) {
	if s.Max != nil && n > *s.Max {
		out = append(out, breach{"max", limit(s.measure(), "less", *s.Max)})
	}
	if s.Min != nil && n < *s.Min {
		out = append(out, breach{"min", limit(s.measure(), "greater", *s.Min)})
	}
	return out
}

func (s *shape) size(n int) []breach { return s.bounds(float64(n)) }

// broken lists the rules that a scalar breaks.
func (s *shape) broken(v any) []breach {
	switch {
	case s.numeric():
		n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
		if err != nil || math.IsNaN(n) {
			return nil // the decoder refuses it
		}
		return s.bounds(n)
	case s.Type == "blob":
		if b, raw := v.([]byte); raw {
			return s.size(len(b))
		}
		text, _ := v.(string)
		return s.size(len(text)/4*3 - strings.Count(text, "="))
	case s.Type == "string":
		text, ok := v.(string)
		if !ok {
			return nil
		}
		return s.text(text)
	}
	return nil
}

func (s *shape) text(text string) []breach {
	if len(s.Enum) > 0 {
		if slices.Contains(s.Enum, text) {
			return nil
		}
		return []breach{{"enum", s.enumRule()}}
	}
	out := s.size(utf8.RuneCountInString(text))
	if re := s.regexp(); re != nil && !re.MatchString(text) {
		out = append(out, breach{"pattern", s.patternRule()})
	}
	return out
}

func (s *shape) enumRule() string {
	return "Member must satisfy enum value set: [" + strings.Join(s.Enum, ", ") + "]"
}

func (s *shape) patternRule() string {
	return "Member must satisfy regular expression pattern: " + s.Pattern
}

// rules words all rules of a scalar, as AWS does for the members of a list.
func (s *shape) rules() (out []string) {
	if len(s.Enum) > 0 {
		return []string{s.enumRule()}
	}
	if s.Max != nil {
		out = append(out, limit(s.measure(), "less", *s.Max))
	}
	if s.Min != nil {
		out = append(out, limit(s.measure(), "greater", *s.Min))
	}
	if s.Pattern != "" {
		out = append(out, s.patternRule())
	}
	return out
}

// regexp is the pattern for the whole text; nil where there is none, or where it
// needs what Go's engine refuses to do (looking ahead).
func (s *shape) regexp() *regexp.Regexp {
	s.compile.Do(func() {
		if s.Pattern != "" {
			s.matcher, _ = translate(s.Pattern)
		}
	})
	return s.matcher
}

var (
	unicodeEscape = lazyregexp.New(`\\u([0-9A-Fa-f]{4})`)
	posixClass    = lazyregexp.New(`\\p\{(Print|ASCII|Alnum|Graph)\}`)
	inClass       = strings.NewReplacer(`\p{Print}`, `[:print:]`, `\p{ASCII}`, `[:ascii:]`, `\p{Alnum}`, `[:alnum:]`, `\p{Graph}`, `[:graph:]`)
	bracketed     = lazyregexp.New(`\[[^\]]*\]`)
)

// translate brings a pattern of the models, written for Java, into Go's syntax.
func translate(pattern string) (*regexp.Regexp, error) {
	// The pairs of surrogates are how UTF-16 has what is beyond U+FFFF.
	p := strings.NewReplacer(`\uD800\uDC00-\uDBFF\uDFFF`, `\x{10000}-\x{10FFFF}`, `\x{D800}\x{DC00}-\x{DBFF}\x{DFFF}`, `\x{10000}-\x{10FFFF}`).Replace(pattern)
	p = unicodeEscape.ReplaceAllString(p, `\x{$1}`)
	p = bracketed.ReplaceAllStringFunc(p, inClass.Replace)
	p = posixClass.ReplaceAllStringFunc(p, func(c string) string { return "[" + inClass.Replace(c) + "]" })
	return regexp.Compile(`\A(?s:` + strings.TrimSuffix(strings.TrimPrefix(p, "^"), "$") + `)\z`) // told as it is
}

// shown is how a message quotes the value: with a blank before it, or not at all
// if it is secret.
func (s *shape) shown(v any) string {
	if s.Sensitive || s.Type == "blob" {
		return ""
	}
	return " '" + show(v) + "'"
}

// show writes values as Java does.
func show(v any) string {
	switch x := v.(type) {
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = show(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for i, k := range keys {
			keys[i] = k + "=" + show(x[k])
		}
		return "{" + strings.Join(keys, ", ") + "}"
	case json.Number:
		return x.String()
	default:
		return fmt.Sprint(x)
	}
}
