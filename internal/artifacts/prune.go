package artifacts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Pruner is the part of the S3 client that Prune uses. *s3.Client implements it.
type Pruner interface {
	s3.ListObjectsV2APIClient
	DeleteObject(ctx context.Context, in *s3.DeleteObjectInput, opts ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

var _ Pruner = (*s3.Client)(nil)

// Spared is how young an object may be that is left alone though nothing needs it: what an
// update of another machine has uploaded is needed by nothing that is written down before that
// update has ended.
const Spared = 24 * time.Hour

// Prune deletes the objects below a prefix that are ours by their name, that are not Spared by
// the clock of S3, and that nothing needs. What is needed is asked when it is known what might
// go, right before that. In a bucket with versions they stay as older versions, for as long as
// its lifecycle says. It goes on after an object that can't be deleted, and returns all errors.
func Prune(
	ctx context.Context, api Pruner, bucket, prefix string, ours func(key string) bool, needed func(context.Context) (map[string]bool, error),
) error {
	old, err := unspared(ctx, api, bucket, prefix, ours)
	if err != nil || len(old) == 0 {
		return err
	}
	keep, err := needed(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, key := range old {
		if keep[key] {
			continue
		}
		if _, err := api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// unspared are the keys of ours that are old enough. Where S3 does not tell its time, that of the
// newest object stands for it.
func unspared(ctx context.Context, api Pruner, bucket, prefix string, ours func(key string) bool) ([]string, error) {
	made := map[string]time.Time{}
	var now time.Time
	pages := s3.NewListObjectsV2Paginator(api, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		at, told := awsmiddleware.GetServerTime(page.ResultMetadata)
		for _, o := range page.Contents {
			modified := aws.ToTime(o.LastModified)
			if made[deref(o.Key)] = modified; !told && modified.After(at) {
				at = modified
			}
		}
		if at.After(now) {
			now = at
		}
	}
	var out []string
	for key, at := range made {
		if ours(key) && !at.IsZero() && now.Sub(at) >= Spared {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out, nil
}
