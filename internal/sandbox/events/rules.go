package events

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

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

var ruleName = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)

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
	case !ruleName.MatchString(name):
		return nil, validation("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+ and have length less than or equal to 64", name)
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
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	err = s.update(func(tx *store.Tx) error {
		old, found, err := store.Get[rule](tx, rulesBucket, r.key())
		if err != nil {
			return err
		}
		r.Tags = tags
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
	limit := 100
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[rule](tx, rulesBucket, req.Key(aws.ToString(in.NamePrefix)))
		for _, r := range all {
			if r.Name < aws.ToString(in.NextToken) {
				continue
			}
			if len(out.Rules) == limit {
				out.NextToken = aws.String(r.Name)
				break
			}
			out.Rules = append(out.Rules, types.Rule{
				Name: aws.String(r.Name), Arn: aws.String(r.ARN), EventPattern: aws.String(r.Pattern), State: r.state(),
				EventBusName: aws.String("default"), Description: optional(r.Description), RoleArn: optional(r.Role),
			})
		}
		return err
	})
	return out, err
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

func addTags(tags map[string]string, add []types.Tag) (map[string]string, error) {
	out := map[string]string{}
	maps.Copy(out, tags)
	for _, t := range add {
		if aws.ToString(t.Key) == "" || len(*t.Key) > 128 || len(aws.ToString(t.Value)) > 256 {
			return nil, validation("Tag keys have 1 to 128 characters, values up to 256.")
		}
		out[*t.Key] = aws.ToString(t.Value)
	}
	if len(out) > 50 {
		return nil, validation("Number of tags exceeds the maximum of 50.")
	}
	return out, nil
}

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
		r.Tags, err = addTags(r.Tags, in.Tags)
		return err
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	name, err := tagged(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.UntagResourceOutput{}, s.change(req, name, func(r *rule) error {
		for _, k := range in.TagKeys {
			delete(r.Tags, k)
		}
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
	tags := []types.Tag{}
	for k, v := range r.Tags {
		tags = append(tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	slices.SortFunc(tags, func(a, b types.Tag) int { return cmp.Compare(*a.Key, *b.Key) })
	return &sdk.ListTagsForResourceOutput{Tags: tags}, nil
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
