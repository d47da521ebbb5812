package sqs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

type receiveInput struct {
	QueueUrl                                                *string
	AttributeNames, MessageSystemAttributeNames             []string
	MessageAttributeNames                                   []string
	MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds *int32
}

func (s *Service) receiveMessage(ctx context.Context, req *wire.Request, in *receiveInput) (*sdk.ReceiveMessageOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	most := int32(1)
	if in.MaxNumberOfMessages != nil {
		most = *in.MaxNumberOfMessages
	}
	wait, hidden := q.seconds("ReceiveMessageWaitTimeSeconds"), q.seconds("VisibilityTimeout")
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	if in.VisibilityTimeout != nil {
		hidden = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if most < 1 || most > 10 {
		return nil, parameterError("InvalidParameterValue", "Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.", most)
	}
	if err := within("WaitTimeSeconds", wait, 20*time.Second); err != nil {
		return nil, err
	}
	if err := within("VisibilityTimeout", hidden, maxHidden); err != nil {
		return nil, err
	}
	messages, err := s.await(ctx, q, int(most), hidden, wait)
	if err != nil {
		return nil, err
	}
	if n := len(messages); n > 0 {
		s.meter.tell(q, "NumberOfMessagesReceived", "Count", float64(n))
	} else {
		s.meter.tell(q, "NumberOfEmptyReceives", "Count", 1)
	}
	out := &sdk.ReceiveMessageOutput{}
	for _, m := range messages {
		out.Messages = append(out.Messages, m.output(in))
	}
	return out, nil
}

// await takes messages as soon as there are any, for at most wait.
func (s *Service) await(ctx context.Context, q queue, most int, hidden, wait time.Duration) ([]message, error) {
	deadline := s.Clock.NewTimer(wait)
	defer deadline.Stop()
	for {
		changed := s.changed()
		messages, next, err := s.take(q, most, hidden)
		if err != nil || len(messages) > 0 || wait == 0 {
			return messages, err
		}
		// A hidden or delayed message that becomes visible announces itself to
		// nobody.
		var due <-chan time.Time
		if !next.IsZero() {
			t := s.Clock.NewTimer(next.Sub(s.now()))
			defer t.Stop()
			due = t.C()
		}
		select {
		case <-changed:
		case <-due:
		case <-deadline.C():
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take hands out visible messages, oldest first, and hides them. next is when
// another message becomes visible. Messages that are too old are dropped, those
// received too often go to the dead-letter queue.
func (s *Service) take(q queue, most int, hidden time.Duration) (out []message, next time.Time, err error) {
	work, next, err := s.look(q)
	if err != nil || !work {
		return nil, next, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		out, next = nil, time.Time{}
		q, err := getQueue(tx, q.Scope, q.Name)
		if err != nil {
			return err
		}
		next, err = s.due(tx, q, func(m message) (bool, error) {
			if len(out) == most {
				return false, nil
			}
			now := s.now()
			old := m
			m.Received++
			if m.FirstReceived.IsZero() {
				m.FirstReceived = now
			}
			m.Visible, m.Receipt = now.Add(hidden), wire.NewID()+"/"+m.Key
			out = append(out, m)
			if err := drop(tx, q, old); err != nil {
				return false, err
			}
			return true, keep(tx, q, m)
		})
		return err
	})
	return out, next, err
}

// stride is how many entries of the index are read at once: they cannot be
// changed while they are read.
const stride = 16

// due calls fn for the visible messages of a queue, the longest visible first,
// until it returns false. Those that are too old are dropped, those received too
// often go to the dead-letter queue. next is when another becomes visible.
func (s *Service) due(tx *store.Tx, q queue, fn func(message) (bool, error)) (next time.Time, err error) {
	if q.fifo() {
		return s.dueFIFO(tx, q, fn)
	}
	now := s.now()
	for {
		var some []entry
		next = time.Time{}
		if err := entries(tx, q, func(e entry) bool {
			if e.visible.After(now) {
				next = e.visible
				return false
			}
			some = append(some, e)
			return len(some) < stride
		}); err != nil {
			return next, err
		}
		for _, e := range some {
			if more, err := s.offer(tx, q, e, fn); err != nil || !more {
				return next, err
			}
		}
		if len(some) < stride {
			return next, nil
		}
	}
}

// offer calls fn for an entry's message, unless it is too old or a dead letter.
func (s *Service) offer(tx *store.Tx, q queue, e entry, fn func(message) (bool, error)) (more bool, err error) {
	m, _, err := store.Get[message](tx, messagesBucket, e.message)
	if err != nil {
		return false, err
	}
	if s.now().Sub(e.sent) >= q.seconds("MessageRetentionPeriod") {
		return true, drop(tx, q, m)
	}
	if moved, err := s.toDeadLetters(tx, q, m); err != nil || moved {
		return true, err
	}
	return fn(m)
}

// look tells, without writing, whether take would find anything to do.
func (s *Service) look(q queue) (work bool, next time.Time, err error) {
	now := s.now()
	err = s.DB.View(func(tx *store.Tx) error {
		if _, err := getQueue(tx, q.Scope, q.Name); err != nil {
			return err
		}
		if q.fifo() {
			next, err = s.available(tx, q, nil, func(entry) bool { work = true; return false })
			return err
		}
		return entries(tx, q, func(e entry) bool {
			if work = !e.visible.After(now); !work {
				next = e.visible
			}
			return false
		})
	})
	return work, next, err
}

func (s *Service) toDeadLetters(tx *store.Tx, q queue, m message) (bool, error) {
	text := q.Attributes["RedrivePolicy"]
	if text == "" {
		return false, nil
	}
	r, err := parseRedrive(text)
	if err != nil || m.Received < r.Max {
		return false, err
	}
	target, _ := wire.ParseARN(r.Target)
	dead, err := getQueue(tx, wire.ScopeOfARN(target), target.Resource)
	var e *wire.Error
	if errors.As(err, &e) {
		return false, nil // the dead-letter queue is gone: the message stays, as on AWS
	}
	if err != nil {
		return false, err
	}
	if err := drop(tx, q, m); err != nil {
		return false, err
	}
	seq, err := tx.NextSequence(messagesBucket)
	if err != nil {
		return false, err
	}
	m.Key, m.Visible, m.Receipt, m.Source = messageKey(dead, seq), s.now(), "", q.ARN
	s.meter.tell(dead, "", "", 0)
	return true, keep(tx, dead, m)
}

func (m message) output(in *receiveInput) types.Message {
	out := types.Message{MessageId: aws.String(m.ID), Body: aws.String(m.Body), MD5OfBody: sum(m.Body), ReceiptHandle: aws.String(m.Receipt)}
	system := map[string]string{
		"SenderId": m.Sender, "SentTimestamp": millis(m.Sent), "ApproximateReceiveCount": strconv.Itoa(m.Received),
		"ApproximateFirstReceiveTimestamp": millis(m.FirstReceived),
	}
	for name, v := range map[string]string{
		"MessageGroupId": m.Group, "MessageDeduplicationId": m.Dedup, "SequenceNumber": m.Sequence,
		"AWSTraceHeader": m.Trace, "DeadLetterQueueSourceArn": m.Source,
	} {
		if v != "" {
			system[name] = v
		}
	}
	names := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	maps.DeleteFunc(system, func(name, _ string) bool { return !has(names, name) })
	if len(system) > 0 {
		out.Attributes = system
	}
	wanted := map[string]types.MessageAttributeValue{}
	for name, v := range m.Attributes {
		if wants(in.MessageAttributeNames, name) {
			wanted[name] = v
		}
	}
	if len(wanted) > 0 {
		out.MessageAttributes, out.MD5OfMessageAttributes = wanted, sumAttributes(wanted)
	}
	return out
}

// wants: names, "All", or prefixes that end in ".*".
func wants(patterns []string, name string) bool {
	for _, p := range patterns {
		prefix, isPrefix := strings.CutSuffix(p, ".*")
		if p == "All" || p == name || (isPrefix && strings.HasPrefix(name, prefix)) {
			return true
		}
	}
	return false
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
