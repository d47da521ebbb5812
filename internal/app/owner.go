package app

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	smtypes "github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// foreign says whose a thing is that has the name of what was perhaps created, "" if it is the
// pipeline's, is not there, or its tags can't be asked for. Names are the pipeline's own, but nobody
// keeps others from using them, or from making a pipeline of the same name on another backend.
func (s *settler) foreign(ctx context.Context, op stack.PendingOperation, id string) string {
	tags, err := s.tagsOf(ctx, op.Type, id)
	if err != nil || tags == nil {
		return ""
	}
	owner, told := tags[spec.StackTag]
	kind, _ := kinds.Of(op.Type)
	where := fmt.Sprintf("the %s %s is there, but it is not this pipeline's", kind.Title, kinds.EndpointName(id))
	switch {
	case owner == s.pipeline.StackName():
		return ""
	case told:
		return fmt.Sprintf("%s: its tag %s is %s", where, spec.StackTag, owner)
	case op.Type == kinds.Bucket && len(tags) == 0:
		return "" // a bucket gets its tags by a call of its own, which may have been cut off
	}
	return fmt.Sprintf("%s: it has no tag %s", where, spec.StackTag)
}

// foreignPlanned is foreign of what an update would create.
func (s *settler) foreignPlanned(ctx context.Context, op stack.PendingOperation) string {
	kind, _ := kinds.Of(op.Type)
	id, err := s.find(ctx, kind, op)
	if err != nil || id == "" {
		return ""
	}
	return s.foreign(ctx, op, id)
}

// tagsOf are the tags of a thing that has some from its creation on; nil of another. What is
// not there is an error.
func (s *settler) tagsOf(ctx context.Context, kind, id string) (map[string]string, error) {
	name := func(service, resource string) *string {
		return aws.String(arn.ARN{Partition: s.env.Partition, Service: service, Region: s.env.Region, AccountID: s.env.Account, Resource: resource}.String())
	}
	switch kind {
	case kinds.Bucket:
		out, err := s3.NewFromConfig(s.cfg, func(o *s3.Options) { o.UsePathStyle = true }).GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &id})
		switch {
		case isAPI(err, "NoSuchTagSet"):
			return map[string]string{}, nil
		case err != nil:
			return nil, err
		}
		return tagMap(out.TagSet, func(t s3types.Tag) (*string, *string) { return t.Key, t.Value }), nil
	case kinds.Role:
		out, err := iam.NewFromConfig(s.cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: &id})
		if err != nil {
			return nil, err
		}
		return tagMap(out.Role.Tags, func(t iamtypes.Tag) (*string, *string) { return t.Key, t.Value }), nil
	case kinds.Function:
		out, err := lambda.NewFromConfig(s.cfg).GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &id})
		if err != nil {
			return nil, err
		}
		if out.TagsError != nil {
			// Without lambda:ListTags a function is told, and its tags are not.
			// (lambda/latest/api/API_GetFunction.html)
			return nil, fault.New(fault.Denied, "%s", aws.ToString(out.TagsError.Message))
		}
		return known(out.Tags), nil
	case kinds.Queue:
		out, err := sqs.NewFromConfig(s.cfg).ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &id})
		if err != nil {
			return nil, err
		}
		return known(out.Tags), nil
	case kinds.LogGroup:
		out, err := cloudwatchlogs.NewFromConfig(s.cfg).ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: name("logs", "log-group:"+id)})
		if err != nil {
			return nil, err
		}
		return known(out.Tags), nil
	case kinds.MetricAlarm:
		out, err := cloudwatch.NewFromConfig(s.cfg).ListTagsForResource(ctx, &cloudwatch.ListTagsForResourceInput{ResourceARN: name("cloudwatch", "alarm:"+id)})
		if err != nil {
			return nil, err
		}
		return tagMap(out.Tags, func(t cwtypes.Tag) (*string, *string) { return t.Key, t.Value }), nil
	case kinds.Topic:
		out, err := sns.NewFromConfig(s.cfg).ListTagsForResource(ctx, &sns.ListTagsForResourceInput{ResourceArn: &id})
		if err != nil {
			return nil, err
		}
		return tagMap(out.Tags, func(t snstypes.Tag) (*string, *string) { return t.Key, t.Value }), nil
	case kinds.EventRule:
		out, err := eventbridge.NewFromConfig(s.cfg).ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: name("events", "rule/"+id)})
		if err != nil {
			return nil, err
		}
		return tagMap(out.Tags, func(t ebtypes.Tag) (*string, *string) { return t.Key, t.Value }), nil
	case kinds.KeyAlias:
		return s.aliasTags(ctx, id)
	case kinds.StateMachine:
		return executions.TagsOf(ctx, s.cfg, id)
	case kinds.Model:
		return s.modelTags(ctx, name("sagemaker", "model/"+id))
	case kinds.EndpointConfig:
		return s.modelTags(ctx, name("sagemaker", "endpoint-config/"+id))
	case kinds.Endpoint, kinds.FormerEndpoint:
		return s.modelTags(ctx, name("sagemaker", "endpoint/"+kinds.EndpointName(id)))
	}
	return nil, nil // documented
}

// aliasTags are those of the key that an alias names: it has none itself.
func (s *settler) aliasTags(ctx context.Context, alias string) (map[string]string, error) {
	client := kms.NewFromConfig(s.cfg)
	key, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &alias})
	if err != nil {
		return nil, err
	}
	out, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: key.KeyMetadata.KeyId})
	if err != nil {
		return nil, err
	}
	return tagMap(out.Tags, func(t kmstypes.Tag) (*string, *string) { return t.TagKey, t.TagValue }), nil
}

// modelTags are the tags of something of SageMaker.
func (s *settler) modelTags(ctx context.Context, arn *string) (map[string]string, error) {
	out, err := sagemaker.NewFromConfig(s.cfg).ListTags(ctx, &sagemaker.ListTagsInput{ResourceArn: arn})
	if err != nil {
		return nil, err
	}
	return tagMap(out.Tags, func(t smtypes.Tag) (*string, *string) { return t.Key, t.Value }), nil
}

// tagMap is a list of tags, as each service has its own.
func tagMap[T any](list []T, pair func(T) (key, value *string)) map[string]string {
	out := map[string]string{}
	for _, t := range list {
		key, value := pair(t)
		out[aws.ToString(key)] = aws.ToString(value)
	}
	return out
}

// known is tags that were asked for: those of a thing without any are known, too.
func known(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}
