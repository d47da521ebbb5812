package sqs

import (
	"cmp"
	"context"
	"crypto/md5" // the protocol's own checksum
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
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
		s.meter.tell(q, "NumberOfMessagesSent", "Count", 1)
		s.meter.tell(q, "SentMessageSize", "Bytes", float64(len(m.Body)))
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
	attributeName = lazyregexp.New(`^[A-Za-z0-9_.-]{1,256}$`)
	attributeType = lazyregexp.New(`^(String|Number|Binary)(\.|$)`)
)

// checkMessageAttribute applies SQS's rules for attributes of messages.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func checkMessageAttribute(name string, a types.MessageAttributeValue) error {
	kind := aws.ToString(a.DataType)
	base, _, _ := strings.Cut(kind, ".")
	switch {
	case !attributeName.MatchString(name):
		return parameterError("InvalidParameterValue", "The message attribute name '%s' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore "+
			"(_), hyphen (-), and period (.) characters.", name)
	case kind == "":
		return parameterError("InvalidParameterValue", "The message attribute '%s' must contain a non-empty message attribute type.", name)
	case !attributeType.MatchString(kind):
		return parameterError("InvalidParameterValue", "The message attribute '%s' has an invalid message attribute type, the set of supported type "+
			"prefixes is Binary, Number, and String.", name)
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
			return modelled("InvalidMessageContents", "Invalid binary character '#x%X' was found in the message body, the set of allowed characters is #x9 | "+
				"#xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", r)
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
		Body: aws.ToString(in.MessageBody), Attributes: in.MessageAttributes, System: in.MessageSystemAttributes, Sender: cmp.Or(req.Principal.UserID, req.Principal.Service),
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
		MessageId: &m.ID, SequenceNumber: optional.Of(m.Sequence), MD5OfMessageBody: sum(m.Body), MD5OfMessageAttributes: sumAttributes(m.Attributes),
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
			Id: e.Id, MessageId: aws.String(m.ID), SequenceNumber: optional.Of(m.Sequence), MD5OfMessageBody: sum(m.Body), MD5OfMessageAttributes: sumAttributes(m.Attributes),
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

var batchID = lazyregexp.New(`^[A-Za-z0-9_-]{1,80}$`)

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

type counts struct{ visible, inFlight, delayed int }

func (s *Service) count(q queue) (counts, error) {
	c, _, err := s.tally(q)
	return c, err
}

// tally counts a queue's messages, and tells when the oldest was sent, zero for none.
func (s *Service) tally(q queue) (c counts, oldest time.Time, err error) {
	now := s.now()
	err = s.DB.View(func(tx *store.Tx) error {
		return entries(tx, q, func(e entry) bool {
			if now.Sub(e.sent) < q.seconds("MessageRetentionPeriod") && (oldest.IsZero() || e.sent.Before(oldest)) {
				oldest = e.sent
			}
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
	return c, oldest, err
}

func sum(body string) *string {
	h := md5.Sum([]byte(body)) // the protocol's own checksum
	return aws.String(hex.EncodeToString(h[:]))
}

// sumAttributes is the checksum that clients recompute.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func sumAttributes(attrs map[string]types.MessageAttributeValue) *string {
	if len(attrs) == 0 {
		return nil
	}
	h := md5.New() // the protocol's own checksum
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
