package cloudcontrol_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// deployed is an alias that leads to the first of two versions, with Cloud Control's time
// in the test's hands, and an alarm.
type deployed struct {
	*world
	time          *clock.Fake
	id            string
	first, second string
}

func newDeployed(t *testing.T) *deployed {
	t.Helper()
	w := newWorld(t)
	machine := w.well(w.create(machineType, map[string]any{"StateMachineName": "churn", "RoleArn": role, "DefinitionString": one}))
	d := &deployed{world: w, time: clock.NewFake(time.Now()), first: w.well(w.create(versionType, map[string]any{"StateMachineArn": machine}))}
	text, err := json.Marshal(two)
	require.NoError(t, err)
	w.well(w.update(machineType, machine, `[{"op":"replace","path":"/DefinitionString","value":`+string(text)+`}]`))
	d.second = w.well(w.create(versionType, map[string]any{"StateMachineArn": machine}))
	d.id = w.well(w.create(aliasType, map[string]any{"Name": "live", "DeploymentPreference": d.preference("CANARY", 10, 2)(d.first)}))
	require.Equal(t, map[string]int32{d.first: 100}, d.routes(), "there is nothing to go over from")
	_, err = cloudwatch.NewFromConfig(w.Admin()).PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: aws.String("failed"), Namespace: aws.String("N"), MetricName: aws.String("M"), Statistic: cwtypes.StatisticSum, Period: aws.Int32(60),
		EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
	})
	require.NoError(t, err)
	w.stop()
	w.clock = d.time
	w.start()
	return d
}

func (d *deployed) preference(kind string, percent, minutes int) func(version string) map[string]any {
	return func(version string) map[string]any {
		return map[string]any{"Type": kind, "StateMachineVersionArn": version, "Percentage": percent, "Interval": minutes, "Alarms": []string{"failed", "nobody-made-this"}}
	}
}

func (d *deployed) routes() map[string]int32 {
	d.t.Helper()
	out, err := sfn.NewFromConfig(d.Admin()).DescribeStateMachineAlias(d.t.Context(), &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: &d.id})
	require.NoError(d.t, err)
	routes := map[string]int32{}
	for _, r := range out.RoutingConfiguration {
		routes[*r.StateMachineVersionArn] = r.Weight
	}
	return routes
}

func (d *deployed) begin(preference map[string]any) *types.ProgressEvent {
	d.t.Helper()
	raw, err := json.Marshal(preference)
	require.NoError(d.t, err)
	e, err := d.update(aliasType, d.id, fmt.Sprintf(`[{"op":"add","path":"/DeploymentPreference","value":%s}]`, raw))
	require.NoError(d.t, err)
	return e
}

// look waits until the deployment waits for its next look.
func (d *deployed) look() {
	d.t.Helper()
	require.NoError(d.t, d.time.WaitTimers(d.t.Context(), 1))
}

// minute lets a minute pass and waits for the look that comes then.
func (d *deployed) minute() {
	d.t.Helper()
	d.time.Advance(time.Minute)
	d.look()
}

func (d *deployed) alarm(state cwtypes.StateValue) {
	d.t.Helper()
	_, err := cloudwatch.NewFromConfig(d.Admin()).SetAlarmState(d.t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("failed"), StateValue: state, StateReason: aws.String("test")})
	require.NoError(d.t, err)
}

// The parts, the times between them and the texts are those of CloudFormation's handlers,
// https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions
// (statemachinealias).
func TestCanary(t *testing.T) {
	t.Parallel()
	d := newDeployed(t)
	e := d.begin(d.preference("CANARY", 10, 2)(d.second))
	d.look()
	require.Equal(t, map[string]int32{d.first: 90, d.second: 10}, d.routes())
	d.minute()
	require.Equal(t, map[string]int32{d.first: 90, d.second: 10}, d.routes(), "two minutes are not over")
	d.time.Advance(time.Minute)
	require.Equal(t, d.id, d.well(e, nil))
	require.Equal(t, map[string]int32{d.second: 100}, d.routes())

	// All at once looks at no alarm, and what is there already is no deployment.
	d.alarm(cwtypes.StateValueAlarm)
	d.well(d.begin(d.preference("ALL_AT_ONCE", 10, 2)(d.first)), nil)
	require.Equal(t, map[string]int32{d.first: 100}, d.routes())
	d.well(d.begin(d.preference("LINEAR", 10, 2)(d.first)), nil)
}

func TestLinear(t *testing.T) {
	t.Parallel()
	d := newDeployed(t)
	e := d.begin(d.preference("LINEAR", 40, 1)(d.second))
	d.look()
	require.Equal(t, map[string]int32{d.first: 60, d.second: 40}, d.routes())

	// A kill between two looks: the next process goes on with the part that is next.
	d.stop()
	d.Reopen(t)
	d.start()
	d.look()
	require.Equal(t, map[string]int32{d.first: 60, d.second: 40}, d.routes())
	d.minute()
	require.Equal(t, map[string]int32{d.first: 20, d.second: 80}, d.routes())
	d.time.Advance(time.Minute)
	d.well(e, nil)
	require.Equal(t, map[string]int32{d.second: 100}, d.routes())
}

func TestAnAlarmTurnsADeploymentBack(t *testing.T) {
	t.Parallel()
	d := newDeployed(t)
	e := d.begin(d.preference("LINEAR", 40, 5)(d.second))
	d.look()
	d.alarm(cwtypes.StateValueAlarm)
	d.time.Advance(time.Minute)
	last := d.done(e, nil)
	require.Equal(t, types.OperationStatusFailed, last.OperationStatus)
	require.Equal(t, "Aborting deployment. The following CloudWatch alarms are in an 'ALARM' state: [failed].", *last.StatusMessage)
	require.Equal(t, map[string]int32{d.first: 100}, d.routes())

	// An alarm that was on before lets nothing begin.
	last = d.done(d.begin(d.preference("CANARY", 40, 5)(d.second)), nil)
	require.Equal(t, types.OperationStatusFailed, last.OperationStatus)
	require.Equal(t, map[string]int32{d.first: 100}, d.routes())
}

func TestADeploymentThatCannotGoOn(t *testing.T) {
	t.Parallel()
	d := newDeployed(t)
	machines := sfn.NewFromConfig(d.Admin())
	split := func(a, b int32) {
		_, err := machines.UpdateStateMachineAlias(t.Context(), &sfn.UpdateStateMachineAliasInput{StateMachineAliasArn: &d.id, RoutingConfiguration: []sfntypes.RoutingConfigurationListItem{
			{StateMachineVersionArn: &d.first, Weight: a}, {StateMachineVersionArn: &d.second, Weight: b},
		}})
		require.NoError(t, err)
	}
	e := d.begin(d.preference("CANARY", 10, 2)(d.second))
	d.look()
	split(50, 50)
	d.time.Advance(time.Minute)
	last := d.done(e, nil)
	require.Equal(t, types.HandlerErrorCodeInvalidRequest, last.ErrorCode)
	require.Contains(t, *last.StatusMessage, "Failed to continue deployment of type 'CANARY', drift detected.")
	require.Equal(t, map[string]int32{d.first: 50, d.second: 50}, d.routes())
	last = d.done(d.begin(d.preference("CANARY", 10, 2)(d.second)), nil)
	require.Contains(t, *last.StatusMessage, "Failed to start deployment of type 'CANARY', invalid initial state detected.")

	// One that is cancelled leaves what it has done, and its place to the next.
	split(100, 0)
	w := d.begin(d.preference("ALL_AT_ONCE", 1, 1)(d.first))
	d.well(w, nil)
	e = d.begin(d.preference("CANARY", 10, 2)(d.second))
	d.look()
	_, err := d.c.CancelResourceRequest(t.Context(), &cloudcontrol.CancelResourceRequestInput{RequestToken: e.RequestToken})
	require.NoError(t, err)
	d.well(d.begin(d.preference("ALL_AT_ONCE", 1, 1)(d.first)), nil)
	d.time.Advance(time.Hour)
	require.Equal(t, map[string]int32{d.first: 100}, d.routes())
}

func TestWhatADeploymentPreferenceMayBe(t *testing.T) {
	t.Parallel()
	d := newDeployed(t)
	for text, want := range map[string]string{
		`{"Type":"CANARY","StateMachineVersionArn":"v","Percentage":100,"Interval":1}`: "Model validation failed (#/DeploymentPreference/Percentage: 100 is not less or equal to 99)",
		`{"Type":"CANARY","StateMachineVersionArn":"v","Percentage":1,"Interval":0}`:   "Model validation failed (#/DeploymentPreference/Interval: 0 is not greater or equal to 1)",
		`{"Type":"SLOWLY","StateMachineVersionArn":"v"}`:                               "Model validation failed (#/DeploymentPreference/Type: failed validation constraint for keyword [enum])",
		`{"Type":"CANARY"}`: "Model validation failed (#/DeploymentPreference: required key [StateMachineVersionArn] not found)",
		`{"Type":"CANARY","StateMachineVersionArn":"v","Alarms":["a","a"]}`: "Model validation failed (#/DeploymentPreference/Alarms: array items are not unique)",
		`{"Type":"CANARY","StateMachineVersionArn":"v","Colour":1}`:         "Model validation failed (#/DeploymentPreference: extraneous key [Colour] is not permitted)",
		`{"Type":"CANARY","StateMachineVersionArn":"v","Percentage":"x"}`:   "Model validation failed (#/DeploymentPreference/Percentage: expected type: Integer, found: JSON string)",
	} {
		_, err := d.update(aliasType, d.id, `[{"op":"add","path":"/DeploymentPreference","value":`+text+`}]`)
		require.Contains(t, iamtest.RequireCode(t, err, "ValidationException").ErrorMessage(), want)
	}
	for want, preference := range map[string]map[string]any{
		"Deployments of type 'CANARY' require an interval and percentage for traffic shifting.": {"Type": "CANARY", "StateMachineVersionArn": d.second},
		"Deployments of type 'LINEAR' require a percentage for traffic shifting.":               {"Type": "LINEAR", "StateMachineVersionArn": d.second, "Interval": 1},
		"The linear deployment configured is estimated to take 4000 minutes":                    {"Type": "LINEAR", "StateMachineVersionArn": d.second, "Interval": 1000, "Percentage": 33},
	} {
		last := d.done(d.begin(preference), nil)
		require.Equal(t, types.HandlerErrorCodeInvalidRequest, last.ErrorCode)
		require.Contains(t, *last.StatusMessage, want)
	}
	last := d.done(d.create(aliasType, map[string]any{"Name": "live", "RoutingConfiguration": []any{map[string]any{"StateMachineVersionArn": d.first, "Weight": 100}}}))
	require.Equal(t, types.HandlerErrorCodeAlreadyExists, last.ErrorCode)
	_, err := d.create(aliasType, map[string]any{"Name": "other"})
	iamtest.RequireCode(t, err, "ValidationException")
}
