package schema

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Rule refuses values of a property. It is asked only about known values of the
// right kind; name is the property's own name. It returns "" or the reason.
type Rule func(name string, v resource.PropertyValue) string

// parseRules reads the tag check: rules separated by ";". match takes the rest
// of the tag, so it comes last.
//
//	enum=A|B  enum=@list  min=1  max=9  len=1..64  items=1..2  arn  match=^[a-z]+$
func parseRules(f reflect.StructField) []Rule {
	tag := f.Tag.Get("check")
	var rules []Rule
	for tag != "" {
		if pattern, ok := strings.CutPrefix(tag, "match="); ok {
			return append(rules, matches(lazyregexp.New(pattern)))
		}
		var one string
		one, tag, _ = strings.Cut(tag, ";")
		key, arg, _ := strings.Cut(one, "=")
		rules = append(rules, newRule(f.Name, key, arg))
	}
	return rules
}

func newRule(field, key, arg string) Rule {
	switch key {
	case "enum":
		return oneOf(enumeration(arg))
	case "min":
		return between(number(field, arg), math.Inf(1))
	case "max":
		return between(math.Inf(-1), number(field, arg))
	case "len":
		lo, hi := bounds(field, arg)
		return length(lo, hi)
	case "items":
		lo, hi := bounds(field, arg)
		return items(lo, hi)
	case "arn":
		return matchesARN
	default:
		panic(fmt.Sprintf("schema: unknown rule %q of %s", key, field))
	}
}

func number(field, s string) float64 {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(fmt.Sprintf("schema: rule of %s: %v", field, err))
	}
	return n
}

func bounds(field, s string) (lo, hi int) {
	a, b, ok := strings.Cut(s, "..")
	if !ok {
		panic(fmt.Sprintf("schema: rule of %s: %q is no range", field, s))
	}
	return int(number(field, a)), int(number(field, b))
}

func oneOf(allowed []string) Rule {
	return func(name string, v resource.PropertyValue) string {
		got := text(v)
		if slices.Contains(allowed, got) {
			return ""
		}
		return fmt.Sprintf("expected %s to be one of %q, got %s", name, allowed, got)
	}
}

func between(lo, hi float64) Rule {
	return func(name string, v resource.PropertyValue) string {
		if !v.IsNumber() {
			return ""
		}
		n := v.NumberValue()
		switch {
		case n < lo:
			return fmt.Sprintf("expected %s to be at least (%v), got %v", name, lo, n)
		case n > hi:
			return fmt.Sprintf("expected %s to be at most (%v), got %v", name, hi, n)
		}
		return ""
	}
}

func length(lo, hi int) Rule {
	return func(name string, v resource.PropertyValue) string {
		if n := len(text(v)); n < lo || n > hi {
			return fmt.Sprintf("expected length of %s to be in the range (%d - %d), got %q with %d", name, lo, hi, text(v), n)
		}
		return ""
	}
}

func items(lo, hi int) Rule {
	return func(name string, v resource.PropertyValue) string {
		n := 0
		switch {
		case v.IsArray():
			n = len(v.ArrayValue())
		case v.IsObject():
			n = len(v.ObjectValue())
		}
		switch {
		case n < lo:
			return fmt.Sprintf("attribute %s requires %d item minimum, but config has only %d declared", name, lo, n)
		case n > hi:
			return fmt.Sprintf("attribute %s supports %d item maximum, but config has %d declared", name, hi, n)
		}
		return ""
	}
}

func matches(re *lazyregexp.Regexp) Rule {
	return func(name string, v resource.PropertyValue) string {
		if !re.MatchString(text(v)) {
			return fmt.Sprintf("invalid value for %s (must match %s): %q", name, re, text(v))
		}
		return ""
	}
}

var arnPattern = lazyregexp.New(`^arn:[\w-]+:[a-zA-Z0-9-]+:[a-z0-9-]*:(\d{12}|aws|aws-managed|third-party|aws-marketplace)?:.+$`)

func matchesARN(name string, v resource.PropertyValue) string {
	// The provider takes an empty string for "none".
	if s := text(v); s != "" && !arnPattern.MatchString(s) {
		return fmt.Sprintf("%q (%s) is an invalid ARN: invalid format", name, s)
	}
	return ""
}

// text returns the value as text.
func text(v resource.PropertyValue) string {
	switch {
	case v.IsString():
		return v.StringValue()
	case v.IsNumber():
		return strconv.FormatFloat(v.NumberValue(), 'f', -1, 64)
	case v.IsBool():
		return strconv.FormatBool(v.BoolValue())
	}
	return ""
}
