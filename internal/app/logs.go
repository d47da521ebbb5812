package app

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
)

// Logs reads log events, the oldest first.
func (a *App) Logs(ctx context.Context, m *Machine, q pipelines.LogQuery) ([]pipelines.LogLine, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	env := t.programEnv(m.Pipeline.Spec)
	group := q.Group
	switch names := m.Pipeline.Spec.Names(env.Account); {
	case q.Group == pipelines.LogsFunction:
		group = names.FunctionLogs
	case q.Group == pipelines.LogsStates:
		group = names.StatesLogs
	case q.Group == pipelines.LogsEndpoint:
		group = names.EndpointLogs
	case !strings.HasPrefix(q.Group, "/"):
		group = "/aws/lambda/" + functionName(q.Group)
	}
	cfg, err := t.awsConfig(ctx, m.Pipeline.Spec.Region, m.Pipeline.Spec.AssumeRole)
	if err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = 1000
	}
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group}
	if !q.Since.IsZero() {
		in.StartTime = aws.Int64(q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		in.EndTime = aws.Int64(q.Until.UnixMilli())
	}
	if q.Filter != "" {
		in.FilterPattern = &q.Filter
	}
	var out []pipelines.LogLine
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(cloudwatchlogs.NewFromConfig(cfg), in)
	for pages.HasMorePages() && len(out) < limit {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fault.Wrap(awscfg.Classify(err), "read the log group %s", group)
		}
		for _, e := range page.Events {
			out = append(out, pipelines.LogLine{
				Time: time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), Stream: aws.ToString(e.LogStreamName), Message: strings.TrimRight(aws.ToString(e.Message), "\n"),
			})
		}
	}
	return out[:min(limit, len(out))], nil
}

// functionName takes the name out of a function's ARN, which may end in a version
// or alias (arn:aws:lambda:REGION:ACCOUNT:function:NAME:live); a name stays.
func functionName(s string) string {
	if of, err := arn.Parse(s); err == nil {
		s = strings.TrimPrefix(of.Resource, "function:")
	}
	name, _, _ := strings.Cut(s, ":")
	return name
}
