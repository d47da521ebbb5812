package cloudwatch

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

var tagRules = tags.Rules{Max: 50, TooMany: badRequest("InvalidParameterValueException", "InvalidParameterValue", "There are more than 50 tags.")}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func joinTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// alarmName reads the name out of an alarm's ARN.
func alarmName(req *wire.Request, arn *string) (string, error) {
	name, ok := strings.CutPrefix(aws.ToString(arn), alarmARN(req, ""))
	if !ok {
		return "", noResource()
	}
	return name, nil
}

// noResource has no message, like noAlarm.
func noResource() error {
	return badRequest("ResourceNotFoundException", "ResourceNotFoundException", "")
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	name, err := alarmName(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.TagResourceOutput{}, tagging(s.change(req, name, func(a *alarm) (err error) {
		a.Tags, err = tagRules.Add(a.Tags, tags.Of(in.Tags, splitTag))
		return err
	}))
}

// tagging words that there is no such alarm as the operations on tags do.
func tagging(err error) error {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "ResourceNotFound" {
		return noResource()
	}
	return err
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	name, err := alarmName(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.UntagResourceOutput{}, tagging(s.change(req, name, func(a *alarm) error {
		a.Tags = tags.Without(a.Tags, in.TagKeys)
		return nil
	}))
}

// listTags lists none of an alarm that is not there, as AWS was recorded to do
// (https://github.com/localstack/localstack, list_tags_for_deleted_resource).
func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	name, err := alarmName(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListTagsForResourceOutput{}
	err = s.DB.View(func(tx *store.Tx) error {
		a, _, err := store.Get[alarm](tx, alarmsBucket, req.Key(name))
		out.Tags = tags.List(a.Tags, joinTag)
		return err
	})
	return out, err
}
