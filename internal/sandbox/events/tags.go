package events

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerTags(r *wire.Router) {
	tagged := wire.On(onARN)
	wire.Handle(r, id, "TagResource", s.tag, tagged)
	wire.Handle(r, id, "UntagResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
}

func onARN(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceARN")} }

var tagRules = tags.Rules{Max: 50, TooMany: wire.Errorf(http.StatusBadRequest, "ValidationException", "Number of tags exceeds the maximum of 50.")}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func joinTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// changeTags lets fn change the tags of a rule or a bus.
func (s *Service) changeTags(req *wire.Request, arn *string, fn func(map[string]string) (map[string]string, error)) error {
	text := aws.ToString(arn)
	a, ok := wire.ParseARN(text)
	if !ok || a.Service != "events" || !req.Owns(a) {
		return missing("Resource %s does not exist.", text)
	}
	kind, path, _ := strings.Cut(a.Resource, "/")
	switch kind {
	case "event-bus":
		_, err := s.changeBus(req, &path, func(b *bus) (err error) {
			b.Tags, err = fn(b.Tags)
			return err
		})
		return err
	case "rule":
		ref, name := splitRule(req.Scope, path)
		return s.changeRule(req, &ref.name, &name, func(r *rule) (err error) {
			r.Tags, err = fn(r.Tags)
			return err
		})
	}
	return missing("Resource %s does not exist.", text)
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	return &sdk.TagResourceOutput{}, s.changeTags(req, in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		return tagRules.Add(have, tags.Of(in.Tags, splitTag))
	})
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	return &sdk.UntagResourceOutput{}, s.changeTags(req, in.ResourceARN, func(have map[string]string) (map[string]string, error) {
		return tags.Without(have, in.TagKeys), nil
	})
}

// listTags reads as the others change: nothing is written.
func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	text := aws.ToString(in.ResourceARN)
	a, ok := wire.ParseARN(text)
	if !ok || a.Service != "events" || !req.Owns(a) {
		return nil, missing("Resource %s does not exist.", text)
	}
	kind, path, _ := strings.Cut(a.Resource, "/")
	var have map[string]string
	err := s.DB.View(func(tx *store.Tx) error {
		switch kind {
		case "event-bus":
			b, err := getBus(tx, busRef{req.Scope, path})
			have = b.Tags
			return err
		case "rule":
			ref, name := splitRule(req.Scope, path)
			r, err := getRule(tx, ref, name)
			have = r.Tags
			return err
		}
		return missing("Resource %s does not exist.", text)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.ListTagsForResourceOutput{Tags: tags.List(have, joinTag)}, nil
}

// splitRule reads the path of a rule.
func splitRule(sc wire.Scope, path string) (ref busRef, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return busRef{sc, path[:i]}, path[i+1:]
	}
	return busRef{sc, defaultBus}, path
}
