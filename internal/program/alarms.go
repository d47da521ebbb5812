package program

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// alarmPeriod is over how many seconds an alarm counts.
const alarmPeriod = 300

// alarmsBlock raises an alarm when executions fail, time out or are throttled.
// (step-functions/latest/dg/procedure-cw-metrics.html)
func alarmsBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:  "alarms",
			Title: "CloudWatch alarms about executions (alarms: true)",
			Needs: []string{"workflow"},
			Reads: []string{"alarms"},
		},
		plan: func(*plan) fault.List { return nil },
		add:  addAlarms,
	}
}

func addAlarms(b *build) error {
	if !b.on("alarms") {
		return nil
	}
	for _, alarm := range []struct{ name, metric, help string }{
		{"failed", "ExecutionsFailed", "an execution failed"},
		{"timed-out", "ExecutionsTimedOut", "an execution timed out"},
		{"throttled", "ExecutionThrottled", "Step Functions held back state transitions"},
	} {
		_, err := cloudwatch.NewMetricAlarm(b.ctx, "alarm-"+alarm.name, &cloudwatch.MetricAlarmArgs{
			Name:               pulumi.String(b.names.Base + "-" + alarm.name),
			AlarmDescription:   pulumi.String(b.pipe.ID.String() + ": " + alarm.help),
			Namespace:          pulumi.String("AWS/States"),
			MetricName:         pulumi.String(alarm.metric),
			Dimensions:         pulumi.StringMap{"StateMachineArn": b.machine.Arn},
			Statistic:          pulumi.String("Sum"),
			Period:             pulumi.Int(alarmPeriod),
			EvaluationPeriods:  pulumi.Int(1),
			Threshold:          pulumi.Float64(1),
			ComparisonOperator: pulumi.String("GreaterThanOrEqualToThreshold"),
			TreatMissingData:   pulumi.String("notBreaching"), // no executions is no failure
			Tags:               b.tags(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
