// Package logs owns the sandbox's CloudWatch Logs: groups, streams, events and
// resource policies, as far as functions, endpoints, state machines and the
// infrastructure tools need them.
package logs

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
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
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{c}, nil
}

// Register adds the operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: id, Check: constraint.For(id, invalidCode).Check, Guard: s.guard})
	all, group, stream := wire.Access{}, wire.On(onGroup), wire.On(onStream)
	wire.Handle(r, id, "CreateLogGroup", s.createGroup, group.Tags("logs:TagResource"))
	wire.Handle(r, id, "DeleteLogGroup", s.deleteGroup, group)
	wire.Handle(r, id, "DescribeLogGroups", s.describeGroups, group)
	wire.Handle(r, id, "PutRetentionPolicy", s.putRetention, group)
	wire.Handle(r, id, "DeleteRetentionPolicy", s.deleteRetention, group)
	wire.Handle(r, id, "AssociateKmsKey", s.associateKey, group)
	wire.Handle(r, id, "DisassociateKmsKey", s.disassociateKey, group)
	wire.Handle(r, id, "TagResource", s.tagResource, group)
	wire.Handle(r, id, "UntagResource", s.untagResource, group)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, group)
	wire.Handle(r, id, "TagLogGroup", s.tagGroup, group)
	wire.Handle(r, id, "UntagLogGroup", s.untagGroup, group)
	wire.Handle(r, id, "ListTagsLogGroup", s.listGroupTags, group)
	wire.Handle(r, id, "CreateLogStream", s.createStream, stream)
	wire.Handle(r, id, "DeleteLogStream", s.deleteStream, stream)
	wire.Handle(r, id, "DescribeLogStreams", s.describeStreams, group)
	wire.Handle(r, id, "PutLogEvents", s.putEvents, stream)
	wire.Handle(r, id, "GetLogEvents", s.getEvents, stream)
	wire.Handle(r, id, "FilterLogEvents", s.filterEvents, group)
	wire.Handle(r, id, "PutMetricFilter", s.putMetricFilter, group)
	wire.Handle(r, id, "DescribeMetricFilters", s.describeMetricFilters, group)
	wire.Handle(r, id, "DeleteMetricFilter", s.deleteMetricFilter, group)
	wire.Handle(r, id, "TestMetricFilter", s.testMetricFilter, all)
	wire.Handle(r, id, "PutResourcePolicy", s.putPolicy, all)
	wire.Handle(r, id, "DescribeResourcePolicies", s.describePolicies, all)
	wire.Handle(r, id, "DeleteResourcePolicy", s.deletePolicy, all)
}

const (
	id          = "cloudwatchlogs"
	invalidCode = "InvalidParameterException"
)

func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func errInvalid(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, invalidCode, format, args...)
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

// streamPart begins what of an ARN is about streams.
const streamPart = ":log-stream:"

func (g ref) streamARN(stream string) string { return g.arn() + streamPart + stream }

// named is the group that a document is about: by its name, or by its ARN in one of
// the members that take it.
func named(req *wire.Request, in wire.Input) ref {
	for _, member := range []string{"logGroupIdentifier", "resourceArn", "resourceIdentifier"} {
		if text := in.Text(member); text != "" {
			if g, err := groupOf(req.Scope, text); err == nil {
				return g
			}
		}
	}
	return ref{req.Scope, in.Text("logGroupName")}
}

func onGroup(req *wire.Request, in wire.Input) []string {
	return []string{named(req, in).streamARN("")}
}

func onStream(req *wire.Request, in wire.Input) []string {
	return []string{named(req, in).streamARN(in.Text("logStreamName"))}
}

// guard decides about groups and streams. Policies name groups in two ways, with and
// without the part for streams, and AWS takes both.
func (s *Service) guard(ctx context.Context, req *wire.Request, action, arn string, keys map[string][]string) error {
	may := policy.Tagged(s.tagsOf)
	if req.Principal.Service != "" && req.Principal.Role == "" && !req.Principal.Admin {
		may = s.byPolicies
	}
	err := may(ctx, req, action, arn, keys)
	if group, whole := strings.CutSuffix(arn, streamPart); err != nil && whole && may(ctx, req, action, group, keys) == nil {
		return nil
	}
	return err
}

// tagsOf are the tags of a group, which are those of its streams too.
func (s *Service) tagsOf(req *wire.Request, arn string) (tags map[string]string, err error) {
	a, _ := wire.ParseARN(arn)
	name, _, _ := strings.Cut(strings.TrimPrefix(a.Resource, "log-group:"), ":")
	err = s.DB.View(func(tx *store.Tx) error {
		g, _, err := store.Get[group](tx, dbGroups, req.Key(name))
		tags = g.Tags
		return err
	})
	return tags, err
}

// groupOf reads a group's name or ARN.
func groupOf(sc wire.Scope, text string) (ref, error) {
	if !wire.MeansARN(text) {
		return ref{sc, text}, nil
	}
	a, ok := wire.ParseARN(text)
	name, isGroup := strings.CutPrefix(a.Resource, "log-group:")
	if !ok || !isGroup || a.Service != "logs" || !sc.Owns(a) {
		return ref{}, errNotFound("log group")
	}
	return ref{sc, strings.TrimSuffix(name, ":*")}, nil
}
