package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/waves"
)

// Clock is the application's.
func (a *App) Clock() clock.Clock { return a.opts.Clock }

// FleetHealth tells of several pipelines how the executions that began since a time have ended,
// and which of their alarms have gone off since.
func (a *App) FleetHealth(ctx context.Context, list []*spec.Pipeline, since time.Time) (waves.Seen, error) {
	skew, err := a.skew(ctx, list)
	if err != nil {
		return waves.Seen{}, err
	}
	since = since.Add(-skew)
	all := make([]waves.Seen, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, p := range list {
		g.Go(func() (err error) {
			all[i], err = a.healthOf(gctx, p, since)
			return fault.Wrap(err, "look at %s", p.ID)
		})
	}
	if err := g.Wait(); err != nil {
		return waves.Seen{}, err
	}
	var out waves.Seen
	for _, s := range all {
		out.Ended, out.Failed, out.Alarms = out.Ended+s.Ended, out.Failed+s.Failed, append(out.Alarms, s.Alarms...)
	}
	return out, nil
}

// leastSkew is by how much this machine's clock may be off before it is corrected: AWS tells
// whole seconds, and an answer takes some time.
const leastSkew = 5 * time.Second

// skew is by how much this machine's clock is ahead of AWS's: what has failed is told by AWS's.
func (a *App) skew(ctx context.Context, list []*spec.Pipeline) (time.Duration, error) {
	if len(list) == 0 {
		return 0, nil
	}
	t, err := a.Target(ctx)
	if err != nil {
		return 0, err
	}
	cfg, err := t.awsConfig(ctx, list[0].Region, list[0].AssumeRole)
	if err != nil {
		return 0, err
	}
	who, err := awscfg.Check(ctx, cfg)
	if fault.OfNetwork(err) {
		// The region is right, as the fleet was updated there: it is the network that is away.
		return 0, fault.New(fault.Unreachable, "%v", err).Because(err)
	}
	if err != nil || who.Skew.Abs() < leastSkew {
		return 0, err
	}
	return who.Skew, nil
}

func (a *App) healthOf(ctx context.Context, p *spec.Pipeline, since time.Time) (waves.Seen, error) {
	var out waves.Seen
	x, err := a.Find(ctx, p.ID)
	if err != nil {
		return out, err
	}
	m, err := pipelines.NewMachine(x)
	if errors.Is(err, fault.NotFound) {
		return out, nil // its first update failed, as some may
	}
	if err != nil {
		return out, err
	}
	client, err := a.Executions(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return out, err
	}
	ran, err := client.List(ctx, executions.ListInput{Machine: m.ARN, Since: since, Limit: pipelines.LiveLimit})
	if err != nil {
		return out, err
	}
	for _, e := range ran {
		if e.Status.Terminal() && e.Status != executions.Aborted { // which somebody has asked for
			out.Ended++
			if e.Status != executions.Succeeded {
				out.Failed++
			}
		}
	}
	out.Alarms, err = a.alarmsOf(ctx, p, x.State, since)
	return out, err
}

// alarmsOf are the alarms of a pipeline that have gone off since a time. One that was in
// alarm before is no news of the update.
func (a *App) alarmsOf(ctx context.Context, p *spec.Pipeline, s *stack.State, since time.Time) ([]string, error) {
	var names []string
	for _, r := range s.Resources {
		if r.Type == kinds.MetricAlarm && !r.PendingDelete {
			names = append(names, r.ID) // its name
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return nil, err
	}
	var out []string
	for chunk := range slices.Chunk(names, 100) { // AlarmNames takes no more (API_DescribeAlarms)
		found, err := cloudwatch.NewFromConfig(cfg).DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: chunk, StateValue: types.StateValueAlarm, MaxRecords: aws.Int32(100)})
		if err != nil {
			return nil, awscfg.Classify(err)
		}
		for _, alarm := range found.MetricAlarms {
			// That of an update moves by itself, with what is evaluated.
			if at := cmp.Or(alarm.StateTransitionedTimestamp, alarm.StateUpdatedTimestamp); at == nil || !at.Before(since) {
				out = append(out, *alarm.AlarmName)
			}
		}
	}
	return out, nil
}
