// Package states owns the sandbox's Step Functions and puts its rooms together: api has
// the operations, interpreter runs executions, maprun their Map Runs, and what these
// share is in rooms of its own. It reaches other services only through wire.Router and
// the interfaces of wire.
package states

import (
	"context"
	"errors"
	"log/slog"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/api"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/interpreter"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/report"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/tokens"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

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
	Metrics wire.MetricPoints
	Objects wire.Objects
	// Limits has how much an account may have open; nil: what accounts start with.
	Limits *limits.Book
	// Evaluating is the file that names what is being evaluated, so that an
	// execution that takes the process down again and again is failed; "" for none.
	Evaluating string
	// MaxItemBytes bounds the bytes that the objects of one Map Run may unpack to; 0 is
	// 2 GiB. A few kilobytes can unpack to what is never read to its end.
	MaxItemBytes int64
}

// Service is the sandbox's Step Functions. It is safe for concurrent use.
type Service struct {
	journal *journal.Journal
	report  *report.Reporter
	engine  *interpreter.Engine
	api     *api.Handlers
}

// New makes a service over what the store holds. Nothing runs before Start.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Router == nil {
		return nil, errors.New("states: DB and Router are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	s := &Service{
		journal: journal.New(c.DB, c.Clock, c.Log),
		report:  report.Reporter{Events: c.Events, Metrics: c.Metrics, Logs: c.Logs, Clock: c.Clock, Log: c.Log}.Start(),
	}
	desk := tokens.NewDesk(c.DB)
	s.engine = interpreter.New(interpreter.Config{
		DB: c.DB, Clock: c.Clock, Log: c.Log, Router: c.Router, Roles: c.Roles, Objects: c.Objects, Evaluating: c.Evaluating, MaxItemBytes: c.MaxItemBytes,
		Journal: s.journal, Desk: desk, Report: s.report, Limits: c.Limits,
	})
	s.api = &api.Handlers{DB: c.DB, Clock: c.Clock, Router: c.Router, Desk: desk, Executions: s.engine, Limits: c.Limits}
	return s, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) { s.api.Register(r) }

// Start resumes every execution that was running when the process ended. ctx
// bounds the start itself; executions run until Close.
func (s *Service) Start(ctx context.Context) error {
	if err := s.api.FinishDeletions(); err != nil {
		return err
	}
	return s.engine.Start(ctx)
}

// Close stops the interpreter without ending executions: they resume at the next
// Start. It waits for what is under way.
func (s *Service) Close() error {
	s.engine.Close()
	s.journal.Close()
	s.report.Close()
	return nil
}
