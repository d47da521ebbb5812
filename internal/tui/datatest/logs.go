package datatest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// LogStream implements data.Source: log groups are named as their sources are.
func (s *Source) LogStream(ctx context.Context, _ spec.ID, sources []string, of string) (*logstream.Reader, error) {
	api := s.LogsAPI
	if api == nil {
		api = &Logs{}
	}
	r := &logstream.Reader{API: api, Clock: clock.NewFake(Recorded), Unlimited: true}
	for _, source := range []string{pipelines.LogsStates, pipelines.LogsFunction, pipelines.LogsEndpoint} {
		if len(sources) == 0 || slices.Contains(sources, source) {
			r.Groups = append(r.Groups, logstream.Group{Source: source, Name: source, Filter: of})
		}
	}
	return r, ctx.Err()
}

// Logs is CloudWatch Logs in memory. The zero value has no log group. It is safe for
// concurrent use.
type Logs struct {
	mu     sync.Mutex
	groups map[string][]types.FilteredLogEvent
	asked  int
	err    error
}

var _ logstream.API = (*Logs)(nil)

// Add writes a line to a log group.
func (l *Logs) Add(group string, at time.Time, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.groups == nil {
		l.groups = map[string][]types.FilteredLogEvent{}
	}
	l.groups[group] = append(l.groups[group], types.FilteredLogEvent{
		EventId: aws.String(strconv.Itoa(len(l.groups[group]))), LogStreamName: aws.String("2026/11/25/[1]abc"), Message: &text, Timestamp: aws.Int64(at.UnixMilli()),
	})
}

// Fail has the next calls fail; nil: no more.
func (l *Logs) Fail(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = nil; text != "" {
		l.err = errors.New(text)
	}
}

// Asked is how many calls there were.
func (l *Logs) Asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// FilterLogEvents implements logstream.API, without filters.
func (l *Logs) FilterLogEvents(ctx context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked++; l.err != nil {
		return nil, l.err
	}
	events, ok := l.groups[aws.ToString(in.LogGroupName)]
	if !ok {
		return nil, &types.ResourceNotFoundException{}
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	for _, e := range events {
		if *e.Timestamp >= aws.ToInt64(in.StartTime) && (in.EndTime == nil || *e.Timestamp < *in.EndTime) {
			out.Events = append(out.Events, e)
		}
	}
	return out, ctx.Err()
}

// Health implements data.Source.
func (s *Source) Health(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
	if s.HealthFunc != nil {
		return s.HealthFunc(ctx, list, q)
	}
	out := make([]pipelines.Health, len(list))
	for i := range list {
		out[i] = pipelines.Health{ID: list[i].ID, Report: health.Report{Since: q.Since, Until: q.Until, Seconds: 60}}
	}
	return out, ctx.Err()
}
