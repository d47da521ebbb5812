package api

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxTags is the limit of tags of a resource.
const maxTags = 50

func checkTags(tags []types.Tag) error {
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(aws.ToString(t.Key)), "aws:") {
			return validation("Caller is an end user and not allowed to mutate system tags")
		}
	}
	return nil
}

func putTags(tx *store.Tx, arn string, tags []types.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	m, _, err := store.Get[map[string]string](tx, record.BucketTags, arn)
	if err != nil {
		return err
	}
	if m == nil {
		m = map[string]string{}
	}
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if len(m) > maxTags {
		return wire.Errorf(400, "TooManyTags", "Too many tags: the limit is %d", maxTags)
	}
	return store.Put(tx, record.BucketTags, arn, m)
}

// tagsOf are the tags of the machine or activity of an ARN.
func (s *Handlers) tagsOf(_ *wire.Request, arn string) (m map[string]string, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		m, _, err = store.Get[map[string]string](tx, record.BucketTags, arn)
		return err
	})
	return m, err
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
		m, _, err := store.Get[map[string]string](tx, record.BucketTags, arn)
		if err != nil || m == nil {
			return err
		}
		for _, k := range in.TagKeys {
			delete(m, k)
		}
		return store.Put(tx, record.BucketTags, arn, m)
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
	out := &sfn.ListTagsForResourceOutput{Tags: []types.Tag{}}
	err := s.DB.View(func(tx *store.Tx) error {
		m, _, err := store.Get[map[string]string](tx, record.BucketTags, arn)
		for k, v := range m {
			out.Tags = append(out.Tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out.Tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out, nil
}
