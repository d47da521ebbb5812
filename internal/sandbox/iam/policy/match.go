package policy

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Patterns are runes; these two stand for the wildcards, so that a star which
// comes out of a variable stays a plain star.
const (
	anyRunes rune = -1
	oneRune  rune = -2
)

func wildcards(s string) []rune {
	p := []rune(s)
	for i, r := range p {
		switch r {
		case '*':
			p[i] = anyRunes
		case '?':
			p[i] = oneRune
		}
	}
	return p
}

// glob matches text against a pattern in time O(len(pattern)*len(text)).
func glob(p, t []rune) bool {
	var pi, ti int
	star, mark := -1, 0
	for ti < len(t) {
		switch {
		case pi < len(p) && p[pi] == anyRunes:
			star, mark = pi, ti
			pi++
		case pi < len(p) && (p[pi] == oneRune || p[pi] == t[ti]):
			pi++
			ti++
		case star >= 0:
			mark++
			pi, ti = star+1, mark
		default:
			return false
		}
	}
	for pi < len(p) && p[pi] == anyRunes {
		pi++
	}
	return pi == len(p)
}

// expand turns a pattern into runes and replaces ${key} and ${key, 'default'} by
// the request's value, ${*}, ${?} and ${$} by the character. ok is false if a
// variable has no single value: then the pattern matches nothing.
func expand(s string, keys map[string][]string, vars bool) (p []rune, ok bool) {
	if !vars || !strings.Contains(s, "${") {
		return wildcards(s), true
	}
	for {
		before, rest, found := strings.Cut(s, "${")
		p = append(p, wildcards(before)...)
		if !found {
			return p, true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, false
		}
		s = after
		value, ok := variable(name, keys)
		if !ok {
			return nil, false
		}
		p = append(p, []rune(value)...)
	}
}

func variable(name string, keys map[string][]string) (string, bool) {
	if name == "*" || name == "?" || name == "$" {
		return name, true
	}
	key, def, hasDefault := strings.Cut(name, ",")
	if v := keys[strings.ToLower(strings.TrimSpace(key))]; len(v) == 1 {
		return v[0], true
	}
	def = strings.TrimSpace(def)
	if hasDefault && len(def) >= 2 && def[0] == '\'' && def[len(def)-1] == '\'' {
		return def[1 : len(def)-1], true
	}
	return "", false
}

// matchARN matches part by part: a wildcard does not reach over the first five
// colons, and missing parts at the end are wildcards.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
func matchARN(pattern []rune, arn string) bool {
	a, ok := wire.ParseARN(arn)
	if !ok {
		return glob(pattern, []rune(arn))
	}
	for i, part := range []string{"arn", a.Partition, a.Service, a.Region, a.AccountID, a.Resource} {
		if i == 5 {
			return glob(pattern, []rune(part))
		}
		colon := -1
		for j, r := range pattern {
			if r == ':' {
				colon = j
				break
			}
		}
		if colon < 0 {
			lone := len(pattern) == 1 && pattern[0] == anyRunes
			return lone || (i > 0 && glob(pattern, []rune(part)))
		}
		if !glob(pattern[:colon], []rune(part)) {
			return false
		}
		pattern = pattern[colon+1:]
	}
	return false
}

type principalMatch int

const (
	matchNone principalMatch = iota
	matchAccount
	matchRole
	matchCaller
)

// principals is the Principal element; all stands for "*".
type principals struct {
	all      bool
	aws      []string
	services []string
}

func (s *Statement) principal(p wire.Principal) principalMatch {
	if s.principals == nil {
		return matchNone
	}
	m := s.principals.match(p)
	if !s.notPrincipal {
		// A Deny for the account means everybody in it.
		if m == matchAccount && s.Deny {
			return matchCaller
		}
		return m
	}
	if m == matchNone {
		return matchCaller
	}
	return matchNone
}

func (ps *principals) match(p wire.Principal) principalMatch {
	if ps.all {
		return matchCaller
	}
	best := matchNone
	for _, name := range ps.services {
		if p.Role == "" && p.Service != "" && name == p.Service {
			return matchCaller
		}
	}
	for _, name := range ps.aws {
		switch {
		case name == "*", name == p.ARN && p.ARN != "":
			return matchCaller
		case p.Role != "" && name == roleARN(p):
			best = max(best, matchRole)
		case p.Account != "" && p.ARN != "" && (name == p.Account || isRoot(name, p.Account)):
			best = max(best, matchAccount)
		}
	}
	return best
}

func isRoot(arn, account string) bool {
	a, ok := wire.ParseARN(arn)
	return ok && a.Service == "iam" && a.AccountID == account && a.Resource == "root"
}
