package logs

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// tagsOf are the tags of a group, which are those of its streams too, or of a delivery.
func (s *Service) tagsOf(req *wire.Request, arn string) (tags map[string]string, err error) {
	if kind, name, ok := deliveryOf(req.Scope, arn); ok {
		err = s.DB.View(func(tx *store.Tx) error {
			d, _, err := store.Get[delivery](tx, dbDeliveries, req.Key(kind+":"+name))
			tags = d.Tags
			return err
		})
		return tags, err
	}
	a, _ := wire.ParseARN(arn)
	name, _, _ := strings.Cut(strings.TrimPrefix(a.Resource, "log-group:"), ":")
	err = s.DB.View(func(tx *store.Tx) error {
		g, _, err := store.Get[group](tx, dbGroups, req.Key(name))
		tags = g.Tags
		return err
	})
	return tags, err
}

// deliveryOf reads the ARN of a delivery, or of a source or a destination of one.
func deliveryOf(sc wire.Scope, arn string) (kind, name string, ok bool) {
	a, ok := wire.ParseARN(arn)
	if !ok || a.Service != "logs" || !sc.Owns(a) {
		return "", "", false
	}
	kind, name, ok = strings.Cut(a.Resource, ":")
	return kind, name, ok && (kind == deliverySource || kind == deliveryDestination || kind == deliveryItself)
}

// onTagged is the resource that an operation on tags is about.
func onTagged(req *wire.Request, in wire.Input) []string {
	if arn := in.Text("resourceArn"); arn != "" {
		if _, _, ok := deliveryOf(req.Scope, arn); ok {
			return []string{arn}
		}
	}
	return onGroup(req, in)
}

// retag lets fn change the tags of what an ARN names.
func (s *Service) retag(sc wire.Scope, arn string, fn func(map[string]string) (map[string]string, error)) error {
	if kind, name, ok := deliveryOf(sc, arn); ok {
		return s.changeDelivery(sc, kind, name, func(d *delivery) (err error) {
			d.Tags, err = fn(d.Tags)
			return err
		})
	}
	name, err := groupOf(sc, arn)
	if err != nil {
		return err
	}
	return s.change(name, func(g *group) (err error) {
		g.Tags, err = fn(g.Tags)
		return err
	})
}

func (s *Service) tagResource(_ context.Context, req *wire.Request, in *cwl.TagResourceInput) (*cwl.TagResourceOutput, error) {
	return &cwl.TagResourceOutput{}, s.retag(req.Scope, aws.ToString(in.ResourceArn), func(have map[string]string) (map[string]string, error) {
		return tagRules.Add(have, tags.OfMap(in.Tags))
	})
}

func (s *Service) untagResource(_ context.Context, req *wire.Request, in *cwl.UntagResourceInput) (*cwl.UntagResourceOutput, error) {
	return &cwl.UntagResourceOutput{}, s.retag(req.Scope, aws.ToString(in.ResourceArn), func(have map[string]string) (map[string]string, error) {
		return tags.Without(have, in.TagKeys), nil
	})
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *cwl.ListTagsForResourceInput) (*cwl.ListTagsForResourceOutput, error) {
	if kind, name, ok := deliveryOf(req.Scope, aws.ToString(in.ResourceArn)); ok {
		d, err := s.readDelivery(req.Scope, kind, name)
		if d.Tags == nil {
			d.Tags = map[string]string{}
		}
		return &cwl.ListTagsForResourceOutput{Tags: d.Tags}, err
	}
	name, err := groupOf(req.Scope, aws.ToString(in.ResourceArn))
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOn(name)
	return &cwl.ListTagsForResourceOutput{Tags: tags}, err
}
