package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
)

// Jobs are the operations of a session. They belong to the root: leaving a page
// never ends one, and pages look at them. All methods are called by the program's
// own goroutine.
type Jobs struct {
	env  *Env
	list []*Job
}

// NewJobs returns an empty list; the root makes it.
func NewJobs(e *Env) *Jobs { return &Jobs{env: e} }

// Job is one operation on one or several pipelines, from its request to its end.
type Job struct {
	Number  int
	Request pipelines.Request
	// Started is when it was asked for, Ended zero as long as it runs.
	Started, Ended time.Time
	// Progress is what is known of each pipeline; nil for one that has not begun.
	Progress map[spec.ID]*stack.Progress
	// Log is what is worth a line, in order, bounded by LogLimit.
	Log []LogEntry
	// Results are set at the end, in the order of the request.
	Results []pipelines.Outcome
	// Err is why it could not begin at all.
	Err error
	// Cancelled and Killed tell what the user asked for.
	Cancelled, Killed bool
	// Dropped counts log entries that made room for newer ones.
	Dropped int

	op pipelines.Operation
}

// Waiting tells that a pipeline of the job has begun and its engine has not: it waits for
// executions, and nothing has been changed on it.
func (j *Job) Waiting() bool {
	for _, p := range j.Progress {
		if p != nil && !p.Started.IsZero() && p.Config == nil && p.End == nil && len(p.Messages) > 0 {
			return true // an engine's first word is the config
		}
	}
	return false
}

// NotYet is said of a job that waits.
const NotYet = " It waits for executions: nothing has been changed yet."

// GoOn says what becomes of rollouts if their job is cancelled, once of each kind.
func GoOn(rollouts []*stack.Rollout) string {
	var said []string
	for _, r := range rollouts {
		if s := goesOn(r); !slices.Contains(said, s) {
			said = append(said, s)
		}
	}
	return strings.Join(said, "")
}

func goesOn(r *stack.Rollout) string {
	if r.Alias != nil {
		return " A rollout is under way: cancelled, all calls go back to the version of the " + r.Alias.Of + " that answered before. Forced, both versions " +
			"get calls until the next up or rollback."
	}
	return " A rollout of the endpoint is under way: SageMaker goes on with it, to its end or until an alarm turns it back, whether anybody waits or not."
}

// Rollouts are what moves over in the job, of all its pipelines.
func (j *Job) Rollouts() []*stack.Rollout {
	var out []*stack.Rollout
	for _, p := range j.Progress {
		if p != nil && p.End == nil {
			out = append(out, p.Rollouts()...)
		}
	}
	return out
}

// LogEntry is an event of a job.
type LogEntry struct {
	ID    spec.ID
	Event stack.Event
	// Took is how long a finished step took; 0 if that is not known.
	Took time.Duration
}

// LogLimit bounds a job's log.
const LogLimit = 5000

// Messages of jobs, handled by the root.
type (
	jobBegan struct {
		job *Job
		op  pipelines.Operation
		err error
	}
	jobBatch struct {
		job   *Job
		batch pump.Batch[pipelines.Update]
	}
	jobEnded struct {
		job     *Job
		results []pipelines.Outcome
	}
	// JobChanged is told to all pages when a job has made a step.
	JobChanged struct{ Job *Job }
)

// All returns the jobs, the newest first.
func (j *Jobs) All() []*Job {
	out := slices.Clone(j.list)
	slices.Reverse(out)
	return out
}

// Running returns the jobs that have not ended.
func (j *Jobs) Running() []*Job {
	var out []*Job
	for _, job := range j.list {
		if !job.Done() {
			out = append(out, job)
		}
	}
	return out
}

// Of returns the running job that changes a pipeline, or nil. Previews do not
// count.
func (j *Jobs) Of(id spec.ID) *Job {
	for _, job := range j.Running() {
		if job.Request.Operation != stack.OperationPreview && slices.ContainsFunc(job.Request.Pipelines, func(p *spec.Pipeline) bool { return p.ID == id }) {
			return job
		}
	}
	return nil
}

// Start begins an operation. The command has to be returned from Update.
func (j *Jobs) Start(req pipelines.Request) (*Job, tea.Cmd) {
	job := &Job{Number: len(j.list) + 1, Request: req, Started: j.env.Now(), Progress: map[spec.ID]*stack.Progress{}}
	j.list = append(j.list, job)
	source, ctx := j.env.Source, j.env.Ctx
	j.env.busy.Add(1)
	return job, func() tea.Msg {
		return Deliver{Msg: Guard(func() tea.Msg {
			// The operation outlives the program's context: it is ended by Cancel and
			// Kill only.
			op, err := source.Operate(context.WithoutCancel(ctx), req)
			return jobBegan{job, op, err}
		}), counted: &j.env.busy}
	}
}

// Handle takes the messages of jobs; ok is false for any other. What changed is
// returned for the pages.
func (j *Jobs) Handle(msg tea.Msg) (job *Job, cmd tea.Cmd, ok bool) {
	switch m := msg.(type) {
	case jobBegan:
		if m.err != nil {
			m.job.Err, m.job.Ended = m.err, j.env.Now()
			return m.job, nil, true
		}
		m.job.op = m.op
		switch {
		case m.job.Killed:
			m.op.Kill()
		case m.job.Cancelled:
			m.op.Cancel()
		}
		return m.job, j.next(m.job), true
	case jobBatch:
		for _, u := range m.batch.Items {
			m.job.apply(u)
		}
		if !m.batch.Closed {
			return m.job, j.next(m.job), true
		}
		op := m.job.op
		j.env.busy.Add(1)
		return m.job, func() tea.Msg {
			return Deliver{Msg: jobEnded{m.job, op.Wait()}, counted: &j.env.busy}
		}, true
	case jobEnded:
		m.job.Results, m.job.Ended = m.results, j.env.Now()
		return m.job, nil, true
	}
	return nil, nil, false
}

// next reads on. It does not end with the program's context: the stream has to be
// read to its end.
func (j *Jobs) next(job *Job) tea.Cmd {
	ch := job.op.Updates()
	ctx, env := context.WithoutCancel(j.env.Ctx), j.env
	return func() tea.Msg {
		env.waiting.Add(1)
		return Deliver{Msg: jobBatch{job, pump.Next(ctx, ch, env.waitsNot)}}
	}
}

func (j *Job) apply(u pipelines.Update) {
	p := j.Progress[u.ID]
	if p == nil {
		p = &stack.Progress{}
		j.Progress[u.ID] = p
	}
	p.Apply(u.Event)
	var took time.Duration
	if u.Event.Resource != nil {
		if row, ok := p.Row(u.Event.Resource.URN); ok && !row.Ended.IsZero() {
			took = row.Ended.Sub(row.Started)
		}
	}
	if len(j.Log) >= LogLimit {
		half := len(j.Log) / 2
		j.Dropped += half
		j.Log = slices.Delete(j.Log, 0, half)
	}
	j.Log = append(j.Log, LogEntry{u.ID, u.Event, took})
}

// Finish cancels what still runs and waits for it: for a program that ends
// without its user having been asked. Nothing may read the jobs' streams meanwhile.
func (j *Jobs) Finish() {
	running := j.Running()
	for _, job := range running {
		job.Cancel()
	}
	for _, job := range running {
		if job.op == nil {
			continue // it never began, and its command has ended with the program
		}
		for u := range job.op.Updates() {
			job.apply(u)
		}
		job.Results, job.Ended = job.op.Wait(), j.env.Now()
	}
}

// Done tells whether it has ended.
func (j *Job) Done() bool { return !j.Ended.IsZero() }

// Running returns the pipelines that are being worked on now.
func (j *Job) Running() []spec.ID {
	if j.op == nil || j.Done() {
		return nil
	}
	return j.op.Running()
}

// Cancel asks the job to stop gracefully; Kill ends it at once.
func (j *Job) Cancel() {
	j.Cancelled = true
	if j.op != nil {
		j.op.Cancel()
	}
}

// Kill ends the engines at once; what is in flight may be orphaned.
func (j *Job) Kill() {
	j.Killed = true
	if j.op != nil {
		j.op.Kill()
	}
}

// Outcome counts the results.
func (j *Job) Outcome() pipelines.Summary { return pipelines.Summarize(j.Results) }

// Failed tells whether anything of it went wrong.
func (j *Job) Failed() bool {
	return j.Err != nil || j.Outcome().Failed > 0
}
