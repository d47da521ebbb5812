// Package logs owns the sandbox's CloudWatch Logs: groups, streams, events and
// resource policies, as far as functions, endpoints, state machines and the
// infrastructure tools need them. Of the sandbox it may import only wire and
// store.
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
	r.Register(wire.Service{ID: id, Scope: "logs", Target: "Logs_20140328", Protocol: wire.JSON11, LowerCamel: true, Check: constraint.For(id, "InvalidParameterException").Check})
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

// groupARN is the ARN of a group without the ":*" that stands for its streams.
func (s *Service) groupARN(name string) string {
	return "arn:aws:logs:" + s.Region + ":" + s.Account + ":log-group:" + name
}

func (s *Service) streamARN(group, stream string) string {
	return s.groupARN(group) + ":log-stream:" + stream
}

// authorizer asks whether the caller may do something.
type authorizer func(action, resource string) error

func (s *Service) caller(ctx context.Context, req *wire.Request) authorizer {
	return func(action, resource string) error { return req.Authorize(ctx, action, resource, nil) }
}

// mayGroup authorises an action on a group. Policies name groups in two ways,
// with and without the part for streams, and AWS takes both.
func (s *Service) mayGroup(may authorizer, action, name string) error {
	err := may(action, s.streamARN(name, ""))
	if err == nil || may(action, s.groupARN(name)) == nil {
		return nil
	}
	return err
}

// groupOf reads a group's name or ARN.
func (s *Service) groupOf(ref string) (string, error) {
	if !strings.HasPrefix(ref, "arn:") {
		return ref, nil
	}
	name, ok := strings.CutPrefix(ref, s.groupARN(""))
	if !ok {
		return "", errNotFound("log group")
	}
	return strings.TrimSuffix(name, ":*"), nil
}
