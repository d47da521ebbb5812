package sqs

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerQueues(r *wire.Router) {
	queue := wire.On(onQueue)
	wire.Handle(r, "sqs", "CreateQueue", s.createQueue, wire.On(onName).Tags("sqs:TagQueue"))
	wire.Handle(r, "sqs", "GetQueueUrl", s.getQueueURL, wire.On(onName))
	wire.Handle(r, "sqs", "ListQueues", s.listQueues, wire.Access{})
	wire.Handle(r, "sqs", "DeleteQueue", s.deleteQueue, queue)
	wire.Handle(r, "sqs", "PurgeQueue", s.purgeQueue, queue)
	wire.Handle(r, "sqs", "GetQueueAttributes", s.getAttributes, queue)
	wire.Handle(r, "sqs", "SetQueueAttributes", s.setAttributes, queue)
	wire.Handle(r, "sqs", "TagQueue", s.tagQueue, queue)
	wire.Handle(r, "sqs", "UntagQueue", s.untagQueue, queue)
	wire.Handle(r, "sqs", "ListQueueTags", s.listTags, queue)
	wire.Handle(r, "sqs", "ListDeadLetterSourceQueues", s.listSources, queue)
	wire.Handle(r, "sqs", "AddPermission", s.addPermission, queue)
	wire.Handle(r, "sqs", "RemovePermission", s.removePermission, queue)
}

// standard are the attributes that a queue has without being told.
var standard = map[string]string{
	"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
	"ReceiveMessageWaitTimeSeconds": "0", "VisibilityTimeout": "30", "SqsManagedSseEnabled": "true",
}

// numbers are the bounds of numeric attributes.
var numbers = map[string][2]int{
	"DelaySeconds": {0, 900}, "MaximumMessageSize": {1024, 1048576}, "MessageRetentionPeriod": {60, 1209600},
	"ReceiveMessageWaitTimeSeconds": {0, 20}, "VisibilityTimeout": {0, 43200}, "KmsDataKeyReusePeriodSeconds": {60, 86400},
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // checked when it was set
	return n
}

// checkAttributes checks new attributes; an empty value takes an attribute away.
func checkAttributes(set map[string]string, fifo bool) error {
	for name, v := range set {
		if bounds, ok := numbers[name]; ok {
			n, err := strconv.Atoi(v)
			if err != nil || n < bounds[0] || n > bounds[1] {
				return badValue(name)
			}
			continue
		}
		if values, ok := choices[name]; ok {
			if err := checkChoice(name, v, values, fifo); err != nil {
				return err
			}
			continue
		}
		switch name {
		case "Policy":
			if v != "" {
				if _, err := policy.Parse(v, policy.Resource); err != nil {
					return badValue(name)
				}
			}
		case "RedrivePolicy":
			if _, err := parseRedrive(v); v != "" && err != nil {
				return badValue(name)
			}
		case "RedriveAllowPolicy":
			if v != "" && !json.Valid([]byte(v)) {
				return badValue(name)
			}
		case "KmsMasterKeyId":
		default:
			return unknownAttribute(name)
		}
	}
	if set["KmsMasterKeyId"] != "" && set["SqsManagedSseEnabled"] == "true" {
		return modelled("InvalidAttributeValue", "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
	}
	return nil
}

// choices are the values of attributes that have few.
var choices = map[string][]string{
	"SqsManagedSseEnabled": {"true", "false"}, "FifoQueue": {"true"}, "ContentBasedDeduplication": {"true", "false"},
	"DeduplicationScope": {"queue", "messageGroup"}, "FifoThroughputLimit": {"perQueue", "perMessageGroupId"},
}

// checkChoice refuses values that an attribute has not, and attributes of FIFO queues
// elsewhere. AWS's two texts for the latter are recorded
// (test_create_standard_queue_with_fifo_attribute_raises_error in
// https://github.com/localstack/localstack, tests/aws/services/sqs).
func checkChoice(name, v string, values []string, fifo bool) error {
	switch {
	case fifo || name == "SqsManagedSseEnabled":
		if !slices.Contains(values, v) {
			return badValue(name)
		}
		return nil
	case name == "DeduplicationScope" || name == "FifoThroughputLimit":
		return modelled("InvalidAttributeName", "You can specify the %s only when FifoQueue is set to true.", name)
	default:
		return unknownAttribute(name)
	}
}

func unknownAttribute(name string) error {
	return modelled("InvalidAttributeName", "Unknown Attribute %s.", name)
}

// checkRedrive looks whether the dead-letter queue is there, and of the same kind; the
// policy is kept with a number, however it came.
func checkRedrive(tx *store.Tx, q *queue) error {
	text := q.Attributes["RedrivePolicy"]
	if text == "" {
		return nil
	}
	r, err := parseRedrive(text)
	if err != nil {
		return err
	}
	refuse := func(reason string) error {
		return parameterError("InvalidParameterValue", "Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, reason)
	}
	target, _ := wire.ParseARN(r.Target)
	dead, err := getQueue(tx, wire.ScopeOfARN(target), target.Resource)
	if e := wire.AsError(err); err != nil && e.Code == "QueueDoesNotExist" {
		return refuse("Dead letter target does not exist.")
	}
	if err != nil {
		return err
	}
	if dead.fifo() != q.fifo() {
		return refuse("Dead letter queue must be same type of queue as the source.")
	}
	var was map[string]any
	if json.Unmarshal([]byte(text), &was) == nil {
		if _, ok := was["maxReceiveCount"].(string); ok {
			was["maxReceiveCount"] = r.Max
			raw, err := json.Marshal(was)
			if err != nil {
				return err
			}
			q.Attributes["RedrivePolicy"] = string(raw)
		}
	}
	return nil
}

func badValue(name string) error {
	return modelled("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

// redrive is the RedrivePolicy attribute. maxReceiveCount comes as a number or
// as text.
type redrive struct {
	Target string `json:"deadLetterTargetArn"`
	Max    int    `json:"-"`
}

func parseRedrive(text string) (redrive, error) {
	var raw struct {
		redrive
		Max json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return redrive{}, err
	}
	n, err := strconv.Atoi(strings.Trim(string(raw.Max), `"`))
	if err != nil || n < 1 || n > 1000 || !wire.IsARN(raw.Target, "sqs") {
		return redrive{}, badValue("RedrivePolicy")
	}
	return redrive{Target: raw.Target, Max: n}, nil
}

// merge sets attributes on the queue.
func (q *queue) merge(set map[string]string) {
	if q.Attributes == nil {
		q.Attributes = map[string]string{}
	}
	for name, v := range set {
		switch {
		case name == "FifoQueue": // told by the name
		case v == "":
			delete(q.Attributes, name)
		default:
			q.Attributes[name] = v
		}
	}
	// There is one kind of encryption at a time.
	if set["KmsMasterKeyId"] != "" {
		q.Attributes["SqsManagedSseEnabled"] = "false"
	}
	if set["SqsManagedSseEnabled"] == "true" {
		delete(q.Attributes, "KmsMasterKeyId")
	}
}

func (s *Service) createQueue(_ context.Context, req *wire.Request, in *sdk.CreateQueueInput) (*sdk.CreateQueueOutput, error) {
	name := aws.ToString(in.QueueName)
	fifo := in.Attributes["FifoQueue"] == "true"
	if err := checkName(name, fifo); err != nil {
		return nil, err
	}
	q := queue{Scope: req.Scope, Name: name, ARN: req.ARN("sqs", name), Created: s.now(), Modified: s.now(), Tags: in.Tags}
	if err := checkAttributes(in.Attributes, fifo); err != nil {
		return nil, err
	}
	q.merge(in.Attributes)
	err := s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[queue](tx, queuesBucket, q.key())
		if err != nil {
			return err
		}
		if !found {
			if err := checkRedrive(tx, &q); err != nil {
				return err
			}
			return store.Put(tx, queuesBucket, q.key(), q)
		}
		for name, v := range in.Attributes {
			if old.attribute(name) != v {
				return modelled("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateQueueOutput{QueueUrl: aws.String(s.url(req, q.Scope, name))}, nil
}

func (s *Service) getQueueURL(_ context.Context, req *wire.Request, in *sdk.GetQueueUrlInput) (*sdk.GetQueueUrlOutput, error) {
	url := aws.ToString(in.QueueOwnerAWSAccountId) + "/" + aws.ToString(in.QueueName)
	q, err := s.open(req, &url)
	if err != nil {
		return nil, err
	}
	return &sdk.GetQueueUrlOutput{QueueUrl: aws.String(s.url(req, q.Scope, q.Name))}, nil
}

// place is where a list goes on.
func place(token *string) (string, error) {
	from, err := page.Place(token)
	if err != nil {
		return "", parameterError("InvalidParameterValue", "Value %s for parameter NextToken is invalid.", aws.ToString(token))
	}
	return from, nil
}

func (s *Service) listQueues(_ context.Context, req *wire.Request, in *sdk.ListQueuesInput) (*sdk.ListQueuesOutput, error) {
	from, err := place(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := 1000
	if in.MaxResults != nil {
		limit = min(limit, int(*in.MaxResults))
	}
	out := &sdk.ListQueuesOutput{}
	prefix := req.Key(aws.ToString(in.QueueNamePrefix))
	err = s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(queuesBucket, prefix, req.Key(from), func(key string, _ []byte) (bool, error) {
			name := strings.TrimPrefix(key, req.Prefix())
			if len(out.QueueUrls) == limit {
				out.NextToken = page.Token(name)
				return false, nil
			}
			out.QueueUrls = append(out.QueueUrls, s.url(req, req.Scope, name))
			return true, nil
		})
	})
	return out, err
}

func (s *Service) deleteQueue(_ context.Context, req *wire.Request, in *sdk.DeleteQueueInput) (*sdk.DeleteQueueOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if err := dropAll(tx, q); err != nil {
			return err
		}
		return tx.Delete(queuesBucket, q.key())
	})
	s.wake() // those who wait for messages learn that the queue is gone
	return &sdk.DeleteQueueOutput{}, err
}

// purgeEvery is how often a queue may be purged
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_PurgeQueue.html).
const purgeEvery = time.Minute

func (s *Service) purgeQueue(_ context.Context, req *wire.Request, in *sdk.PurgeQueueInput) (*sdk.PurgeQueueOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sdk.PurgeQueueOutput{}, s.DB.Update(func(tx *store.Tx) error {
		q, found, err := store.Get[queue](tx, queuesBucket, q.key())
		switch {
		case err != nil:
			return err
		case !found:
			return noQueue()
		case s.now().Sub(q.Purged) < purgeEvery:
			e := modelled("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.Name)
			e.Status = http.StatusForbidden // as recorded
			return e
		}
		q.Purged = s.now()
		if err := store.Put(tx, queuesBucket, q.key(), q); err != nil {
			return err
		}
		return dropAll(tx, q)
	})
}

func (s *Service) getAttributes(_ context.Context, req *wire.Request, in *sdk.GetQueueAttributesInput) (*sdk.GetQueueAttributesOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil || len(in.AttributeNames) == 0 {
		return &sdk.GetQueueAttributesOutput{}, err
	}
	counts, err := s.count(q)
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"QueueArn": q.ARN, "CreatedTimestamp": strconv.FormatInt(q.Created.Unix(), 10), "LastModifiedTimestamp": strconv.FormatInt(q.Modified.Unix(), 10),
		"ApproximateNumberOfMessages": strconv.Itoa(counts.visible), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(counts.inFlight),
		"ApproximateNumberOfMessagesDelayed": strconv.Itoa(counts.delayed),
	}
	maps.Copy(all, standard)
	if q.fifo() {
		maps.Copy(all, fifoDefaults)
	}
	maps.Copy(all, q.Attributes)
	if q.Attributes["KmsMasterKeyId"] != "" && q.Attributes["KmsDataKeyReusePeriodSeconds"] == "" {
		all["KmsDataKeyReusePeriodSeconds"] = "300"
	}
	for _, name := range in.AttributeNames {
		if !known(string(name), all) {
			return nil, modelled("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	maps.DeleteFunc(all, func(name, _ string) bool { return !has(in.AttributeNames, name) })
	if len(all) == 0 { // the member is left out
		all = nil
	}
	return &sdk.GetQueueAttributesOutput{Attributes: all}, nil
}

// known: an attribute that exists may be asked for though it has no value.
func known(name string, have map[string]string) bool {
	if _, ok := have[name]; ok || name == "All" {
		return true
	}
	return slices.Contains([]string{
		"Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds",
		"FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
	}, name)
}

// edit lets fn change the queue.
func (s *Service) edit(req *wire.Request, url *string, fn func(*store.Tx, *queue) error) error {
	q, err := s.open(req, url)
	if err != nil {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		q, err := getQueue(tx, q.Scope, q.Name)
		if err != nil {
			return err
		}
		if err := fn(tx, &q); err != nil {
			return err
		}
		return store.Put(tx, queuesBucket, q.key(), q)
	})
}

func (s *Service) setAttributes(_ context.Context, req *wire.Request, in *sdk.SetQueueAttributesInput) (*sdk.SetQueueAttributesOutput, error) {
	err := s.edit(req, in.QueueUrl, func(tx *store.Tx, q *queue) error {
		if err := checkAttributes(in.Attributes, q.fifo()); err != nil {
			return err
		}
		q.merge(in.Attributes)
		q.Modified = s.now()
		if in.Attributes["RedrivePolicy"] != "" {
			return checkRedrive(tx, q)
		}
		return nil
	})
	return &sdk.SetQueueAttributesOutput{}, err
}

func (s *Service) tagQueue(_ context.Context, req *wire.Request, in *sdk.TagQueueInput) (*sdk.TagQueueOutput, error) {
	if len(in.Tags) == 0 {
		return nil, parameterError("MissingParameter", "The request must contain the parameter Tags.")
	}
	err := s.edit(req, in.QueueUrl, func(_ *store.Tx, q *queue) (err error) {
		rules := tags.Rules{Max: 50, TooMany: parameterError("InvalidParameterValue", "Too many tags added for queue %s.", q.Name)}
		q.Tags, err = rules.Add(q.Tags, tags.OfMap(in.Tags))
		return err
	})
	return &sdk.TagQueueOutput{}, err
}

func (s *Service) untagQueue(_ context.Context, req *wire.Request, in *sdk.UntagQueueInput) (*sdk.UntagQueueOutput, error) {
	if len(in.TagKeys) == 0 {
		return nil, parameterError("InvalidParameterValue", "Tag keys must be between 1 and 128 characters in length.")
	}
	err := s.edit(req, in.QueueUrl, func(_ *store.Tx, q *queue) error {
		q.Tags = tags.Without(q.Tags, in.TagKeys)
		return nil
	})
	return &sdk.UntagQueueOutput{}, err
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListQueueTagsInput) (*sdk.ListQueueTagsOutput, error) {
	q, err := s.open(req, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &sdk.ListQueueTagsOutput{Tags: q.Tags}, nil
}
