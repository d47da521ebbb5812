package sagemaker

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// row is a list entry with what lists filter and sort by.
type row[T any] struct {
	name, status      string
	created, modified time.Time
	out               T
}

type query struct {
	nameContains                  *string
	createdAfter, createdBefore   *time.Time
	modifiedAfter, modifiedBefore *time.Time
	status                        string
	sortBy                        string
	order                         types.OrderKey
	max                           *int32
	token                         *string
}

const (
	defaultPage = 10
)

// scan reads all resources of a kind in the request's region and account.
func scan[T any](s *Service, req *wire.Request, bucket, kind string, fn func(T)) error {
	return s.cfg.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, bucket, arnOf(req, kind, ""), "", func(_ string, v T) bool {
			fn(v)
			return true
		})
	})
}

// list filters, sorts (newest first unless asked otherwise) and cuts. The token
// is the name of the last row given out.
func list[T any](rows []row[T], q query) ([]T, *string, error) {
	rows = slices.DeleteFunc(rows, func(r row[T]) bool { return !q.fits(r.name, r.status, r.created, r.modified) })
	slices.SortFunc(rows, func(a, b row[T]) int {
		by := a.created.Compare(b.created)
		switch q.sortBy {
		case "Name":
			by = cmp.Compare(a.name, b.name)
		case "Status":
			by = cmp.Compare(a.status, b.status)
		}
		by = cmp.Or(by, cmp.Compare(a.name, b.name))
		if q.order != types.OrderKeyAscending {
			by = -by
		}
		return by
	})
	some, next, err := page.Behind(rows, q.token, q.max, defaultPage, func(r row[T]) string { return r.name })
	if err != nil {
		return nil, nil, invalid("Invalid pagination token.")
	}
	out := make([]T, len(some))
	for i, r := range some {
		out[i] = r.out
	}
	return out, next, nil
}

func (q query) fits(name, status string, created, modified time.Time) bool {
	after := func(limit *time.Time, t time.Time) bool { return limit == nil || t.After(*limit) }
	before := func(limit *time.Time, t time.Time) bool { return limit == nil || t.Before(*limit) }
	return strings.Contains(strings.ToLower(name), strings.ToLower(aws.ToString(q.nameContains))) &&
		(q.status == "" || q.status == status) &&
		after(q.createdAfter, created) && before(q.createdBefore, created) &&
		after(q.modifiedAfter, modified) && before(q.modifiedBefore, modified)
}

// bucketFor finds where the resource of an ARN is kept.
func bucketFor(arn string) (bucket, kind string, err error) {
	if a, ok := wire.ParseARN(arn); ok && a.Service == "sagemaker" {
		switch k, _, _ := strings.Cut(a.Resource, "/"); k {
		case kindModel:
			return bucketModels, k, nil
		case kindConfig:
			return bucketConfigs, k, nil
		case kindEndpoint:
			return bucketEndpoints, k, nil
		}
	}
	return "", "", invalid("The resource ARN %q is not of a model, an endpoint configuration or an endpoint.", arn)
}

// tagged finds the resource of a tag request.
func tagged(arn *string) (bucket, kind string, err error) {
	if arn == nil {
		return "", "", missing("resourceArn")
	}
	return bucketFor(*arn)
}

func (s *Service) listTags(_ context.Context, _ *wire.Request, in *sm.ListTagsInput) (*sm.ListTagsOutput, error) {
	bucket, kind, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &sm.ListTagsOutput{Tags: []types.Tag{}}
	err = s.cfg.DB.View(func(tx *store.Tx) error {
		if tx.GetRaw(bucket, *in.ResourceArn) == nil {
			return notFound(kind, *in.ResourceArn)
		}
		tags, _, err := store.Get[[]types.Tag](tx, bucketTags, *in.ResourceArn)
		out.Tags = append(out.Tags, tags...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) addTags(_ context.Context, _ *wire.Request, in *sm.AddTagsInput) (*sm.AddTagsOutput, error) {
	bucket, kind, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	out := &sm.AddTagsOutput{}
	err = s.changeTags(bucket, kind, *in.ResourceArn, func(tags []types.Tag) ([]types.Tag, error) {
		for _, t := range in.Tags {
			i := slices.IndexFunc(tags, func(o types.Tag) bool { return aws.ToString(o.Key) == aws.ToString(t.Key) })
			if i < 0 {
				tags = append(tags, t)
				continue
			}
			tags[i] = t
		}
		out.Tags = tags
		return tags, checkTags(tags)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) deleteTags(_ context.Context, _ *wire.Request, in *sm.DeleteTagsInput) (*sm.DeleteTagsOutput, error) {
	bucket, kind, err := tagged(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = s.changeTags(bucket, kind, *in.ResourceArn, func(tags []types.Tag) ([]types.Tag, error) {
		return slices.DeleteFunc(tags, func(t types.Tag) bool { return slices.Contains(in.TagKeys, aws.ToString(t.Key)) }), nil
	})
	if err != nil {
		return nil, err
	}
	return &sm.DeleteTagsOutput{}, nil
}

func (s *Service) changeTags(bucket, kind, arn string, fn func([]types.Tag) ([]types.Tag, error)) error {
	return s.cfg.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(bucket, arn) == nil {
			return notFound(kind, arn)
		}
		tags, _, err := store.Get[[]types.Tag](tx, bucketTags, arn)
		if err != nil {
			return err
		}
		if tags, err = fn(tags); err != nil {
			return err
		}
		return putTags(tx, arn, tags)
	})
}
