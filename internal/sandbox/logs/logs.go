// Package logs owns the sandbox's CloudWatch Logs: groups, streams, events and
// resource policies, as far as functions, endpoints, state machines and the
// infrastructure tools need them. Of the sandbox it may import only wire and
// store.
package logs

import (
	"context"
	"errors"
	"log/slog"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Config is what the service needs. DB and Auth are required.
type Config struct {
	DB              *store.DB
	Clock           clock.Clock  // nil: the machine's
	Log             *slog.Logger // nil: none
	Account, Region string
	// Auth decides what the callers of PutLog may do.
	Auth wire.Authorizer
}

// Service is the CloudWatch Logs of one account. It is safe for concurrent use
// and implements wire.Logs.
type Service struct{ Config }

var _ wire.Logs = (*Service)(nil)

// New opens the service over its store.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Auth == nil {
		return nil, errors.New("logs: DB and Auth are required")
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	return &Service{c}, nil
}

// Register adds the operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: "cloudwatchlogs", Scope: "logs", Target: "Logs_20140328", Protocol: wire.JSON11, LowerCamel: true})
}

// PutLog implements wire.Logs.
func (s *Service) PutLog(ctx context.Context, p wire.Principal, group, stream string, lines ...wire.LogLine) error {
	return wire.Errorf(501, "NotImplemented", "PutLog")
}
