// Package logs owns the sandbox's CloudWatch Logs: groups, streams, events, filters for
// metrics and subscribers, exports and resource policies, as far as functions, endpoints,
// state machines and the infrastructure tools need them.
package logs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
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
type Service struct {
	Config
	router *wire.Router
	// What tells the workers that there are exports to make and parcels to send.
	exports, parcels bell.Bell
	queries          inquiries
	tails            tails

	cancel context.CancelFunc
	done   sync.WaitGroup
}

var _ wire.Logs = (*Service)(nil)

// New opens the service over its store.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Auth == nil {
		return nil, errors.New("logs: DB and Auth are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{
		Config: c, exports: bell.New(), parcels: bell.New(), cancel: func() {},
		queries: inquiries{due: bell.New(), slots: make(chan struct{}, atOnce), running: map[string]context.CancelFunc{}},
	}, nil
}

// Start begins to work off what is exported, asked for by queries and sent to subscribers,
// that first which a stop left. Close ends it.
func (s *Service) Start(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.done.Go(guard.Func(s.Log, "the exports of logs", func() { s.work(run, s.exports, s.exportAll) }))
	s.done.Go(guard.Func(s.Log, "the subscriptions to logs", func() { s.work(run, s.parcels, s.sendAll) }))
	s.done.Go(guard.Func(s.Log, "the queries of logs", func() { s.work(run, s.queries.due, s.queryAll) }))
	return ctx.Err()
}

// Close ends the work; what is left of it goes on after the next Start.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}

// work does a job whenever there is something to do: when the bell rings, at the time that
// the job says, and again after an error.
func (s *Service) work(ctx context.Context, due bell.Bell, job func(context.Context) (next time.Duration, err error)) {
	var retry bell.Retry
	for {
		next := bell.Forever
		err := guard.Run(s.Log, "work of CloudWatch Logs", func() (err error) {
			next, err = job(ctx)
			return err
		})
		if err != nil && ctx.Err() == nil {
			s.Log.Error("work of CloudWatch Logs", "error", err.Error())
		}
		if !due.Wait(ctx, s.Clock, retry.Wait(err, next)) {
			return
		}
	}
}

// principal is the service itself, acting for a group. It has two names, of which
// policies use either.
func (g ref) principal(regional bool) wire.Principal {
	service := "logs.amazonaws.com"
	if regional {
		service = "logs." + g.scope.Region + ".amazonaws.com"
	}
	return wire.Principal{Service: service, Source: g.arn() + ":*"}
}

// asService calls another service by the name that its policy knows.
func (s *Service) asService(ctx context.Context, g ref, to wire.Scope, service, operation string, in map[string]any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	for _, regional := range []bool{true, false} {
		if _, err = s.router.Invoke(ctx, to, g.principal(regional), service, operation, raw); err == nil || wire.AsError(err).Status != http.StatusForbidden {
			return err
		}
	}
	return err
}

// Register adds the operations to the router.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	r.Register(wire.Service{ID: id, Check: check, Guard: s.guard})
	all, group, stream, tagged := wire.Access{}, wire.On(onGroup), wire.On(onStream), wire.On(onTagged)
	wire.Handle(r, id, "CreateLogGroup", s.createGroup, group.Tags("logs:TagResource"))
	wire.Handle(r, id, "DeleteLogGroup", s.deleteGroup, group)
	wire.Handle(r, id, "DescribeLogGroups", s.describeGroups, group)
	wire.Handle(r, id, "PutRetentionPolicy", s.putRetention, group)
	wire.Handle(r, id, "DeleteRetentionPolicy", s.deleteRetention, group)
	wire.Handle(r, id, "AssociateKmsKey", s.associateKey, group)
	wire.Handle(r, id, "DisassociateKmsKey", s.disassociateKey, group)
	wire.Handle(r, id, "TagResource", s.tagResource, tagged)
	wire.Handle(r, id, "UntagResource", s.untagResource, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
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
	wire.Handle(r, id, "StartLiveTail", s.startTail, wire.On(onGroups))
	s.registerDeliveries(r)
	s.registerExports(r)
	s.registerSubscriptions(r)
	s.registerInsights(r)
	s.registerDefinitions(r)
}

// rules are the model's.
var rules = constraint.For(id, invalidCode)

// check words names that are too long as AWS was recorded to do (https://github.com/localstack/localstack,
// test_logs_groups.snapshot.json), and what is wrong with deliveries by their own code.
func check(operation string, doc any) error {
	in, _ := doc.(map[string]any)
	for _, member := range []string{"logGroupName", "logStreamName"} {
		if text, ok := in[member].(string); ok && utf8.RuneCountInString(text) > maxName {
			return errInvalid("Invalid LogGroup or LogStream, both must have length less than or equal to %d.", maxName)
		}
	}
	err := rules.Check(operation, doc)
	var e *wire.Error
	if !errors.As(err, &e) {
		return err
	}
	if strings.Contains(operation, "Deliver") {
		e.Code = "ValidationException"
	}
	// What the identifier of a group is, is not told.
	// (getmoto/moto, test_get_log_events_using_arn, verified against AWS)
	if group, ok := in["logGroupIdentifier"].(string); ok {
		e.Message = strings.ReplaceAll(e.Message, "Value '"+group+"' at 'logGroupIdentifier'", "Value at 'logGroupIdentifier'")
	}
	return e
}

const (
	id          = "cloudwatchlogs"
	invalidCode = "InvalidParameterException"
)

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
// without the part for streams. AWS takes both: to allow either is enough, and to deny
// either denies.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
func (s *Service) guard(ctx context.Context, req *wire.Request, action, arn string, keys map[string][]string) error {
	may := policy.Tagged(s.tagsOf)
	if req.Principal.Service != "" && req.Principal.Role == "" && !req.Principal.Admin {
		may = s.byPolicies
	}
	err := may(ctx, req, action, arn, keys)
	group, whole := strings.CutSuffix(arn, streamPart)
	if !whole || err != nil && !implicit(err) {
		return err
	}
	bare := may(ctx, req, action, group, keys)
	if bare == nil || err == nil && implicit(bare) {
		return nil
	}
	if !implicit(bare) {
		return bare
	}
	return err
}

// implicit reports whether a refusal only lacks an Allow.
func implicit(err error) bool {
	var denied *wire.DeniedError
	return errors.As(err, &denied) && !denied.Explicit
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
