package app

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
)

// LogStream reads log groups of a pipeline as one stream: those of sources
// (pipelines.LogsFunction and so on), all that it has if none is named. of narrows those of
// the state machine to what one execution has logged, by its ARN; "" does not.
func (a *App) LogStream(ctx context.Context, m *Machine, sources []string, of string) (*logstream.Reader, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	names := m.Pipeline.Spec.Names(t.programEnv(m.Pipeline.Spec).Account)
	known := []logstream.Group{
		{Source: pipelines.LogsStates, Name: names.StatesLogs}, {Source: pipelines.LogsFunction, Name: names.FunctionLogs}, {Source: pipelines.LogsEndpoint, Name: names.EndpointLogs},
	}
	var groups []logstream.Group
	for _, g := range known {
		named := len(sources) == 0
		for _, s := range sources {
			named = named || s == g.Source
		}
		if !named {
			continue
		}
		if of != "" && g.Source == pipelines.LogsStates {
			// Its name alone stands in lines of others, too: in their inputs, and as a part of
			// their names. (step-functions/latest/dg/cw-logs.html has the member.)
			g.Filter = `{ $.execution_arn = "` + of + `" }`
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return nil, fault.New(fault.Invalid, "there are no such logs")
	}
	cfg, err := t.awsConfig(ctx, m.Pipeline.Spec.Region, m.Pipeline.Spec.AssumeRole)
	if err != nil {
		return nil, err
	}
	return &logstream.Reader{
		API: cloudwatchlogs.NewFromConfig(cfg), Groups: groups, Clock: a.opts.Clock, Unlimited: t.attached && !a.quotasOn(ctx, t),
		Shared: a.ledgerOf(t, m.Pipeline.Spec.Region, m.Pipeline.Spec.AssumeRole),
	}, nil
}
