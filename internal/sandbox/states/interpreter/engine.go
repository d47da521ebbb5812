// Package interpreter owns how executions run: the walk through the states, what is
// evaluated on the way, what a task asks of other services, and the steps by which all of
// that is recorded.
//
// An execution is a tree of branches. Each branch has a cursor, which changes only
// together with the events that record the change; both go to the store in one
// transaction before the branch does anything outside of the interpreter. After a
// restart every branch goes on from its cursor.
package interpreter

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/maprun"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/report"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/tokens"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/watch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Config is what an engine needs. Roles and Objects may be nil: calls are then
// made as the sandbox's own admin, and readers and writers of Map states refused.
type Config struct {
	DB      *store.DB
	Clock   clock.Clock
	Log     *slog.Logger
	Router  *wire.Router
	Roles   wire.Roles
	Objects wire.Objects
	Journal *journal.Journal
	Desk    *tokens.Desk
	Report  *report.Reporter
	Limits  *limits.Book
	// Evaluating is the file that names what is being evaluated, "" for none.
	Evaluating string
	// MaxItemBytes bounds the bytes that the objects of one Map Run may unpack to; 0 is
	// 2 GiB.
	MaxItemBytes int64
	// Flush is how many events of states that act on nothing outside stay in memory
	// before they are written; 0 is 64.
	Flush int
	// JSONata evaluates expressions; nil is an engine of its own.
	JSONata *jsonata.Engine
}

// Engine runs executions. It is safe for concurrent use.
type Engine struct {
	Config
	runs    maprun.Live
	ctx     context.Context
	cancel  context.CancelCauseFunc
	running sync.WaitGroup

	mu       sync.Mutex
	live     map[string]*execution   // by execution key
	open     map[string]int          // live executions but children, by the prefix of their scope
	machines map[string]*asl.Machine // parsed definitions by revision key

	evaluating *watch.Watch
}

// New makes an engine over what the store holds. Nothing runs before Start.
func New(c Config) *Engine {
	if c.MaxItemBytes == 0 {
		c.MaxItemBytes = 2 << 30
	}
	if c.Flush == 0 {
		c.Flush = 64
	}
	if c.JSONata == nil {
		c.JSONata = jsonata.NewEngine(jsonata.Env{UUID: wire.NewID, Random: rand.Float64})
	}
	s := &Engine{Config: c, evaluating: watch.New(c.DB, c.Log), live: map[string]*execution{}, open: map[string]int{}, machines: map[string]*asl.Machine{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// Insist does something of the service's own in the background until it is done.
func (s *Engine) Insist(what string, do func() error) {
	s.running.Go(guard.Func(s.Log, what, func() { _ = persist.Until(s.ctx, s.Clock, s.Log, what, do) }))
}

// Start resumes every execution that was running when the process ended. ctx
// bounds the start itself; executions run until Close.
func (s *Engine) Start(ctx context.Context) error {
	if err := s.evaluating.Open(s.Evaluating, place); err != nil {
		return err
	}
	var keys []string
	err := s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(record.BucketRunning, "", "", func(key string, _ []byte) (bool, error) {
			keys = append(keys, key)
			return true, ctx.Err()
		})
	})
	if err != nil {
		return fmt.Errorf("read running executions: %w", err)
	}
	if err := s.Desk.Restore(); err != nil {
		return err
	}
	for _, key := range keys {
		err := guard.Run(s.Log, "the resumption of an execution", func() error { return s.resume(key) }, "execution", key)
		if err != nil && !wire.IsCode(err, "ExecutionDoesNotExist") {
			s.Log.Error("resume execution", "execution", key, "error", err)
		}
	}
	if err := s.resumeExpress(); err != nil {
		return err
	}
	s.Log.Info("step functions started", "resumed", len(keys))
	return nil
}

// resume runs an execution from where the store says that it stands.
func (s *Engine) resume(key string) error {
	rec, def, err := record.Load(s.DB, key)
	if err != nil {
		return err
	}
	if rec.Status != record.Running || rec.MapRun != "" {
		return nil // children are resumed by their Map
	}
	if err := record.CountEvents(s.DB, &rec); err != nil {
		return err
	}
	x, err := s.newExecution(rec, def)
	if err != nil {
		s.Log.Error("resume execution", "execution", key, "error", err)
		x = s.newBroken(rec, def, err)
	}
	if !s.adopt(x) {
		return nil
	}
	x.start()
	return nil
}

// resumeExpress starts the express executions again that ran when the process
// ended: they have no history, and run at least once.
func (s *Engine) resumeExpress() error {
	recs, err := store.ReadAll[record.Execution](s.DB, record.BucketExpress, "")
	if err != nil {
		return fmt.Errorf("read running express executions: %w", err)
	}
	for _, rec := range recs {
		def, _, err := store.Read[record.Revision](s.DB, record.BucketRevisions, rec.Revision)
		if err != nil {
			return err
		}
		x, err := s.newExecution(rec, &def)
		if err != nil {
			s.Log.Error("resume express execution", "execution", rec.Key(), "error", err)
			continue
		}
		x.start()
	}
	return nil
}

// adopt enters a running execution into the table; false if it is there.
func (s *Engine) adopt(x *execution) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.enter(x)
}

// enter is adopt; the caller holds mu.
func (s *Engine) enter(x *execution) bool {
	if s.live[x.rec.Key()] != nil {
		return false
	}
	s.live[x.rec.Key()] = x
	if x.rec.MapRun == "" {
		s.open[x.rec.Scope.Prefix()]++
	}
	return true
}

// admit is adopt for an execution that somebody starts, of which an account may have so
// many open in a region. What the model says of the error is its text: AWS's own is not
// known.
func (s *Engine) admit(x *execution) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sc := x.rec.Scope; s.live[x.rec.Key()] == nil && s.open[sc.Prefix()] >= s.Limits.Limit(sc, limits.StatesExecutions) {
		return false, wire.Errorf(400, "ExecutionLimitExceeded",
			"The maximum number of running executions has been reached. Running executions must end or be stopped before a new execution can be started.")
	}
	return s.enter(x), nil
}

func (s *Engine) forget(x *execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[x.rec.Key()] == x {
		delete(s.live, x.rec.Key())
		if x.rec.MapRun == "" {
			s.open[x.rec.Scope.Prefix()]--
		}
	}
}

func (s *Engine) executing(key string) *execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[key]
}

// Close stops the engine without ending executions, and waits for what is under way.
func (s *Engine) Close() {
	s.cancel(failure.ErrShutdown)
	s.running.Wait()
	s.evaluating.Close()
}

// Done is closed when the engine stops.
func (s *Engine) Done() <-chan struct{} { return s.ctx.Done() }

// Idle waits until no execution runs.
func (s *Engine) Idle() { s.running.Wait() }

// MapRun returns the Map Run under way that has a key, nil if none has.
func (s *Engine) MapRun(key string) *maprun.Run { return s.runs.Get(key) }

// now is the time as AWS keeps it, in milliseconds.
func (s *Engine) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// maxParsed bounds the cache of parsed definitions.
const maxParsed = 512

// Parsed returns a revision's machine.
func (s *Engine) Parsed(def *record.Revision) (*asl.Machine, error) {
	s.mu.Lock()
	m := s.machines[def.Key]
	s.mu.Unlock()
	if m != nil {
		return m, nil
	}
	m, err := asl.Parse(def.Definition, asl.Options{Express: def.Type == record.Express})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.machines) >= maxParsed {
		clear(s.machines)
	}
	s.machines[def.Key] = m
	return m, nil
}

// waitFor waits for an execution's end and returns its record.
func (s *Engine) waitFor(ctx context.Context, key string) (*record.Execution, error) {
	for {
		if x := s.executing(key); x != nil {
			select {
			case <-x.done:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			if s.ctx.Err() != nil {
				return nil, failure.ErrShutdown
			}
		}
		rec, _, err := record.Load(s.DB, key)
		if err != nil {
			return nil, failure.New(failure.TaskFailed, wire.AsError(err).Message).Err()
		}
		if rec.Status != record.Running {
			return &rec, nil
		}
		timer := s.Clock.NewTimer(100 * time.Millisecond) // it is about to start, or to be resumed
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}
