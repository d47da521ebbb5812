package cloudwatch

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// putComposite makes or changes an alarm on other alarms, which have to exist.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
func (s *Service) putComposite(_ context.Context, req *wire.Request, in *sdk.PutCompositeAlarmInput) (*sdk.PutCompositeAlarmOutput, error) {
	if in.ActionsSuppressor != nil {
		return nil, unsupported("the sandbox does not suppress the actions of alarms by another alarm")
	}
	if err := checkActions(req.Scope, true, in.AlarmActions, in.OKActions, in.InsufficientDataActions); err != nil {
		return nil, err
	}
	rule, err := parseRule(*in.AlarmRule)
	if err != nil {
		return nil, err
	}
	all, err := s.alarms(req.Prefix())
	if err != nil {
		return nil, err
	}
	for _, name := range rule.names {
		if name == *in.AlarmName {
			return nil, validation("AlarmRule must not contain a reference to the alarm itself.")
		}
		if !slices.ContainsFunc(all, func(a alarm) bool { return *a.AlarmName == name }) {
			return nil, validation("Could not save the composite alarm as alarms [%s] in the alarm rule do not exist", name)
		}
	}
	a := s.newAlarm(req, in.AlarmName, in.AlarmDescription, in.ActionsEnabled)
	a.Rule = *in.AlarmRule
	a.AlarmActions, a.OKActions, a.InsufficientDataActions = nonNil(in.AlarmActions), nonNil(in.OKActions), nonNil(in.InsufficientDataActions)
	if err := s.place(a, in.Tags); err != nil {
		return nil, err
	}
	s.evaluateComposites(req.Scope)
	return &sdk.PutCompositeAlarmOutput{}, nil
}

// composite is the alarm as the API shows alarms on other alarms.
func (a alarm) composite() types.CompositeAlarm {
	return types.CompositeAlarm{
		AlarmName: a.AlarmName, AlarmArn: a.AlarmArn, AlarmDescription: a.AlarmDescription, AlarmRule: aws.String(a.Rule), ActionsEnabled: a.ActionsEnabled,
		AlarmActions: a.AlarmActions, OKActions: a.OKActions, InsufficientDataActions: a.InsufficientDataActions,
		AlarmConfigurationUpdatedTimestamp: a.AlarmConfigurationUpdatedTimestamp, StateUpdatedTimestamp: a.StateUpdatedTimestamp,
		StateTransitionedTimestamp: a.StateTransitionedTimestamp, StateValue: a.StateValue, StateReason: a.StateReason, StateReasonData: a.StateReasonData,
	}
}

// children are the alarms that a rule names.
func children(a alarm) []string {
	rule, err := parseRule(a.Rule)
	if err != nil {
		return nil
	}
	return rule.names
}

// relatives are the names of an alarm's children, or of its parents; nil if neither is
// asked for.
func relatives(all []alarm, childrenOf, parentsOf string) map[string]bool {
	if childrenOf == "" && parentsOf == "" {
		return nil
	}
	out := map[string]bool{}
	for _, a := range all {
		if a.Rule == "" {
			continue
		}
		names := children(a)
		if childrenOf != "" && *a.AlarmName == childrenOf {
			for _, n := range names {
				out[n] = true
			}
		}
		if parentsOf != "" && slices.Contains(names, parentsOf) {
			out[*a.AlarmName] = true
		}
	}
	return out
}

// evaluateComposites looks at the alarms on other alarms of a scope until none changes
// any more. Alarms that refer to one another in a circle would never be done: each may
// change once for every alarm there is.
func (s *Service) evaluateComposites(sc wire.Scope) {
	all, err := s.alarms(sc.Prefix())
	for range len(all) {
		if err != nil || !s.evaluateEach(all) {
			break
		}
		all, err = s.alarms(sc.Prefix())
	}
	if err != nil {
		s.Log.Error("composite alarms not evaluated", "error", err.Error())
	}
}

// evaluateEach looks at each composite alarm once; one that fails is no other's matter.
func (s *Service) evaluateEach(all []alarm) (changed bool) {
	for _, a := range all {
		if a.Rule == "" {
			continue
		}
		err := guard.Run(s.Log, "the evaluation of an alarm", func() error {
			one, err := s.evaluateComposite(a, all)
			changed = changed || one
			return err
		}, "alarm", *a.AlarmArn)
		if err != nil {
			s.Log.Error("alarm not evaluated", "alarm", *a.AlarmArn, "error", err.Error())
		}
	}
	return changed
}

func (s *Service) evaluateComposite(a alarm, all []alarm) (changed bool, err error) {
	rule, err := parseRule(a.Rule)
	if err != nil {
		return false, err
	}
	byName := map[string]alarm{}
	for _, other := range all {
		byName[*other.AlarmName] = other
	}
	to := verdict{state: rule.state(func(name string) types.StateValue { return byName[name].StateValue })}
	if to.state == a.StateValue && !a.unchecked() {
		return false, nil
	}
	// What changed last is what it is about.
	var cause alarm
	for _, name := range rule.names {
		if child, ok := byName[name]; ok && (cause.AlarmName == nil || child.later(cause)) {
			cause = child
		}
	}
	if cause.AlarmName == nil {
		to.reason = "The alarm rule is " + map[bool]string{true: "TRUE", false: "FALSE"}[to.state == types.StateValueAlarm]
	} else if err := to.because(cause); err != nil {
		return false, err
	}
	_, err = s.transit(a.key(), to, a.same)
	return err == nil && to.state != a.StateValue, err
}

// later reports whether an alarm changed after another, or in the same moment to a state
// that tells more.
func (a alarm) later(b alarm) bool {
	if c := a.StateTransitionedTimestamp.Compare(*b.StateTransitionedTimestamp); c != 0 {
		return c > 0
	}
	return b.StateValue == types.StateValueInsufficientData
}

// because words a change by the alarm whose change it follows, as AWS was recorded to do
// (https://github.com/localstack/localstack, test_trigger_composite_alarm).
func (v *verdict) because(cause alarm) error {
	v.reason = *cause.AlarmArn + " transitioned to " + string(cause.StateValue) + " at " + cause.StateTransitionedTimestamp.UTC().Format("Monday 02 January, 2006 15:04:05 MST")
	raw, err := json.Marshal(map[string]any{"triggeringAlarms": []any{map[string]any{
		"arn": *cause.AlarmArn, "state": map[string]any{"value": cause.StateValue, "timestamp": cause.StateTransitionedTimestamp.UTC().Format(stamp)},
	}}})
	v.data = aws.String(string(raw))
	return err
}
