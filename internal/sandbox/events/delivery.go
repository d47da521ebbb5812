package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// How long and how often EventBridge tries, where the target does not say.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html
const (
	maxAttempts = 185
	maxAge      = 24 * time.Hour
)

// unreadable is how long what cannot even be read waits.
const unreadable = 10 * time.Minute

// delivery is one event for one target, as it is kept until it is done.
type delivery struct {
	Scope  wire.Scope // of the rule
	Rule   string     // ARN
	Target target
	Event  json.RawMessage // the envelope
	ID     string          // of the event
	First  time.Time       // when it was accepted
	Due    time.Time       // when it is to be tried (again)
	Tries  int             `json:",omitempty"` // that have failed
	Hops   int             `json:",omitempty"` // from how many buses it was passed on
}

// store keeps a new delivery.
func (d delivery) store(tx *store.Tx) (key string, err error) {
	seq, err := tx.NextSequence(deliveriesBucket)
	if err != nil {
		return "", err
	}
	key = fmt.Sprintf("%020d", seq)
	return key, store.Put(tx, deliveriesBucket, key, d)
}

func (d delivery) attempts() int {
	if r := d.Target.Retry; r != nil && r.MaximumRetryAttempts != nil {
		return int(*r.MaximumRetryAttempts)
	}
	return maxAttempts
}

func (d delivery) age() time.Duration {
	if r := d.Target.Retry; r != nil && r.MaximumEventAgeInSeconds != nil {
		return time.Duration(*r.MaximumEventAgeInSeconds) * time.Second
	}
	return maxAge
}

// loadDeliveries takes over what an earlier run has left. What was added since the service
// was made is there once: keys are told apart by the store, which forgets what is done.
func (s *Service) loadDeliveries() error {
	s.deliveries.Reset()
	return s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, deliveriesBucket, "", "", func(key string, d delivery) bool {
			s.deliveries.Add(key, d.Due)
			return true
		})
	})
}

// dispatch delivers what is due, some at the same time, until ctx is done.
func (s *Service) dispatch(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		key, wait := s.deliveries.Next(s.Clock.Now())
		if key == "" {
			s.deliveries.Wait(ctx, s.Clock, wait)
			continue
		}
		s.attempt(ctx, key, func(ctx context.Context, key string, d delivery) {
			running.Go(guard.Func(s.Log, "the delivery of an event", func() { s.inLane(ctx, key, d) }))
		})
	}
}

// attempt gives do what the store has of a key, if it is not done yet. What goes wrong now
// is tried again by and by.
func (s *Service) attempt(ctx context.Context, key string, do func(context.Context, string, delivery)) {
	err := guard.Run(s.Log, "the delivery of an event", func() error {
		d, found, err := store.Read[delivery](s.DB, deliveriesBucket, key)
		if err == nil && found {
			do(ctx, key, d)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.Log.Error("an event cannot be delivered yet", "error", err.Error())
		s.deliveries.Add(key, s.Clock.Now().Add(unreadable))
	}
}

// failure is why a delivery failed, in the codes of dead letters.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
type failure struct {
	code, text string
	again      bool // whether it may succeed later
}

// deliver tries a delivery once, and notes what became of it.
func (s *Service) deliver(ctx context.Context, key string, d delivery) {
	f := s.send(ctx, d)
	if ctx.Err() != nil && f != nil {
		return // it is tried again after the next start
	}
	now := s.Clock.Now().UTC()
	exhausted := ""
	if f != nil && f.again {
		switch {
		case d.Tries >= d.attempts():
			exhausted = "MaximumRetryAttempts"
		case now.Sub(d.First) >= d.age():
			exhausted = "MaximumEventAgeInSeconds"
		}
	}
	if f != nil && f.again && exhausted == "" {
		d.Tries++
		d.Due = now.Add(courier.Backoff(d.Tries))
		if s.persist(ctx, func(tx *store.Tx) error { return store.Put(tx, deliveriesBucket, key, d) }) == nil {
			s.deliveries.Add(key, d.Due)
		}
		return
	}
	if f != nil {
		s.Log.Warn("event not delivered", "rule", d.Rule, "target", d.Target.ARN, "code", f.code, "error", f.text)
		s.bury(ctx, d, *f, exhausted)
	}
	_ = s.persist(ctx, func(tx *store.Tx) error { return tx.Delete(deliveriesBucket, key) })
}

// persist notes what has become of a delivery: until it is on disk, or the service ends and
// the next start delivers again.
func (s *Service) persist(ctx context.Context, note func(*store.Tx) error) error {
	return persist.Until(ctx, s.Clock, s.Log, "the delivery of an event", func() error { return s.DB.Batch(note) })
}

// bury sends what cannot be delivered to the dead-letter queue of the target.
func (s *Service) bury(ctx context.Context, d delivery, f failure, exhausted string) {
	if d.Target.DeadLetters == "" {
		return
	}
	attributes := map[string]any{}
	for name, text := range map[string]string{
		"RULE_ARN": d.Rule, "TARGET_ARN": d.Target.ARN, "ERROR_CODE": f.code, "ERROR_MESSAGE": f.text, "EXHAUSTED_RETRY_CONDITION": exhausted,
	} {
		if text != "" {
			attributes[name] = map[string]string{"DataType": "String", "StringValue": text}
		}
	}
	attributes["RETRY_ATTEMPTS"] = map[string]string{"DataType": "Number", "StringValue": strconv.Itoa(d.Tries)}
	err := s.call(ctx, d, wire.Principal{Service: ServiceName, Source: d.Rule}, d.Target.DeadLetters, "sqs", "SendMessage", map[string]any{
		"QueueUrl": queueURL(d.Target.DeadLetters), "MessageBody": string(d.Event), "MessageAttributes": attributes,
	})
	if err != nil {
		s.Log.Warn("event not delivered to the dead-letter queue", "rule", d.Rule, "queue", d.Target.DeadLetters, "error", err.Error())
	}
}

// queueURL is the URL of a queue's ARN; what it stands on does not count.
func queueURL(text string) string {
	a, _ := wire.ParseARN(text)
	return "http://sqs/" + a.AccountID + "/" + a.Resource
}

// call calls an operation at the scope of an ARN as p.
func (s *Service) call(ctx context.Context, d delivery, p wire.Principal, text, service, operation string, in any) error {
	a, ok := wire.ParseARN(text)
	if !ok {
		return badARN(text)
	}
	raw, err := marshal(in)
	if err != nil {
		return err
	}
	sc := wire.ScopeOfARN(a)
	if sc.Account == "" {
		sc.Account = d.Scope.Account
	}
	_, err = s.router.Invoke(ctx, sc, p, service, operation, raw)
	return err
}
