// Package data is what the terminal asks of the rest of the program: one
// interface, Source, and the small types that go through it. Pages know nothing
// else of the world. It may import the domain packages (spec, stack, executions,
// fault), never app, cli or an SDK: internal/tui/live implements Source over app,
// internal/tui/datatest over recordings.
package data

import (
	"context"

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
	// Live asks AWS for what the state cannot know. It costs a DescribeEndpoint and one
	// to three ListExecutions. The error is that nothing could be asked; what else could
	// not is told in the result.
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

// The domain's words, as they are everywhere (see the package
// pipelines).
type (
	// Pipeline is one pipeline as people see it.
	Pipeline = pipelines.Pipeline
	// Drift is what differs from what is recorded.
	Drift = pipelines.Drift
	// Live is what runs of a pipeline now.
	Live = pipelines.Live
	// Request is an operation that is asked for.
	Request = pipelines.Request
	// Operation is one that runs.
	Operation = pipelines.Operation
	// Update is news of it.
	Update = pipelines.Update
	// Result is what came of it for one pipeline.
	Result = pipelines.Outcome
	// Machine is a pipeline's state machine with its client.
	Machine = pipelines.Machine
	// LogQuery is a question about logs.
	LogQuery = pipelines.LogQuery
	// LogLine is a line of the answer.
	LogLine = pipelines.LogLine
	// Planned is a resource that a pipeline will have.
	Planned = spec.Planned
)
