package sns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// topic is a topic as it is kept.
type topic struct {
	Scope      wire.Scope
	Name, ARN  string
	Created    time.Time
	Attributes map[string]string // those that were set
	Tags       map[string]string
	Gone       int `json:",omitempty"` // subscriptions that were deleted
}

func (x topic) ref() ref { return ref{x.Scope, x.Name} }

// The actions of a topic's own policy, and of AddPermission.
// https://docs.aws.amazon.com/sns/latest/api/API_AddPermission.html
var topicActions = []string{
	"GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish",
}

// policy is the topic's policy: what was set, or what it has from the start.
func (x topic) policy() string {
	if text := x.Attributes["Policy"]; text != "" {
		return text
	}
	var actions []string
	for _, a := range topicActions {
		actions = append(actions, strconv.Quote("SNS:"+a))
	}
	return fmt.Sprintf(`{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow",`+
		`"Principal":{"AWS":"*"},"Action":[%s],"Resource":"%s","Condition":{"StringEquals":{"AWS:SourceOwner":"%s"}}}]}`,
		strings.Join(actions, ","), x.ARN, x.Scope.Account)
}

var nameForm = lazyregexp.New(`^[A-Za-z0-9_-]{1,256}$`)

type createTopicInput struct {
	Name                 string
	Attributes           map[string]string
	Tags                 []tags.Tag
	DataProtectionPolicy *string
}

type topicOutput struct{ TopicArn string }

// createTopic answers with the topic that is there if it is the same.
func (s *Service) createTopic(_ context.Context, req *wire.Request, in *createTopicInput) (*topicOutput, error) {
	switch {
	case strings.HasSuffix(in.Name, ".fifo") != (in.Attributes["FifoTopic"] == "true"):
		return nil, invalid("Topic Name")
	case strings.HasSuffix(in.Name, ".fifo"):
		return nil, unserved("has no FIFO topics; a FIFO queue keeps messages in order")
	case in.DataProtectionPolicy != nil:
		return nil, unserved("does not look for personal data in messages")
	case !nameForm.MatchString(in.Name):
		return nil, invalid("Topic Name")
	}
	for name, v := range in.Attributes {
		if err := checkTopicAttribute(name, v); err != nil {
			e := wire.AsError(err)
			return nil, invalid("Attributes Reason: %s", strings.TrimPrefix(e.Message, "Invalid parameter: "))
		}
	}
	added, err := tagRules.Add(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	x := topic{Scope: req.Scope, Name: in.Name, ARN: req.ARN("sns", in.Name), Created: s.now(), Attributes: in.Attributes, Tags: added}
	return &topicOutput{x.ARN}, s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[topic](tx, topicsBucket, x.ref().key())
		switch {
		case err != nil:
			return err
		case !found:
			return store.Put(tx, topicsBucket, x.ref().key(), x)
		}
		for name, v := range in.Attributes {
			if old.Attributes[name] != v {
				return invalid("Attributes Reason: Topic already exists with different attributes")
			}
		}
		for name, v := range x.Tags { // some of its own will do
			if had, ok := old.Tags[name]; !ok || had != v {
				return invalid("Tags Reason: Topic already exists with different tags")
			}
		}
		return nil
	})
}

// kept are the attributes that a topic keeps as they are given: what they ask for has no
// meaning on one machine (tracing, reports of deliveries), or counts when something is
// published (the key).
var kept = lazyregexp.New(`^(KmsMasterKeyId|TracingConfig|(Application|HTTP|Lambda|SQS|Firehose)(SuccessFeedbackRoleArn|SuccessFeedbackSampleRate|FailureFeedbackRoleArn))$`)

// checkTopicAttribute refuses what an attribute of a topic may not be.
// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
func checkTopicAttribute(name, v string) error {
	switch name {
	case "Policy":
		if v != "" {
			if _, err := policy.Parse(v, policy.Resource); err != nil {
				return invalid("Policy Error: %s", err)
			}
		}
	case "DeliveryPolicy":
		_, err := topicPolicyOf(v)
		return err
	case "SignatureVersion":
		if v != "1" && v != "2" {
			return invalid("SignatureVersion")
		}
	case "DisplayName":
		if len(v) > 100 {
			return invalid("DisplayName")
		}
	case "FifoTopic":
		if v != "false" {
			return invalid("FifoTopic")
		}
	case "ArchivePolicy", "ContentBasedDeduplication", "FifoThroughputScope":
		return invalid("AttributeName") // FIFO topics have these
	default:
		if !kept.MatchString(name) {
			return invalid("AttributeName")
		}
	}
	return nil
}

type topicInput struct{ TopicArn string }

// deleteTopic deletes the topic with its subscriptions; what is under way is delivered.
// One that is gone is no error.
func (s *Service) deleteTopic(_ context.Context, req *wire.Request, in *topicInput) (*none, error) {
	r, err := topicOf(req, in.TopicArn)
	if err != nil {
		return nil, err
	}
	return &none{}, s.DB.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Delete(topicsBucket, r.key()), tx.DeletePrefix(subscriptionsBucket, r.key()+"\x00"))
	})
}

type tokenInput struct{ TopicArn, NextToken *string }

type listTopicsOutput struct {
	Topics    []topicOutput
	NextToken *string
}

// perPage is how many topics or subscriptions a page has.
const perPage = 100

func badToken() error { return invalid("NextToken Reason: invalid") }

func (s *Service) listTopics(_ context.Context, req *wire.Request, in *tokenInput) (*listTopicsOutput, error) {
	all, err := store.ReadAll[topic](s.DB, topicsBucket, req.Prefix())
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, in.NextToken, nil, perPage, func(x topic) string { return x.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &listTopicsOutput{Topics: []topicOutput{}, NextToken: next}
	for _, x := range some {
		out.Topics = append(out.Topics, topicOutput{x.ARN})
	}
	return out, nil
}

type attributesOutput struct{ Attributes map[string]string }

func (s *Service) topicAttributes(_ context.Context, req *wire.Request, in *topicInput) (*attributesOutput, error) {
	x, err := s.readTopic(req, in.TopicArn)
	if err != nil {
		return nil, err
	}
	all, err := store.Select(s.DB, subscriptionsBucket, x.ref().key()+"\x00", s.there)
	if err != nil {
		return nil, err
	}
	pending := 0
	for _, sub := range all {
		if sub.Pending {
			pending++
		}
	}
	effectiveOfTopic, _ := topicPolicyOf(x.Attributes["DeliveryPolicy"]) // checked when it was set
	out := map[string]string{
		"TopicArn": x.ARN, "Owner": x.Scope.Account, "DisplayName": "", "EffectiveDeliveryPolicy": effectiveOfTopic.shown(),
		"SubscriptionsConfirmed": strconv.Itoa(len(all) - pending), "SubscriptionsPending": strconv.Itoa(pending), "SubscriptionsDeleted": strconv.Itoa(x.Gone),
	}
	maps.Copy(out, x.Attributes)
	out["Policy"] = x.policy()
	return &attributesOutput{out}, nil
}

type setTopicInput struct {
	TopicArn, AttributeName string
	AttributeValue          *string
}

func (s *Service) setTopicAttributes(_ context.Context, req *wire.Request, in *setTopicInput) (*none, error) {
	value := ""
	if in.AttributeValue != nil {
		value = *in.AttributeValue
	}
	return &none{}, s.changeTopic(req, in.TopicArn, func(x *topic) error {
		if in.AttributeName == "FifoTopic" {
			return invalid("AttributeName")
		}
		if err := checkTopicAttribute(in.AttributeName, value); err != nil {
			return err
		}
		if x.Attributes == nil {
			x.Attributes = map[string]string{}
		}
		if x.Attributes[in.AttributeName] = value; value == "" {
			delete(x.Attributes, in.AttributeName)
		}
		return nil
	})
}

type permissionInput struct {
	TopicArn, Label string
	AWSAccountId    []string
	ActionName      []string
}

var accountID = lazyregexp.New(`^[0-9]{12}$`)

// editPolicy lets fn change the statements of a topic's policy.
func (s *Service) editPolicy(req *wire.Request, arn string, fn func(topic, *policy.Statements) error) error {
	return s.changeTopic(req, arn, func(x *topic) error {
		var doc policy.Statements
		if err := json.Unmarshal([]byte(x.policy()), &doc); err != nil {
			return err
		}
		if err := fn(*x, &doc); err != nil {
			return err
		}
		raw, err := json.Marshal(doc)
		if x.Attributes == nil {
			x.Attributes = map[string]string{}
		}
		x.Attributes["Policy"] = string(raw)
		return err
	})
}

func (s *Service) addPermission(_ context.Context, req *wire.Request, in *permissionInput) (*none, error) {
	var who, what []string
	for _, account := range in.AWSAccountId {
		if !accountID.MatchString(account) {
			return nil, invalid("AWSAccountId")
		}
		who = append(who, wire.Scope{Partition: req.Partition, Account: account}.Root())
	}
	for _, a := range in.ActionName {
		if !slices.Contains(topicActions, a) {
			return nil, invalid("Policy statement action out of service scope!")
		}
		what = append(what, "SNS:"+a)
	}
	return &none{}, s.editPolicy(req, in.TopicArn, func(x topic, doc *policy.Statements) error {
		if doc.Find(in.Label) >= 0 {
			return invalid("Statement already exists")
		}
		raw, err := json.Marshal(map[string]any{
			"Sid": in.Label, "Effect": "Allow", "Principal": map[string]any{"AWS": policy.OneOrMore(who)}, "Action": policy.OneOrMore(what), "Resource": x.ARN,
		})
		doc.Statement = append(doc.Statement, raw)
		return err
	})
}

func (s *Service) removePermission(_ context.Context, req *wire.Request, in *permissionInput) (*none, error) {
	return &none{}, s.editPolicy(req, in.TopicArn, func(_ topic, doc *policy.Statements) error {
		if i := doc.Find(in.Label); i >= 0 {
			doc.Statement = slices.Delete(doc.Statement, i, i+1)
		}
		return nil
	})
}

// https://docs.aws.amazon.com/sns/latest/dg/sns-tags.html
var tagRules = tags.Rules{
	Max: 50, TooMany: wire.Errorf(http.StatusBadRequest, "TagLimitExceeded", "Could not complete request: tag quota of per resource exceeded"),
	Reserved:  wire.Errorf(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: Tags Reason: keys that begin with aws: are reserved"),
	Duplicate: wire.Errorf(http.StatusBadRequest, "InvalidParameter", "Invalid parameter: Duplicated keys are not allowed."),
}

type tagsInput struct {
	ResourceArn string
	Tags        []tags.Tag
	TagKeys     []string
}

// changeTags lets fn change the tags of a topic, in the words that SNS has for tags.
func (s *Service) changeTags(req *wire.Request, arn string, fn func(*topic) error) error {
	return noResource(s.changeTopic(req, arn, fn))
}

// noResource says in the words of tags that there is no such topic.
func noResource(err error) error {
	if e := wire.AsError(err); err != nil && e.Code == "NotFound" {
		return wire.Errorf(http.StatusNotFound, "ResourceNotFound", "Resource does not exist")
	}
	return err
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *tagsInput) (*none, error) {
	return &none{}, s.changeTags(req, in.ResourceArn, func(x *topic) (err error) {
		x.Tags, err = tagRules.Add(x.Tags, in.Tags)
		return err
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *tagsInput) (*none, error) {
	return &none{}, s.changeTags(req, in.ResourceArn, func(x *topic) error {
		x.Tags = tags.Without(x.Tags, in.TagKeys)
		return nil
	})
}

type tagsOutput struct{ Tags []tags.Tag }

func (s *Service) listTags(_ context.Context, req *wire.Request, in *tagsInput) (*tagsOutput, error) {
	x, err := s.readTopic(req, in.ResourceArn)
	if err != nil {
		return nil, noResource(err)
	}
	out := &tagsOutput{Tags: []tags.Tag{}}
	for _, k := range slices.Sorted(maps.Keys(x.Tags)) {
		out.Tags = append(out.Tags, tags.Tag{Key: k, Value: x.Tags[k]})
	}
	return out, nil
}
