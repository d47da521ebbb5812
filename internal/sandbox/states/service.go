// Package states owns the sandbox's Step Functions: state machines with their
// versions and aliases, a durable interpreter of the States Language, Map Runs, and
// the histories of executions as AWS records them. It reaches other services only
// through wire.Router and the interfaces of wire. What knows no executions has rooms
// of its own below: history, integration, items and journal.
//
// An execution is a tree of branches. Each branch has a cursor, which changes
// only together with the events that record the change; both go to the store in
// one transaction before the branch does anything outside of the interpreter.
// After a restart every branch goes on from its cursor.
package states

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
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

// ServiceID is the SDK's id of Step Functions in lower case.
const ServiceID = "sfn"

// Config is what the service needs. DB and Router are required;
// Clock defaults to the machine's, Log to none. The rest may be nil, which
// switches off what it serves: Roles (calls are then made as the sandbox's own
// admin), Logs, Events, Metrics, Objects (readers and writers of Map states).
type Config struct {
	DB      *store.DB
	Clock   clock.Clock
	Log     *slog.Logger
	Router  *wire.Router
	Roles   wire.Roles
	Logs    wire.Logs
	Events  wire.Events
	Metrics wire.Metrics
	Objects wire.Objects
	// Evaluating is the file that names what is being evaluated, so that an
	// execution that takes the process down again and again is failed; "" for none.
	Evaluating string
	// MaxItemBytes bounds the bytes that the objects of one Map Run may unpack to; 0 is
	// 2 GiB. A few kilobytes can unpack to what is never read to its end.
	MaxItemBytes int64
}

// Service is the sandbox's Step Functions. It is safe for concurrent use.
type Service struct {
	Config
	journal *journal.Journal
	desk    *tokens.Desk
	runs    maprun.Live
	report  *report.Reporter
	engine  *jsonata.Engine
	ctx     context.Context
	cancel  context.CancelCauseFunc
	running sync.WaitGroup
	flush   int // events of an execution that may wait to be written

	mu       sync.Mutex
	live     map[string]*execution   // by execution key
	machines map[string]*asl.Machine // parsed definitions by revision key

	evaluating *watch.Watch
}

// New makes a service over what the store holds. Nothing runs before Start.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Router == nil {
		return nil, errors.New("states: DB and Router are required")
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxItemBytes == 0 {
		c.MaxItemBytes = 2 << 30
	}
	s := &Service{
		Config: c, flush: defaultFlush, journal: journal.New(c.DB), desk: tokens.NewDesk(c.DB), evaluating: watch.New(c.DB, c.Log), report: report.Reporter{Events: c.Events, Metrics: c.Metrics, Logs: c.Logs, Clock: c.Clock, Log: c.Log}.Start(), engine: jsonata.NewEngine(jsonata.Env{UUID: wire.NewID, Random: rand.Float64}),
		live: map[string]*execution{}, machines: map[string]*asl.Machine{},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// Start resumes every execution that was running when the process ended. ctx
// bounds the start itself; executions run until Close.
func (s *Service) Start(ctx context.Context) error {
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
	if err := s.desk.Restore(); err != nil {
		return err
	}
	if err := s.finishDeletions(); err != nil {
		return err
	}
	for _, key := range keys {
		err := guard.Run(s.Log, "the resumption of an execution", func() error { return s.resume(key) }, "execution", key)
		if err != nil && !isCode(err, "ExecutionDoesNotExist") {
			s.Log.Error("resume execution", "execution", key, "error", err)
		}
	}
	if err := s.resumeExpress(); err != nil {
		return err
	}
	s.Log.Info("step functions started", "resumed", len(keys))
	return nil
}

// finishDeletions removes what a crash left of deleted state machines.
func (s *Service) finishDeletions() error {
	var keys []string
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[record.Machine](tx, record.BucketMachines, "")
		for _, m := range all {
			if m.Deleting {
				keys = append(keys, m.Key())
			}
		}
		return err
	})
	for _, key := range keys {
		err = errors.Join(err, s.purge(key))
	}
	return err
}

// resume runs an execution from where the store says that it stands.
func (s *Service) resume(key string) error {
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
func (s *Service) resumeExpress() error {
	var recs []record.Execution
	err := s.DB.View(func(tx *store.Tx) error {
		var err error
		recs, err = store.List[record.Execution](tx, record.BucketExpress, "")
		return err
	})
	if err != nil {
		return fmt.Errorf("read running express executions: %w", err)
	}
	for _, rec := range recs {
		var def record.Revision
		err := s.DB.View(func(tx *store.Tx) error {
			var err error
			def, _, err = store.Get[record.Revision](tx, record.BucketRevisions, rec.Revision)
			return err
		})
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
func (s *Service) adopt(x *execution) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[x.rec.Key()] != nil {
		return false
	}
	s.live[x.rec.Key()] = x
	return true
}

func (s *Service) forget(x *execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[x.rec.Key()] == x {
		delete(s.live, x.rec.Key())
	}
}

func (s *Service) executing(key string) *execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[key]
}

// Close stops the interpreter without ending executions: they resume at the next
// Start. It waits for what is under way.
func (s *Service) Close() error {
	s.cancel(failure.ErrShutdown)
	s.running.Wait()
	s.evaluating.Close()
	s.journal.Close()
	s.report.Close()
	return nil
}

// now is the time as AWS keeps it, in milliseconds.
func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// maxParsed bounds the cache of parsed definitions.
const maxParsed = 512

// parsed returns a revision's machine.
func (s *Service) parsed(def *record.Revision) (*asl.Machine, error) {
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
func (s *Service) waitFor(ctx context.Context, key string) (*record.Execution, error) {
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
