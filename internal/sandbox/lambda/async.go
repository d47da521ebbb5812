package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// event is an accepted asynchronous invocation. It is in the store until it was
// done with, so that neither a restart nor a crash loses it; it may then run a
// second time, as on AWS.
type event struct {
	Seq                 uint64
	Scope               wire.Scope
	Function, Version   string
	Qualifier           string
	ID, ARN, Trace      string
	ClientContext       string
	Payload             []byte
	Accepted, NotBefore time.Time
	Attempts            int
}

func (ev event) key() string { return fmt.Sprintf("%020d", ev.Seq) }

// events runs asynchronous invocations, with AWS's retries: after a function
// error twice, one and two minutes later; after throttling until the event is
// too old.
type events struct{ s *Service }

const (
	defaultAge     = 6 * time.Hour
	defaultRetries = 2
)

// accept stores an invocation and starts it.
func (q *events) accept(_ function, ref reference, v version, inv *invocation) error {
	ev := event{
		Scope: ref.scope, Function: ref.name, Qualifier: ref.qualifier, Version: *v.Config.Version, ID: inv.id, ARN: inv.arn, Trace: inv.traceID,
		ClientContext: inv.clientContext, Payload: inv.payload, Accepted: q.s.Clock.Now(),
	}
	err := q.s.DB.Update(func(tx *store.Tx) (err error) {
		if ev.Seq, err = tx.NextSequence(dbEvents); err != nil {
			return err
		}
		return store.Put(tx, dbEvents, ev.key(), ev)
	})
	if err == nil && !q.s.pool.spawn(func(ctx context.Context) { q.process(ctx, ev) }) {
		err = errStopping()
	}
	return err
}

// resume starts what was accepted before the service stopped.
func (q *events) resume() error {
	var left []event
	err := q.s.DB.View(func(tx *store.Tx) (err error) {
		left, err = store.List[event](tx, dbEvents, "")
		return err
	})
	for _, ev := range left {
		q.s.pool.spawn(func(ctx context.Context) { q.process(ctx, ev) })
	}
	return err
}

// process runs an event until it is done with or the service stops.
func (q *events) process(ctx context.Context, ev event) {
	backoff := time.Second
	for {
		if clock.Sleep(ctx, q.s.Clock, ev.NotBefore.Sub(q.s.Clock.Now())) != nil {
			return
		}
		f, v, err := q.s.read(reference{ev.Scope, ev.Function, ev.Qualifier})
		if err != nil {
			q.drop(ctx, ev, err)
			return
		}
		c := f.Events[ev.Qualifier]
		if age := q.s.Clock.Now().Sub(ev.Accepted); age > maxAge(c) {
			q.deliver(ctx, f, v, c, ev, "EventAgeExceeded", result{})
			return
		}
		inv := &invocation{id: ev.ID, arn: ev.ARN, traceID: ev.Trace, clientContext: ev.ClientContext, payload: ev.Payload, done: make(chan result, 1)}
		res, err := q.s.run(ctx, f, v, inv)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // throttled, or the sandbox failed
			ev.NotBefore = q.s.Clock.Now().Add(backoff)
			backoff = min(2*backoff, 5*time.Minute)
		case res.functionError == "":
			q.deliver(ctx, f, v, c, ev, "Success", res)
			return
		default:
			ev.Attempts++
			if ev.Attempts > int(aws.ToInt32(orDefault(c.MaxRetries))) {
				q.deliver(ctx, f, v, c, ev, "RetriesExhausted", res)
				return
			}
			ev.NotBefore = q.s.Clock.Now().Add(time.Duration(ev.Attempts) * time.Minute)
			q.keep(ctx, ev)
		}
	}
}

func orDefault(n *int32) *int32 {
	if n == nil {
		return aws.Int32(defaultRetries)
	}
	return n
}

func maxAge(c eventConfig) time.Duration {
	if c.MaxAge == nil {
		return defaultAge
	}
	return time.Duration(*c.MaxAge) * time.Second
}

// persist notes what has become of an event: until it is on disk, or the service stops and
// the next start goes on from before.
func (q *events) persist(ctx context.Context, ev event, note func(*store.Tx) error) {
	_ = persist.Until(ctx, q.s.Clock, q.s.Log, "an asynchronous invocation", func() error { return q.s.DB.Update(note) },
		"service", "lambda", "function", ev.Function, "id", ev.ID)
}

func (q *events) keep(ctx context.Context, ev event) {
	q.persist(ctx, ev, func(tx *store.Tx) error { return store.Put(tx, dbEvents, ev.key(), ev) })
}

// drop ends an event; why is nil if it was done with.
func (q *events) drop(ctx context.Context, ev event, why error) {
	if why != nil {
		q.s.Log.Warn("asynchronous invocation dropped", "service", "lambda", "function", ev.Function, "id", ev.ID, "error", why)
	}
	q.persist(ctx, ev, func(tx *store.Tx) error { return tx.Delete(dbEvents, ev.key()) })
}

// deliver tells the destination of the outcome, and the dead-letter queue of a
// failure, as the function's role, and ends the event.
func (q *events) deliver(ctx context.Context, f function, v version, c eventConfig, ev event, condition string, res result) {
	target := c.OnSuccess
	if condition != "Success" {
		target = c.OnFailure
	}
	var err error
	if target != "" {
		err = q.send(ctx, f, v, target, q.record(v, ev, condition, res))
	}
	if dlq := v.Config.DeadLetterConfig; err == nil && condition != "Success" && dlq != nil {
		err = q.send(ctx, f, v, *dlq.TargetArn, destinationMessage{body: ev.Payload, attributes: map[string]any{
			"RequestID":    map[string]string{"DataType": "String", "StringValue": ev.ID},
			"ErrorCode":    map[string]string{"DataType": "Number", "StringValue": "200"},
			"ErrorMessage": map[string]string{"DataType": "String", "StringValue": truncate(string(res.payload), 1024)},
		}})
		if err != nil {
			q.s.metric(ev.ARN, &f, nil, "DeadLetterErrors", count, 1)
		}
	}
	if ctx.Err() != nil {
		return
	}
	q.drop(ctx, ev, err)
}

func truncate(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	if s == "" {
		return "-" // SQS refuses an empty attribute
	}
	return s
}

type destinationMessage struct {
	body       []byte
	attributes map[string]any
	success    bool
}

// record is the document that a destination gets
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
func (q *events) record(v version, ev event, condition string, res result) destinationMessage {
	raw := func(b []byte) any {
		if json.Valid(b) {
			return json.RawMessage(b)
		}
		return nil
	}
	context := map[string]any{"statusCode": 200, "executedVersion": *v.Config.Version}
	if res.functionError != "" {
		context["functionError"] = res.functionError
	}
	body, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": q.s.Clock.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{"requestId": ev.ID, "functionArn": ev.ARN, "condition": condition, "approximateInvokeCount": max(ev.Attempts, 1)},
		"requestPayload": raw(ev.Payload), "responseContext": context, "responsePayload": raw(res.payload),
	})
	if err != nil {
		q.s.Log.Error("destination record", "service", "lambda", "error", err)
	}
	return destinationMessage{body: body, success: condition == "Success"}
}

func (q *events) send(ctx context.Context, f function, v version, arn string, m destinationMessage) error {
	s := q.s
	p, err := s.Roles.AssumeServiceRole(ctx, f.Scope, "lambda.amazonaws.com", *v.Config.Role, f.ref().arn(), f.Name)
	if err != nil {
		return err
	}
	target, ok := wire.ParseARN(arn)
	if !ok || s.router == nil {
		return fmt.Errorf("destination %s cannot be reached", arn)
	}
	var service, op string
	var in any
	switch target.Service {
	case "sqs":
		service, op = "sqs", "SendMessage"
		in = map[string]any{"QueueUrl": s.Endpoint() + "/" + target.AccountID + "/" + target.Resource, "MessageBody": string(m.body), "MessageAttributes": m.attributes}
	case "lambda":
		service, op = "lambda", "Invoke"
		in = map[string]any{"FunctionName": arn, "InvocationType": "Event", "Payload": json.RawMessage(m.body)}
	case "events":
		service, op = "eventbridge", "PutEvents"
		kind := "Lambda Function Invocation Result - Failure"
		if m.success {
			kind = "Lambda Function Invocation Result - Success"
		}
		in = map[string]any{"Entries": []any{map[string]any{
			"Source": "lambda", "DetailType": kind, "Detail": string(m.body), "EventBusName": arn,
			"Resources": []string{*v.Config.FunctionArn, arn},
		}}}
	default:
		return wire.Errorf(400, "InvalidParameterValueException", "the sandbox does not deliver to %s", arn)
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, err = s.router.Invoke(ctx, wire.ScopeOf(f.Scope.Account, target.Region), p, service, op, raw)
	return err
}
