package events

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/schedule"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerRules(r *wire.Router) {
	one := wire.On(onRule)
	wire.Handle(r, id, "PutRule", s.putRule, one.Tags("events:TagResource"))
	wire.Handle(r, id, "DescribeRule", s.describeRule, one)
	wire.Handle(r, id, "ListRules", s.listRules, one)
	wire.Handle(r, id, "ListRuleNamesByTarget", s.listByTarget, one)
	wire.Handle(r, id, "DeleteRule", s.deleteRule, one)
	wire.Handle(r, id, "EnableRule", s.enableRule, one)
	wire.Handle(r, id, "DisableRule", s.disableRule, one)
	wire.Handle(r, id, "TestEventPattern", s.testPattern, wire.Access{})
}

// onRule is the rule that a document names, of lists all of the bus.
func onRule(req *wire.Request, in wire.Input) []string {
	name := in.Text("Name") + in.Text("Rule")
	if name == "" {
		name = "*"
	}
	ref, err := busNamed(req.Scope, in.Text("EventBusName"))
	if err != nil {
		return nil // nobody's: the handler refuses it
	}
	return []string{ruleARN(ref, name)}
}

func ruleARN(ref busRef, name string) string { return ref.ARN("events", "rule/"+ref.path(name)) }

// rule is a rule as it is kept.
type rule struct {
	Scope                                 wire.Scope
	Name, ARN, Description, Pattern, Role string
	Bus                                   string `json:",omitempty"` // "": the default one
	Schedule                              string `json:",omitempty"`
	// Since is when the schedule began to count, Fired the last time that it named.
	Since, Fired time.Time
	ManagedBy    string `json:",omitempty"` // the service whose rule it is
	Disabled     bool
	Calls        bool `json:",omitempty"` // ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS
	Tags         map[string]string
	Targets      []target
}

func (r rule) bus() busRef {
	if r.Bus == "" {
		return busRef{r.Scope, defaultBus}
	}
	return busRef{r.Scope, r.Bus}
}

func (r rule) key() string { return r.Scope.Key(r.bus().path(r.Name)) }

func (r rule) state() types.RuleState {
	switch {
	case r.Disabled:
		return types.RuleStateDisabled
	case r.Calls:
		return types.RuleStateEnabledWithAllCloudtrailManagementEvents
	}
	return types.RuleStateEnabled
}

// noRule is recorded from AWS in
// https://github.com/localstack/localstack (tests/aws/services/events/test_events.snapshot.json)
func noRule(bus, name string) error {
	return missing("Rule %s does not exist on EventBus %s.", name, bus)
}

func getRule(tx *store.Tx, ref busRef, name string) (rule, error) {
	return store.Find[rule](tx, rulesBucket, ref.Key(ref.path(name)), noRule(ref.name, name))
}

// ruleOf loads a rule of a bus that a request names.
func (s *Service) ruleOf(req *wire.Request, bus, name *string) (r rule, err error) {
	_, ref, err := s.busOf(req, bus)
	if err != nil {
		return r, err
	}
	return store.Look(s.DB, func(tx *store.Tx) (rule, error) { return getRule(tx, ref, aws.ToString(name)) })
}

// changeRule lets fn change a rule.
func (s *Service) changeRule(req *wire.Request, bus, name *string, fn func(*rule) error) error {
	_, ref, err := s.busOf(req, bus)
	if err != nil {
		return err
	}
	return s.update(func(tx *store.Tx) error {
		r, err := getRule(tx, ref, aws.ToString(name))
		if err != nil {
			return err
		}
		if err := fn(&r); err != nil {
			return err
		}
		return store.Put(tx, rulesBucket, r.key(), r)
	})
}

// free refuses to change a rule that a service manages.
func (r rule) free(force bool) error {
	if r.ManagedBy == "" || force {
		return nil
	}
	return fail("ManagedRuleException", "Rule(s) managed by an AWS service can only be modified if force is True.") // unsure: no recording of AWS was found
}

// badPattern words what is wrong with a pattern.
func badPattern(err error) error {
	return fail("InvalidEventPatternException", "Event pattern is not valid. Reason: %s", err)
}

// checkRule refuses what no rule may be.
func checkRule(ref busRef, in *sdk.PutRuleInput) error {
	pattern, expression := aws.ToString(in.EventPattern), aws.ToString(in.ScheduleExpression)
	switch {
	case pattern == "" && expression == "":
		return validation("Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case expression != "" && ref.name != defaultBus:
		return validation("ScheduleExpression is supported only on the default event bus.")
	}
	if pattern != "" {
		if _, err := eventpattern.Compile(pattern); err != nil {
			return badPattern(err)
		}
	}
	if expression != "" {
		if x, err := schedule.Parse(expression, nil); err != nil || x.Once() { // at() is of the Scheduler only
			return validation("Parameter ScheduleExpression is not valid.")
		}
	}
	return nil
}

func (s *Service) putRule(ctx context.Context, req *wire.Request, in *sdk.PutRuleInput) (*sdk.PutRuleOutput, error) {
	_, ref, err := s.busOf(req, in.EventBusName)
	if err != nil {
		return nil, err
	}
	if err := checkRule(ref, in); err != nil {
		return nil, err
	}
	if role := aws.ToString(in.RoleArn); role != "" {
		if err := policy.PassRole(ctx, req, role, ServiceName); err != nil {
			return nil, err
		}
	}
	given, err := tagRules.Add(nil, tags.Of(in.Tags, splitTag))
	if err != nil {
		return nil, err
	}
	r := rule{
		Name: *in.Name, Scope: req.Scope, ARN: ruleARN(ref, *in.Name), Description: aws.ToString(in.Description), Pattern: aws.ToString(in.EventPattern),
		Role: aws.ToString(in.RoleArn), Disabled: in.State == types.RuleStateDisabled, Calls: in.State == types.RuleStateEnabledWithAllCloudtrailManagementEvents,
		Schedule: aws.ToString(in.ScheduleExpression), Tags: given,
	}
	if ref.name != defaultBus {
		r.Bus = ref.name
	}
	if r.Schedule != "" {
		r.Since = s.Clock.Now().UTC()
	}
	err = s.update(func(tx *store.Tx) error {
		old, found, err := store.Get[rule](tx, rulesBucket, r.key())
		if err != nil {
			return err
		}
		if found { // tags of an existing rule are changed by TagResource only
			if err := old.free(false); err != nil {
				return err
			}
			r.Tags, r.Targets = old.Tags, old.Targets
			if old.Schedule == r.Schedule {
				r.Since, r.Fired = old.Since, old.Fired
			}
		}
		return store.Put(tx, rulesBucket, r.key(), r)
	})
	return &sdk.PutRuleOutput{RuleArn: &r.ARN}, err
}

func (s *Service) describeRule(_ context.Context, req *wire.Request, in *sdk.DescribeRuleInput) (*sdk.DescribeRuleOutput, error) {
	r, err := s.ruleOf(req, in.EventBusName, in.Name)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeRuleOutput{
		Name: &r.Name, Arn: &r.ARN, EventPattern: optional.Of(r.Pattern), ScheduleExpression: optional.Of(r.Schedule), State: r.state(),
		EventBusName: aws.String(r.bus().name), Description: optional.Of(r.Description), RoleArn: optional.Of(r.Role),
		ManagedBy: optional.Of(r.ManagedBy), CreatedBy: aws.String(req.Account),
	}, nil
}

// rulesOf lists the rules of a bus in the order of their names.
func (s *Service) rulesOf(ref busRef, prefix string) (all []rule, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, rulesBucket, ref.Key(ref.path(prefix)), "", func(_ string, r rule) bool {
			if r.bus().name == ref.name { // keys of other buses begin like those of rules
				all = append(all, r)
			}
			return true
		})
	})
	return all, err
}

func (s *Service) listRules(_ context.Context, req *wire.Request, in *sdk.ListRulesInput) (*sdk.ListRulesOutput, error) {
	_, ref, err := s.busOf(req, in.EventBusName)
	if err != nil {
		return nil, err
	}
	all, err := s.rulesOf(ref, aws.ToString(in.NamePrefix))
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, in.Limit, 100, func(r rule) string { return r.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListRulesOutput{Rules: []types.Rule{}, NextToken: next}
	for _, r := range some {
		out.Rules = append(out.Rules, types.Rule{
			Name: aws.String(r.Name), Arn: aws.String(r.ARN), EventPattern: optional.Of(r.Pattern), ScheduleExpression: optional.Of(r.Schedule), State: r.state(),
			EventBusName: aws.String(ref.name), Description: optional.Of(r.Description), RoleArn: optional.Of(r.Role), ManagedBy: optional.Of(r.ManagedBy),
		})
	}
	return out, nil
}

// listByTarget names each rule once, however many of its targets have the ARN.
func (s *Service) listByTarget(_ context.Context, req *wire.Request, in *sdk.ListRuleNamesByTargetInput) (*sdk.ListRuleNamesByTargetOutput, error) {
	_, ref, err := s.busOf(req, in.EventBusName)
	if err != nil {
		return nil, err
	}
	all, err := s.rulesOf(ref, "")
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, r := range all {
		if slices.ContainsFunc(r.Targets, func(t target) bool { return t.ARN == *in.TargetArn }) {
			names = append(names, r.Name)
		}
	}
	some, next, err := page.Of(names, in.NextToken, in.Limit, 100, strings.Clone)
	if err != nil {
		return nil, badToken()
	}
	return &sdk.ListRuleNamesByTargetOutput{RuleNames: some, NextToken: next}, nil
}

// deleteRule succeeds for a rule that does not exist, as on AWS.
func (s *Service) deleteRule(_ context.Context, req *wire.Request, in *sdk.DeleteRuleInput) (*sdk.DeleteRuleOutput, error) {
	_, ref, err := s.busOf(req, in.EventBusName)
	if err != nil {
		return nil, err
	}
	err = s.update(func(tx *store.Tx) error {
		key := ref.Key(ref.path(*in.Name))
		r, found, err := store.Get[rule](tx, rulesBucket, key)
		if err != nil || !found {
			return err
		}
		if err := r.free(in.Force); err != nil {
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
	return &sdk.EnableRuleOutput{}, s.changeRule(req, in.EventBusName, in.Name, func(r *rule) error {
		if err := r.free(false); err != nil {
			return err
		}
		if r.Disabled && r.Schedule != "" { // what was missed meanwhile is not made up for
			r.Since, r.Fired = s.Clock.Now().UTC(), time.Time{}
		}
		r.Disabled = false
		return nil
	})
}

func (s *Service) disableRule(_ context.Context, req *wire.Request, in *sdk.DisableRuleInput) (*sdk.DisableRuleOutput, error) {
	return &sdk.DisableRuleOutput{}, s.changeRule(req, in.EventBusName, in.Name, func(r *rule) error {
		r.Disabled = true
		return r.free(false)
	})
}

func (s *Service) testPattern(_ context.Context, _ *wire.Request, in *sdk.TestEventPatternInput) (*sdk.TestEventPatternOutput, error) {
	p, err := eventpattern.Compile(aws.ToString(in.EventPattern))
	if err != nil {
		return nil, badPattern(err)
	}
	event, err := eventpattern.Decode(aws.ToString(in.Event))
	if err != nil {
		return nil, validation("Parameter Event is not valid.")
	}
	return &sdk.TestEventPatternOutput{Result: p.Matches(eventpattern.Nested(event))}, nil
}
