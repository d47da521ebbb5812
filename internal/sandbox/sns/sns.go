// Package sns owns the sandbox's Amazon SNS: standard topics with their policies,
// subscriptions of queues, functions, HTTP(S) endpoints of this machine and e-mail, which
// is kept as files; filter policies; and deliveries that are retried and buried as on AWS.
// FIFO topics, text messages, mobile push and Firehose are refused.
package sns

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	topicsBucket        = "sns.topics"        // scope's key of the name -> topic
	subscriptionsBucket = "sns.subscriptions" // topic's key NUL id -> subscription
	endedBucket         = "sns.ended"         // as subscriptions: those that their endpoint may take up again
	deliveriesBucket    = "sns.deliveries"    // number -> delivery
	signerBucket        = "sns.signer"        // signerKey -> signer
	signerKey           = "key"
	// ServiceName is the principal as which messages are delivered.
	ServiceName = "sns.amazonaws.com"
	id          = "sns"
)

// Config is what the service needs. DB and Dir are required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Dir is the folder of the e-mail.
	Dir string
	// Endpoint is the base of the links in messages: the daemon's own.
	Endpoint string
	// Client calls HTTP(S) endpoints; nil is one that does not follow redirections.
	Client *http.Client
}

// Service is SNS. It is safe for concurrent use.
type Service struct {
	Config
	router   *wire.Router
	policies policy.Cache
	courier  *courier.Courier[delivery]

	mu     sync.Mutex
	signer *signer // nil: not read yet
}

// patience is how long an HTTP(S) endpoint may take.
// https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html
const patience = 15 * time.Second

// New returns the service over the store. It delivers after Start.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Dir == "" {
		return nil, errors.New("sns: DB and Dir are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	if c.Client == nil {
		c.Client = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	s := &Service{Config: c}
	s.courier = courier.New(courier.Config[delivery]{
		DB: c.DB, Clock: c.Clock, Log: c.Log, Bucket: deliveriesBucket, What: "the delivery of a message",
		Lane: func(d delivery) string { return d.Subscription.Endpoint }, Bring: s.deliver,
	})
	return s, nil
}

// Start begins to deliver, first of all what a stop left.
func (s *Service) Start(ctx context.Context) error { return s.courier.Start(ctx) }

// Close ends the deliveries; what is left goes on after the next Start.
func (s *Service) Close() error { return s.courier.Close() }

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationError").Check, Guard: policy.Guard(s.target), Quotas: quotas, Refusals: wire.Refusals{
		Denied:    &wire.Error{Status: http.StatusForbidden, Code: "AuthorizationError"},
		Throttled: wire.Errorf(http.StatusBadRequest, "ThrottlingException", "Rate exceeded"), // https://repost.aws/knowledge-center/sns-throttling-exception-errors
	}})
	topic, resource, none := wire.On(onTopic), wire.On(onResource), wire.Access{}
	wire.Handle(r, id, "CreateTopic", s.createTopic, wire.On(onName).Tags("sns:TagResource"))
	wire.Handle(r, id, "DeleteTopic", s.deleteTopic, topic)
	wire.Handle(r, id, "ListTopics", s.listTopics, none)
	wire.Handle(r, id, "GetTopicAttributes", s.topicAttributes, topic)
	wire.Handle(r, id, "SetTopicAttributes", s.setTopicAttributes, topic)
	wire.Handle(r, id, "AddPermission", s.addPermission, topic)
	wire.Handle(r, id, "RemovePermission", s.removePermission, topic)
	wire.Handle(r, id, "TagResource", s.tag, resource)
	wire.Handle(r, id, "UntagResource", s.untag, resource)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, resource)
	wire.Handle(r, id, "Subscribe", s.subscribe, wire.Access{On: onTopic, Keys: subscribeKeys})
	wire.Handle(r, id, "ConfirmSubscription", s.confirm, topic)
	wire.Handle(r, id, "Unsubscribe", s.unsubscribe, none)
	wire.Handle(r, id, "ListSubscriptions", s.listSubscriptions, none)
	wire.Handle(r, id, "ListSubscriptionsByTopic", s.listByTopic, topic)
	wire.Handle(r, id, "GetSubscriptionAttributes", s.subscriptionAttributes, none)
	wire.Handle(r, id, "SetSubscriptionAttributes", s.setSubscriptionAttributes, none)
	wire.Handle(r, id, "Publish", s.publish, topic)
	wire.Handle(r, id, "PublishBatch", s.publishBatch, topic.Does("sns:Publish"))
}

// quotas: https://docs.aws.amazon.com/general/latest/gr/sns.html
var quotas = map[string]wire.Quota{
	"Subscribe": {Burst: 100, PerSecond: 100}, "Unsubscribe": {Burst: 100, PerSecond: 100},
	"ListTopics": {Burst: 30, PerSecond: 30}, "ListSubscriptions": {Burst: 30, PerSecond: 30}, "ListSubscriptionsByTopic": {Burst: 30, PerSecond: 30},
}

// Resources and condition keys are those of
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
func onTopic(_ *wire.Request, in wire.Input) []string {
	if arn := in.Text("TopicArn"); arn != "" {
		return []string{arn}
	}
	if arn := in.Text("TargetArn"); arn != "" {
		return []string{arn}
	}
	return nil
}

func onResource(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceArn")} }

func onName(req *wire.Request, in wire.Input) []string {
	return []string{req.ARN("sns", in.Text("Name"))}
}

func subscribeKeys(_ *wire.Request, in wire.Input) map[string][]string {
	keys := map[string][]string{"sns:Protocol": {in.Text("Protocol")}}
	if in.Has("Endpoint") {
		keys["sns:Endpoint"] = []string{in.Text("Endpoint")}
	}
	return keys
}

// target is what a decision about a topic has to know. AWS:SourceOwner, which the policy
// that topics have from the start asks for, is the account of what a service calls for; of
// other callers it is not known, so that their identities decide.
// https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
func (s *Service) target(req *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn}
	a, ok := wire.ParseARN(arn)
	if !ok || a.Service != "sns" {
		return t, nil
	}
	if source, ok := wire.ParseARN(req.Principal.Source); ok && req.Principal.Role == "" {
		t.Keys = map[string][]string{"aws:SourceOwner": {source.AccountID}}
	}
	x, found, err := store.Read[topic](s.DB, topicsBucket, wire.ScopeOfARN(a).Key(a.Resource))
	if err != nil || !found {
		return t, err
	}
	t.Tags = x.Tags
	t.Policy, err = s.policies.Parse(x.policy(), policy.Resource)
	return t, err
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC() }

// invalid is SNS's usual refusal.
func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: "+format, args...)
}

func unserved(format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox "+format, args...)
}

func noTopic() error {
	return wire.Errorf(http.StatusNotFound, "NotFound", "Topic does not exist")
}

func noSubscription() error {
	return wire.Errorf(http.StatusNotFound, "NotFound", "Subscription does not exist")
}

// ref names a topic.
type ref struct {
	wire.Scope
	name string
}

func (r ref) key() string { return r.Key(r.name) }

// topicOf reads the ARN of a topic. Topics of another region are not found.
func topicOf(req *wire.Request, arn string) (ref, error) {
	a, ok := wire.ParseARN(arn)
	if !ok || a.Service != "sns" {
		return ref{}, invalid("TopicArn Reason: An ARN must have at least 6 elements, not %d", strings.Count(arn, ":")+1)
	}
	sc := wire.ScopeOfARN(a)
	if sc.Region != req.Region || sc.Partition != req.Partition || a.Resource == "" || strings.Contains(a.Resource, ":") {
		return ref{}, invalid("TopicArn")
	}
	return ref{sc, a.Resource}, nil
}

// readTopic loads the topic of an ARN.
func (s *Service) readTopic(req *wire.Request, arn string) (x topic, err error) {
	r, err := topicOf(req, arn)
	if err != nil {
		return x, err
	}
	return store.Look(s.DB, func(tx *store.Tx) (topic, error) { return store.Find[topic](tx, topicsBucket, r.key(), noTopic()) })
}

// changeTopic lets fn change the topic of an ARN.
func (s *Service) changeTopic(req *wire.Request, arn string, fn func(*topic) error) error {
	r, err := topicOf(req, arn)
	if err != nil {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		_, err := store.Change(tx, topicsBucket, r.key(), noTopic(), fn)
		return err
	})
}

// none is the answer that says nothing.
type none struct{}
