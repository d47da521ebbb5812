package services

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

// The rules, and which call sets what, are those of aws_sns_topic, aws_sns_topic_policy and
// aws_sns_topic_subscription in hashicorp/terraform-provider-aws, internal/service/sns.

func snsResources() []Resource {
	return []Resource{snsTopic(), snsTopicPolicy(), snsTopicSubscription()}
}

// noTopic is how SNS says that a topic or a subscription does not exist.
var noTopic = []string{"NotFound", "NotFoundException"}

type topicArgs struct {
	ApplicationFailureRole *string `pulumi:"applicationFailureFeedbackRoleArn" check:"arn"`
	ApplicationSuccessRole *string `pulumi:"applicationSuccessFeedbackRoleArn" check:"arn"`
	ApplicationSampleRate  *int    `pulumi:"applicationSuccessFeedbackSampleRate" check:"min=0;max=100"`
	ArchivePolicy          *string `pulumi:"archivePolicy,json"`
	ContentDedup           *bool   `pulumi:"contentBasedDeduplication" default:"false"`
	DeliveryPolicy         *string `pulumi:"deliveryPolicy,json"`
	DisplayName            *string `pulumi:"displayName"`
	FifoThroughputScope    *string `pulumi:"fifoThroughputScope,computed" check:"enum=Topic|MessageGroup"`
	Fifo                   *bool   `pulumi:"fifoTopic,replace" default:"false"`
	FirehoseFailureRole    *string `pulumi:"firehoseFailureFeedbackRoleArn" check:"arn"`
	FirehoseSuccessRole    *string `pulumi:"firehoseSuccessFeedbackRoleArn" check:"arn"`
	FirehoseSampleRate     *int    `pulumi:"firehoseSuccessFeedbackSampleRate" check:"min=0;max=100"`
	HTTPFailureRole        *string `pulumi:"httpFailureFeedbackRoleArn" check:"arn"`
	HTTPSuccessRole        *string `pulumi:"httpSuccessFeedbackRoleArn" check:"arn"`
	HTTPSampleRate         *int    `pulumi:"httpSuccessFeedbackSampleRate" check:"min=0;max=100"`
	KmsMasterKeyID         *string `pulumi:"kmsMasterKeyId"`
	LambdaFailureRole      *string `pulumi:"lambdaFailureFeedbackRoleArn" check:"arn"`
	LambdaSuccessRole      *string `pulumi:"lambdaSuccessFeedbackRoleArn" check:"arn"`
	LambdaSampleRate       *int    `pulumi:"lambdaSuccessFeedbackSampleRate" check:"min=0;max=100"`
	Name                   *string `pulumi:"name,replace,computed"`
	NamePrefix             *string `pulumi:"namePrefix,replace,computed,local"`
	Policy                 *string `pulumi:"policy,computed,policy"`
	SignatureVersion       *int    `pulumi:"signatureVersion,computed" check:"min=1;max=2"`
	SqsFailureRole         *string `pulumi:"sqsFailureFeedbackRoleArn" check:"arn"`
	SqsSuccessRole         *string `pulumi:"sqsSuccessFeedbackRoleArn" check:"arn"`
	SqsSampleRate          *int    `pulumi:"sqsSuccessFeedbackSampleRate" check:"min=0;max=100"`
	TracingConfig          *string `pulumi:"tracingConfig,computed" check:"enum=Active|PassThrough"`
	Tagged
}

type topicState struct {
	topicArgs
	Arn            string `pulumi:"arn"`
	BeginningOfLog string `pulumi:"beginningArchiveTime"`
	Owner          string `pulumi:"owner"`
}

// topicTexts are the attributes that are texts: the property, SNS's name, and where it is kept.
func (in *topicArgs) topicTexts() []attributeOf[*string] {
	return []attributeOf[*string]{
		{"applicationFailureFeedbackRoleArn", "ApplicationFailureFeedbackRoleArn", &in.ApplicationFailureRole},
		{"applicationSuccessFeedbackRoleArn", "ApplicationSuccessFeedbackRoleArn", &in.ApplicationSuccessRole},
		{"archivePolicy", "ArchivePolicy", &in.ArchivePolicy},
		{"deliveryPolicy", "DeliveryPolicy", &in.DeliveryPolicy},
		{"displayName", "DisplayName", &in.DisplayName},
		{"fifoThroughputScope", "FifoThroughputScope", &in.FifoThroughputScope},
		{"firehoseFailureFeedbackRoleArn", "FirehoseFailureFeedbackRoleArn", &in.FirehoseFailureRole},
		{"firehoseSuccessFeedbackRoleArn", "FirehoseSuccessFeedbackRoleArn", &in.FirehoseSuccessRole},
		{"httpFailureFeedbackRoleArn", "HTTPFailureFeedbackRoleArn", &in.HTTPFailureRole},
		{"httpSuccessFeedbackRoleArn", "HTTPSuccessFeedbackRoleArn", &in.HTTPSuccessRole},
		{"kmsMasterKeyId", "KmsMasterKeyId", &in.KmsMasterKeyID},
		{"lambdaFailureFeedbackRoleArn", "LambdaFailureFeedbackRoleArn", &in.LambdaFailureRole},
		{"lambdaSuccessFeedbackRoleArn", "LambdaSuccessFeedbackRoleArn", &in.LambdaSuccessRole},
		{"policy", "Policy", &in.Policy},
		{"sqsFailureFeedbackRoleArn", "SQSFailureFeedbackRoleArn", &in.SqsFailureRole},
		{"sqsSuccessFeedbackRoleArn", "SQSSuccessFeedbackRoleArn", &in.SqsSuccessRole},
		{"tracingConfig", "TracingConfig", &in.TracingConfig},
	}
}

// topicNumbers are those that are numbers.
func (in *topicArgs) topicNumbers() []attributeOf[*int] {
	return []attributeOf[*int]{
		{"applicationSuccessFeedbackSampleRate", "ApplicationSuccessFeedbackSampleRate", &in.ApplicationSampleRate},
		{"firehoseSuccessFeedbackSampleRate", "FirehoseSuccessFeedbackSampleRate", &in.FirehoseSampleRate},
		{"httpSuccessFeedbackSampleRate", "HTTPSuccessFeedbackSampleRate", &in.HTTPSampleRate},
		{"lambdaSuccessFeedbackSampleRate", "LambdaSuccessFeedbackSampleRate", &in.LambdaSampleRate},
		{"signatureVersion", "SignatureVersion", &in.SignatureVersion},
		{"sqsSuccessFeedbackSampleRate", "SQSSuccessFeedbackSampleRate", &in.SqsSampleRate},
	}
}

// attributeOf is a property that an attribute of SNS holds.
type attributeOf[T any] struct {
	property, name string
	at             *T
}

// setting is an attribute with its value; "" takes it away.
type setting struct{ name, value string }

// settings are the attributes to be set, of the properties of which fn is true.
func (in *topicArgs) settings(fn func(property string) bool) []setting {
	var out []setting
	for _, a := range in.topicTexts() {
		if v := deref(*a.at); fn(a.property) && (a.name != "Policy" || v != "") { // an empty policy is no policy to set
			out = append(out, setting{a.name, v})
		}
	}
	for _, a := range in.topicNumbers() {
		if *a.at != nil && fn(a.property) {
			out = append(out, setting{a.name, strconv.Itoa(**a.at)})
		}
	}
	if deref(in.Fifo) && fn("contentBasedDeduplication") {
		out = append(out, setting{"ContentBasedDeduplication", strconv.FormatBool(deref(in.ContentDedup))})
	}
	return out
}

var (
	topicNames     = lazyregexp.New(`^[0-9A-Za-z_-]{1,256}$`)
	fifoTopicNames = lazyregexp.New(`^[0-9A-Za-z_-]{1,251}\.fifo$`)
)

func snsTopic() Resource {
	return define(Def[topicArgs, topicState]{
		Type: "aws:sns/topic:Topic", Title: "SNS Topic",
		Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 256, After: func(in resource.PropertyMap) string {
			if v := in["fifoTopic"]; v.IsBool() && v.BoolValue() {
				return ".fifo"
			}
			return ""
		}},
		CheckFn: checkTopic,
		CreateFn: func(ctx context.Context, c *Call, in *topicArgs) (string, error) {
			request := &sns.CreateTopicInput{Name: in.Name, Tags: tagList(in.TagsAll, topicTag)}
			if deref(in.Fifo) {
				request.Attributes = map[string]string{"FifoTopic": "true"}
			}
			out, err := c.SNS().CreateTopic(ctx, request)
			if err != nil {
				return "", err
			}
			arn := deref(out.TopicArn)
			return arn, setTopic(ctx, c, arn, slices.DeleteFunc(in.settings(func(string) bool { return true }), func(s setting) bool { return s.value == "" }))
		},
		ReadFn: readTopic,
		UpdateFn: func(ctx context.Context, c *Call, id string, last *topicState, in *topicArgs) error {
			if err := setTopic(ctx, c, id, in.settings(func(p string) bool { return c.Changed(p) })); err != nil {
				return err
			}
			add, remove := tagChanges(last.TagsAll, in.TagsAll)
			if len(remove) > 0 {
				if _, err := c.SNS().UntagResource(ctx, &sns.UntagResourceInput{ResourceArn: aws.String(id), TagKeys: remove}); err != nil {
					return err
				}
			}
			if len(add) == 0 {
				return nil
			}
			_, err := c.SNS().TagResource(ctx, &sns.TagResourceInput{ResourceArn: aws.String(id), Tags: tagList(add, topicTag)})
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *topicState) error {
			_, err := c.SNS().DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: aws.String(id)})
			return gone(err, noTopic...)
		},
	})
}

func topicTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func topicTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

func checkTopic(in *topicArgs, known func(string) bool) []schema.Failure {
	if !known("fifoTopic") {
		return nil
	}
	var out []schema.Failure
	fifo := deref(in.Fifo)
	form := topicNames
	if fifo {
		form = fifoTopicNames
	}
	if name := deref(in.Name); name != "" && known("name") && !form.MatchString(name) {
		out = append(out, schema.Failure{Property: "name", Reason: "invalid topic name: " + name})
	}
	for property, bad := range map[string]struct {
		set  bool
		what string
	}{
		"archivePolicy":             {set(in.ArchivePolicy) != nil, "message archive policy"},
		"fifoThroughputScope":       {set(in.FifoThroughputScope) != nil, "FIFO throughput scope"},
		"contentBasedDeduplication": {deref(in.ContentDedup), "content-based deduplication"},
	} {
		if bad.set && !fifo && known(property) {
			out = append(out, schema.Failure{Property: property, Reason: bad.what + " can only be set for FIFO topics"})
		}
	}
	return out
}

// setTopic sets attributes one by one, which is how SNS takes them. A policy may name a role
// that is not known everywhere yet.
func setTopic(ctx context.Context, c *Call, arn string, all []setting) error {
	for _, s := range all {
		err := c.Propagated(ctx, func() error {
			_, err := c.SNS().SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: aws.String(arn), AttributeName: aws.String(s.name), AttributeValue: aws.String(s.value)})
			return err
		}, "PrincipalNotFound", "no identity-based policy allows")
		if err != nil {
			return fmt.Errorf("setting SNS Topic (%s) attribute (%s): %w", arn, s.name, err)
		}
	}
	return nil
}

func readTopic(ctx context.Context, c *Call, id string, last *topicState) (*topicState, error) {
	out, err := c.SNS().GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, noTopic...)
	}
	tags, err := c.SNS().ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, append([]string{"ResourceNotFound", "ResourceNotFoundException"}, noTopic...)...)
	}
	a := out.Attributes
	_, name, _ := cutLast(id, ":")
	live := &topicState{Arn: a["TopicArn"], BeginningOfLog: a["BeginningArchiveTime"], Owner: a["Owner"]}
	live.ContentDedup, live.Fifo = aws.Bool(a["ContentBasedDeduplication"] == "true"), aws.Bool(a["FifoTopic"] == "true")
	live.Name, live.Tagged = &name, c.tagged(tagMap(tags.Tags, topicTagOf), last.Tagged)
	for _, t := range live.topicTexts() {
		*t.at = text(a[t.name])
	}
	for _, n := range live.topicNumbers() {
		if v, err := strconv.Atoi(a[n.name]); err == nil {
			*n.at = &v
		}
	}
	return live, nil
}

type topicPolicyArgs struct {
	Arn    string `pulumi:"arn,required,replace" check:"arn"`
	Policy string `pulumi:"policy,required,policy"`
}

type topicPolicyState struct {
	topicPolicyArgs
	Owner string `pulumi:"owner"`
}

// ownersPolicy is the policy that a topic has from the start: it cannot be without one, so
// that to delete a policy is to set this one.
func ownersPolicy(arn, owner string) string {
	return fmt.Sprintf(`{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},`+
		`"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe",`+
		`"SNS:ListSubscriptionsByTopic","SNS:Publish"],`+
		`"Resource":%q,"Condition":{"StringEquals":{"AWS:SourceOwner":%q}}}]}`, arn, owner)
}

func snsTopicPolicy() Resource {
	return define(Def[topicPolicyArgs, topicPolicyState]{
		Type: "aws:sns/topicPolicy:TopicPolicy", Title: "SNS Topic Policy",
		CreateFn: func(ctx context.Context, c *Call, in *topicPolicyArgs) (string, error) {
			return idUnless(setTopic(ctx, c, in.Arn, []setting{{"Policy", in.Policy}}), in.Arn)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *topicPolicyState) (*topicPolicyState, error) {
			out, err := c.SNS().GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(id)})
			if err != nil {
				return nil, gone(err, noTopic...)
			}
			return &topicPolicyState{topicPolicyArgs{Arn: out.Attributes["TopicArn"], Policy: out.Attributes["Policy"]}, out.Attributes["Owner"]}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *topicPolicyState, in *topicPolicyArgs) error {
			return setTopic(ctx, c, id, []setting{{"Policy", in.Policy}})
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, last *topicPolicyState) error {
			return gone(setTopic(ctx, c, id, []setting{{"Policy", ownersPolicy(id, last.Owner)}}), noTopic...)
		},
	})
}

type subscriptionArgs struct {
	ConfirmationMinutes *int    `pulumi:"confirmationTimeoutInMinutes,local" default:"1"`
	DeliveryPolicy      *string `pulumi:"deliveryPolicy,json"`
	Endpoint            string  `pulumi:"endpoint,required,replace"`
	AutoConfirms        *bool   `pulumi:"endpointAutoConfirms,local" default:"false"`
	FilterPolicy        *string `pulumi:"filterPolicy,json"`
	FilterPolicyScope   *string `pulumi:"filterPolicyScope,computed" check:"enum=MessageAttributes|MessageBody"`
	Protocol            string  `pulumi:"protocol,required,replace" check:"enum=application|email|email-json|firehose|http|https|lambda|sms|sqs"`
	Raw                 *bool   `pulumi:"rawMessageDelivery" default:"false"`
	RedrivePolicy       *string `pulumi:"redrivePolicy,json"`
	ReplayPolicy        *string `pulumi:"replayPolicy,json"`
	Role                *string `pulumi:"subscriptionRoleArn" check:"arn"`
	Topic               string  `pulumi:"topic,required,replace" check:"arn"`
}

type subscriptionState struct {
	subscriptionArgs
	Arn           string `pulumi:"arn"`
	Authenticated bool   `pulumi:"confirmationWasAuthenticated"`
	Owner         string `pulumi:"ownerId"`
	Pending       bool   `pulumi:"pendingConfirmation"`
}

// texts are the attributes that may be changed.
func (in *subscriptionArgs) texts() []attributeOf[*string] {
	return []attributeOf[*string]{
		{"deliveryPolicy", "DeliveryPolicy", &in.DeliveryPolicy},
		{"filterPolicy", "FilterPolicy", &in.FilterPolicy},
		{"redrivePolicy", "RedrivePolicy", &in.RedrivePolicy},
		{"replayPolicy", "ReplayPolicy", &in.ReplayPolicy},
		{"subscriptionRoleArn", "SubscriptionRoleArn", &in.Role},
	}
}

// settings are the attributes of which fn is true, in the order in which they can be set:
// the message's body takes every filter, its attributes only flat ones.
func (in *subscriptionArgs) settings(fn func(property string) bool) []setting {
	var out []setting
	for _, a := range in.texts() {
		if fn(a.property) {
			out = append(out, setting{a.name, deref(*a.at)})
		}
	}
	if fn("rawMessageDelivery") {
		out = append(out, setting{"RawMessageDelivery", strconv.FormatBool(deref(in.Raw))})
	}
	scope := setting{"FilterPolicyScope", deref(in.FilterPolicyScope)}
	switch {
	case scope.value == "" || !fn("filterPolicyScope"):
		return out
	case scope.value == "MessageBody":
		return slices.Insert(out, 0, scope)
	}
	return append(out, scope)
}

func snsTopicSubscription() Resource {
	return define(Def[subscriptionArgs, subscriptionState]{
		Type: "aws:sns/topicSubscription:TopicSubscription", Title: "SNS Topic Subscription",
		CheckFn: func(in *subscriptionArgs, known func(string) bool) []schema.Failure {
			if known("filterPolicy") && known("filterPolicyScope") && set(in.FilterPolicyScope) != nil && set(in.FilterPolicy) == nil {
				return []schema.Failure{{Property: "filterPolicyScope", Reason: "filter_policy is required when filter_policy_scope is set"}}
			}
			if known("protocol") && known("subscriptionRoleArn") && in.Protocol == "firehose" != (set(in.Role) != nil) {
				return []schema.Failure{{Property: "subscriptionRoleArn", Reason: "protocol firehose and subscription_role_arn go together"}}
			}
			return nil
		},
		CreateFn: createSubscription, ReadFn: readSubscription,
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *subscriptionState, in *subscriptionArgs) error {
			for _, s := range in.settings(func(p string) bool { return c.Changed(p) }) {
				if s.name == "FilterPolicy" && s.value == "" {
					s.value = "{}" // https://docs.aws.amazon.com/sns/latest/dg/message-filtering-policy-remove.html
				}
				value := aws.String(s.value)
				if s.name == "RedrivePolicy" && s.value == "" {
					value = nil // SNS takes no empty one
				}
				if _, err := c.SNS().SetSubscriptionAttributes(ctx,
					&sns.SetSubscriptionAttributesInput{SubscriptionArn: aws.String(id), AttributeName: aws.String(s.name), AttributeValue: value}); err != nil {
					return fmt.Errorf("setting SNS Topic Subscription (%s) attribute (%s): %w", id, s.name, err)
				}
			}
			return nil
		},
		DeleteFn: deleteSubscription,
	})
}

func createSubscription(ctx context.Context, c *Call, in *subscriptionArgs) (string, error) {
	attributes := map[string]string{}
	for _, s := range in.settings(func(string) bool { return true }) {
		if s.value != "" && s != (setting{"RawMessageDelivery", "false"}) {
			attributes[s.name] = s.value
		}
	}
	out, err := c.SNS().Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: aws.String(in.Topic), Protocol: aws.String(in.Protocol), Endpoint: aws.String(in.Endpoint), Attributes: nilIfEmpty(attributes),
		ReturnSubscriptionArn: true, // of one that is not confirmed too
	})
	if err != nil {
		return "", err
	}
	id := deref(out.SubscriptionArn)
	if strings.HasPrefix(in.Protocol, "email") || strings.HasPrefix(in.Protocol, "http") && !deref(in.AutoConfirms) {
		return id, nil // a person or the endpoint confirms it when they like
	}
	return id, c.Wait(ctx, "SNS Topic Subscription "+id+" to be confirmed", func(ctx context.Context) (bool, error) {
		now, err := c.SNS().GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: aws.String(id)})
		if err != nil {
			return false, ignore(err, noTopic...)
		}
		return now.Attributes["PendingConfirmation"] != "true", nil
	})
}

func readSubscription(ctx context.Context, c *Call, id string, last *subscriptionState) (*subscriptionState, error) {
	out, err := c.SNS().GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: aws.String(id)})
	if err != nil {
		return nil, gone(err, noTopic...)
	}
	a := out.Attributes
	live := &subscriptionState{
		Arn: a["SubscriptionArn"], Owner: a["Owner"], Authenticated: a["ConfirmationWasAuthenticated"] == "true", Pending: a["PendingConfirmation"] == "true",
		subscriptionArgs: subscriptionArgs{
			Endpoint: a["Endpoint"], Protocol: a["Protocol"], Topic: a["TopicArn"], FilterPolicyScope: text(a["FilterPolicyScope"]), Raw: aws.Bool(a["RawMessageDelivery"] == "true"),
		},
	}
	if strings.Contains(live.Endpoint, ":****@") && last.Endpoint != "" {
		live.Endpoint = last.Endpoint // SNS masks the password
	}
	for _, t := range live.texts() {
		*t.at = text(a[t.name])
	}
	return live, nil
}

// deleteSubscription ends a subscription. One that nobody has confirmed cannot be ended: it
// goes with its topic, or by itself after two days.
func deleteSubscription(ctx context.Context, c *Call, id string, _ *subscriptionState) error {
	_, err := c.SNS().Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: aws.String(id)})
	if err != nil {
		if isCode(err, "InvalidParameter", "InvalidParameterException") && strings.Contains(message(err), "pending confirmation") {
			return nil
		}
		return gone(err, noTopic...)
	}
	return c.Wait(ctx, "SNS Topic Subscription "+id+" to be deleted", func(ctx context.Context) (bool, error) {
		_, err := c.SNS().GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: aws.String(id)})
		return isCode(err, noTopic...), ignore(err, noTopic...)
	})
}
