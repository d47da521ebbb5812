package artifacts

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Pruner is the part of the S3 client that Prune uses. *s3.Client implements it.
type Pruner interface {
	s3.ListObjectsV2APIClient
	DeleteObject(ctx context.Context, in *s3.DeleteObjectInput, opts ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

var _ Pruner = (*s3.Client)(nil)

// Prune deletes the objects below a prefix that are ours by their name and that nothing
// needs. In a bucket with versions they stay as older versions, for as long as its
// lifecycle says. It goes on after an object that can't be deleted, and returns all errors.
func Prune(ctx context.Context, api Pruner, bucket, prefix string, ours func(key string) bool, needed map[string]bool) error {
	var errs []error
	pages := s3.NewListObjectsV2Paginator(api, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, o := range page.Contents {
			key := deref(o.Key)
			if !ours(key) || needed[key] {
				continue
			}
			if _, err := api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
