// Package data is what the terminal asks of the rest of the program: one
// interface, Source, and the small types that go through it. Pages know nothing
// else of the world. It may import the domain packages (spec, stack, executions,
// fault), never app, cli or an SDK: internal/tui/live implements Source over app,
// internal/tui/datatest over recordings.
package data

import (
	"context"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Source is everything a page may ask. All methods may block on processes and
// the network and are called from commands only, never from Update or View; they
// end soon after ctx does. Implementations are safe for concurrent use. Errors
// are *fault.Error; text in results comes from outside and may hold escapes.
type Source interface {
	// Place tells where things run and as whom. The first call starts the sandbox
	// or checks the credentials.
	Place(ctx context.Context) (Place, error)
	// Catalog returns the templates.
	Catalog(ctx context.Context) (*spec.Catalog, error)
	// SpecOptions are the options for checking what the user enters.
	SpecOptions() spec.Options

	// Pipelines lists the pipelines of the backend by name. States that were read
	// before and have not changed since are filled in; the others have a nil State
	// and a nil Err: ask Read for them.
	Pipelines(ctx context.Context) ([]Pipeline, error)
	// Read reads one pipeline's state from the backend. That it is broken is told
	// in Pipeline.Err; the error is NotFound if there is no such stack.
	Read(ctx context.Context, id spec.ID) (Pipeline, error)
	// Template is the template of a pipeline: one of the catalog, or that of its stack.
	Template(ctx context.Context, p *spec.Pipeline) (*spec.Template, error)
	// Rebuild is a pipeline as it was asked for, with its secrets (State.Spec lacks them)
	// and with the artifacts that are not on this machine, to make it again.
	Rebuild(ctx context.Context, p Pipeline) (*spec.Pipeline, error)
	// Live asks AWS for what the state cannot know. It costs a DescribeEndpoint and
	// two or three ListExecutions.
	Live(ctx context.Context, p Pipeline) (Live, error)
	// History lists a pipeline's updates, the newest first; limit 0 means all.
	History(ctx context.Context, id spec.ID, limit int) ([]stack.Update, error)
	// Locks tells who holds the stack; Unlock removes the locks, whoever holds them.
	Locks(ctx context.Context, id spec.ID) ([]stack.Lock, error)
	Unlock(ctx context.Context, id spec.ID) error
	// Copies lists what can take the place of a damaged state, the best first;
	// Restore puts the best there and returns it, and where the damaged one is kept.
	Copies(ctx context.Context, id spec.ID) ([]stack.Copy, error)
	Restore(ctx context.Context, id spec.ID) (c stack.Copy, aside string, err error)

	// Describe tells what a pipeline will consist of, without asking anybody.
	Describe(ctx context.Context, p *spec.Pipeline) ([]Planned, error)
	// Operate starts an operation on several pipelines after checking all of them.
	Operate(ctx context.Context, req Request) (Operation, error)

	// Machine returns the pipeline's state machine, ready for executions; NotFound
	// if the pipeline has none yet.
	Machine(ctx context.Context, id spec.ID) (*Machine, error)
	// MachineOf is Machine for an execution known by its ARN only: ID and
	// Definition may be empty.
	MachineOf(ctx context.Context, executionARN string) (*Machine, error)
	// Upload puts a local file where the pipeline's executions read their input
	// from and returns the execution input that names it (templates with an
	// inputFile). Progress is called with bytes done and in all; it may be nil.
	Upload(ctx context.Context, id spec.ID, file string, progress func(done, total int64)) (input []byte, err error)
	// Journal is the file that records a batch's launch, so that it can go on.
	Journal(id spec.ID, batch string) string
	// Logs reads lines of the pipeline's log groups, the oldest first, at most limit.
	Logs(ctx context.Context, id spec.ID, q LogQuery) ([]LogLine, error)
	// ConsoleURL is the page of a resource in the AWS console, "" if it has none
	// (always on the sandbox).
	ConsoleURL(r stack.Resource) string
	// LogFile is where panics and debug logs go.
	LogFile() string
}

// Place is where things run and as whom.
type Place struct {
	Target   string // "sandbox" or "aws"
	Account  string
	Identity string // ARN
	Region   string
	Endpoint string // "" unless not AWS's own
	Backend  string
	ReadOnly bool
}

// Sandbox tells whether nothing here costs money.
func (p Place) Sandbox() bool { return p.Target == "sandbox" }

// Pipeline is one pipeline as its stack tells it.
type Pipeline struct {
	ID      spec.ID
	Summary stack.Summary
	// State is nil if it was not read yet, or could not be (then Err says why).
	State *stack.State
	// Spec is what the stack was made from; nil if it is not known.
	Spec *spec.Pipeline
	// History are its newest entries, the newest first; nil if not known.
	History []stack.Update
	// HistoryErr is why they could not be read.
	HistoryErr error
	// Last is the newest entry of the history; nil if not known.
	Last *stack.Update
	// Refreshed is the newest refresh in the history that ended well; nil if none is
	// known, which may be because the history was not read that far back.
	Refreshed *stack.Update
	// Read is when State was read.
	Read time.Time
	Err  error
}

// Condition tells how the pipeline is.
func (p Pipeline) Condition() pipelines.Condition {
	return pipelines.Assess(pipelines.Facts{
		Pipeline: p.ID.String(), State: p.State, Err: p.Err, InProgress: p.Summary.InProgress, Locks: p.Summary.Locks, History: p.History, HistoryErr: p.HistoryErr,
	})
}

// Output is a string output of the stack, "" if it has none of that name.
func (p Pipeline) Output(name string) string {
	if p.State == nil {
		return ""
	}
	s, _ := p.State.Outputs[name].Value.(string)
	return s
}

// Template is the name of the pipeline's template, "" if it is not known.
func (p Pipeline) Template() string {
	if p.Spec == nil {
		return ""
	}
	return p.Spec.Template
}

// Region is where the pipeline lives, "" if it is not known.
func (p Pipeline) Region() string {
	if p.Spec == nil {
		return ""
	}
	return p.Spec.Region
}

// Live is what AWS tells of a pipeline at a moment.
type Live struct {
	// Endpoint is the endpoint's status ("InService"), "" if there is none.
	Endpoint string
	// Running and Failed count executions, failed ones of the last 24 hours; at
	// most LiveLimit each.
	Running, Failed int
	// Last is the newest execution, nil if there is none.
	Last *executions.Execution
	At   time.Time
}

// LiveLimit is the most that Live counts.
const LiveLimit = 1000

// Request asks for one operation on several pipelines.
type Request struct {
	Operation stack.Operation
	// Pipelines are what to work on. Destroy and refresh take stacks without a
	// readable spec too: only ID and Region need be set.
	Pipelines []*spec.Pipeline
	// Parallel bounds the pipelines worked on at once; 0 is the default.
	Parallel int
	Refresh  bool
	Message  string
	// ClearPending forgets creations that were cut off (refresh).
	ClearPending bool
	// Expect is what a preview found (Operation.Wait), or the Basis of the state that
	// was shown: the operation is refused for a stack that has changed since.
	// Optional.
	Expect []Result
	// Settle says, by pipeline, that its executions are waited for or stopped before
	// anything is changed (up, destroy). Optional.
	Settle map[spec.ID]pipelines.Running
}

// Title says what is asked for: "up acme/fraud", "destroy 3 pipelines".
func (r Request) Title() string {
	if len(r.Pipelines) == 1 {
		return string(r.Operation) + " " + r.Pipelines[0].ID.String()
	}
	names := make([]string, 0, 3)
	for _, p := range r.Pipelines {
		if len(names) == 3 {
			names = append(names[:2], "...")
			break
		}
		names = append(names, p.ID.String())
	}
	return string(r.Operation) + " " + strings.Join(names, ", ")
}

// Planned is one resource that a pipeline will have.
type Planned struct {
	Block, Type, Name string
	// AWSName is its name in the account, "" if it has none or gets one when made.
	AWSName string
	// Idle says what it costs while nothing runs, "" if it costs by use only.
	Idle string
}

// Operation is a running operation. Its methods are safe for concurrent use.
type Operation interface {
	// Updates are the events of all pipelines as they arrive. The channel is closed
	// when everything has ended; it has to be read to its end.
	Updates() <-chan Update
	// Wait returns the results in the order of the request after everything ended.
	Wait() []Result
	// Cancel asks politely: nothing new is begun, what is in flight is waited for.
	Cancel()
	// Kill ends the engines at once; what is in flight may be orphaned.
	Kill()
	// Running returns the pipelines that are being worked on.
	Running() []spec.ID
}

// Update is one event of one pipeline's operation.
type Update struct {
	ID    spec.ID
	Event stack.Event
}

// Result is how an operation ended for one pipeline.
type Result struct {
	ID     spec.ID
	Result stack.Result
	Err    error
	// Skipped is set if it was never begun.
	Skipped bool
	// Basis identifies the state of the stack that a preview looked at, for
	// Request.Expect.
	Basis string
}

// Machine is a pipeline's state machine.
type Machine struct {
	ID spec.ID
	// ARN is the machine, by which executions are listed; Alias is what they are
	// started through.
	ARN, Alias string
	Region     string
	Client     *executions.Client
	// Version is the ARN of the newest version, "" if it is not known.
	Version string
	// Definition is the Amazon States Language text of the newest version.
	Definition string
	// Template is the pipeline's, nil if it is not known.
	Template *spec.Template
	// Parameters are the pipeline's, for the template's example of an input.
	Parameters spec.Values
}

// LogQuery selects log lines.
type LogQuery struct {
	// Group is "function", "states" or "endpoint": one of the pipeline's own groups;
	// or the ARN or name of a Lambda function.
	Group string
	// Since and Until bound the time; zero means no bound.
	Since, Until time.Time
	// Filter is a CloudWatch Logs filter pattern, often a request id; optional.
	Filter string
	Limit  int
}

// LogLine is one log event.
type LogLine struct {
	Time    time.Time
	Stream  string
	Message string
}
