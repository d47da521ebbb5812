package services

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

// Object lock and ACLs of objects are refused: the pipelines' buckets have
// neither.
type objectArgs struct {
	Bucket               string            `pulumi:"bucket,required,replace" check:"len=1..2048"`
	BucketKeyEnabled     *bool             `pulumi:"bucketKeyEnabled,computed"`
	CacheControl         *string           `pulumi:"cacheControl"`
	Content              *string           `pulumi:"content,local"`
	ContentBase64        *string           `pulumi:"contentBase64,local"`
	ContentDisposition   *string           `pulumi:"contentDisposition"`
	ContentEncoding      *string           `pulumi:"contentEncoding"`
	ContentLanguage      *string           `pulumi:"contentLanguage"`
	ContentType          *string           `pulumi:"contentType,computed"`
	Etag                 *string           `pulumi:"etag,computed"`
	ForceDestroy         *bool             `pulumi:"forceDestroy,local" default:"false"`
	Key                  *string           `pulumi:"key,replace,computed" check:"len=1..1024"`
	KmsKeyID             *string           `pulumi:"kmsKeyId,computed" check:"arn"`
	Metadata             map[string]string `pulumi:"metadata"`
	ServerSideEncryption *string           `pulumi:"serverSideEncryption,computed" check:"enum=aws:kms|aws:kms:dsse|AES256"`
	Source               *schema.Blob      `pulumi:"source,local,asset,archive"`
	SourceHash           *string           `pulumi:"sourceHash,local"`
	StorageClass         *string           `pulumi:"storageClass,computed" check:"enum=STANDARD|REDUCED_REDUNDANCY|STANDARD_IA|ONEZONE_IA|INTELLIGENT_TIERING|GLACIER|DEEP_ARCHIVE|GLACIER_IR"`
	WebsiteRedirect      *string           `pulumi:"websiteRedirect"`
	Tagged
}

type objectState struct {
	objectArgs
	Arn       string `pulumi:"arn"`
	VersionID string `pulumi:"versionId"`
}

// contentProperties are those that a new version of the object is needed for.
var contentProperties = []string{
	"bucketKeyEnabled", "cacheControl", "content", "contentBase64", "contentDisposition", "contentEncoding", "contentLanguage",
	"contentType", "etag", "kmsKeyId", "metadata", "serverSideEncryption", "source", "sourceHash", "storageClass", "websiteRedirect",
}

func s3Object() Resource {
	return define(Def[objectArgs, objectState]{
		Type: "aws:s3/bucketObjectv2:BucketObjectv2", Title: "S3 Object",
		Named: &Naming{Property: "key", Max: 1024, Exact: true}, Slow: time.Hour,
		CheckFn: checkObject,
		UnsettledFn: func(changed map[string]bool, _ *objectArgs) []string {
			if anyOf(changed, contentProperties...) {
				return []string{"etag", "versionId"}
			}
			return nil
		},
		CreateFn: func(ctx context.Context, c *Call, in *objectArgs) (string, error) {
			return idUnless(putObject(ctx, c, in), *in.Key)
		},
		ReadFn: readObject, UpdateFn: updateObject, DeleteFn: deleteObject,
		ImportFn: func(_ context.Context, _ *Call, id string, o *objectState) (string, error) {
			bucket, key, _ := strings.Cut(strings.TrimPrefix(id, "s3://"), "/")
			o.Bucket = bucket
			return key, nil
		},
		DriftFn: func(last, live *objectState, in resource.PropertyMap) {
			// Without this, a content that someone replaced would look unchanged.
			if deref(last.Etag) != "" && deref(last.Etag) != deref(live.Etag) {
				for _, p := range []resource.PropertyKey{"source", "content", "contentBase64", "sourceHash"} {
					delete(in, p)
				}
			}
		},
	})
}

func checkObject(in *objectArgs, known func(string) bool) []schema.Failure {
	n := 0
	for _, given := range []bool{in.Source != nil, in.Content != nil, in.ContentBase64 != nil} {
		if given {
			n++
		}
	}
	if n > 1 {
		return []schema.Failure{{Property: "source", Reason: "only one of content, contentBase64, source can be specified"}}
	}
	if known("contentBase64") && in.ContentBase64 != nil {
		if _, err := base64.StdEncoding.DecodeString(*in.ContentBase64); err != nil {
			return []schema.Failure{{Property: "contentBase64", Reason: "contentBase64 is not valid base64: " + err.Error()}}
		}
	}
	return nil
}

func objectBody(c *Call, in *objectArgs) (seekable, error) {
	switch {
	case in.Source != nil:
		return c.open(in.Source)
	case in.ContentBase64 != nil:
		b, err := base64.StdEncoding.DecodeString(*in.ContentBase64)
		return inMemory(b), err
	default:
		return inMemory([]byte(deref(in.Content))), nil
	}
}

func putObject(ctx context.Context, c *Call, in *objectArgs) error {
	body, err := objectBody(c, in)
	if err != nil {
		return err
	}
	defer body.Close()
	req := &s3.PutObjectInput{
		Bucket: aws.String(in.Bucket), Key: in.Key, Body: body, BucketKeyEnabled: in.BucketKeyEnabled,
		CacheControl: set(in.CacheControl), ContentDisposition: set(in.ContentDisposition), ContentEncoding: set(in.ContentEncoding),
		ContentLanguage: set(in.ContentLanguage), ContentType: set(in.ContentType), Metadata: in.Metadata,
		ServerSideEncryption: types.ServerSideEncryption(deref(in.ServerSideEncryption)),
		StorageClass:         types.StorageClass(deref(in.StorageClass)), WebsiteRedirectLocation: set(in.WebsiteRedirect),
	}
	// A key stands for aws:kms, unless the encryption is said too: then both are sent
	// as they are, even if they do not fit together.
	if k := set(in.KmsKeyID); k != nil {
		req.SSEKMSKeyId = k
		if req.ServerSideEncryption == "" {
			req.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		}
	}
	if len(in.TagsAll) > 0 {
		tags := url.Values{}
		for k, v := range in.TagsAll {
			tags.Set(k, v)
		}
		req.Tagging = aws.String(tags.Encode())
	}
	_, err = c.S3().PutObject(ctx, req)
	return err
}

func readObject(ctx context.Context, c *Call, id string, last *objectState) (*objectState, error) {
	bucket, key := aws.String(last.Bucket), aws.String(id)
	head, err := c.S3().HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		if isNotFound(err) {
			return nil, ErrGone
		}
		return nil, err
	}
	tags, err := c.S3().GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket, Key: key})
	if err != nil {
		return nil, gone(err, "NoSuchKey", noBucket)
	}
	storage := string(head.StorageClass)
	if storage == "" {
		storage = string(types.StorageClassStandard)
	}
	var metadata map[string]string
	if len(head.Metadata) > 0 {
		metadata = head.Metadata
	}
	return &objectState{
		objectArgs: objectArgs{
			Bucket: last.Bucket, BucketKeyEnabled: aws.Bool(deref(head.BucketKeyEnabled)), CacheControl: head.CacheControl,
			ContentDisposition: head.ContentDisposition, ContentEncoding: noChunks(head.ContentEncoding), ContentLanguage: head.ContentLanguage,
			ContentType: head.ContentType, Etag: aws.String(strings.Trim(deref(head.ETag), `"`)), Key: key, KmsKeyID: head.SSEKMSKeyId,
			Metadata: metadata, ServerSideEncryption: text(head.ServerSideEncryption), StorageClass: &storage,
			WebsiteRedirect: head.WebsiteRedirectLocation, Tagged: c.tagged(tagMap(tags.TagSet, s3TagOf), last.Tagged),
		},
		Arn: c.bucketARN(last.Bucket + "/" + id), VersionID: deref(head.VersionId),
	}, nil
}

// noChunks leaves out what is an encoding of the upload, not of the object.
func noChunks(encoding *string) *string {
	e := strings.TrimSuffix(strings.TrimSuffix(deref(encoding), "aws-chunked"), ",")
	return text(e)
}

func updateObject(ctx context.Context, c *Call, id string, last *objectState, in *objectArgs) error {
	if c.Changed(contentProperties...) {
		return putObject(ctx, c, in)
	}
	if sameMap(last.TagsAll, in.TagsAll) {
		return nil
	}
	_, err := c.S3().PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: aws.String(in.Bucket), Key: aws.String(id), Tagging: &types.Tagging{TagSet: tagList(in.TagsAll, s3Tag)},
	})
	return err
}

// deleteObject deletes every version, so that the bucket can be deleted after
// it.
func deleteObject(ctx context.Context, c *Call, id string, last *objectState) error {
	bucket := aws.String(last.Bucket)
	if v := last.VersionID; v == "" || v == "null" {
		_, err := c.S3().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String(id)})
		return gone(err, noBucket, "NoSuchKey")
	}
	pages := s3.NewListObjectVersionsPaginator(c.S3(), &s3.ListObjectVersionsInput{Bucket: bucket, Prefix: aws.String(id)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return gone(err, noBucket)
		}
		var ids []types.ObjectIdentifier
		for _, v := range page.Versions {
			if deref(v.Key) == id {
				ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
			}
		}
		for _, m := range page.DeleteMarkers {
			if deref(m.Key) == id {
				ids = append(ids, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
			}
		}
		if err := deleteObjects(ctx, c, last.Bucket, ids); err != nil {
			return err
		}
	}
	return nil
}
