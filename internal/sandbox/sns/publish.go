package sns

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/envelope"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// attribute is an attribute of a message.
type attribute struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// notice is a message as it was published.
type notice struct {
	ID         string
	At         time.Time
	Subject    *string `json:",omitempty"`
	Message    string
	Of         map[string]string    `json:",omitempty"` // the message of a protocol; of "default" that of the others
	Attributes map[string]attribute `json:",omitempty"`
	// Group makes standard queues fair, and is for them only.
	// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
	Group *string `json:",omitempty"`
}

// body is the message for who subscribes by a protocol.
func (n notice) body(protocol string) string {
	if n.Of == nil {
		return n.Message
	}
	if text, ok := n.Of[protocol]; ok {
		return text
	}
	return n.Of["default"]
}

type message struct {
	Message, MessageStructure                       string
	Subject, MessageGroupId, MessageDeduplicationId *string
	MessageAttributes                               map[string]attribute
}

type publishInput struct {
	TopicArn, TargetArn, PhoneNumber                string
	Message, MessageStructure                       string
	Subject, MessageGroupId, MessageDeduplicationId *string
	MessageAttributes                               map[string]attribute
}

type publishOutput struct{ MessageId string }

// maxMessage is how many bytes a message may have, or those of a batch together.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const maxMessage = 256 << 10

func (s *Service) publish(ctx context.Context, req *wire.Request, in *publishInput) (*publishOutput, error) {
	arn := in.TopicArn
	if arn == "" {
		arn = in.TargetArn
	}
	switch {
	case in.PhoneNumber != "":
		return nil, unserved("sends no text messages")
	case arn == "":
		return nil, invalid("TopicArn or TargetArn Reason: no value for required parameter")
	}
	t, err := s.readTopic(req, arn)
	if err != nil {
		return nil, err
	}
	n, err := s.notice(message{in.Message, in.MessageStructure, in.Subject, in.MessageGroupId, in.MessageDeduplicationId, in.MessageAttributes})
	if err != nil {
		return nil, err
	}
	if err := s.mayUseKey(ctx, req, t); err != nil {
		return nil, err
	}
	return &publishOutput{n.ID}, s.send(t, []notice{n})
}

// refusedByKMS are the codes by which SNS says what KMS has refused.
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#sse-troubleshooting-errors
var refusedByKMS = map[string]string{
	"AccessDeniedException": "KMSAccessDenied", "DisabledException": "KMSDisabled", "KMSInvalidStateException": "KMSInvalidState",
	"NotFoundException": "KMSNotFound", "ThrottlingException": "KMSThrottling",
}

// mayUseKey asks KMS, as who publishes, for what an encrypted topic needs: a data key, and
// to open it again. What is on this machine is kept as it is.
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#send-to-encrypted-topic
func (s *Service) mayUseKey(ctx context.Context, req *wire.Request, t topic) error {
	key := t.Attributes["KmsMasterKeyId"]
	switch {
	case key == "":
		return nil
	case strings.HasPrefix(key, "alias/"):
		key = t.Scope.ARN("kms", key)
	case !wire.MeansARN(key):
		key = t.Scope.ARN("kms", "key/"+key)
	}
	bound := map[string]string{"aws:sns:topicArn": t.ARN}
	sealed, err := envelope.Seal(ctx, s.router, req, key, bound, nil)
	if err == nil {
		_, err = sealed.Open(ctx, s.router, req, bound)
	}
	if err == nil {
		return nil
	}
	e := wire.AsError(err)
	if code := refusedByKMS[e.Code]; code != "" {
		return wire.Errorf(http.StatusBadRequest, code, "%s", e.Message)
	}
	return err
}

var (
	dataType      = lazyregexp.New(`^(String|Number|Binary)(\..+)?$`)
	groupForm     = lazyregexp.New(`^[\x21-\x7e]{1,128}$`)
	attributeName = lazyregexp.New(`^[A-Za-z0-9_.-]{1,256}$`)
)

// notice reads what is to be published.
func (s *Service) notice(in message) (notice, error) {
	n := notice{ID: wire.NewID(), At: s.now(), Subject: in.Subject, Message: in.Message, Attributes: in.MessageAttributes, Group: in.MessageGroupId}
	switch {
	case in.MessageGroupId != nil && !groupForm.MatchString(*in.MessageGroupId):
		return n, invalid("The MessageGroupId parameter must be 1-128 alphanumeric and punctuation characters")
	case in.MessageDeduplicationId != nil:
		return n, invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
	case in.Message == "":
		return n, invalid("Empty message")
	case n.size() > maxMessage:
		return n, invalid("Message too long")
	case in.Subject != nil && !goodSubject(*in.Subject):
		return n, invalid("Subject")
	case in.MessageStructure != "" && in.MessageStructure != "json":
		return n, invalid("MessageStructure")
	case in.MessageStructure == "json":
		var of map[string]any
		if err := json.Unmarshal([]byte(in.Message), &of); err != nil {
			return n, invalid("Message Structure - JSON message body failed to parse")
		}
		n.Of = map[string]string{}
		for protocol, v := range of {
			if text, ok := v.(string); ok {
				n.Of[protocol] = text
			}
		}
		if _, ok := n.Of["default"]; !ok {
			return n, invalid("Message Structure - No default entry in JSON message body")
		}
	}
	for name, v := range in.MessageAttributes {
		if err := checkMessageAttribute(name, v); err != nil {
			return n, err
		}
	}
	return n, nil
}

// size is what of a message counts.
func (n notice) size() int {
	size := len(n.Message)
	for name, v := range n.Attributes {
		size += len(name) + len(v.DataType) + len(v.StringValue) + len(v.BinaryValue)
	}
	return size
}

// goodSubject: up to 100 characters, no line breaks or control characters.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func goodSubject(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= 100 && !strings.ContainsFunc(text, unicode.IsControl) && !strings.HasPrefix(text, " ")
}

// https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
func checkMessageAttribute(name string, v attribute) error {
	wrong := func(code, format string, args ...any) error {
		return wire.Errorf(http.StatusBadRequest, code, format, args...)
	}
	kind, _, _ := strings.Cut(v.DataType, ".")
	switch {
	case !attributeName.MatchString(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return wrong("ParameterValueInvalid", "Invalid message attribute name: %s", name)
	case v.DataType == "":
		return wrong("ParameterValueInvalid", "The message attribute '%s' must contain non-empty message attribute type.", name)
	case !dataType.MatchString(v.DataType):
		return wrong("ParameterValueInvalid", "The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	case v.StringValue != "" && v.BinaryValue != nil:
		return wrong("ParameterValueInvalid", "Message attribute '%s' has more than one value.", name)
	case kind == "Binary" && len(v.BinaryValue) == 0, kind != "Binary" && v.StringValue == "":
		return wrong("ParameterValueInvalid", "The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, v.DataType)
	case v.DataType == "String.Array" && !isList(v.StringValue):
		return wrong("ParameterValueInvalid", "The message attribute '%s' with type 'String.Array' must contain a valid JSON array.", name)
	case kind == "Number":
		if _, err := strconv.ParseFloat(v.StringValue, 64); err != nil {
			return wrong("ParameterValueInvalid", "Could not cast message attribute '%s' value to number.", name)
		}
	}
	return nil
}

func isList(text string) bool {
	var list []any
	return json.Unmarshal([]byte(text), &list) == nil
}

type publishBatchInput struct {
	TopicArn                   string
	PublishBatchRequestEntries []struct {
		Id                                              string
		Message, MessageStructure                       string
		Subject, MessageGroupId, MessageDeduplicationId *string
		MessageAttributes                               map[string]attribute
	}
}

type (
	published struct{ Id, MessageId string }
	refused   struct {
		Id, Code, Message string
		SenderFault       bool
	}
	publishBatchOutput struct {
		Successful []published
		Failed     []refused
	}
)

var batchID = lazyregexp.New(`^[A-Za-z0-9_-]{1,80}$`)

// publishBatch: https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
func (s *Service) publishBatch(ctx context.Context, req *wire.Request, in *publishBatchInput) (*publishBatchOutput, error) {
	wrong := func(code, text string) error { return wire.Errorf(http.StatusBadRequest, code, "%s", text) }
	t, err := s.readTopic(req, in.TopicArn)
	if err != nil {
		return nil, err
	}
	switch entries := in.PublishBatchRequestEntries; {
	case len(entries) == 0:
		return nil, wrong("EmptyBatchRequest", "The batch request doesn't contain any entries.")
	case len(entries) > 10:
		return nil, wrong("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
	}
	seen, size := map[string]bool{}, 0
	for _, e := range in.PublishBatchRequestEntries {
		switch {
		case len(e.Id) > 80:
			return nil, wrong("InvalidBatchEntryId", "The Id of a batch entry in the batch request is too long: "+e.Id)
		case !batchID.MatchString(e.Id):
			return nil, wrong("InvalidBatchEntryId", "The Id of a batch entry in the batch request contains an impermissible character: "+e.Id)
		case seen[e.Id]:
			return nil, wrong("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
		}
		seen[e.Id] = true
		size += notice{Message: e.Message, Attributes: e.MessageAttributes}.size()
	}
	if size > maxMessage {
		return nil, wrong("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
	}
	out := &publishBatchOutput{Successful: []published{}, Failed: []refused{}}
	var all []notice
	for _, e := range in.PublishBatchRequestEntries {
		n, err := s.notice(message{e.Message, e.MessageStructure, e.Subject, e.MessageGroupId, e.MessageDeduplicationId, e.MessageAttributes})
		if err != nil {
			w := wire.AsError(err)
			out.Failed = append(out.Failed, refused{e.Id, w.Code, w.Message, true})
			continue
		}
		all, out.Successful = append(all, n), append(out.Successful, published{e.Id, n.ID})
	}
	if err := s.mayUseKey(ctx, req, t); err != nil {
		return nil, err
	}
	return out, s.send(t, all)
}

// send keeps messages for those subscriptions that they are for: what is acknowledged is
// on disk.
func (s *Service) send(t topic, all []notice) error {
	subscriptions, err := store.Select(s.DB, subscriptionsBucket, t.ref().key()+"\x00", func(x subscription) bool { return !x.Pending })
	if err != nil {
		return err
	}
	var out []delivery
	for _, n := range all {
		for _, x := range subscriptions {
			ok, err := x.passes(n)
			if err != nil { // it was checked when it was set: of another version of the sandbox
				s.Log.Warn("filter policy not understood: message not delivered", "subscription", x.ARN, "error", err.Error())
			}
			if ok {
				out = append(out, delivery{Subscription: x, Kind: notification, Message: n, TopicPolicy: t.Attributes["DeliveryPolicy"]})
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	var kept []courier.Ticket
	err = s.DB.Batch(func(tx *store.Tx) (err error) {
		kept, err = s.keep(tx, out...)
		return err
	})
	if err != nil {
		return err
	}
	s.courier.Begin(kept...)
	return nil
}

// shown are the attributes of a message in documents about it.
func (n notice) shown() map[string]any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
		v := n.Attributes[name]
		one := map[string]any{"Type": v.DataType, "Value": v.StringValue}
		if strings.HasPrefix(v.DataType, "Binary") {
			one["Value"] = v.BinaryValue
		}
		out[name] = one
	}
	return out
}
