package autoscaling

import (
	"context"
	"maps"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// byARN loads the target that a tag operation names.
func byARN(tx *store.Tx, req *wire.Request, arn string) (target, error) {
	list, err := store.List[target](tx, targetsBucket, req.Key(""))
	if err != nil {
		return target{}, err
	}
	for _, t := range list {
		if t.ARN == arn {
			return t, nil
		}
	}
	e := wire.Errorf(http.StatusBadRequest, "ResourceNotFoundException", "Resource %s was not found", arn)
	e.Fields = map[string]any{"ResourceName": arn}
	return target{}, e
}

var tagRules = tags.Rules{Max: 50, TooMany: wire.Errorf(http.StatusBadRequest, "TooManyTagsException", "A resource can have up to 50 tags.")}

func (s *Service) retag(req *wire.Request, arn *string, fn func(map[string]string) (map[string]string, error)) error {
	return s.DB.Update(func(tx *store.Tx) error {
		t, err := byARN(tx, req, aws.ToString(arn))
		if err != nil {
			return err
		}
		if t.Tags, err = fn(t.Tags); err != nil {
			return err
		}
		return store.Put(tx, targetsBucket, t.Scope.Key(t.ResourceID), t)
	})
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	return &sdk.TagResourceOutput{}, s.retag(req, in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		return tagRules.Add(have, tags.OfMap(in.Tags))
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	return &sdk.UntagResourceOutput{}, s.retag(req, in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		return tags.Without(have, in.TagKeys), nil
	})
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	out := &sdk.ListTagsForResourceOutput{Tags: map[string]string{}}
	err := s.DB.View(func(tx *store.Tx) error {
		t, err := byARN(tx, req, aws.ToString(in.ResourceARN))
		maps.Copy(out.Tags, t.Tags)
		return err
	})
	return out, err
}
