package app

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
)

// Concurrency implements preflight.Account.
func (q *asker) Concurrency(ctx context.Context) (c preflight.Concurrency, err error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return c, err
	}
	out, err := lambda.NewFromConfig(cfg).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil || out.AccountLimit == nil {
		return c, err
	}
	return preflight.Concurrency{May: int(out.AccountLimit.ConcurrentExecutions), Unreserved: int(aws.ToInt32(out.AccountLimit.UnreservedConcurrentExecutions))}, nil
}

// Reserved implements preflight.Account. A function that is not there has nothing.
func (q *asker) Reserved(ctx context.Context, function string) (int, error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return 0, err
	}
	out, err := lambda.NewFromConfig(cfg).GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &function})
	if code(err) == "ResourceNotFoundException" {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(aws.ToInt32(out.ReservedConcurrentExecutions)), nil
}

// Workflows implements preflight.Account.
func (q *asker) Workflows(ctx context.Context) (a preflight.Amount, err error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return a, err
	}
	if a.May, err = quota(ctx, cfg, "states", "L-B66B0F91"); err != nil {
		return a, err
	}
	a.Has, err = executions.CountMachines(ctx, cfg)
	return a, err
}

// mapRunsWithin is how far back the count of open Map Runs is looked for: CloudWatch has one
// for each minute, some minutes late.
const mapRunsWithin = 15 * time.Minute

// MapRuns implements preflight.Account. No operation lists those of an account; Step
// Functions counts them in a metric without dimensions.
// https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
func (q *asker) MapRuns(ctx context.Context) (a preflight.Amount, err error) {
	cfg, err := q.config(ctx, "")
	if err != nil {
		return a, err
	}
	if a.May, err = quota(ctx, cfg, "states", "L-15D902EC"); err != nil {
		return a, err
	}
	now := q.clock.Now()
	out, err := cloudwatch.NewFromConfig(cfg).GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(now.Add(-mapRunsWithin)), EndTime: aws.Time(now.Add(time.Minute)), ScanBy: cwtypes.ScanByTimestampDescending,
		MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("open"), MetricStat: &cwtypes.MetricStat{
			Metric: &cwtypes.Metric{Namespace: aws.String("AWS/States"), MetricName: aws.String("ApproximateOpenMapRunCount")},
			Period: aws.Int32(60), Stat: aws.String("Maximum"),
		}}},
	})
	if err == nil && len(out.MetricDataResults) > 0 && len(out.MetricDataResults[0].Values) > 0 {
		a.Has = int(out.MetricDataResults[0].Values[0])
	}
	return a, err
}
