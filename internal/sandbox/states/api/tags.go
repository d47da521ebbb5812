package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// tagRules are what Step Functions demands of tags.
var tagRules = tags.Rules{
	Max: 50, TooMany: wire.Errorf(400, "TooManyTags", "Too many tags: the limit is 50"),
	Reserved: wire.Errorf(400, "ValidationException", "Caller is an end user and not allowed to mutate system tags"),
}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func checkTags(list []types.Tag) error {
	_, err := tagRules.Add(nil, tags.Of(list, splitTag))
	return err
}

func putTags(tx *store.Tx, arn string, list []types.Tag) error {
	if len(list) == 0 {
		return nil
	}
	have, _, err := store.Get[map[string]string](tx, record.BucketTags, arn)
	if err == nil {
		have, err = tagRules.Add(have, tags.Of(list, splitTag))
	}
	if err != nil {
		return err
	}
	return store.Put(tx, record.BucketTags, arn, have)
}

// tagsOf are the tags of the machine or activity of an ARN.
func (s *Handlers) tagsOf(_ *wire.Request, arn string) (map[string]string, error) {
	have, _, err := store.Read[map[string]string](s.DB, record.BucketTags, arn)
	return have, err
}

// tagged checks that a resource that may have tags exists.
func (s *Handlers) tagged(req *wire.Request, arn string) error {
	named, err := record.ParseARN(req.Scope, arn, "stateMachine", "activity")
	if err != nil {
		return err
	}
	bucket := record.BucketMachines
	if named.Kind == "activity" {
		bucket = record.BucketActivities
	}
	return s.DB.View(func(tx *store.Tx) error {
		if tx.GetRaw(bucket, named.Key()) == nil {
			return record.NoResource(arn)
		}
		return nil
	})
}

func (s *Handlers) tagResource(_ context.Context, req *wire.Request, in *sfn.TagResourceInput) (*sfn.TagResourceOutput, error) {
	arn := aws.ToString(in.ResourceArn)
	if err := s.tagged(req, arn); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := s.DB.Update(func(tx *store.Tx) error { return putTags(tx, arn, in.Tags) }); err != nil {
		return nil, err
	}
	return &sfn.TagResourceOutput{}, nil
}

func (s *Handlers) untagResource(_ context.Context, req *wire.Request, in *sfn.UntagResourceInput) (*sfn.UntagResourceOutput, error) {
	arn := aws.ToString(in.ResourceArn)
	if err := s.tagged(req, arn); err != nil {
		return nil, err
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		have, found, err := store.Get[map[string]string](tx, record.BucketTags, arn)
		if err != nil || !found {
			return err
		}
		return store.Put(tx, record.BucketTags, arn, tags.Without(have, in.TagKeys))
	})
	if err != nil {
		return nil, err
	}
	return &sfn.UntagResourceOutput{}, nil
}

func (s *Handlers) listTags(_ context.Context, req *wire.Request, in *sfn.ListTagsForResourceInput) (*sfn.ListTagsForResourceOutput, error) {
	arn := aws.ToString(in.ResourceArn)
	if err := s.tagged(req, arn); err != nil {
		return nil, err
	}
	have, err := s.tagsOf(req, arn)
	if err != nil {
		return nil, err
	}
	return &sfn.ListTagsForResourceOutput{Tags: tags.List(have, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })}, nil
}
