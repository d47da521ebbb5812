package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// mapRunDoc is a Map Run in machine output.
type mapRunDoc struct {
	executions.MapRun
	// Failures are why children did not succeed, of the first that were looked at.
	Failures []executions.Failure `json:"failures,omitempty"`
}

// mapRuns follows the Map Runs of one execution while it is watched. One
// goroutine owns it; updates come from those that it starts.
type mapRuns struct {
	ctx     context.Context
	client  *executions.Client
	updates chan executions.MapRunProgress

	arns    []string // in the order in which they began
	watches map[string]*executions.MapRunWatch
	relays  sync.WaitGroup
}

func newMapRuns(ctx context.Context, client *executions.Client) *mapRuns {
	return &mapRuns{ctx: ctx, client: client, updates: make(chan executions.MapRunProgress), watches: map[string]*executions.MapRunWatch{}}
}

// follow begins to watch the Map Run that an event tells of, if it does. A
// redrive continues a run that had ended.
func (r *mapRuns) follow(ev executions.Event) {
	if ev.MapRun == "" || ev.Type != "MapRunStarted" && ev.Type != "MapRunRedriven" {
		return
	}
	if w, ok := r.watches[ev.MapRun]; ok {
		w.Cancel()
	} else {
		r.arns = append(r.arns, ev.MapRun)
	}
	w := r.client.WatchMapRun(r.ctx, ev.MapRun)
	r.watches[ev.MapRun] = w
	r.relays.Go(func() {
		for p := range w.Events() {
			select {
			case r.updates <- p:
			case <-r.ctx.Done():
			}
		}
	})
}

// mapRunPrinter decides which pictures of Map Runs are worth a line: those that
// show something new, and the less often the longer it takes.
type mapRunPrinter struct {
	began time.Time
	last  map[string]mapRunLine
	// ended are the runs whose end was told.
	ended map[string]bool
}

type mapRunLine struct {
	at    time.Time
	items executions.Counts
}

func (p *mapRunPrinter) worth(r *executions.MapRun, now time.Time) bool {
	last, seen := p.last[r.ARN]
	every := max(time.Second, now.Sub(p.began)/50)
	if seen && (last.items == r.Items || !r.Status.Terminal() && now.Sub(last.at) < every) {
		return false
	}
	if p.last == nil {
		p.last = map[string]mapRunLine{}
	}
	p.last[r.ARN] = mapRunLine{now, r.Items}
	return true
}

// tellMapRun shows how far a Map Run is, its end once.
func tellMapRun(deps *Deps, l *console.Stream, printer *mapRunPrinter, p executions.MapRunProgress, start time.Time) error {
	if p.MapRun.Status.Terminal() && printer.ended[p.MapRun.ARN] || l == nil && !printer.worth(&p.MapRun, deps.now()) {
		return nil
	}
	// A redrive continues a run that had ended.
	printer.ended[p.MapRun.ARN] = p.MapRun.Status.Terminal()
	if l != nil {
		return l.Emit(struct {
			Type string `json:"type"`
			executions.MapRunProgress
			SecondsLeft float64 `json:"secondsLeft,omitempty"`
		}{"mapRun", p, p.Left.Seconds()})
	}
	if start.IsZero() {
		start = p.MapRun.Start
	}
	fmt.Fprintln(deps.Err, render.MapRunLine(deps.ErrStyle, p, start, deps.now()))
	return nil
}

// failuresShown bounds how many failed children of a Map Run are looked at: each
// costs a call of an API that has 15 a second for the whole account.
const failuresShown = 20

// mapRunDocs describes Map Runs with the failures of their children. What can't
// be had is told and left out: the execution itself matters more.
func mapRunDocs(ctx context.Context, deps *Deps, c *executions.Client, arns []string) []mapRunDoc {
	var docs []mapRunDoc
	for _, arn := range arns {
		r, err := c.DescribeMapRun(ctx, arn)
		if err != nil {
			deps.Note("the Map Run %s can't be shown: %s", render.Line(arn, 0), render.Line(err.Error(), 0))
			continue
		}
		d := mapRunDoc{MapRun: *r}
		if r.Children.Unsuccessful() > 0 {
			if d.Failures, err = c.Failures(ctx, arn, failuresShown); err != nil {
				deps.Note("the failed children of %s can't be shown: %s", render.Line(arn, 0), render.Line(err.Error(), 0))
			}
		}
		docs = append(docs, d)
	}
	return docs
}

// mapRunsOf lists the ARNs of the Map Runs in a history.
func mapRunsOf(events []executions.Event) []string {
	var arns []string
	seen := map[string]bool{}
	for i := range events {
		if arn := events[i].MapRun; arn != "" && !seen[arn] {
			seen[arn] = true
			arns = append(arns, arn)
		}
	}
	return arns
}

// listChildren lists the child executions of an execution's Map Runs.
func listChildren(ctx context.Context, deps *Deps, id spec.ID, execution string, in executions.ListInput) error {
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	arn, err := m.Client.Resolve(ctx, m.ARN, execution)
	if err != nil {
		return err
	}
	runs, err := m.Client.MapRuns(ctx, arn)
	if err != nil {
		return fault.Wrap(err, "list the Map Runs of %s", execution)
	}
	if len(runs) == 0 {
		return fault.New(fault.NotFound, "execution %s has no Map Run", execution).
			WithHint("Only an execution of a Distributed Map has child executions, once it has come to that state.")
	}
	var list []executions.Execution
	for i := range runs {
		some, err := m.Client.Children(ctx, runs[i].ARN, in.Statuses, in.Limit)
		if err != nil {
			return fault.Wrap(err, "list the children of %s", execution)
		}
		list = append(list, some...)
	}
	if in.Limit > 0 && len(list) > in.Limit {
		list = list[:in.Limit]
	}
	return writeExecutions(deps, id, list)
}
