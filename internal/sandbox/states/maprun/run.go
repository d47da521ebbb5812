// Package maprun owns Map Runs: which items make which child executions, how many of
// them run at a time, what is counted of them and what comes of them. It knows nothing of
// how an execution runs: what it asks of the Map state's execution is Parent.
package maprun

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Parent is the execution whose Map state has the run.
type Parent interface {
	// Principal is who reads items and writes results.
	Principal() (wire.Principal, error)
	// Feed gives the items of the state's data, or those that its reader reads.
	Feed(p wire.Principal) (items.Feed, error)
	// Select applies ItemSelector to the item whose "Map" of the context object is given.
	Select(item *value.Object) (any, error)
	// Batching evaluates ItemBatcher.
	Batching() (Batching, error)
	// Destination evaluates the parameters of ResultWriter.
	Destination() (bucket, prefix string, err error)
	// RunChild runs a recorded child execution to its end, in this goroutine.
	RunChild(ctx context.Context, rec *record.Execution) (*record.Execution, error)
	// RedriveChild is RunChild for one that has ended.
	RedriveChild(ctx context.Context, rec *record.Execution) (*record.Execution, error)
	// Recorded waits until the ends of all children that have ended are on disk.
	Recorded()
	// Guarded turns a panic of fn into a failure.
	Guarded(fn func() error) error
}

// Config is what a run needs. All but Objects are required.
type Config struct {
	DB      *store.DB
	Journal *journal.Journal
	Objects wire.Objects
	Log     *slog.Logger
	Now     func() time.Time // as AWS keeps it, in milliseconds
	Live    *Live
	Limits  *limits.Book
	Parent  Parent
	// Count tells of how many runs are open in the scope, until stop is called; nil: nobody.
	Count func(open func() int) (stop func())

	State    string // name of the Map state
	Spec     *asl.MapSpec
	Revision string // key of the definition that children run by
	RoleARN  string
}

// defaultChildren is how many child executions run at a time where the Map does
// not say; AWS's own limit is 10,000.
const defaultChildren = 1000

// maxUnderWay bounds the memory of the children that run at a time, about. What is
// done with an input takes some ten times its text, and there may be a thousand of
// 256 KiB.
const (
	maxUnderWay  = 64 << 20
	weightOfText = 10
	weightOfOne  = 8 << 10
)

// Run is one Map Run. It holds the items of the children that run, and of no others:
// what is to come is read when there is room for it, what has ended is in the store.
// Process belongs to one goroutine, the rest is safe for concurrent use.
type Run struct {
	Config

	mu       sync.Mutex
	rec      record.MapRun
	active   int        // children that run
	underWay int        // their weight
	slots    *sync.Cond // signalled when one ends or the limit changes
	outputs  *outputs
	started  int // children that have been begun, by this process or an earlier one
	// resumed is set if an earlier process may have begun children.
	resumed bool
	// redriven is set if children that failed are to run again.
	redriven bool
}

// New makes a run of a record that is to begin.
func New(c Config, rec record.MapRun) *Run {
	m := &Run{Config: c, rec: rec}
	m.slots = sync.NewCond(&m.mu)
	return m
}

// Resume makes a run of what the store has, after a restart or a redrive.
func Resume(c Config, key string) (*Run, error) {
	rec, found, err := store.Read[record.MapRun](c.DB, record.BucketRuns, key)
	if err == nil && !found {
		err = errors.New("the map run is missing: " + key)
	}
	if err != nil {
		return nil, err
	}
	rec.Items, rec.Children = record.Counts{}, record.Counts{} // counted anew
	m := New(c, rec)
	m.resumed = true
	return m, nil
}

// Reopen makes a run go on that had ended; changed is false if it had not. One that
// was aborted by a stop that a crash undid was not redriven: it is reopened only.
// redrivenAt is when the execution was redriven last; redrives is 0 if the run was not.
func (m *Run) Reopen(redrivenAt *time.Time) (changed bool, redrives int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rec.Status == record.Running {
		return false, 0
	}
	stop := m.rec.Stop
	m.rec.Status, m.rec.Stop = record.Running, nil
	if stop != nil && (redrivenAt == nil || redrivenAt.Before(*stop)) {
		return true, 0
	}
	now := m.Now()
	m.redriven = true
	m.rec.ETag, m.rec.RedriveAt = "", &now
	m.rec.Redrives++
	return true, m.rec.Redrives
}

// ARN names the run for clients.
func (m *Run) ARN() string { return m.rec.ARN() }

// Put writes the run's record.
func (m *Run) Put() journal.Put {
	m.mu.Lock()
	defer m.mu.Unlock()
	return journal.Put{Bucket: record.BucketRuns, Key: m.rec.Key(), Value: journal.Encoded(&m.rec)}
}

// Close ends the run with a status.
func (m *Run) Close(status string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.Now()
	m.rec.Status, m.rec.Stop = status, &now
}

// Update changes a running run's settings. A new concurrency counts from the
// next child on.
func (m *Run) Update(in *sfn.UpdateMapRunInput) error {
	m.set(in)
	return <-m.Journal.Add([]journal.Put{m.Put()})
}

func (m *Run) set(in *sfn.UpdateMapRunInput) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if in.MaxConcurrency != nil {
		m.rec.Concurrency = int(*in.MaxConcurrency)
	}
	if in.ToleratedFailureCount != nil {
		m.rec.Tolerated = *in.ToleratedFailureCount
	}
	if in.ToleratedFailurePercentage != nil {
		m.rec.Percentage = float64(*in.ToleratedFailurePercentage)
	}
	m.slots.Broadcast()
}

// ETag notes the ETag of the object that is read, and returns the one that is known.
func (m *Run) ETag(tag string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if tag != "" {
		m.rec.ETag = tag
	}
	return m.rec.ETag
}

// Live are the runs under way. It is safe for concurrent use; the zero value is empty.
type Live struct {
	mu   sync.Mutex
	runs map[string]*Run // by key
	open map[string]int  // runs that have begun, by the prefix of their scope
	left chan struct{}   // closed when one ends; nil: nobody waits
}

// begin waits until the account may have one more run open in the region, and counts it
// until the returned function is called. A run that waits has started, and its counts are
// 0: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
func (l *Live) begin(ctx context.Context, sc wire.Scope, most *limits.Book) (end func(), err error) {
	prefix := sc.Prefix()
	for {
		raised, left := most.Changed(), l.take(prefix, most.Limit(sc, limits.StatesMapRuns))
		if left == nil {
			return func() { l.give(prefix) }, nil
		}
		select {
		case <-raised:
		case <-left:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take counts a run if there are fewer than most; else it returns what is closed when one
// ends.
func (l *Live) take(prefix string, most int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[prefix] < most {
		if l.open == nil {
			l.open = map[string]int{}
		}
		l.open[prefix]++
		return nil
	}
	if l.left == nil {
		l.left = make(chan struct{})
	}
	return l.left
}

// Open is how many runs have begun in a scope and not ended.
func (l *Live) Open(sc wire.Scope) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[sc.Prefix()]
}

func (l *Live) give(prefix string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[prefix]--
	if l.left != nil {
		close(l.left)
		l.left = nil
	}
}

// Get returns the run under way that has a key, nil if none has.
func (l *Live) Get(key string) *Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[key]
}

// enter notes that a run is under way until the returned function is called.
func (l *Live) enter(m *Run) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs == nil {
		l.runs = map[string]*Run{}
	}
	l.runs[m.rec.Key()] = m
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.runs, m.rec.Key())
	}
}
