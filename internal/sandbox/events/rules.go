package events

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerRules(r *wire.Router) {
	rule, tagged := wire.On(onRule), wire.On(onARN)
	wire.Handle(r, id, "PutRule", s.putRule, rule.Tags("events:TagResource"))
	wire.Handle(r, id, "DescribeRule", s.describeRule, rule)
	wire.Handle(r, id, "ListRules", s.listRules, rule)
	wire.Handle(r, id, "DeleteRule", s.deleteRule, rule)
	wire.Handle(r, id, "EnableRule", s.enableRule, rule)
	wire.Handle(r, id, "DisableRule", s.disableRule, rule)
	wire.Handle(r, id, "TagResource", s.tag, tagged)
	wire.Handle(r, id, "UntagResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
	wire.Handle(r, id, "TestEventPattern", s.testPattern, wire.Access{})
}

// onRule is the rule that a document names, of lists all.
func onRule(req *wire.Request, in wire.Input) []string {
	name := in.Text("Name") + in.Text("Rule")
	if name == "" {
		name = "*"
	}
	return []string{ruleARN(req, name)}
}

func onARN(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceARN")} }

// tagsOf are the tags of the rule of an ARN.
func (s *Service) tagsOf(req *wire.Request, arn string) (tags map[string]string, err error) {
	name, _ := strings.CutPrefix(arn, ruleARN(req, ""))
	err = s.DB.View(func(tx *store.Tx) error {
		r, _, err := store.Get[rule](tx, rulesBucket, req.Key(name))
		tags = r.Tags
		return err
	})
	return tags, err
}

// rule is a rule as it is kept.
type rule struct {
	Scope                                 wire.Scope
	Name, ARN, Description, Pattern, Role string
	Disabled                              bool
	Tags                                  map[string]string
	Targets                               []target
}

func (r rule) key() string { return r.Scope.Key(r.Name) }

func (r rule) state() types.RuleState {
	if r.Disabled {
		return types.RuleStateDisabled
	}
	return types.RuleStateEnabled
}

func validation(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

func noRule(name string) error {
	return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Rule %s does not exist on EventBus default.", name)
}

// checkBus: there is only the default bus.
func checkBus(req *wire.Request, bus *string) error {
	b := aws.ToString(bus)
	if b == "" || b == "default" || b == req.ARN("events", "event-bus/default") {
		return nil
	}
	return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Event bus %s does not exist.", b)
}

func ruleARN(req *wire.Request, name string) string {
	return req.ARN("events", "rule/"+name)
}

func getRule(tx *store.Tx, req *wire.Request, name *string) (rule, error) {
	r, found, err := store.Get[rule](tx, rulesBucket, req.Key(aws.ToString(name)))
	if err == nil && !found {
		err = noRule(aws.ToString(name))
	}
	return r, err
}

func (s *Service) read(req *wire.Request, name *string) (r rule, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		r, err = getRule(tx, req, name)
		return err
	})
	return r, err
}

// change lets fn change a rule.
func (s *Service) change(req *wire.Request, name *string, fn func(*rule) error) error {
	return s.update(func(tx *store.Tx) error {
		r, err := getRule(tx, req, name)
		if err != nil {
			return err
		}
		if err := fn(&r); err != nil {
			return err
		}
		return store.Put(tx, rulesBucket, r.key(), r)
	})
}

func (s *Service) putRule(_ context.Context, req *wire.Request, in *sdk.PutRuleInput) (*sdk.PutRuleOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	name, text := aws.ToString(in.Name), aws.ToString(in.EventPattern)
	switch {
	case in.ScheduleExpression != nil:
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve schedules")
	case text == "":
		return nil, validation("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	}
	if _, err := compilePattern(text); err != nil {
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err)
	}
	r := rule{
		Name: name, Scope: req.Scope, ARN: ruleARN(req, name), Description: aws.ToString(in.Description), Pattern: text,
		Role: aws.ToString(in.RoleArn), Disabled: in.State == types.RuleStateDisabled,
	}
	given, err := tagRules.Add(nil, tags.Of(in.Tags, splitTag))
	if err != nil {
		return nil, err
	}
	err = s.update(func(tx *store.Tx) error {
		old, found, err := store.Get[rule](tx, rulesBucket, r.key())
		if err != nil {
			return err
		}
		r.Tags = given
		if found { // tags of an existing rule are changed by TagResource only
			r.Tags, r.Targets = old.Tags, old.Targets
		}
		return store.Put(tx, rulesBucket, r.key(), r)
	})
	return &sdk.PutRuleOutput{RuleArn: &r.ARN}, err
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *Service) describeRule(_ context.Context, req *wire.Request, in *sdk.DescribeRuleInput) (*sdk.DescribeRuleOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	r, err := s.read(req, in.Name)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeRuleOutput{
		Name: &r.Name, Arn: &r.ARN, EventPattern: &r.Pattern, State: r.state(), EventBusName: aws.String("default"),
		Description: optional(r.Description), RoleArn: optional(r.Role), CreatedBy: aws.String(req.Account),
	}, nil
}

func (s *Service) listRules(_ context.Context, req *wire.Request, in *sdk.ListRulesInput) (*sdk.ListRulesOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	out := &sdk.ListRulesOutput{Rules: []types.Rule{}}
	var all []rule
	err := s.DB.View(func(tx *store.Tx) (err error) {
		all, err = store.List[rule](tx, rulesBucket, req.Key(aws.ToString(in.NamePrefix)))
		return err
	})
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 100, func(r rule) string { return r.Name })
	if err != nil {
		return nil, validation("The token is invalid.")
	}
	out.NextToken = next
	for _, r := range some {
		out.Rules = append(out.Rules, types.Rule{
			Name: aws.String(r.Name), Arn: aws.String(r.ARN), EventPattern: aws.String(r.Pattern), State: r.state(),
			EventBusName: aws.String("default"), Description: optional(r.Description), RoleArn: optional(r.Role),
		})
	}
	return out, nil
}

// deleteRule succeeds for a rule that does not exist, as on AWS.
func (s *Service) deleteRule(_ context.Context, req *wire.Request, in *sdk.DeleteRuleInput) (*sdk.DeleteRuleOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	err := s.update(func(tx *store.Tx) error {
		key := req.Key(aws.ToString(in.Name))
		r, found, err := store.Get[rule](tx, rulesBucket, key)
		if err != nil || !found {
			return err
		}
		if len(r.Targets) > 0 {
			return validation("Rule can't be deleted since it has targets.")
		}
		return tx.Delete(rulesBucket, key)
	})
	return &sdk.DeleteRuleOutput{}, err
}

func (s *Service) enableRule(_ context.Context, req *wire.Request, in *sdk.EnableRuleInput) (*sdk.EnableRuleOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	return &sdk.EnableRuleOutput{}, s.change(req, in.Name, func(r *rule) error { r.Disabled = false; return nil })
}

func (s *Service) disableRule(_ context.Context, req *wire.Request, in *sdk.DisableRuleInput) (*sdk.DisableRuleOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	return &sdk.DisableRuleOutput{}, s.change(req, in.Name, func(r *rule) error { r.Disabled = true; return nil })
}

var tagRules = tags.Rules{Max: 50, TooMany: wire.Errorf(http.StatusBadRequest, "ValidationException", "Number of tags exceeds the maximum of 50.")}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func joinTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// tagged is the name of the rule of an ARN.
func tagged(req *wire.Request, arn *string) (*string, error) {
	name, ok := strings.CutPrefix(aws.ToString(arn), ruleARN(req, ""))
	if !ok {
		return nil, wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Resource %s does not exist.", aws.ToString(arn))
	}
	return &name, nil
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	name, err := tagged(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.TagResourceOutput{}, s.change(req, name, func(r *rule) (err error) {
		r.Tags, err = tagRules.Add(r.Tags, tags.Of(in.Tags, splitTag))
		return err
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	name, err := tagged(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.UntagResourceOutput{}, s.change(req, name, func(r *rule) error {
		r.Tags = tags.Without(r.Tags, in.TagKeys)
		return nil
	})
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	name, err := tagged(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	r, err := s.read(req, name)
	if err != nil {
		return nil, err
	}
	return &sdk.ListTagsForResourceOutput{Tags: tags.List(r.Tags, joinTag)}, nil
}

func (s *Service) testPattern(_ context.Context, _ *wire.Request, in *sdk.TestEventPatternInput) (*sdk.TestEventPatternOutput, error) {
	p, err := compilePattern(aws.ToString(in.EventPattern))
	if err != nil {
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err)
	}
	event, err := decode(aws.ToString(in.Event))
	if err != nil {
		return nil, validation("Parameter Event is not valid.")
	}
	return &sdk.TestEventPatternOutput{Result: p.matches(event)}, nil
}
