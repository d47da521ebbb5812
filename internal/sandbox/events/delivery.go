package events

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// How long and how often EventBridge tries, where the target does not say.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-event-delivery.html
const (
	maxAttempts = 185
	maxAge      = 24 * time.Hour
)

// delivery is one event for one target, as it is kept until it is done.
type delivery struct {
	Scope  wire.Scope // of the rule
	Rule   string     // ARN
	Target target
	Event  json.RawMessage // the envelope
	ID     string          // of the event
	First  time.Time       // when it was accepted
	Tries  int             `json:",omitempty"` // that have failed
	Placed bool            `json:",omitempty"` // it waited for its place among the calls of a second
	Hops   int             `json:",omitempty"` // from how many buses it was passed on
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

// failure is why a delivery failed, in the codes of dead letters.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
type failure struct {
	code, text string
	again      bool // whether it may succeed later
}

// deliver tries a delivery once, when it has a place.
func (s *Service) deliver(ctx context.Context, d *delivery) (pause time.Duration, again bool) {
	if wait := s.turn(d); wait > 0 {
		return wait, true
	}
	f := s.send(ctx, *d)
	if f == nil {
		return 0, false
	}
	if ctx.Err() != nil {
		return 0, true
	}
	exhausted := ""
	if f.again {
		switch {
		case d.Tries >= d.attempts():
			exhausted = "MaximumRetryAttempts"
		case s.now().Sub(d.First) >= d.age():
			exhausted = "MaximumEventAgeInSeconds"
		default:
			d.Tries++
			return courier.Backoff(d.Tries), true
		}
	}
	s.Log.Warn("event not delivered", "rule", d.Rule, "target", d.Target.ARN, "code", f.code, "error", f.text)
	s.bury(ctx, *d, *f, exhausted)
	return 0, false
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
