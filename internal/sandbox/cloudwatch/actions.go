package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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
	for _, arn := range after.actionsOf() {
		n, err := tx.NextSequence(actionsBucket)
		if err != nil {
			return some, err
		}
		if err := store.Put(tx, actionsBucket, sequence(n), action{Number: n, ARN: arn, Before: before, After: after}); err != nil {
			return some, err
		}
		some = true
	}
	return some, nil
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
		message, err := json.Marshal(notice(a))
		if err != nil {
			return err
		}
		subject := fmt.Sprintf("%s: \"%s\" in %s", a.After.StateValue, *a.After.AlarmName, regionName(a.After.Scope.Region))
		return s.call(ctx, sc, p, "sns", "Publish", map[string]any{"TopicArn": a.ARN, "Subject": subject[:min(len(subject), 100)], "Message": string(message)})
	}
	return wire.Errorf(501, "NotImplemented", "the sandbox does not run actions of %s", target.Service)
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
