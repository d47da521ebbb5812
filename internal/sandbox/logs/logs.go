// Package logs owns the sandbox's CloudWatch Logs: groups, streams, events and
// resource policies, as far as functions, endpoints, state machines and the
// infrastructure tools need them.
package logs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Config is what the service needs. DB and Auth are required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Auth decides what the callers of PutLog may do.
	Auth wire.Authorizer
	// Metrics takes what metric filters make of events; nil: nothing does.
	Metrics wire.MetricPoints
}

// Service is CloudWatch Logs. It is safe for concurrent use and implements wire.Logs.
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
	return &Service{c}, nil
}

// Register adds the operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "InvalidParameterException").Check})
	wire.Handle(r, id, "CreateLogGroup", s.createGroup)
	wire.Handle(r, id, "DeleteLogGroup", s.deleteGroup)
	wire.Handle(r, id, "DescribeLogGroups", s.describeGroups)
	wire.Handle(r, id, "PutRetentionPolicy", s.putRetention)
	wire.Handle(r, id, "DeleteRetentionPolicy", s.deleteRetention)
	wire.Handle(r, id, "AssociateKmsKey", s.associateKey)
	wire.Handle(r, id, "DisassociateKmsKey", s.disassociateKey)
	wire.Handle(r, id, "TagResource", s.tagResource)
	wire.Handle(r, id, "UntagResource", s.untagResource)
	wire.Handle(r, id, "ListTagsForResource", s.listTags)
	wire.Handle(r, id, "TagLogGroup", s.tagGroup)
	wire.Handle(r, id, "UntagLogGroup", s.untagGroup)
	wire.Handle(r, id, "ListTagsLogGroup", s.listGroupTags)
	wire.Handle(r, id, "CreateLogStream", s.createStream)
	wire.Handle(r, id, "DeleteLogStream", s.deleteStream)
	wire.Handle(r, id, "DescribeLogStreams", s.describeStreams)
	wire.Handle(r, id, "PutLogEvents", s.putEvents)
	wire.Handle(r, id, "GetLogEvents", s.getEvents)
	wire.Handle(r, id, "FilterLogEvents", s.filterEvents)
	s.registerMetricFilters(r)
	wire.Handle(r, id, "PutResourcePolicy", s.putPolicy)
	wire.Handle(r, id, "DescribeResourcePolicies", s.describePolicies)
	wire.Handle(r, id, "DeleteResourcePolicy", s.deletePolicy)
}

const id = "cloudwatchlogs"

func itoa(n int) string { return strconv.Itoa(n) }

func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func errInvalid(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "InvalidParameterException", format, args...)
}

func errConstraint(value any, member, constraint string) error {
	return errInvalid("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, constraint)
}

func errNotFound(what string) error {
	return wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "The specified %s does not exist.", what)
}

func errExists(what string) error {
	return wire.Errorf(http.StatusBadRequest, "ResourceAlreadyExistsException", "The specified %s already exists", what)
}

// ref names a log group.
type ref struct {
	scope wire.Scope
	name  string
}

// key is where the store has the group.
func (g ref) key() string { return g.scope.Key(g.name) }

// streams begins the store's keys of the group's streams and events.
func (g ref) streams() string { return g.key() + "\x00" }

func (g ref) streamKey(stream string) string { return g.streams() + stream }

func (g ref) eventPrefix(stream string) string { return g.streamKey(stream) + "\x00" }

// arn is the ARN of the group without the ":*" that stands for its streams.
func (g ref) arn() string { return g.scope.ARN("logs", "log-group:"+g.name) }

func (g ref) streamARN(stream string) string { return g.arn() + ":log-stream:" + stream }

// authorizer asks whether the caller may do something.
type authorizer func(action, resource string) error

func caller(ctx context.Context, req *wire.Request) authorizer {
	return func(action, resource string) error { return req.Authorize(ctx, action, resource, nil) }
}

// mayGroup authorises an action on a group. Policies name groups in two ways,
// with and without the part for streams, and AWS takes both.
func mayGroup(may authorizer, action string, g ref) error {
	err := may(action, g.streamARN(""))
	if err == nil || may(action, g.arn()) == nil {
		return nil
	}
	return err
}

// groupOf reads a group's name or ARN.
func groupOf(sc wire.Scope, text string) (ref, error) {
	if !strings.HasPrefix(text, "arn:") {
		return ref{sc, text}, nil
	}
	a, ok := wire.ParseARN(text)
	name, isGroup := strings.CutPrefix(a.Resource, "log-group:")
	if !ok || !isGroup || a.Service != "logs" || !sc.Owns(a) {
		return ref{}, errNotFound("log group")
	}
	return ref{sc, strings.TrimSuffix(name, ":*")}, nil
}
