package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// actionsBucket has the actions of alarms that are still to be run, by number.
const actionsBucket = "cloudwatch.actions"

// action is one action of an alarm's change of state.
type action struct {
	Number        uint64
	ARN           string
	Before, After alarm
}

// The services in whose name alarms act.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions.html
const (
	toFunctions = "lambda.alarms.cloudwatch.amazonaws.com"
	toTopics    = "cloudwatch.amazonaws.com"
)

func sequence(n uint64) string { return fmt.Sprintf("%020d", n) }

// actionsOf are the actions of the state that the alarm is in.
func (a alarm) actionsOf() []string {
	switch {
	case !aws.ToBool(a.ActionsEnabled):
		return nil
	case a.StateValue == types.StateValueAlarm:
		return a.AlarmActions
	case a.StateValue == types.StateValueOk:
		return a.OKActions
	}
	return a.InsufficientDataActions
}

// queueActions keeps the actions that a change of state is followed by.
func (s *Service) queueActions(tx *store.Tx, before, after alarm) (some bool, err error) {
	return len(after.actionsOf()) > 0, s.queue(tx, before, after, func(string) bool { return true })
}

// queue keeps those actions of a state that are wanted.
func (s *Service) queue(tx *store.Tx, before, after alarm, wanted func(arn string) bool) error {
	for _, arn := range after.actionsOf() {
		if !wanted(arn) {
			continue
		}
		n, err := tx.NextSequence(actionsBucket)
		if err != nil {
			return err
		}
		if err := store.Put(tx, actionsBucket, sequence(n), action{Number: n, ARN: arn, Before: before, After: after}); err != nil {
			return err
		}
	}
	return nil
}

// actLoop runs actions, those first that a stop left. It waits until there are some, or
// until what could not be noted is to be tried again.
func (s *Service) actLoop(ctx context.Context) {
	var retry bell.Retry
	for {
		err := s.actAll(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("actions of alarms not run", "error", err.Error())
		}
		if !s.acts.Wait(ctx, s.Clock, retry.Wait(err, bell.Forever)) {
			return
		}
	}
}

// actAll runs all actions that there are; one that cannot be noted holds up no other.
func (s *Service) actAll(ctx context.Context) error {
	all, err := store.ReadAll[action](s.DB, actionsBucket, "")
	for _, a := range all {
		if ctx.Err() != nil {
			break
		}
		err = errors.Join(err, guard.Run(s.Log, "an action of an alarm", func() error { return s.act(ctx, a) }))
	}
	return err
}

// act runs an action once, and notes in the history what became of it. One that panics has
// failed: it would do so again.
func (s *Service) act(ctx context.Context, a action) error {
	failed := guard.Run(s.Log, "an action of an alarm", func() error { return s.run(ctx, a) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	summary, doc := "Successfully executed action "+a.ARN, map[string]any{
		"actionState": "Succeeded", "notificationResource": a.ARN, "stateUpdateTimestamp": a.After.StateUpdatedTimestamp.UnixMilli(),
	}
	if failed != nil {
		e := wire.AsError(failed)
		summary, doc["actionState"], doc["error"] = "Failed to execute action "+a.ARN, "Failed", e.Code+": "+e.Message
		s.Log.Warn("action of an alarm failed", "alarm", *a.After.AlarmName, "action", a.ARN, "error", failed.Error())
	}
	return s.DB.Update(func(tx *store.Tx) error {
		if err := s.record(tx, a.After, types.HistoryItemTypeAction, summary, doc); err != nil {
			return err
		}
		return tx.Delete(actionsBucket, sequence(a.Number))
	})
}

// run calls the service that an action is of.
func (s *Service) run(ctx context.Context, a action) error {
	target, ok := wire.ParseARN(a.ARN)
	if !ok || s.router == nil {
		return errors.New("the action is no ARN")
	}
	p := wire.Principal{Source: *a.After.AlarmArn}
	sc := wire.ScopeOfARN(target)
	switch target.Service {
	case "lambda":
		p.Service = toFunctions
		payload, err := json.Marshal(functionEvent(a))
		if err != nil {
			return err
		}
		return s.call(ctx, sc, p, "lambda", "Invoke", map[string]any{"FunctionName": a.ARN, "InvocationType": "Event", "Payload": payload})
	case "sns":
		p.Service = toTopics
		document, err := json.Marshal(notice(a))
		if err != nil {
			return err
		}
		// By e-mail a person is told, by all else a program.
		message, err := json.Marshal(map[string]string{"default": string(document), "email": mailText(a)})
		if err != nil {
			return err
		}
		subject := fmt.Sprintf("%s: \"%s\" in %s", a.After.StateValue, *a.After.AlarmName, regionName(a.After.Scope.Region))
		return s.call(ctx, sc, p, "sns", "Publish", map[string]any{
			"TopicArn": a.ARN, "Subject": subject[:min(len(subject), 100)],
			"Message": string(message), "MessageStructure": "json",
		})
	}
	if target.Service == scalingService && s.scaling != nil {
		if err := checkActions(a.After.Scope, a.After.Rule != "", []string{a.ARN}); err != nil { // of an alarm that was made before this was checked
			return err
		}
		known, err := s.latest(a.After)
		if err != nil {
			return err
		}
		return s.scaling.ExecutePolicy(ctx, a.ARN, known)
	}
	return wire.Errorf(501, "NotImplemented", "the sandbox does not run actions of %s", target.Service)
}

// scalingService is how ARNs of scaling policies call their service.
const scalingService = "autoscaling"

// checkActions refuses actions on scaling policies to composite alarms, which have none
// (API_PutCompositeAlarm lists what they may do), and on those of another account or region:
// an alarm scales as nobody, so that no policy could allow it. The words are ours.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
func checkActions(sc wire.Scope, composite bool, lists ...[]string) error {
	for _, action := range slices.Concat(lists...) {
		arn, _ := wire.ParseARN(action)
		switch {
		case !onPolicy(action):
		case composite:
			return validation("Composite alarms cannot perform the action %s: Auto Scaling actions are not supported.", action)
		case wire.ScopeOfARN(arn) != sc:
			return validation("The action %s must be in account %s and region %s, as the alarm is.", action, sc.Account, sc.Region)
		}
	}
	return nil
}

// latest is what an alarm saw last: of the newest period that is over if that is as the
// alarm's state has it, beyond the threshold in ALARM. Else it is of the newest that is, the
// one under way first, which is what judge went by; or just of the newest.
func (s *Service) latest(a alarm) (wire.ScalingAlarm, error) {
	out := wire.ScalingAlarm{Name: *a.AlarmName}
	if a.Rule != "" {
		return out, nil
	}
	out.Threshold = *a.Threshold
	window := a.window()
	last := s.Clock.Now().UTC().Truncate(window)
	points, err := s.seen(a, last.Add(-time.Duration(*a.EvaluationPeriods)*window), last.Add(window))
	if err != nil {
		return out, err
	}
	order := []time.Time{last.Add(-window), last}
	for i := 2; i <= int(*a.EvaluationPeriods); i++ {
		order = append(order, last.Add(-time.Duration(i)*window))
	}
	for _, at := range order {
		if p, ok := points[at]; ok && comparisons[a.ComparisonOperator].breach(p.value, out.Threshold) == (a.StateValue == types.StateValueAlarm) {
			out.Value, out.Known = p.value, true
			return out, nil
		}
	}
	for _, at := range append(slices.Delete(slices.Clone(order), 1, 2), last) {
		if p, ok := points[at]; ok {
			out.Value, out.Known = p.value, true
			break
		}
	}
	return out, nil
}

// repeatEvery is how often alarms act on scaling policies while they stay in a state:
// "For Amazon EC2 Auto Scaling actions, the alarm continues to invoke the action once per
// minute that the alarm remains in the new state."
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions.html
const repeatEvery = time.Minute

// repeat queues the actions on scaling policies of alarms that stay in a state.
func (s *Service) repeat() {
	all, err := s.alarms("")
	if err != nil {
		s.Log.Error("actions of alarms not repeated", "error", err.Error())
	}
	now, some := s.Clock.Now(), false
	for _, a := range all {
		since := *a.StateTransitionedTimestamp
		if last := s.acted[a.key()]; last.After(since) {
			since = last
		}
		if now.Sub(since) < repeatEvery || !slices.ContainsFunc(a.actionsOf(), onPolicy) {
			continue
		}
		s.acted[a.key()] = now
		err := s.DB.Update(func(tx *store.Tx) error {
			current, found, err := store.Get[alarm](tx, alarmsBucket, a.key())
			if err != nil || !found || current.StateValue != a.StateValue {
				return err
			}
			some = true
			return s.queue(tx, current, current, onPolicy)
		})
		if err != nil {
			s.Log.Error("action of an alarm not repeated", "alarm", *a.AlarmArn, "error", err.Error())
		}
	}
	if some {
		s.acts.Ring()
	}
}

// onPolicy tells whether an action is on a scaling policy.
func onPolicy(action string) bool {
	arn, ok := wire.ParseARN(action)
	return ok && arn.Service == scalingService
}

func (s *Service) call(ctx context.Context, sc wire.Scope, p wire.Principal, service, operation string, in map[string]any) error {
	raw, err := json.Marshal(in)
	if err == nil {
		_, err = s.router.Invoke(ctx, sc, p, service, operation, raw)
	}
	return err
}

// functionEvent is what a function gets, by the recording of AWS in
// https://github.com/localstack/localstack (test_alarm_lambda_target).
func functionEvent(a action) map[string]any {
	return map[string]any{
		"source": "aws.cloudwatch", "alarmArn": *a.After.AlarmArn, "accountId": a.After.Scope.Account, "time": a.After.StateUpdatedTimestamp.UTC().Format(stamp),
		"region": a.After.Scope.Region, "alarmData": map[string]any{
			"alarmName": *a.After.AlarmName, "state": stateOf(a.After), "previousState": stateOf(a.Before), "configuration": eventConfiguration(a.After),
		},
	}
}

// notice is what a topic gets, by the recordings of test_put_metric_alarm and
// test_breaching_alarm_actions there; for metric math and for other alarms unsure.
func notice(a action) map[string]any {
	after := a.After
	out := map[string]any{
		"AlarmName": *after.AlarmName, "AlarmDescription": after.AlarmDescription, "AWSAccountId": after.Scope.Account,
		"AlarmConfigurationUpdatedTimestamp": after.AlarmConfigurationUpdatedTimestamp.Format(stamp),
		"NewStateValue":                      after.StateValue, "NewStateReason": aws.ToString(after.StateReason), "StateChangeTime": after.StateUpdatedTimestamp.Format(stamp),
		"Region": regionName(after.Scope.Region), "AlarmArn": *after.AlarmArn, "OldStateValue": a.Before.StateValue,
		"OKActions": after.OKActions, "AlarmActions": after.AlarmActions, "InsufficientDataActions": after.InsufficientDataActions,
	}
	switch {
	case after.Rule != "":
		out["AlarmRule"] = after.Rule
		return out
	case after.MetricName == nil:
		out["Trigger"] = map[string]any{
			"Period": int(after.window().Seconds()), "EvaluationPeriods": *after.EvaluationPeriods, "ComparisonOperator": after.ComparisonOperator,
			"Threshold": *after.Threshold, "TreatMissingData": aws.ToString(after.TreatMissingData), "Metrics": eventConfiguration(after)["metrics"],
		}
		return out
	}
	dims := []map[string]string{}
	for _, d := range after.Dimensions {
		dims = append(dims, map[string]string{"name": *d.Name, "value": *d.Value})
	}
	trigger := map[string]any{
		"MetricName": *after.MetricName, "Namespace": *after.Namespace, "StatisticType": "Statistic", "Statistic": strings.ToUpper(string(after.Statistic)),
		"Dimensions": dims, "Period": *after.Period, "EvaluationPeriods": *after.EvaluationPeriods,
		"ComparisonOperator": after.ComparisonOperator, "Threshold": *after.Threshold, "TreatMissingData": aws.ToString(after.TreatMissingData),
		"EvaluateLowSampleCountPercentile": aws.ToString(after.EvaluateLowSampleCountPercentile),
	}
	if after.Unit != "" {
		trigger["Unit"] = after.Unit
	}
	if after.ExtendedStatistic != nil {
		trigger["StatisticType"], trigger["ExtendedStatistic"] = "ExtendedStatistic", *after.ExtendedStatistic
		delete(trigger, "Statistic")
	}
	out["Trigger"] = trigger
	return out
}

// regionNames are those by which notices call regions.
// https://docs.aws.amazon.com/general/latest/gr/rande.html
var regionNames = map[string]string{
	"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-1": "US West (N. California)", "us-west-2": "US West (Oregon)",
	"ca-central-1": "Canada (Central)", "eu-central-1": "EU (Frankfurt)", "eu-west-1": "EU (Ireland)", "eu-west-2": "EU (London)", "eu-west-3": "EU (Paris)",
	"eu-north-1": "EU (Stockholm)", "eu-south-1": "EU (Milan)", "ap-south-1": "Asia Pacific (Mumbai)", "ap-northeast-1": "Asia Pacific (Tokyo)",
	"ap-northeast-2": "Asia Pacific (Seoul)", "ap-southeast-1": "Asia Pacific (Singapore)", "ap-southeast-2": "Asia Pacific (Sydney)", "sa-east-1": "South America (Sao Paulo)",
}

func regionName(region string) string {
	if name, ok := regionNames[region]; ok {
		return name
	}
	return region
}
