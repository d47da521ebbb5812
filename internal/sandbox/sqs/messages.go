package sqs

import (
	"context"
	"crypto/md5" //nolint:gosec // the protocol's own checksum
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerMessages(r *wire.Router) {
	queue := wire.On(onQueue)
	wire.Handle(r, "sqs", "SendMessage", s.sendMessage, queue)
	wire.Handle(r, "sqs", "SendMessageBatch", s.sendBatch, queue.Does("sqs:SendMessage"))
	wire.Handle(r, "sqs", "ReceiveMessage", s.receiveMessage, queue)
	wire.Handle(r, "sqs", "DeleteMessage", s.deleteMessage, queue)
	wire.Handle(r, "sqs", "DeleteMessageBatch", s.deleteBatch, queue.Does("sqs:DeleteMessage"))
	wire.Handle(r, "sqs", "ChangeMessageVisibility", s.changeVisibility, queue)
	wire.Handle(r, "sqs", "ChangeMessageVisibilityBatch", s.changeVisibilities, queue.Does("sqs:ChangeMessageVisibility"))
}

// message is a message as it is kept.
type message struct {
	Key           string // of the bucket
	ID, Body      string
	Attributes    map[string]types.MessageAttributeValue
	Sender        string
	Sent, Visible time.Time
	FirstReceived time.Time
	Received      int
	Receipt       string // of the last receive
	Trace         string `json:",omitempty"` // AWSTraceHeader
	Source        string `json:",omitempty"` // ARN of the queue whose dead letter it is
	// Group, Dedup and Sequence are of FIFO queues; Group may be of others too.
	Group, Dedup, Sequence string `json:",omitempty"`
}

type newMessage struct {
	Body         string
	Attributes   map[string]types.MessageAttributeValue
	System       map[string]types.MessageSystemAttributeValue
	Sender       string
	Delay        *int32
	Group, Dedup *string
}

func messageKey(q queue, sequence uint64) string { return fmt.Sprintf("%s|%020d", q.key(), sequence) }

// put stores a message and wakes those who wait for one.
func (s *Service) put(q queue, n newMessage) (message, error) {
	m := message{
		ID: wire.NewID(), Body: n.Body, Attributes: n.Attributes, Sender: n.Sender, Sent: s.now(),
		Group: aws.ToString(n.Group), Trace: aws.ToString(n.System["AWSTraceHeader"].StringValue),
	}
	if q.fifo() {
		m.Dedup = n.dedupID()
	}
	delay := q.seconds("DelaySeconds")
	if n.Delay != nil && !q.fifo() {
		delay = time.Duration(*n.Delay) * time.Second
	}
	m.Visible = m.Sent.Add(delay)
	err := s.DB.Batch(func(tx *store.Tx) error {
		if _, err := getQueue(tx, q.Scope, q.Name); err != nil {
			return err
		}
		seq, err := tx.NextSequence(messagesBucket)
		if err != nil {
			return err
		}
		m.Key = messageKey(q, seq)
		if q.fifo() {
			m.Sequence = strconv.FormatUint(firstSequence+seq, 10)
			old, found, err := s.known(tx, q, m)
			if err != nil {
				return err
			}
			if found {
				m.ID, m.Sequence = old.ID, old.Sequence
				return nil
			}
		}
		return keep(tx, q, m)
	})
	if err == nil {
		s.wake()
	}
	return m, err
}

// firstSequence gives sequence numbers their 20 digits.
const firstSequence = 10_000_000_000_000_000_000

func (s *Service) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.change)
	s.change = make(chan struct{})
}

func (s *Service) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}

// attributeName and attributeType are what a message's attributes may be called.
var (
	attributeName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,256}$`)
	attributeType = regexp.MustCompile(`^(String|Number|Binary)(\.|$)`)
)

// checkMessageAttribute applies SQS's rules for attributes of messages.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func checkMessageAttribute(name string, a types.MessageAttributeValue) error {
	kind := aws.ToString(a.DataType)
	base, _, _ := strings.Cut(kind, ".")
	switch {
	case !attributeName.MatchString(name):
		return parameterError("InvalidParameterValue", "The message attribute name '%s' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.", name)
	case kind == "":
		return parameterError("InvalidParameterValue", "The message attribute '%s' must contain a non-empty message attribute type.", name)
	case !attributeType.MatchString(kind):
		return parameterError("InvalidParameterValue", "The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	case base == "Binary" && len(a.BinaryValue) == 0, base != "Binary" && aws.ToString(a.StringValue) == "":
		return parameterError("InvalidParameterValue", "Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, kind)
	}
	return nil
}

// size is what counts towards the limits.
func (n newMessage) size() int {
	size := len(n.Body)
	for name, a := range n.Attributes {
		size += len(name) + len(aws.ToString(a.DataType)) + len(aws.ToString(a.StringValue)) + len(a.BinaryValue)
	}
	return size
}

// check applies SQS's rules for messages.
func check(q queue, n newMessage) error {
	size := n.size()
	for name, a := range n.Attributes {
		if err := checkMessageAttribute(name, a); err != nil {
			return err
		}
	}
	if err := checkFIFO(q, n); err != nil {
		return err
	}
	limit := number(q.attribute("MaximumMessageSize"))
	switch {
	case n.Body == "":
		return parameterError("MissingParameter", "The request must contain the parameter MessageBody.")
	case len(n.Attributes) > 10:
		return parameterError("InvalidParameterValue", "Number of message attributes exceeds the allowed maximum [10].")
	case size > limit:
		return parameterError("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	case n.Delay != nil && (*n.Delay < 0 || *n.Delay > 900):
		return parameterError("InvalidParameterValue", "Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *n.Delay)
	}
	if !utf8.ValidString(n.Body) {
		return modelled("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	for _, r := range n.Body {
		if r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return modelled("InvalidMessageContents", "Invalid binary character '#x%X' was found in the message body, the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", r)
		}
	}
	return nil
}

// The inputs are the API's own, since the SDK's cannot tell 0 from absent.
type sendInput struct {
	QueueUrl, MessageBody, MessageGroupId, MessageDeduplicationId *string
	DelaySeconds                                                  *int32
	MessageAttributes                                             map[string]types.MessageAttributeValue
	MessageSystemAttributes                                       map[string]types.MessageSystemAttributeValue
}

func (in *sendInput) message(req *wire.Request) newMessage {
	return newMessage{
		Body: aws.ToString(in.MessageBody), Attributes: in.MessageAttributes, System: in.MessageSystemAttributes, Sender: req.Principal.UserID,
		Delay: in.DelaySeconds, Group: in.MessageGroupId, Dedup: in.MessageDeduplicationId,
	}
}

func (s *Service) sendMessage(_ context.Context, req *wire.Request, in *sendInput) (*sdk.SendMessageOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	n := in.message(req)
	if err := check(q, n); err != nil {
		return nil, err
	}
	m, err := s.put(q, n)
	if err != nil {
		return nil, err
	}
	return &sdk.SendMessageOutput{
		MessageId: &m.ID, SequenceNumber: text(m.Sequence), MD5OfMessageBody: sum(m.Body), MD5OfMessageAttributes: sumAttributes(m.Attributes),
	}, nil
}

type sendBatchInput struct {
	QueueUrl *string
	Entries  []struct {
		sendInput
		Id *string
	}
}

func (s *Service) sendBatch(_ context.Context, req *wire.Request, in *sendBatchInput) (*sdk.SendMessageBatchOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]*string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
	}
	if err := checkBatch("SendMessageBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	if err := checkSendBatch(q, req, in); err != nil {
		return nil, err
	}
	out := &sdk.SendMessageBatchOutput{Successful: []types.SendMessageBatchResultEntry{}, Failed: []types.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		n := e.message(req)
		err := check(q, n)
		var m message
		if err == nil {
			m, err = s.put(q, n)
		}
		if err != nil {
			out.Failed = append(out.Failed, failed(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{
			Id: e.Id, MessageId: aws.String(m.ID), SequenceNumber: text(m.Sequence), MD5OfMessageBody: sum(m.Body), MD5OfMessageAttributes: sumAttributes(m.Attributes),
		})
	}
	return out, nil
}

// maxBatch is how long the messages of a batch may be together.
const maxBatch = 1 << 20

// checkSendBatch checks what fails a batch as a whole.
func checkSendBatch(q queue, req *wire.Request, in *sendBatchInput) error {
	total := 0
	for _, e := range in.Entries {
		total += e.message(req).size()
		if q.fifo() && e.MessageGroupId == nil {
			return parameterError("InvalidParameterValue", "The request must contain the parameter MessageGroupId.")
		}
		if q.fifo() && e.MessageDeduplicationId == nil && q.attribute("ContentBasedDeduplication") != "true" {
			return parameterError("InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
		}
	}
	if total > maxBatch {
		return modelled("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatch, total)
	}
	return nil
}

// text is nil for "", which is no member of an answer.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch checks the ids of a batch; entry is what the API calls its entries.
func checkBatch(entry string, ids []*string) error {
	seen := map[string]bool{}
	switch {
	case len(ids) == 0:
		return modelled("EmptyBatchRequest", "There should be at least one %s in the request.", entry)
	case len(ids) > 10:
		return modelled("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent %d.", len(ids))
	}
	for _, id := range ids {
		if !batchID.MatchString(aws.ToString(id)) {
			return modelled("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[aws.ToString(id)] {
			return modelled("BatchEntryIdsNotDistinct", "Id %s repeated.", aws.ToString(id))
		}
		seen[aws.ToString(id)] = true
	}
	return nil
}

func failed(id *string, err error) types.BatchResultErrorEntry {
	e := wire.AsError(err)
	return types.BatchResultErrorEntry{Id: id, Code: aws.String(e.Code), Message: aws.String(e.Message), SenderFault: e.Status < 500}
}

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

// byReceipt finds a message by a receipt handle, which is the last unless it was
// handed out again since; found is false if it is gone.
func byReceipt(tx *store.Tx, q queue, receipt *string) (m message, found, last bool, err error) {
	h := aws.ToString(receipt)
	_, key, _ := strings.Cut(h, "/")
	if !strings.HasPrefix(key, q.key()+"|") {
		return m, false, false, modelled("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	m, found, err = store.Get[message](tx, messagesBucket, key)
	return m, found, m.Receipt == h, err
}

// deleteMessage succeeds for what is gone already, as on AWS.
func (s *Service) deleteMessage(_ context.Context, req *wire.Request, in *sdk.DeleteMessageInput) (*sdk.DeleteMessageOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteMessageOutput{}, s.remove(q, in.ReceiptHandle)
}

func (s *Service) remove(q queue, receipt *string) error {
	err := s.DB.Batch(func(tx *store.Tx) error {
		m, found, last, err := byReceipt(tx, q, receipt)
		switch {
		case err != nil || !found:
			return err
		case q.fifo() && (!last || !m.Visible.After(s.now())):
			return expired(receipt)
		case !last:
			// "otherwise, the request succeeds, but the message will not be deleted"
			// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
			return nil
		}
		return drop(tx, q, m)
	})
	if q.fifo() {
		s.wake() // the next of its group may be handed out
	}
	return err
}

func (s *Service) deleteBatch(_ context.Context, req *wire.Request, in *sdk.DeleteMessageBatchInput) (*sdk.DeleteMessageBatchOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]*string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
	}
	if err := checkBatch("DeleteMessageBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	out := &sdk.DeleteMessageBatchOutput{Successful: []types.DeleteMessageBatchResultEntry{}, Failed: []types.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		if err := s.remove(q, e.ReceiptHandle); err != nil {
			f := failed(e.Id, err)
			if *f.Code == "ReceiptHandleIsInvalid" { // whose text names it in a batch
				f.Message = aws.String(fmt.Sprintf("The input receipt handle %q is not a valid receipt handle.", aws.ToString(e.ReceiptHandle)))
			}
			out.Failed = append(out.Failed, f)
			continue
		}
		out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func (s *Service) changeVisibility(_ context.Context, req *wire.Request, in *sdk.ChangeMessageVisibilityInput) (*sdk.ChangeMessageVisibilityOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sdk.ChangeMessageVisibilityOutput{}, s.hide(q, in.ReceiptHandle, in.VisibilityTimeout)
}

func (s *Service) changeVisibilities(_ context.Context, req *wire.Request, in *sdk.ChangeMessageVisibilityBatchInput) (*sdk.ChangeMessageVisibilityBatchOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	ids := make([]*string, len(in.Entries))
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
	}
	if err := checkBatch("ChangeMessageVisibilityBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	out := &sdk.ChangeMessageVisibilityBatchOutput{Successful: []types.ChangeMessageVisibilityBatchResultEntry{}, Failed: []types.BatchResultErrorEntry{}}
	for _, e := range in.Entries {
		if err := s.hide(q, e.ReceiptHandle, e.VisibilityTimeout); err != nil {
			out.Failed = append(out.Failed, failed(e.Id, err))
			continue
		}
		out.Successful = append(out.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

// maxHidden is the longest that a message may be hidden.
const maxHidden = 12 * time.Hour

// within refuses what a duration in seconds may not be.
func within(name string, d, most time.Duration) error {
	if d < 0 || d > most {
		return parameterError("InvalidParameterValue", "Value %d for parameter %s is invalid. Reason: Must be >= 0 and <= %d, if provided.", int(d.Seconds()), name, int(most.Seconds()))
	}
	return nil
}

// hide sets when a message becomes visible again. Any receipt handle of a message
// in a standard queue does, though its own time has run out, as AWS was recorded
// (test_change_message_visibility_after_visibility_timeout_expiration in
// https://github.com/localstack/localstack, tests/aws/services/sqs).
func (s *Service) hide(q queue, receipt *string, seconds int32) error {
	d := time.Duration(seconds) * time.Second
	if err := within("VisibilityTimeout", d, maxHidden); err != nil {
		return err
	}
	err := s.DB.Batch(func(tx *store.Tx) error {
		m, found, last, err := byReceipt(tx, q, receipt)
		if err != nil {
			return err
		}
		if !found || q.fifo() && (!last || !m.Visible.After(s.now())) {
			return parameterError("InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", aws.ToString(receipt))
		}
		if err := drop(tx, q, m); err != nil {
			return err
		}
		m.Visible = s.now().Add(d)
		return keep(tx, q, m)
	})
	s.wake()
	return err
}

type counts struct{ visible, inFlight, delayed int }

func (s *Service) count(q queue) (c counts, err error) {
	now := s.now()
	err = s.DB.View(func(tx *store.Tx) error {
		return entries(tx, q, func(e entry) bool {
			switch {
			case now.Sub(e.sent) >= q.seconds("MessageRetentionPeriod"):
			case !e.visible.After(now):
				c.visible++
			case e.received:
				c.inFlight++
			default:
				c.delayed++
			}
			return true
		})
	})
	return c, err
}

func sum(body string) *string {
	h := md5.Sum([]byte(body)) //nolint:gosec // the protocol's own checksum
	return aws.String(hex.EncodeToString(h[:]))
}

// sumAttributes is the checksum that clients recompute.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func sumAttributes(attrs map[string]types.MessageAttributeValue) *string {
	if len(attrs) == 0 {
		return nil
	}
	h := md5.New() //nolint:gosec // the protocol's own checksum
	field := func(b []byte) {
		_ = binary.Write(h, binary.BigEndian, uint32(len(b))) // a hash takes everything
		_, _ = h.Write(b)
	}
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		field([]byte(name))
		field([]byte(aws.ToString(a.DataType)))
		if a.StringValue != nil {
			_, _ = h.Write([]byte{1})
			field([]byte(*a.StringValue))
		} else {
			_, _ = h.Write([]byte{2})
			field(a.BinaryValue)
		}
	}
	return aws.String(hex.EncodeToString(h.Sum(nil)))
}
