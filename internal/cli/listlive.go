package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
)

// recentFailures is how far back failed executions are counted.
const recentFailures = 24 * time.Hour

// asking is how it went to ask AWS for what the stacks cannot know.
type asking struct {
	asked bool // --quick was not given
	// err is what the command ends with, after it has shown what it has: nobody must
	// take silence for health.
	err error

	mu       sync.Mutex
	warnings []warningDoc
}

// warningDoc says what could not be asked.
type warningDoc struct {
	Pipeline string `json:"pipeline,omitempty"`
	errorDoc
}

// complete tells whether everything was asked and answered.
func (l *asking) complete() bool { return l.asked && l.err == nil && len(l.warnings) == 0 }

func (l *asking) docs() []warningDoc {
	if l.warnings == nil {
		return []warningDoc{}
	}
	return l.warnings
}

// warn takes note of what could not be asked. Without credentials the command
// fails; that one endpoint is not there is shown, and no failure of the list.
func (l *asking) warn(e *env, pipeline string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warnings = append(l.warnings, warningDoc{pipeline, e.describe(err)})
	if k := fault.KindOf(err); l.err == nil && (pipeline == "" || k == fault.Unauthenticated || k == fault.Denied) {
		l.err = fault.Wrap(err, "ask for endpoints and executions")
	}
}

// addLive asks AWS for what the stacks cannot know. What cannot be had is unknown:
// a list must not fail because one account is out of reach.
func (e *env) addLive(ctx context.Context, list []app.Existing, docs []pipelineDoc, l *asking) {
	target, err := e.open().Target(ctx)
	if err != nil {
		l.warn(e, "", err)
		return
	}
	var wg sync.WaitGroup
	for i := range list {
		d := &docs[i]
		if list[i].Pipeline == nil || list[i].State == nil || d.Status == pipelines.Empty {
			continue
		}
		if d.Elsewhere = target.Elsewhere(&list[i]); d.Elsewhere != "" {
			l.warn(e, d.Pipeline, target.NotHere(&list[i]))
			continue
		}
		wg.Go(func() {
			if err := e.addLiveOne(ctx, list[i], d); err != nil && !errors.Is(err, context.Canceled) {
				l.warn(e, d.Pipeline, err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil && l.err == nil {
		l.err = fault.New(fault.Canceled, "interrupted while AWS was asked for endpoints and executions").Because(ctx.Err())
	}
}

func (e *env) addLiveOne(ctx context.Context, x app.Existing, d *pipelineDoc) error {
	status, err := e.open().EndpointStatus(ctx, &x)
	if err != nil {
		return fault.Wrap(err, "endpoint")
	}
	arn, err := x.State.Text("stateMachineArn")
	if err != nil {
		return err
	}
	if arn == "" {
		d.Endpoint, d.Live = status, true
		return nil
	}
	c, err := e.open().Executions(ctx, x.Pipeline.Region, x.Pipeline.AssumeRole)
	if err != nil {
		return err
	}
	running, err := c.List(ctx, executions.ListInput{Machine: arn, Statuses: []executions.Status{executions.Running}, Limit: 1000})
	if err != nil {
		return err
	}
	failed, err := c.List(ctx, executions.ListInput{
		Machine: arn, Statuses: []executions.Status{executions.Failed, executions.TimedOut}, Since: e.now().Add(-recentFailures), Limit: 1000,
	})
	if err != nil {
		return err
	}
	r, f := len(running), len(failed)
	d.Endpoint, d.Running, d.Failed, d.Live = status, &r, &f, true
	return nil
}
