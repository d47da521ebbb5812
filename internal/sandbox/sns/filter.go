package sns

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
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
func (s *Service) checkFilter(ctx context.Context, sc wire.Scope, text, scope string) error {
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return invalid("FilterPolicy: failed to parse JSON. %s", err)
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
	_, err := s.fits(ctx, sc, text, map[string]any{})
	var e *wire.Error
	if errors.As(err, &e) && e.Status < 500 {
		return invalid("FilterPolicy: %s", strings.TrimPrefix(e.Message, "Event pattern is not valid. Reason: "))
	}
	return err
}

// fits reports whether a document passes a filter policy. EventBridge, whose patterns these
// are but for its envelope, says so.
// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
func (s *Service) fits(ctx context.Context, sc wire.Scope, filter string, doc any) (bool, error) {
	event, err := json.Marshal(map[string]any{
		"id": "1", "account": sc.Account, "source": "sns", "time": "2010-03-31T00:00:00Z", "region": sc.Region, "resources": []string{}, "detail-type": "message", "detail": doc,
	})
	if err != nil {
		return false, err
	}
	in, err := json.Marshal(map[string]string{"EventPattern": `{"detail":` + filter + `}`, "Event": string(event)})
	if err != nil {
		return false, err
	}
	raw, err := s.router.Invoke(ctx, sc, wire.Principal{Account: sc.Account, Admin: true}, "eventbridge", "TestEventPattern", in)
	if err != nil {
		return false, err
	}
	var out struct{ Result bool }
	err = json.Unmarshal(raw, &out)
	return out.Result, err
}

// passes reports whether a message is for a subscription.
func (s *Service) passes(ctx context.Context, x subscription, n notice) (bool, error) {
	filter := x.Attributes["FilterPolicy"]
	if filter == "" || strings.TrimSpace(filter) == "{}" {
		return true, nil
	}
	a, _ := wire.ParseARN(x.Topic)
	sc := wire.ScopeOfARN(a)
	if x.Attributes["FilterPolicyScope"] == inBody {
		var doc map[string]any
		if json.Unmarshal([]byte(n.body(x.Protocol)), &doc) != nil {
			return false, nil // what is no object passes no filter of its members
		}
		return s.fits(ctx, sc, filter, json.RawMessage(n.body(x.Protocol)))
	}
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
	return s.fits(ctx, sc, filter, doc)
}
