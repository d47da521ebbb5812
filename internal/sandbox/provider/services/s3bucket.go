package services

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const noBucket = "NoSuchBucket"

func s3Resources() []Resource {
	return []Resource{
		s3Bucket(), s3PublicAccessBlock(), s3Ownership(), s3Encryption(), s3Versioning(), s3Policy(),
		s3Object(), s3Lifecycle(), s3Notification(), s3CORS(),
	}
}

// The old ways to configure a bucket inside of BucketV2 (acl, policy, versionings
// and so on) are deprecated and have resource types of their own; here they are
// refused.
type bucketArgs struct {
	Bucket            *string `pulumi:"bucket,replace,computed" check:"len=3..63;match=^[a-z0-9][a-z0-9.-]*[a-z0-9]$"`
	BucketPrefix      *string `pulumi:"bucketPrefix,replace,computed,local" check:"len=1..37;match=^[a-z0-9][a-z0-9.-]*$"`
	ForceDestroy      *bool   `pulumi:"forceDestroy,local" default:"false"`
	ObjectLockEnabled *bool   `pulumi:"objectLockEnabled,replace,computed"`
	Tagged
}

type bucketState struct {
	bucketArgs
	Arn                      string `pulumi:"arn"`
	BucketDomainName         string `pulumi:"bucketDomainName"`
	BucketRegionalDomainName string `pulumi:"bucketRegionalDomainName"`
	HostedZoneID             string `pulumi:"hostedZoneId"`
	Region                   string `pulumi:"region"`
	RequestPayer             string `pulumi:"requestPayer"`
}

func s3Bucket() Resource {
	return define(Def[bucketArgs, bucketState]{
		Type: "aws:s3/bucketV2:BucketV2", Title: "S3 Bucket",
		Named: &Naming{Property: "bucket", Prefix: "bucketPrefix", Max: 63, Lower: true},
		Slow:  time.Hour, CreateFn: createBucket, ReadFn: readBucket, UpdateFn: updateBucket, DeleteFn: deleteBucket,
	})
}

func createBucket(ctx context.Context, c *Call, in *bucketArgs) (string, error) {
	req := &s3.CreateBucketInput{Bucket: in.Bucket, ObjectLockEnabledForBucket: in.ObjectLockEnabled}
	if r := c.Region(); r != "us-east-1" {
		req.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(r)}
	} else if _, err := c.S3().HeadBucket(ctx, &s3.HeadBucketInput{Bucket: in.Bucket}); err == nil {
		// In us-east-1 S3 answers success for a bucket that the caller owns already:
		// two programs would share it and either could destroy it.
		return "", &types.BucketAlreadyExists{Message: aws.String("the bucket exists and belongs to this account")}
	}
	if _, err := c.S3().CreateBucket(ctx, req); err != nil {
		return "", err
	}
	return *in.Bucket, putBucketTags(ctx, c, *in.Bucket, nil, in.TagsAll)
}

func putBucketTags(ctx context.Context, c *Call, bucket string, before, after map[string]string) error {
	if sameMap(before, after) {
		return nil
	}
	if len(after) == 0 {
		_, err := c.S3().DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: aws.String(bucket)})
		return err
	}
	_, err := c.S3().PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket: aws.String(bucket), Tagging: &types.Tagging{TagSet: tagList(after, s3Tag)},
	})
	return err
}

func s3Tag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func s3TagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

func readBucket(ctx context.Context, c *Call, id string, last *bucketState) (*bucketState, error) {
	name := aws.String(id)
	head, err := c.S3().HeadBucket(ctx, &s3.HeadBucketInput{Bucket: name})
	if err != nil {
		if isNotFound(err) {
			return nil, ErrGone
		}
		return nil, err
	}
	tags, err := c.S3().GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: name})
	if isCode(err, noBucket) {
		return nil, ErrGone
	}
	if ignore(err, "NoSuchTagSet") != nil {
		return nil, err
	}
	var live map[string]string
	if tags != nil {
		live = tagMap(tags.TagSet, s3TagOf)
	}
	region := deref(head.BucketRegion)
	if region == "" {
		region = c.Region()
	}
	s := &bucketState{
		bucketArgs: bucketArgs{Bucket: name, ObjectLockEnabled: aws.Bool(deref(last.ObjectLockEnabled)), Tagged: c.tagged(live, last.Tagged)},
		Arn:        c.bucketARN(id), BucketDomainName: id + ".s3." + c.DNSSuffix(),
		BucketRegionalDomainName: id + ".s3." + region + "." + c.DNSSuffix(),
		HostedZoneID:             hostedZones[region], Region: region, RequestPayer: "BucketOwner",
	}
	return s, nil
}

// hostedZones are the Route 53 zones of S3 website endpoints.
// https://docs.aws.amazon.com/general/latest/gr/s3.html
var hostedZones = map[string]string{
	"us-east-1": "Z3AQBSTGFYJSTF", "us-east-2": "Z2O1EMRO9K5GLX", "us-west-1": "Z2F56UZL2M1ACD", "us-west-2": "Z3BJ6K6RIION7M",
	"eu-west-1": "Z1BKCTXD74EZPE", "eu-west-2": "Z3GKZC51ZF0DB4", "eu-west-3": "Z3R1K369G5AVDG", "eu-central-1": "Z21DNDUVLTQW6Q",
	"eu-north-1": "Z3BAZG2TWCNX0D", "ap-south-1": "Z11RGJOFQNVJUP", "ap-northeast-1": "Z2M4EHUR26P7ZW", "ap-northeast-2": "Z3W03O7B5YMIYP",
	"ap-southeast-1": "Z3O0J2DXBE1FTB", "ap-southeast-2": "Z1WCIGYICN2BYD", "ca-central-1": "Z1QDHH18159H29", "sa-east-1": "Z7KQH4QJS55SO",
}

func updateBucket(ctx context.Context, c *Call, id string, last *bucketState, in *bucketArgs) error {
	return putBucketTags(ctx, c, id, last.TagsAll, in.TagsAll)
}

func deleteBucket(ctx context.Context, c *Call, id string, last *bucketState) error {
	for try := 0; ; try++ {
		_, err := c.S3().DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(id)})
		switch {
		case err == nil:
			return nil
		case isCode(err, noBucket):
			return ErrGone
		case !isCode(err, "BucketNotEmpty") || !deref(last.ForceDestroy) || try > 3:
			return err
		}
		if err := emptyBucket(ctx, c, id); err != nil {
			return err
		}
	}
}

// emptyBucket deletes every version of every object and aborts the uploads that
// are under way.
func emptyBucket(ctx context.Context, c *Call, bucket string) error {
	pages := s3.NewListObjectVersionsPaginator(c.S3(), &s3.ListObjectVersionsInput{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		var ids []types.ObjectIdentifier
		for _, v := range page.Versions {
			ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			ids = append(ids, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if err := deleteObjects(ctx, c, bucket, ids); err != nil {
			return err
		}
	}
	uploads := s3.NewListMultipartUploadsPaginator(c.S3(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(ctx)
		if err != nil {
			// Not every S3-compatible server lists them; then there are none to abort.
			return ignore(err, "NotImplemented", "MethodNotAllowed")
		}
		for _, u := range page.Uploads {
			if _, err := c.S3().AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: aws.String(bucket), Key: u.Key, UploadId: u.UploadId,
			}); ignore(err, "NoSuchUpload") != nil {
				return err
			}
		}
	}
	return nil
}

func deleteObjects(ctx context.Context, c *Call, bucket string, ids []types.ObjectIdentifier) error {
	const most = 1000 // of one DeleteObjects
	for len(ids) > 0 {
		n := min(len(ids), most)
		out, err := c.S3().DeleteObjects(ctx, &s3.DeleteObjectsInput{
			Bucket: aws.String(bucket), Delete: &types.Delete{Objects: ids[:n], Quiet: aws.Bool(true)},
		})
		if err != nil {
			return err
		}
		for _, e := range out.Errors {
			return fmt.Errorf("deleting object %s: %s: %s", deref(e.Key), deref(e.Code), deref(e.Message))
		}
		ids = ids[n:]
	}
	return nil
}
