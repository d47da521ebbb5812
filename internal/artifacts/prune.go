package artifacts

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Pruner is the part of the S3 client that Prune uses. *s3.Client implements it.
type Pruner interface {
	s3.ListObjectsV2APIClient
	HeadObject(ctx context.Context, in *s3.HeadObjectInput, opts ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	DeleteObject(ctx context.Context, in *s3.DeleteObjectInput, opts ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
}

var _ Pruner = (*s3.Client)(nil)

// Spared is how young an object may be that is left alone though nothing needs it: what an
// update of another machine has uploaded is needed by nothing that is written down before that
// update has ended.
const Spared = 24 * time.Hour

// Prune deletes the objects below a prefix that are ours by their name, that are not Spared by
// the clock of S3, and that nothing needs. What is needed is asked when it is known what might
// go, right before that; an object that was written anew since (see Stays) is left alone. In a bucket with versions they stay as older versions, for as long as
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
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if keep[key] {
			continue
		}
		now, err := api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		switch {
		case err != nil && fault.KindOf(unseen(err, bucket, key)) == fault.NotFound: // somebody else was faster
			continue
		case err != nil:
			errs = append(errs, err)
			continue
		case aws.ToTime(now.LastModified).After(old[key].Add(resolution)):
			continue
		}
		if _, err := api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// resolution is that of the times that S3 tells: in a list, milliseconds; of one, seconds.
const resolution = time.Second

// Stays tells whether an object is there and needs not be written anew: a machine that prunes
// does not know yet what needs it, if that began later than the object was written, and looks at
// its age only.
func Stays(ctx context.Context, api Looker, bucket, key string, since time.Time) bool {
	out, err := api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	return err == nil && !aws.ToTime(out.LastModified).Before(since.Truncate(resolution))
}

// unspared are the objects of ours that are old enough, and when they were written. Where S3 does not tell its time, that of the
// newest object stands for it.
func unspared(ctx context.Context, api Pruner, bucket, prefix string, ours func(key string) bool) (map[string]time.Time, error) {
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
	maps.DeleteFunc(made, func(key string, at time.Time) bool { return !ours(key) || at.IsZero() || now.Sub(at) < Spared })
	return made, nil
}
