package sns

import (
	"encoding/json"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
)

// Scopes of a filter policy.
const (
	inAttributes = "MessageAttributes"
	inBody       = "MessageBody"
)

// Quotas of filter policies.
// https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
const (
	maxFilterKeys   = 5
	maxCombinations = 150
)

// checkFilter refuses what is no filter policy.
func checkFilter(text, scope string) error {
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return invalid("FilterPolicy: failed to parse JSON. %s", err)
	}
	if doc == nil {
		return invalid("FilterPolicy: failed to parse JSON. The policy must be an object")
	}
	keys, combinations := 0, 1
	var count func(doc map[string]any, depth int) error
	count = func(doc map[string]any, depth int) error {
		for name, v := range doc {
			switch v := v.(type) {
			case map[string]any:
				if scope != inBody {
					return invalid("Filter policy scope MessageAttributes does not support nested filter policy")
				}
				if err := count(v, depth+1); err != nil {
					return err
				}
			case []any:
				keys++
				combinations *= max(len(v), 1) * depth
			default:
				return invalid("FilterPolicy: %q must be an object or an array", name)
			}
		}
		return nil
	}
	if err := count(doc, 1); err != nil {
		return err
	}
	switch {
	case keys > maxFilterKeys:
		return invalid("FilterPolicy: Filter policy can not have more than %d keys", maxFilterKeys)
	case combinations > maxCombinations:
		return invalid("FilterPolicy: Filter policy is too complex")
	case len(doc) == 0:
		return nil // everything passes
	}
	if _, err := eventpattern.Compile(text); err != nil {
		return invalid("FilterPolicy: %s", err)
	}
	return nil
}

// asksNothing reports whether a filter policy has no keys: every message passes, as without
// a policy, which is what is kept of it.
// https://docs.aws.amazon.com/sns/latest/dg/message-filtering-apply.html
func asksNothing(policy string) bool {
	var doc map[string]any
	return json.Unmarshal([]byte(policy), &doc) == nil && doc != nil && len(doc) == 0
}

// passes reports whether a message is for a subscription, whose filter policy is a pattern
// as EventBridge has them.
// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
func (x subscription) passes(n notice) (bool, error) {
	filter := x.Attributes["FilterPolicy"]
	if filter == "" || asksNothing(filter) {
		return true, nil
	}
	p, err := eventpattern.Compile(filter)
	if err != nil {
		return false, err
	}
	text := n.body(x.Protocol)
	if x.Attributes["FilterPolicyScope"] != inBody {
		raw, err := json.Marshal(n.filtered())
		if err != nil {
			return false, err
		}
		text = string(raw)
	}
	doc, err := eventpattern.Decode(text)
	if _, ok := doc.(map[string]any); err != nil || !ok {
		return false, nil //nolint:nilerr // what is no object passes no filter of its members
	}
	return p.Matches(eventpattern.Nested(doc)), nil
}

// filtered are the attributes of a message as filter policies see them.
func (n notice) filtered() map[string]any {
	doc := map[string]any{}
	for name, v := range n.Attributes {
		switch kind, _, _ := strings.Cut(v.DataType, "."); {
		case v.DataType == "String.Array" || kind == "Number":
			if json.Valid([]byte(v.StringValue)) {
				doc[name] = json.RawMessage(v.StringValue)
			}
		case kind == "String":
			doc[name] = v.StringValue
		}
	}
	return doc
}
