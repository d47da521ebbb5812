package cloudwatch

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// alarmRule is the rule of an alarm on other alarms: ALARM(x), OK(x),
// INSUFFICIENT_DATA(x), TRUE and FALSE, with AND, OR, NOT and parentheses.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
type alarmRule struct {
	names []string
	holds ruleNode
}

type ruleNode func(state func(name string) types.StateValue) bool

// Limits of a rule, by the same page.
const (
	maxChildren  = 100
	maxRuleDepth = 100
)

var ruleToken = lazyregexp.New(`^(?:[()]|"[^"]*"|'[^']*'|[^\s()"']+)`)

type ruleReader struct {
	rest, token string
	depth       int
	rule        *alarmRule
}

// parseRule reads a rule.
func parseRule(text string) (*alarmRule, error) {
	r := &ruleReader{rest: text, rule: &alarmRule{}}
	r.next()
	holds, ok := r.or()
	if !ok || r.token != "" || r.rest != "" {
		return nil, validation("The alarm rule is malformed near \"%s\".", r.token+r.rest)
	}
	r.rule.holds = holds
	slices.Sort(r.rule.names)
	r.rule.names = slices.Compact(r.rule.names)
	if len(r.rule.names) > maxChildren {
		return nil, validation("The alarm rule must not have more than %d alarms.", maxChildren)
	}
	return r.rule, nil
}

func (r *ruleReader) next() {
	r.rest = strings.TrimLeft(r.rest, " \t\r\n")
	r.token = ruleToken.FindString(r.rest)
	r.rest = strings.TrimLeft(r.rest[len(r.token):], " \t\r\n")
}

func (r *ruleReader) or() (ruleNode, bool) { return r.chain("OR", r.and) }

func (r *ruleReader) and() (ruleNode, bool) { return r.chain("AND", r.not) }

// chain reads operands with a word between them.
func (r *ruleReader) chain(word string, operand func() (ruleNode, bool)) (ruleNode, bool) {
	left, ok := operand()
	for ok && strings.EqualFold(r.token, word) {
		r.next()
		right, more := operand()
		a := left
		if word == "OR" {
			left = func(s func(string) types.StateValue) bool { return a(s) || right(s) }
		} else {
			left = func(s func(string) types.StateValue) bool { return a(s) && right(s) }
		}
		ok = more
	}
	return left, ok
}

func (r *ruleReader) not() (ruleNode, bool) {
	if r.depth++; r.depth > maxRuleDepth {
		return nil, false
	}
	defer func() { r.depth-- }()
	word := strings.ToUpper(r.token)
	r.next()
	switch word {
	case "NOT":
		of, ok := r.not()
		return func(s func(string) types.StateValue) bool { return !of(s) }, ok
	case "(":
		inner, ok := r.or()
		if ok = ok && r.token == ")"; ok {
			r.next()
		}
		return inner, ok
	case "TRUE", "FALSE":
		return func(func(string) types.StateValue) bool { return word == "TRUE" }, true
	case "ALARM", "OK", "INSUFFICIENT_DATA":
		return r.asks(types.StateValue(word))
	}
	return nil, false
}

// asks reads the alarm whose state is asked for, by its name or its ARN.
func (r *ruleReader) asks(want types.StateValue) (ruleNode, bool) {
	if r.token != "(" {
		return nil, false
	}
	r.next()
	name := strings.Trim(r.token, `"'`)
	if arn, ok := wire.ParseARN(name); ok {
		name, _ = strings.CutPrefix(arn.Resource, "alarm:")
	}
	r.next()
	if name == "" || r.token != ")" {
		return nil, false
	}
	r.next()
	r.rule.names = append(r.rule.names, name)
	return func(s func(string) types.StateValue) bool { return s(name) == want }, true
}

// state is that of the alarm: ALARM if the rule holds.
func (r *alarmRule) state(of func(name string) types.StateValue) types.StateValue {
	if r.holds(of) {
		return types.StateValueAlarm
	}
	return types.StateValueOk
}
