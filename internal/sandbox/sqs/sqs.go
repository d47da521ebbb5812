// Package sqs owns the sandbox's Amazon SQS: standard and FIFO queues with policies,
// visibility, long polling, dead-letter queues and their metrics. Of
// the sandbox it may import only guard, the kit, wire, store and iam/policy.
package sqs

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	queuesBucket   = "sqs.queues"   // scope's key of the name -> queue
	messagesBucket = "sqs.messages" // queue's key|sequence -> message
	visibleBucket  = "sqs.visible"  // queue's key|visible|sequence: see index.go
	dedupBucket    = "sqs.dedup"    // queue's key|i|id -> sentBefore, queue's key|t|time|sequence -> the other key
)

// Config is what the service needs. DB is required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Endpoint is the base of queue URLs in replies to calls from inside; to
	// clients the URL has the host they called.
	Endpoint string
}

// Service is SQS. It is safe for concurrent use.
type Service struct {
	Config

	meter *Meter // nil: nobody is told

	mu     sync.Mutex
	change chan struct{} // closed and replaced when a message arrives
}

// New returns the service over the store.
func New(c Config) (*Service, error) {
	if c.DB == nil {
		return nil, errors.New("sqs: DB is required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	s := &Service{Config: c, change: make(chan struct{})}
	if err := s.buildIndex(); err != nil {
		return nil, fmt.Errorf("sqs: %w", err)
	}
	return s, nil
}

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: "sqs", Guard: policy.Guard(s.target), Refusals: wire.Refusals{
		Denied:    &wire.Error{Status: http.StatusForbidden, Code: "AccessDeniedException", QueryCode: "AccessDenied"},
		Throttled: wire.Errorf(http.StatusBadRequest, "ThrottlingException", "Rate exceeded"),
		Signature: wire.JSONSignature(http.StatusBadRequest),
	}})
	s.registerQueues(r)
	s.registerMessages(r)
}

// queue is a queue as it is kept.
type queue struct {
	Scope             wire.Scope
	Name, ARN         string
	Created, Modified time.Time
	Purged            time.Time         // the last time
	Attributes        map[string]string // those that were set
	Tags              map[string]string
}

func (q queue) key() string { return q.Scope.Key(q.Name) }

// attribute is the value that was set, or SQS's default.
func (q queue) attribute(name string) string {
	if v, ok := q.Attributes[name]; ok {
		return v
	}
	if q.fifo() && fifoDefaults[name] != "" {
		return fifoDefaults[name]
	}
	return standard[name]
}

func (q queue) seconds(name string) time.Duration {
	return time.Duration(number(q.attribute(name))) * time.Second
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC() }

func (s *Service) url(req *wire.Request, sc wire.Scope, name string) string {
	base := s.Endpoint
	if req.HTTP != nil {
		base = "http://" + req.HTTP.Host
	}
	return base + "/" + sc.Account + "/" + name
}

func noQueue() error { return modelled("QueueDoesNotExist", "The specified queue does not exist.") }

// queryErrors are the codes of the old query protocol, by which SDKs still know
// errors of the API's model, where they differ (its trait awsQueryError).
var queryErrors = map[string]string{
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"KmsAccessDenied":              "KMS.AccessDeniedException",
	"KmsDisabled":                  "KMS.DisabledException",
	"KmsInvalidKeyUsage":           "KMS.InvalidKeyUsageException",
	"KmsInvalidState":              "KMS.InvalidStateException",
	"KmsNotFound":                  "KMS.NotFoundException",
	"KmsOptInRequired":             "KMS.OptInRequired",
	"KmsThrottled":                 "KMS.ThrottlingException",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"PurgeQueueInProgress":         "AWS.SimpleQueueService.PurgeQueueInProgress",
	"QueueDeletedRecently":         "AWS.SimpleQueueService.QueueDeletedRecently",
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":              "QueueAlreadyExists",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"UnsupportedOperation":         "AWS.SimpleQueueService.UnsupportedOperation",
}

// modelled is an error of the API's model.
func modelled(code, format string, args ...any) *wire.Error {
	e := wire.Errorf(http.StatusBadRequest, code, format, args...)
	e.QueryCode = cmp.Or(queryErrors[code], code)
	return e
}

func parameterError(code, format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, code, format, args...)
}

// parseURL reads the owner and the name of a queue out of its URL. The host is
// not looked at: the sandbox may have moved to another port since the URL was
// given out. A URL of a name alone is of the caller's account.
func parseURL(sc wire.Scope, url string) (wire.Scope, string) {
	parts := strings.Split(url, "/")
	if n := len(parts); n > 1 && accountID.MatchString(parts[n-2]) {
		sc.Account = parts[n-2]
	}
	return sc, parts[len(parts)-1]
}

var accountID = lazyregexp.New(`^[0-9]{12}$`)

func getQueue(tx *store.Tx, sc wire.Scope, name string) (queue, error) {
	return store.Find[queue](tx, queuesBucket, sc.Key(name), noQueue())
}

// open loads a queue by its URL.
func (s *Service) open(req *wire.Request, url *string) (q queue, err error) {
	if url == nil || *url == "" {
		return q, parameterError("MissingParameter", "The request must contain the parameter QueueUrl.")
	}
	sc, name := parseURL(req.Scope, *url)
	if q, read := wire.Kept[queue](req, sc.Key(name)); read {
		return q, nil
	}
	return store.Look(s.DB, func(tx *store.Tx) (queue, error) { return getQueue(tx, sc, name) })
}

// onQueue is the queue of a URL, which need not exist.
func onQueue(req *wire.Request, in wire.Input) []string {
	url := in.Text("QueueUrl")
	if url == "" {
		return nil
	}
	sc, name := parseURL(req.Scope, url)
	return []string{sc.ARN("sqs", name)}
}

// onName is the queue of a name, of another account if the document says so.
func onName(req *wire.Request, in wire.Input) []string {
	sc := req.Scope
	if owner := in.Text("QueueOwnerAWSAccountId"); owner != "" {
		sc.Account = owner
	}
	return []string{sc.ARN("sqs", in.Text("QueueName"))}
}

// target is what a decision about a queue has to know.
func (s *Service) target(req *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn}
	a, ok := wire.ParseARN(arn)
	if !ok {
		return t, nil
	}
	key := wire.ScopeOfARN(a).Key(a.Resource)
	q, found, err := store.Read[queue](s.DB, queuesBucket, key)
	if err != nil || !found {
		return t, err
	}
	req.Keep(key, q)
	t.Tags = q.Tags
	t.Policy, err = q.policy()
	return t, err
}

// policy is the queue's policy, nil without one.
func (q queue) policy() (*policy.Document, error) {
	text := q.Attributes["Policy"]
	if text == "" {
		return nil, nil
	}
	doc, err := policy.Parse(text, policy.Resource)
	if err != nil {
		return nil, fmt.Errorf("policy of queue %s: %w", q.ARN, err)
	}
	return doc, nil
}

var queueName = lazyregexp.New(`^[A-Za-z0-9_-]{1,80}$`)

// checkName: the suffix of a FIFO queue counts towards its 80 characters.
func checkName(name string, fifo bool) error {
	bare, suffixed := strings.CutSuffix(name, ".fifo")
	ok := queueName.MatchString(bare) && len(name) <= 80
	switch {
	case fifo && !(ok && suffixed):
		return parameterError("InvalidParameterValue", "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must "+
			"end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && (!ok || suffixed):
		return parameterError("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

// has reports whether the wanted attribute names include name ("All" is all).
func has[T ~string](names []T, name string) bool {
	return slices.Contains(names, T(name)) || slices.Contains(names, "All")
}
