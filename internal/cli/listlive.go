package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
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
	// told are those of the warnings that nothing else in the text says.
	told []warningDoc
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

// tell is warn, for what the text has to say in words.
func (l *asking) tell(e *env, pipeline string, err error) {
	l.warn(e, pipeline, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, warningDoc{pipeline, e.describe(err)})
}

// text is what could not be asked, a line each.
func (l *asking) text(st theme.Styles) string {
	var b strings.Builder
	for _, w := range l.told {
		fmt.Fprintln(&b, st.Warn.Render("! "+w.Pipeline+": "+render.Line(w.Message, 0)))
		if w.Hint != "" {
			fmt.Fprintln(&b, "  "+st.Muted.Render(render.Line(w.Hint, 0)))
		}
	}
	return b.String()
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
			if err := e.addLiveOne(ctx, list[i], d, l); err != nil && ctx.Err() == nil {
				l.tell(e, d.Pipeline, err)
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(l.warnings, func(a, b warningDoc) int { return cmp.Compare(a.Pipeline, b.Pipeline) })
	slices.SortStableFunc(l.told, func(a, b warningDoc) int { return cmp.Compare(a.Pipeline, b.Pipeline) })
	if ctx.Err() != nil && l.err == nil {
		l.err = fault.New(fault.Canceled, "interrupted while AWS was asked for endpoints and executions").Because(ctx.Err())
	}
}

// endpointGone is shown in place of the status of an endpoint that is not there.
const endpointGone = "gone"

func (e *env) addLiveOne(ctx context.Context, x app.Existing, d *pipelineDoc, l *asking) error {
	status, err := e.open().EndpointStatus(ctx, &x)
	if fault.KindOf(err) == fault.NotFound {
		// Its executions are there all the same.
		l.tell(e, d.Pipeline, err)
		status, err = endpointGone, nil
	}
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
