package program

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Over how many seconds an alarm counts: one that turns a rollout back has to see what is
// wrong before the next step.
const (
	alarmPeriod    = 300
	rollbackPeriod = 60
)

// The alarm that turns a rollout back since a check failed: its name after that of the
// pipeline, and the metric that it looks at, which is of the stack's name.
const (
	ChecksAlarm     = "checks"
	ChecksNamespace = "pipelinetui"
	ChecksMetric    = "FailedChecks"
	ChecksDimension = "Stack"
)

// alarmsBlock raises alarms when executions fail, time out or are throttled, when the
// function fails, and when failures wait on their queue. Those of the endpoint are made with
// it, see endpointAlarms, and those that turn an alias back with the alias.
// (step-functions/latest/dg/procedure-cw-metrics.html, lambda/latest/dg/monitoring-metrics-types.html)
func alarmsBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:  "alarms",
			Title: "CloudWatch alarms about executions, the function and dead letters (alarms: true)",
			Needs: []string{"workflow"},
			Reads: []string{
				"alarms", "deadLetter", "thresholds.executionsFailed", "thresholds.functionErrors", "thresholds.functionThrottles",
				"thresholds.deadLetters",
			},
		},
		plan: func(*plan) fault.List { return nil },
		add:  addAlarms,
	}
}

// alarm is an alarm of a pipeline.
type alarm struct {
	name, help        string
	namespace, metric string
	dimensions        pulumi.StringMapInput
	// statistic is Sum, Maximum, or a percentile such as p99.
	statistic string
	threshold float64
	period    int
	above     bool // more than the threshold, and not as much
}

// alarmName is the name of an alarm in AWS.
func (p *plan) alarmName(name string) string { return p.names.Base + "-" + name }

// threshold is from where on an alarm is raised; 0 is no such alarm.
func (p *plan) threshold(name string, otherwise int) float64 {
	return float64(p.numberOr("thresholds."+name, otherwise))
}

// endpointAlarms are those that tell that the endpoint fails: with alarms, and wherever a
// rollout gives them time to.
// (sagemaker/latest/dg/monitoring-cloudwatch.html, "Endpoint invocation metrics")
func (p *plan) endpointAlarms() []alarm {
	if !p.on("alarms") && !p.rollout.Guarded() && len(p.rollout.Alarms) == 0 {
		return nil
	}
	of := pulumi.StringMap{"EndpointName": pulumi.String(p.names.Endpoint), "VariantName": pulumi.String(spec.Variant)}
	all := []alarm{
		{name: "5xx", help: "the endpoint answered with status 5xx", metric: "Invocation5XXErrors", threshold: p.threshold("endpoint5xx", 1)},
		{name: "4xx", help: "the endpoint answered with status 4xx", metric: "Invocation4XXErrors", threshold: p.threshold("endpoint4xx", 0)},
		{name: "model-errors", help: "the model gave no answer of status 2xx", metric: "InvocationModelErrors", threshold: p.threshold("modelErrors", 1)},
		// The metric is in microseconds.
		{name: "latency", help: "1 of 100 requests takes the model too long", metric: "ModelLatency", statistic: "p99", above: true, threshold: 1000 * p.threshold("latencyP99Ms", 0)},
	}
	for i := range all {
		all[i].namespace, all[i].dimensions = "AWS/SageMaker", of
	}
	if p.rollout.Guarded() && len(p.pipe.Checks) > 0 {
		// The tool counts the checks that fail while both fleets take traffic: it is how it
		// has SageMaker turn back, which no call does.
		all = append(all, alarm{
			name: ChecksAlarm, help: "a check failed during a rollout", namespace: ChecksNamespace, metric: ChecksMetric,
			dimensions: pulumi.StringMap{ChecksDimension: pulumi.String(p.pipe.StackName())}, threshold: 1,
		})
	}
	var out []alarm
	for _, a := range all {
		if a.threshold <= 0 {
			continue
		}
		a.period = rollbackPeriod
		if a.statistic == "" {
			a.statistic = "Sum"
		}
		out = append(out, a)
	}
	return out
}

// executionAlarms are those that tell that executions fail; rolling are those of them that
// turn the alias of the state machine back.
func (b *build) executionAlarms() (rolling, others []alarm) {
	n := b.threshold("executionsFailed", 1)
	if n <= 0 {
		return nil, nil
	}
	of := func(name, metric, help string) alarm {
		return alarm{
			name: name, metric: metric, help: help, namespace: "AWS/States", threshold: n, period: b.rollbackPeriod(),
			dimensions: pulumi.StringMap{"StateMachineArn": b.machine.Arn},
		}
	}
	throttled := of("throttled", "ExecutionThrottled", "Step Functions held back state transitions")
	throttled.period = 0
	return []alarm{of("failed", "ExecutionsFailed", "an execution failed"), of("timed-out", "ExecutionsTimedOut", "an execution timed out")}, []alarm{throttled}
}

// functionAlarms are those of the function, in the same way.
func (p *plan) functionAlarms() (rolling, others []alarm) {
	of := func(name, metric, help, threshold string, period int) []alarm {
		n := p.threshold(threshold, 1)
		if n <= 0 {
			return nil
		}
		return []alarm{{
			name: name, metric: metric, help: help, namespace: "AWS/Lambda", threshold: n, period: period,
			dimensions: pulumi.StringMap{"FunctionName": pulumi.String(p.names.Function)},
		}}
	}
	return of("function-errors", "Errors", "a call of the preprocess function failed", "functionErrors", p.rollbackPeriod()),
		of("function-throttles", "Throttles", "Lambda refused calls of the preprocess function", "functionThrottles", 0)
}

// rollbackPeriod is over how many seconds an alarm counts that turns a rollout back if there
// is one; 0 is as the others.
func (p *plan) rollbackPeriod() int {
	if p.guarded() {
		return rollbackPeriod
	}
	return 0
}

func addAlarms(b *build) error {
	if !b.on("alarms") {
		return nil
	}
	rolling, all := b.executionAlarms()
	if b.function != nil {
		more, others := b.functionAlarms()
		rolling, all = append(rolling, more...), append(all, others...)
	}
	if !b.guarded() { // else they came with what they turn back
		all = append(all, rolling...)
	}
	if n := b.threshold("deadLetters", 1); b.dlq != nil && n > 0 {
		all = append(all, alarm{
			name: "dead-letters", metric: "ApproximateNumberOfMessagesVisible", help: "failures wait on their queue", namespace: "AWS/SQS",
			dimensions: pulumi.StringMap{"QueueName": b.dlq.Name}, statistic: "Maximum", threshold: n,
		})
	}
	for _, a := range all {
		if _, err := b.addAlarm(a); err != nil {
			return err
		}
	}
	return nil
}

// addAlarm makes an alarm.
func (b *build) addAlarm(a alarm) (*cloudwatch.MetricAlarm, error) {
	args := &cloudwatch.MetricAlarmArgs{
		Name:               pulumi.String(b.alarmName(a.name)),
		AlarmDescription:   pulumi.String(b.pipe.ID.String() + ": " + a.help + ". Look: pipelinetui show " + b.pipe.ID.String()),
		Namespace:          pulumi.String(a.namespace),
		MetricName:         pulumi.String(a.metric),
		Dimensions:         a.dimensions,
		Period:             pulumi.Int(alarmPeriod),
		EvaluationPeriods:  pulumi.Int(1),
		Threshold:          pulumi.Float64(a.threshold),
		ComparisonOperator: pulumi.String("GreaterThanOrEqualToThreshold"),
		TreatMissingData:   pulumi.String("notBreaching"), // nothing asked is nothing wrong
		Tags:               b.tags(),
	}
	if b.topic != nil {
		args.AlarmActions = pulumi.Array{b.topic}
	}
	if a.above {
		args.ComparisonOperator = pulumi.String("GreaterThanThreshold")
	}
	if a.period > 0 {
		args.Period = pulumi.Int(a.period)
	}
	switch a.statistic {
	case "":
		args.Statistic = pulumi.String("Sum")
	case "Sum", "Maximum":
		args.Statistic = pulumi.String(a.statistic)
	default:
		args.ExtendedStatistic = pulumi.String(a.statistic)
	}
	return cloudwatch.NewMetricAlarm(b.ctx, "alarm-"+a.name, args)
}
