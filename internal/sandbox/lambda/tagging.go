package lambda

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// retag lets fn change the tags of a function or an event source mapping.
func (s *Service) retag(req *wire.Request, resource *string, fn func(map[string]string) (map[string]string, error)) error {
	if id, ok := mappingOf(req.Scope, aws.ToString(resource)); ok {
		return s.DB.Update(func(tx *store.Tx) error {
			m, err := findMapping(tx, req.Scope, id)
			if err != nil {
				return err
			}
			if m.Tags, err = fn(m.Tags); err != nil {
				return err
			}
			return store.Put(tx, dbMappings, m.key(), m)
		})
	}
	ref, err := tagged(req, resource)
	if err != nil {
		return err
	}
	return s.change(ref, func(_ *store.Tx, f *function) (err error) {
		f.Tags, err = fn(f.Tags)
		return err
	})
}

func (s *Service) tagResource(_ context.Context, req *wire.Request, in *awslambda.TagResourceInput) (*empty, error) {
	return &empty{}, s.retag(req, in.Resource, func(have map[string]string) (map[string]string, error) {
		return tagRules.Add(have, tags.OfMap(in.Tags))
	})
}

func (s *Service) untagResource(_ context.Context, req *wire.Request, in *awslambda.UntagResourceInput) (*empty, error) {
	return &empty{}, s.retag(req, in.Resource, func(have map[string]string) (map[string]string, error) {
		return tags.Without(have, in.TagKeys), nil
	})
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *awslambda.ListTagsInput) (*awslambda.ListTagsOutput, error) {
	out := map[string]string{}
	if id, ok := mappingOf(req.Scope, aws.ToString(in.Resource)); ok {
		m, err := s.readMapping(req.Scope, id)
		if m.Tags != nil {
			out = m.Tags
		}
		return &awslambda.ListTagsOutput{Tags: out}, err
	}
	ref, err := tagged(req, in.Resource)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(ref)
	if f.Tags != nil {
		out = f.Tags
	}
	return &awslambda.ListTagsOutput{Tags: out}, err
}
