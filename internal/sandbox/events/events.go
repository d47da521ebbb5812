// Package events owns the sandbox's Amazon EventBridge: rules on the default bus,
// event patterns and delivery to SQS queues. Schedules, other buses and other
// targets are refused. Queues are reached through Config.Queues.
//
// Delivery is best effort, as wire.Events says: an event waits in memory for a
// moment before it is sent.
package events

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	rulesBucket = "events.rules" // scope's key of the name -> rule
	// ServiceName is the principal as which events are delivered.
	ServiceName = "events.amazonaws.com"
	// backlog bounds the deliveries that wait.
	backlog = 4096
)

// Queues takes what rules send. The SQS service implements it.
type Queues interface {
	Deliver(ctx context.Context, sc wire.Scope, service, sourceARN, queueARN, body string) error
}

// Config is what the service needs. DB and Queues are required.
type Config struct {
	DB     *store.DB
	Clock  clock.Clock  // nil: the machine's
	Log    *slog.Logger // nil: none
	Queues Queues
}

// Service is EventBridge. It is safe for concurrent use.
type Service struct {
	Config

	// rules holds the compiled rules; every change empties it and counts up, so
	// that what was read before the change is not kept.
	mu         sync.Mutex
	rules      []compiledRule // nil: not read yet
	generation uint64

	work   chan delivery
	ctx    context.Context //nolint:containedctx // bounds the deliveries, see Close
	cancel context.CancelFunc
	done   sync.WaitGroup
}

var _ wire.Events = (*Service)(nil)

// New returns the service over the store. It delivers after Start.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Queues == nil {
		return nil, errors.New("events: DB and Queues are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	s := &Service{Config: c, work: make(chan delivery, backlog)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Start begins to deliver.
func (s *Service) Start(ctx context.Context) error {
	s.done.Go(guard.Func(s.Log, "the delivery of events", func() {
		for {
			select {
			case d := <-s.work:
				_ = guard.Run(s.Log, "the delivery of an event", func() error { s.deliver(d); return nil })
			case <-s.ctx.Done():
				for { // what was accepted is still sent
					select {
					case d := <-s.work:
						s.deliver(d)
					default:
						return
					}
				}
			}
		}
	}))
	return ctx.Err()
}

// Close sends what waits and ends the delivery.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}

const id = "eventbridge"

// Register adds the service and its operations to the router.
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationException").Check, Guard: policy.Tagged(s.tagsOf)})
	s.registerRules(r)
	s.registerTargets(r)
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Second) }

// envelope is an event as targets get it.
type envelope struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

// delivery is one event for one target.
type delivery struct {
	scope  wire.Scope
	rule   string // ARN
	target target
	event  any    // decoded, with json.Number
	text   string // the envelope
}

// PutEvent implements wire.Events. It returns at once; without a rule that
// matches it does nothing.
func (s *Service) PutEvent(ctx context.Context, sc wire.Scope, source, detailType string, resources []string, detail any) {
	if err := s.publish(sc, wire.NewID(), source, detailType, resources, detail, s.now()); err != nil {
		s.Log.WarnContext(ctx, "event lost", "source", source, "detail_type", detailType, "error", err.Error())
	}
}

func (s *Service) publish(sc wire.Scope, id, source, detailType string, resources []string, detail any, at time.Time) error {
	rules, err := s.compiled()
	if err != nil {
		return err
	}
	if len(rules) == 0 {
		return nil
	}
	if resources == nil {
		resources = []string{}
	}
	text, err := marshal(envelope{
		Version: "0", ID: id, DetailType: detailType, Source: source, Account: sc.Account,
		Time: at.UTC().Format(time.RFC3339), Region: sc.Region, Resources: resources, Detail: detail,
	})
	if err != nil {
		return err
	}
	event, err := decode(string(text))
	if err != nil {
		return err
	}
	for i := range rules {
		r := &rules[i]
		if r.rule.Scope != sc || r.rule.Disabled || !r.pattern.matches(event) {
			continue
		}
		for _, t := range r.rule.Targets {
			select {
			case s.work <- delivery{scope: sc, rule: r.rule.ARN, target: t, event: event, text: string(text)}:
			default:
				s.Log.Warn("too many events wait for delivery, one is lost", "rule", r.rule.Name, "event", id)
			}
		}
	}
	return nil
}

// deliver sends to the target, and to its dead-letter queue if that fails.
func (s *Service) deliver(d delivery) {
	ctx := context.WithoutCancel(s.ctx)
	body, err := d.target.body(d)
	if err == nil {
		err = s.Queues.Deliver(ctx, d.scope, ServiceName, d.rule, d.target.ARN, body)
	}
	if err == nil {
		return
	}
	s.Log.Warn("event not delivered", "rule", d.rule, "target", d.target.ARN, "error", err.Error())
	if d.target.DeadLetters == "" {
		return
	}
	if err := s.Queues.Deliver(ctx, d.scope, ServiceName, d.rule, d.target.DeadLetters, d.text); err != nil {
		s.Log.Warn("event not delivered to the dead-letter queue", "rule", d.rule, "queue", d.target.DeadLetters, "error", err.Error())
	}
}

type compiledRule struct {
	rule    rule
	pattern pattern
}

func (s *Service) compiled() ([]compiledRule, error) {
	s.mu.Lock()
	rules, gen := s.rules, s.generation
	s.mu.Unlock()
	if rules != nil {
		return rules, nil
	}
	rules = []compiledRule{}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[rule](tx, rulesBucket, "")
		if err != nil {
			return err
		}
		for _, r := range all {
			p, err := compilePattern(r.Pattern)
			if err != nil {
				return err
			}
			rules = append(rules, compiledRule{r, p})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == gen {
		s.rules = rules
	}
	return rules, nil
}

// update changes the store and forgets the compiled rules.
func (s *Service) update(fn func(*store.Tx) error) error {
	err := s.DB.Update(fn)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.rules = nil
	return err
}
