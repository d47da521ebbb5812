// Package data is what the terminal asks of the rest of the program: one
// interface, Source, and the small types that go through it. Pages know nothing
// else of the world. It may import the domain packages (spec, stack, executions,
// fault), never app, cli or an SDK: internal/tui/live implements Source over app,
// internal/tui/datatest over recordings.
package data

import (
	"context"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/results"
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
	// Contexts tells where the session works and where else it could. It reads the AWS
	// configuration files and asks nobody.
	Contexts(ctx context.Context) (Contexts, error)
	// Switch goes on in another context, once its credentials were found to work; what
	// runs goes on where it is. After an error the session is where it was.
	Switch(ctx context.Context, to Context) error
	// Environ are the variables ("NAME=value") with which AWS's own tools work where the
	// session does, and those of this process that would lead them elsewhere.
	Environ(ctx context.Context) (set, without []string, err error)
	// Example is a pipeline that works as it is, made of what is built in.
	Example(ctx context.Context) (*spec.Pipeline, error)
	// Catalog returns the templates.
	Catalog(ctx context.Context) (*spec.Catalog, error)
	// SpecOptions are the options for checking what the user enters.
	SpecOptions() spec.Options

	// Pipelines lists the pipelines of the backend by name. States that were read
	// before and have not changed since are filled in; the others have a nil State
	// and a nil Err: ask Read for them.
	Pipelines(ctx context.Context) ([]pipelines.Pipeline, error)
	// Read reads one pipeline's state from the backend. That it is broken is told
	// in Pipeline.Err; the error is NotFound if there is no such stack.
	Read(ctx context.Context, id spec.ID) (pipelines.Pipeline, error)
	// Template is the template of a pipeline: one of the catalog, or that of its stack.
	Template(ctx context.Context, p *spec.Pipeline) (*spec.Template, error)
	// Rebuild is a pipeline as it was asked for, with its secrets (State.Spec lacks them)
	// and with the artifacts that are not on this machine, to make it again.
	Rebuild(ctx context.Context, p pipelines.Pipeline) (*spec.Pipeline, error)
	// Revisions lists the revisions of a pipeline that are kept, the newest first.
	Revisions(ctx context.Context, id spec.ID) ([]pipelines.Revision, error)
	// RebuildAt is a pipeline as a revision of it was made, with its secrets and its
	// artifacts of then, to make it again.
	RebuildAt(ctx context.Context, p pipelines.Pipeline, number int) (*spec.Pipeline, error)
	// Live asks AWS for what the state cannot know. It costs a DescribeEndpoint and one
	// to three ListExecutions. The error is that nothing could be asked; what else could
	// not is told in the result.
	Live(ctx context.Context, p pipelines.Pipeline) (pipelines.Live, error)
	// History lists a pipeline's updates, the newest first; limit 0 means all.
	History(ctx context.Context, id spec.ID, limit int) ([]stack.Update, error)
	// Locks tells who holds the stack; Unlock removes those that were shown, whoever
	// holds them.
	Locks(ctx context.Context, id spec.ID) ([]stack.Lock, error)
	Unlock(ctx context.Context, id spec.ID, shown []stack.Lock) error
	// Copies lists what can take the place of a damaged state, the best first;
	// Restore puts the best there and returns it, and where the damaged one is kept.
	Copies(ctx context.Context, id spec.ID) ([]stack.Copy, error)
	Restore(ctx context.Context, id spec.ID) (pipelines.Restored, error)

	// Describe tells what a pipeline will consist of, without asking anybody.
	Describe(ctx context.Context, p *spec.Pipeline) ([]spec.Planned, error)
	// Preflight asks the account of a pipeline what would make an up of it fail. It costs
	// some twenty questions, all at once, and ends within seconds.
	Preflight(ctx context.Context, p *spec.Pipeline) (preflight.Report, error)
	// Operate starts an operation on several pipelines after checking all of them.
	Operate(ctx context.Context, req pipelines.Request) (pipelines.Operation, error)

	// TurnBack has the rollout of a pipeline's endpoint turned back, by one of its alarms:
	// AWS has no other way. Unsupported if it has none, Conflict if no rollout is under way.
	// Without an endpoint it is that of an alias.
	TurnBack(ctx context.Context, p *spec.Pipeline, endpoint string) error

	// Machine returns the pipeline's state machine, ready for executions; NotFound
	// if the pipeline has none yet.
	Machine(ctx context.Context, id spec.ID) (*pipelines.Machine, error)
	// MachineOf is Machine for an execution known by its ARN only: ID and
	// Definition may be empty.
	MachineOf(ctx context.Context, executionARN string) (*pipelines.Machine, error)
	// Ends is a feed of the ends of a pipeline's executions until ctx is done, nil if it
	// tells of none (events: push). It asks nobody yet.
	Ends(ctx context.Context, p *pipelines.Pipeline) executions.Feed
	// Waits are what programs of this home wait for now since AWS gives an account only so
	// many calls, what takes longest first. It reads small files of this machine.
	Waits(ctx context.Context) []Wait
	// Fleet lists executions of several pipelines; far is told how far it is, from a
	// goroutine of its own. It costs a ListExecutions for each pipeline and status, and a
	// DescribeExecution for each execution whose error or input is asked for.
	Fleet(ctx context.Context, c fleet.Choice, far fleet.Far) (*fleet.Found, error)
	// Upload puts a local file where the pipeline's executions read their input
	// from and returns the execution input that names it (templates with an
	// inputFile). Progress is called with bytes done and in all; it may be nil.
	Upload(ctx context.Context, id spec.ID, file string, progress func(done, total int64)) (input []byte, err error)
	// BatchCosts is what so many executions of a machine will cost by being run, nil if that
	// can't be told. It costs a GetMetricData, which is not waited for long.
	BatchCosts(ctx context.Context, m *pipelines.Machine, executions int64) (*costs.Use, error)
	// Journal is the file that records a batch's launch, so that it can go on.
	Journal(id spec.ID, batch string) string
	// Logs reads lines of the pipeline's log groups, the oldest first, at most limit.
	Logs(ctx context.Context, id spec.ID, q pipelines.LogQuery) ([]pipelines.LogLine, error)
	// Health tells what CloudWatch knows of pipelines, in their order, and, unless the
	// question is brief, how their endpoints are. It costs a GetMetricData for each 500
	// metrics: some 30 for each pipeline, 7 if it is brief.
	Health(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error)
	// Results opens what a pipeline's executions have predicted.
	Results(ctx context.Context, id spec.ID) (Results, error)
	// LogStream reads log groups of a pipeline as one stream: those of sources
	// (pipelines.LogsFunction and so on), all that it has if none is named; of narrows those
	// of the state machine to one execution, by its ARN. It asks nobody yet.
	LogStream(ctx context.Context, id spec.ID, sources []string, of string) (*logstream.Reader, error)
	// ConsoleURL is the page of a resource in the AWS console, "" if it has none
	// (always on the sandbox).
	ConsoleURL(r stack.Resource) string
	// LogFile is where panics and debug logs go.
	LogFile() string
}

// Results are what the executions of one pipeline have predicted. They are safe for
// concurrent use.
type Results interface {
	// Newest are rows of the newest executions that in selects (its Machine is filled in).
	// It costs a DescribeExecution and a read for each.
	Newest(ctx context.Context, in executions.ListInput, had []results.Item) ([]results.Item, error)
	// Of finds the result of an execution; NotFound if it has none.
	Of(ctx context.Context, d *executions.Details) (*results.Found, error)
	// DataSet is what an execution read its items from, nil if that is not known.
	DataSet(ctx context.Context, d *executions.Details) (*results.DataSet, error)
	// Link is an address from which anybody can download an object, and until when.
	Link(ctx context.Context, o results.Object, expires time.Duration) (url string, until time.Time, err error)
}

// Wait is a quota of AWS's that is waited for.
type Wait struct {
	API  string // "ListExecutions"
	Left time.Duration
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

// Context is where a session works, as it was asked for: what is empty is as it is without
// a flag.
type Context struct {
	Target  string // "sandbox" or "aws"
	Profile string
	Region  string
	Backend string
}

// Contexts are the context of a session and what could take its place.
type Contexts struct {
	Now Context
	// Endpoint is one that all of them work on, "" if each has AWS's own, or the sandbox.
	Endpoint string
	Profiles []Profile
	// Err is why there are no profiles, nil if they could be read.
	Err error
}

// Profile is one of the AWS configuration files.
type Profile struct {
	Name, Region string
	// SignIn is the command that signs in, "" if none has to.
	SignIn string
	// Role is the role that it assumes, "" if none.
	Role string
}

// Sandbox tells whether nothing here costs money.
func (p Place) Sandbox() bool { return p.Target == "sandbox" }
