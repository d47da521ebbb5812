package ui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
)

// Launches are the batches of executions that this session starts. As with Jobs,
// leaving a page never ends one, and pages look at them; the end of the program
// does. All methods are called by the program's own goroutine.
type Launches struct {
	env  *Env
	list []*Launch
}

// NewLaunches returns an empty list; the root makes it.
func NewLaunches(e *Env) *Launches { return &Launches{env: e} }

// Launch is one batch from its first execution's start to its last one's.
type Launch struct {
	ID    spec.ID // the pipeline
	Name  string
	Total int
	// Started is when it was asked for, Ended zero as long as it runs.
	Started, Ended time.Time
	Result         executions.LaunchResult
	// Errs tell of items that could not be started: the first MaxLaunchErrs of them.
	Errs []executions.LaunchEvent
	Pace executions.Pace
	// Err is what ended it before its end.
	Err error

	launch *executions.Launch
	// with are those that were started as one with it, itself among them; nil if none were.
	with []*Launch
}

// MaxLaunchErrs bounds how many errors of a batch are kept; the rest is counted.
const MaxLaunchErrs = 100

type (
	launchBatch struct {
		launch *Launch
		batch  pump.Batch[executions.LaunchEvent]
	}
	launchEnded struct {
		launch *Launch
		result executions.LaunchResult
		err    error
	}
	// LaunchChanged is told to all pages when a batch has come further.
	LaunchChanged struct{ Launch *Launch }
)

// All returns the launches, the newest first.
func (l *Launches) All() []*Launch {
	out := slices.Clone(l.list)
	slices.Reverse(out)
	return out
}

// Running returns those that have not ended.
func (l *Launches) Running() []*Launch {
	var out []*Launch
	for _, x := range l.list {
		if !x.Done() {
			out = append(out, x)
		}
	}
	return out
}

// Of returns the newest launch of a pipeline, or nil.
func (l *Launches) Of(id spec.ID) *Launch {
	for _, x := range slices.Backward(l.list) {
		if x.ID == id {
			return x
		}
	}
	return nil
}

// Start begins a launch of total items. The command has to be returned from Update.
func (l *Launches) Start(id spec.ID, total int, client *executions.Client, in executions.LaunchInput) (*Launch, tea.Cmd) {
	x := &Launch{ID: id, Name: in.Batch, Total: total, Started: l.env.Now(), launch: client.Launch(l.env.Ctx, in)}
	l.list = append(l.list, x)
	return x, l.next(x)
}

func (l *Launches) next(x *Launch) tea.Cmd {
	ctx, env := l.env.Ctx, l.env
	return func() tea.Msg {
		env.waiting.Add(1)
		return Deliver{Msg: Guard(func() tea.Msg { return launchBatch{x, pump.Next(ctx, x.launch.Events(), env.waitsNot)} })}
	}
}

// Handle takes the messages of launches; ok is false for any other. What changed is
// returned for the pages.
func (l *Launches) Handle(msg tea.Msg) (x *Launch, cmd tea.Cmd, ok bool) {
	switch m := msg.(type) {
	case launchBatch:
		x = m.launch
		for _, e := range m.batch.Items {
			x.apply(e)
		}
		x.Pace.Add(l.env.Now(), int64(x.Dealt()))
		if !m.batch.Closed {
			return x, l.next(x), true
		}
		return x, l.env.do(func(context.Context) tea.Msg {
			r, err := x.launch.Wait()
			return launchEnded{x, r, err}
		}), true
	case launchEnded:
		m.launch.Result, m.launch.Err, m.launch.Ended = m.result, m.err, l.env.Now()
		return m.launch, nil, true
	}
	return nil, nil, false
}

// do runs f in the background for the root.
func (e *Env) do(f func(ctx context.Context) tea.Msg) tea.Cmd {
	ctx, busy := e.Ctx, &e.busy
	busy.Add(1)
	return func() tea.Msg {
		return Deliver{Msg: Guard(func() tea.Msg { return f(ctx) }), counted: busy}
	}
}

func (x *Launch) apply(e executions.LaunchEvent) {
	switch {
	case e.Err != nil:
		x.Result.Failed++
		if len(x.Errs) < MaxLaunchErrs {
			x.Errs = append(x.Errs, e)
		}
	case e.Existed:
		x.Result.Existed++
	default:
		x.Result.Started++
	}
}

// Together has launches of several pipelines be one work: the end of the last one is told for
// all.
func Together(list []*Launch) {
	for _, x := range list {
		x.with = list
	}
}

// Told is what is to be said of its end: nothing, if others of the same work go on.
func (x *Launch) Told() (t Toast, ok bool) {
	if len(x.with) < 2 {
		return x.Summary(), true
	}
	var sum executions.LaunchResult
	var wrong *Launch
	for _, o := range x.with {
		if !o.Done() {
			return t, false
		}
		sum.Started, sum.Existed, sum.Failed = sum.Started+o.Result.Started, sum.Existed+o.Result.Existed, sum.Failed+o.Result.Failed
		if o.Err != nil && wrong == nil {
			wrong = o
		}
	}
	t.Text = fmt.Sprintf("batch %s of %d pipelines: %d started, %d were there already", x.Name, len(x.with), sum.Started, sum.Existed)
	if sum.Failed > 0 {
		t.Text, t.Bad = fmt.Sprintf("%s, %d could not be started; e on a pipeline's executions tells why", t.Text, sum.Failed), true
	}
	if wrong != nil {
		t.Text, t.Bad = fmt.Sprintf("%s; %s: %s", t.Text, wrong.ID, wrong.Err.Error()), true
	}
	return t, true
}

// Done tells whether it has ended.
func (x *Launch) Done() bool { return !x.Ended.IsZero() }

// Dealt is how many items were dealt with, well or not.
func (x *Launch) Dealt() int { return x.Result.Started + x.Result.Existed + x.Result.Failed }

// Cancel starts no more; what was started goes on.
func (x *Launch) Cancel() { x.launch.Cancel() }

// Summary says how it ended.
func (x *Launch) Summary() Toast {
	switch name := "batch " + x.Name; {
	case errors.Is(x.Err, fault.Canceled):
		return Toast{Text: fmt.Sprintf("%s: stopped after %d of %d; start it again with this name to go on", name, x.Dealt(), x.Total), Bad: true}
	case x.Err != nil:
		return Toast{Text: name + ": " + x.Err.Error(), Bad: true}
	case x.Result.Failed > 0:
		return Toast{Text: fmt.Sprintf("%s: %d of %d could not be started; e on the list of executions tells why", name, x.Result.Failed, x.Total), Bad: true}
	default:
		return Toast{Text: fmt.Sprintf("%s: %d started, %d were there already", name, x.Result.Started, x.Result.Existed)}
	}
}
