package policy

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// condition is one operator on one key.
type condition struct {
	op       operator
	key      string // lower-cased
	name     string // as it is written
	values   []string
	forAll   bool // ForAllValues:
	forAny   bool // ForAnyValue:
	ifExists bool
}

// operator compares one value of the request with one of the policy.
type operator struct {
	name    string
	negated bool
	// raw operators take the policy's value as it is written, without variables.
	compare func(request string, pattern []rune, text string) bool
}

// The operators of
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func operatorNamed(name string) (operator, bool) {
	op := operator{name: name}
	switch name {
	case "StringEquals", "StringNotEquals":
		op.compare = func(r string, _ []rune, t string) bool { return r == t }
	case "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase":
		op.compare = func(r string, _ []rune, t string) bool { return strings.EqualFold(r, t) }
	case "StringLike", "StringNotLike":
		op.compare = func(r string, p []rune, _ string) bool { return glob(p, []rune(r)) }
	case "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike":
		op.compare = func(r string, p []rune, _ string) bool { return matchARN(p, r) }
	case "Bool":
		op.compare = func(r string, _ []rune, t string) bool { return strings.EqualFold(r, t) }
	case "BinaryEquals":
		op.compare = func(r string, _ []rune, t string) bool {
			a, errA := base64.StdEncoding.DecodeString(r)
			b, errB := base64.StdEncoding.DecodeString(t)
			return errA == nil && errB == nil && string(a) == string(b)
		}
	case "IpAddress", "NotIpAddress":
		op.compare = func(r string, _ []rune, t string) bool { return inNetwork(r, t) }
	case "Null":
		op.compare = nil // decided by the presence of the key
	default:
		kind, relation, ok := cutOrder(name)
		if !ok {
			return operator{}, false
		}
		op.negated = relation == "NotEquals"
		op.compare = func(r string, _ []rune, t string) bool { return ordered(kind, relation, r, t) }
		return op, true
	}
	op.negated = strings.Contains(name, "Not")
	return op, true
}

func cutOrder(name string) (kind, relation string, ok bool) {
	for _, kind := range []string{"Numeric", "Date"} {
		if rel, found := strings.CutPrefix(name, kind); found {
			switch rel {
			case "Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals":
				return kind, rel, true
			}
		}
	}
	return "", "", false
}

// ordered compares numbers or dates; for NotEquals it tells equality, since a
// negated operator is turned round by the caller.
func ordered(kind, relation, request, policy string) bool {
	a, okA := number(kind, request)
	b, okB := number(kind, policy)
	if !okA || !okB {
		return false
	}
	switch relation {
	case "LessThan":
		return a < b
	case "LessThanEquals":
		return a <= b
	case "GreaterThan":
		return a > b
	case "GreaterThanEquals":
		return a >= b
	default:
		return a == b
	}
}

func number(kind, s string) (float64, bool) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f, true
	}
	if kind == "Date" {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", time.DateOnly} {
			if t, err := time.Parse(layout, s); err == nil {
				return float64(t.UnixMilli()) / 1000, true
			}
		}
	}
	return 0, false
}

func inNetwork(address, network string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	if n, err := netip.ParsePrefix(network); err == nil {
		return n.Masked().Contains(a.Unmap())
	}
	n, err := netip.ParseAddr(network)
	return err == nil && n == a.Unmap()
}

// holds tells whether the condition is met. A key that is absent fails a
// positive operator and meets a negated one, ...IfExists and ForAllValues.
func (c *condition) holds(req Request, vars bool) bool {
	have := req.keys[c.key]
	if c.op.name == "Null" {
		for _, want := range c.values {
			if strings.EqualFold(want, "true") == (len(have) == 0) {
				return true
			}
		}
		return false
	}
	if len(have) == 0 {
		return !c.forAny && (c.ifExists || c.forAll || c.op.negated)
	}
	matched := 0
	for _, v := range have {
		if c.matches(v, req, vars) != c.op.negated {
			matched++
		}
	}
	switch {
	case c.forAll:
		return matched == len(have)
	case c.forAny || !c.op.negated:
		return matched > 0
	default:
		return matched == len(have)
	}
}

// matches tells whether one of the policy's values fits the request's value.
func (c *condition) matches(v string, req Request, vars bool) bool {
	for _, want := range c.values {
		pattern, ok := expand(want, req.keys, vars)
		if ok && c.op.compare(v, pattern, plain(pattern)) {
			return true
		}
	}
	return false
}

// plain gives the text of an expanded pattern, wildcards as characters.
func plain(p []rune) string {
	var b strings.Builder
	b.Grow(len(p))
	for _, r := range p {
		switch r {
		case anyRunes:
			b.WriteByte('*')
		case oneRune:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
