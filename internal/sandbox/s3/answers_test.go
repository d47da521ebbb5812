package s3_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// do sends a request as the sandbox's own user and returns its reply.
func (s *sandbox) do(t *testing.T, method, path, region string, body string) *http.Response {
	t.Helper()
	h, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	s.world.Sign(t, h, "s3", region)
	r, err := http.DefaultClient.Do(h)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Body.Close() })
	return r
}

// S3 sends the names of metadata in lower case, and boto3 takes them as they come.
func TestMetadataNamesAreLowerCase(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bucket")
	_, err := s.as("admin").PutObject(t.Context(), &awss3.PutObjectInput{Bucket: str("bucket"), Key: str("k"), Metadata: map[string]string{"order-id": "7", "Mixed": "x"}})
	require.NoError(t, err)
	head := raw(t, s, "HEAD /bucket/k")
	require.Contains(t, head, "\r\nx-amz-meta-order-id: 7\r\n")
	require.Contains(t, head, "\r\nx-amz-meta-mixed: x\r\n")
}

func TestKeysAreUTF8(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bucket")
	r := s.do(t, http.MethodPut, "/bucket/a%ffb", "us-east-1", "x")
	require.Equal(t, http.StatusBadRequest, r.StatusCode)
	require.Contains(t, text(t, r), "<Code>InvalidURI</Code><Message>Couldn&#39;t parse the specified URI.</Message>")
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html, and what
// getmoto/moto verified on AWS for copies in place.
func TestCopyInPlace(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bucket")
	c, ctx := s.as("admin"), t.Context()
	_, err := c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{
		Bucket:                  str("bucket"),
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	require.NoError(t, err)
	put, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: str("bucket"), Key: str("k"), Body: strings.NewReader("x")})
	require.NoError(t, err)
	_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: str("bucket"), Key: str("k"), CopySource: str("bucket/k")})
	requireS3Code(t, err, "InvalidRequest")
	require.ErrorContains(t, err, "This copy request is illegal because it is trying to copy an object to itself without changing")
	_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: str("bucket"), Key: str("k"), CopySource: str("bucket/k?versionId=" + *put.VersionId)})
	require.NoError(t, err, "a version that is named becomes the current one")
	_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: str("bucket"), Key: str("k"), CopySource: str("bucket/k"), StorageClass: types.StorageClassStandard})
	require.NoError(t, err, "a storage class is a change, even to the same")
}

func TestCopyComputesTheChecksumAskedFor(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bucket")
	c, ctx := s.as("admin"), t.Context()
	_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: str("bucket"), Key: str("k"), Body: strings.NewReader("test-checksum")})
	require.NoError(t, err)
	got, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: str("bucket"), Key: str("l"), CopySource: str("bucket/k"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	require.NoError(t, err)
	require.Equal(t, "1YQo81vx2VFUl0q5ccWISq8AkSBQQ0WO80S82TmfdIQ=", aws.ToString(got.CopyObjectResult.ChecksumSHA256))
	head, err := c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: str("bucket"), Key: str("l"), ChecksumMode: types.ChecksumModeEnabled})
	require.NoError(t, err)
	require.Equal(t, aws.ToString(got.CopyObjectResult.ChecksumSHA256), aws.ToString(head.ChecksumSHA256))
	again, err := c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: str("bucket"), Key: str("m"), CopySource: str("bucket/l")})
	require.NoError(t, err)
	require.NotEmpty(t, aws.ToString(again.CopyObjectResult.ChecksumSHA256), "a copy keeps the algorithm of its source")
}

// A client whose answer was lost completes again, and gets the same answer.
func TestCompleteTwice(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bucket")
	c, ctx := s.as("admin"), t.Context()
	u, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: str("bucket"), Key: str("k")})
	require.NoError(t, err)
	p, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: str("bucket"), Key: str("k"), UploadId: u.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
	require.NoError(t, err)
	in := &awss3.CompleteMultipartUploadInput{
		Bucket: str("bucket"), Key: str("k"), UploadId: u.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: p.ETag, PartNumber: aws.Int32(1)}}},
	}
	first, err := c.CompleteMultipartUpload(ctx, in)
	require.NoError(t, err)
	second, err := c.CompleteMultipartUpload(ctx, in)
	require.NoError(t, err)
	require.Equal(t, first.ETag, second.ETag)
	require.Equal(t, first.ChecksumCRC64NVME, second.ChecksumCRC64NVME)
	in.MultipartUpload.Parts[0].ETag = str("other")
	_, err = c.CompleteMultipartUpload(ctx, in)
	requireS3Code(t, err, "NoSuchUpload")
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func TestWhereABucketMayBe(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	in := func(constraint string) string {
		return `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>` + constraint + `</LocationConstraint></CreateBucketConfiguration>`
	}
	for _, c := range []struct{ name, body, code string }{
		{"named", in("us-east-1"), "InvalidLocationConstraint"},
		{"nowhere", in("moon-1"), "InvalidLocationConstraint"},
		{"nothing", `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></CreateBucketConfiguration>`, "MalformedXML"},
		{"other", in("eu-west-1"), ""},
		{"mine", "", ""},
		{"mine", "", ""}, // once more: in us-east-1 all is well
		{"other", in("eu-west-1"), "BucketAlreadyOwnedByYou"},
	} {
		r := s.do(t, http.MethodPut, "/"+c.name, "us-east-1", c.body)
		if c.code == "" {
			require.Equal(t, http.StatusOK, r.StatusCode, c.name)
		} else {
			require.Contains(t, text(t, r), "<Code>"+c.code+"</Code>", c.name)
		}
	}
}

// The answers are those that the tests of https://github.com/getmoto/moto want that are
// verified against AWS: test_create_bucket_with_wrong_location_constraint, test_put_bucket_tagging,
// test_get_bucket_tagging, test_delete_versioned_bucket_returns_metadata,
// test_put_object_tagging_on_deleted_version and test_copy_key_with_args.
func TestAnswersThatOthersVerified(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bkt")
	bucket, key := str("bkt"), str("k")
	c, ctx := s.as("admin"), t.Context()

	west := `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>`
	require.Contains(t, text(t, s.do(t, http.MethodPut, "/named", "us-west-2", west)),
		"The us-east-1 location constraint is incompatible for the region specific endpoint this request was sent to.")

	tag := func(tags ...types.Tag) {
		t.Helper()
		out, err := c.PutBucketTagging(ctx, &awss3.PutBucketTaggingInput{Bucket: bucket, Tagging: &types.Tagging{TagSet: append([]types.Tag{}, tags...)}})
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response).StatusCode)
	}
	tag(types.Tag{Key: str("a"), Value: str("b")})
	tag()
	_, err := c.GetBucketTagging(ctx, &awss3.GetBucketTaggingInput{Bucket: bucket})
	requireS3Code(t, err, "NoSuchTagSet")

	_, err = c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	require.NoError(t, err)
	_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x"), WebsiteRedirectLocation: str("/from")})
	require.NoError(t, err)
	for to, directive := range map[string]types.MetadataDirective{"": types.MetadataDirectiveCopy, "/to": types.MetadataDirectiveCopy, "/new": types.MetadataDirectiveReplace} {
		in := &awss3.CopyObjectInput{Bucket: bucket, Key: str("copy"), CopySource: str("bkt/k"), MetadataDirective: directive}
		if to != "" {
			in.WebsiteRedirectLocation = &to
		}
		_, err = c.CopyObject(ctx, in)
		require.NoError(t, err)
		got, err := c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: str("copy")})
		require.NoError(t, err)
		require.Equal(t, to, aws.ToString(got.WebsiteRedirectLocation))
	}

	// localstack's recordings of AWS (tests/aws/services/s3/test_s3.snapshot.json, list-part-after-created and -upload)
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	require.NoError(t, err)
	for _, last := range []string{"0", "1"} {
		list, err := c.ListParts(ctx, &awss3.ListPartsInput{Bucket: bucket, Key: key, UploadId: up.UploadId})
		require.NoError(t, err)
		require.False(t, *list.IsTruncated)
		require.Equal(t, last, aws.ToString(list.NextPartNumberMarker))
		_, err = c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
		require.NoError(t, err)
	}

	marker, err := c.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: bucket, Key: key})
	require.NoError(t, err)
	_, err = c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: key, VersionId: marker.VersionId})
	var refused *smithyhttp.ResponseError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusMethodNotAllowed, refused.HTTPStatusCode())
	require.Equal(t, "DELETE", refused.Response.Header.Get("Allow"))
	require.Equal(t, "true", refused.Response.Header.Get("X-Amz-Delete-Marker"))
	doc := text(t, s.do(t, http.MethodPut, "/bkt/k?tagging&versionId="+*marker.VersionId, "us-east-1", `<Tagging><TagSet></TagSet></Tagging>`))
	require.Contains(t, doc, "<Method>PUT</Method>")
	require.Contains(t, doc, "<ResourceType>DeleteMarker</ResourceType>")
}

func requireS3Code(t *testing.T, err error, want string) {
	t.Helper()
	require.Equal(t, want, code(t, err))
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// raw sends "METHOD PATH" and returns the reply's bytes: Go's client changes the
// names of headers.
func raw(t *testing.T, s *sandbox, request string) string {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	method, path, _ := strings.Cut(request, " ")
	h, err := http.NewRequestWithContext(t.Context(), method, s.url+path, nil)
	require.NoError(t, err)
	h.Close = true
	s.world.Sign(t, h, "s3", "us-east-1")
	require.NoError(t, h.Write(conn))
	b, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(b)
}

// Tokens are those that S3 gave out.
func TestForeignTokens(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bucket")
	_, err := s.as("admin").ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: str("bucket"), ContinuationToken: str("zzzz")})
	requireS3Code(t, err, "InvalidArgument")
	require.ErrorContains(t, err, "The continuation token provided is incorrect")
}

// What SDKs move from headers into the query of a presigned URL counts as if it were sent:
// https://github.com/aws/aws-sdk-js-v3/issues/4694.
func TestHeadersInALink(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "bucket")
	c, ctx := s.as("admin"), t.Context()
	made, err := awss3.NewPresignClient(c).PresignPutObject(ctx, &awss3.PutObjectInput{Bucket: str("bucket"), Key: str("k")}, func(o *awss3.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, func(o *awss3.Options) {
			o.APIOptions = append(o.APIOptions, func(st *middleware.Stack) error {
				return st.Build.Add(middleware.BuildMiddlewareFunc("hoist", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (
					middleware.BuildOutput, middleware.Metadata, error,
				) {
					if r, ok := in.Request.(*smithyhttp.Request); ok {
						q := r.URL.Query()
						q.Set("x-amz-meta-venue", "123")
						q.Set("x-amz-tagging", "a=b")
						r.URL.RawQuery = q.Encode()
					}
					return next.HandleBuild(ctx, in)
				}), middleware.After)
			})
		})
	})
	require.NoError(t, err)
	h, err := http.NewRequestWithContext(ctx, http.MethodPut, made.URL, strings.NewReader("x"))
	require.NoError(t, err)
	r, err := http.DefaultClient.Do(h)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusOK, r.StatusCode)
	head, err := c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: str("bucket"), Key: str("k")})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"venue": "123"}, head.Metadata)
	tags, err := c.GetObjectTagging(ctx, &awss3.GetObjectTaggingInput{Bucket: str("bucket"), Key: str("k")})
	require.NoError(t, err)
	require.Len(t, tags.TagSet, 1)
}

// Answers that getmoto/moto verified on AWS (test_s3_copyobject.py, test_s3_tagging.py), and
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html.
func TestAnswersOfDetail(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.bucket(t, "my.bucket")
	c, ctx, bucket := s.as("admin"), t.Context(), str("my.bucket")
	put, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: str("k"), Body: strings.NewReader("x")})
	require.NoError(t, err)
	_, err = c.CopyObject(ctx, &awss3.CopyObjectInput{Bucket: bucket, Key: str("c"), CopySource: str("my.bucket/k"), CopySourceIfNoneMatch: put.ETag})
	iamtest.RequireCode(t, err, "PreconditionFailed")
	require.Contains(t, copyUnmet(t, s, *put.ETag), "<Condition>x-amz-copy-source-If-None-Match</Condition>")

	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: str("m"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	require.NoError(t, err)
	part, err := c.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{Bucket: bucket, Key: str("m"), UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: str("my.bucket/k")})
	require.NoError(t, err)
	_, err = c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: bucket, Key: str("m"), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{
		Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.CopyPartResult.ETag, ChecksumSHA256: part.CopyPartResult.ChecksumSHA256}},
	}})
	require.NoError(t, err)
	head, err := c.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: bucket, Key: str("m"), ChecksumMode: types.ChecksumModeEnabled})
	require.NoError(t, err)
	attributes, err := c.GetObjectAttributes(ctx, &awss3.GetObjectAttributesInput{Bucket: bucket, Key: str("m"), ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesChecksum}})
	require.NoError(t, err)
	require.Equal(t, *head.ChecksumSHA256, *attributes.Checksum.ChecksumSHA256+"-1")

	first, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: bucket, StartAfter: str("a"), MaxKeys: aws.Int32(1)})
	require.NoError(t, err)
	require.Equal(t, "a", *first.StartAfter)
	next, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: bucket, StartAfter: str("a"), ContinuationToken: first.NextContinuationToken})
	require.NoError(t, err)
	require.Nil(t, next.StartAfter, "the token counts alone")

	_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: str("t"), Tagging: str("aws:a=b")})
	require.Equal(t, "Your TagKey cannot be prefixed with aws:", iamtest.RequireCode(t, err, "InvalidTag").ErrorMessage())
	_, err = c.PutBucketAccelerateConfiguration(ctx, &awss3.PutBucketAccelerateConfigurationInput{
		Bucket: bucket, AccelerateConfiguration: &types.AccelerateConfiguration{Status: types.BucketAccelerateStatusEnabled},
	})
	iamtest.RequireCode(t, err, "InvalidRequest")

	lifecycle := func(r types.LifecycleRule) error {
		r.Status, r.Filter = types.ExpirationStatusEnabled, &types.LifecycleRuleFilter{Prefix: str("tmp/")}
		_, err := c.PutBucketLifecycleConfiguration(ctx, &awss3.PutBucketLifecycleConfigurationInput{
			Bucket: bucket, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{r}},
		})
		return err
	}
	early := lifecycle(types.LifecycleRule{Transitions: []types.Transition{{Days: aws.Int32(1), StorageClass: types.TransitionStorageClassStandardIa}}})
	require.Equal(t, "'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
		iamtest.RequireCode(t, early, "InvalidArgument").ErrorMessage())
	require.NoError(t, lifecycle(types.LifecycleRule{Transitions: []types.Transition{{Days: aws.Int32(1), StorageClass: types.TransitionStorageClassGlacier}}}))
	iamtest.RequireCode(t, lifecycle(types.LifecycleRule{Transitions: []types.Transition{{Days: aws.Int32(1)}}}), "MalformedXML")
	// Days, a date and the marker are three ways; two of them are one too many.
	// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
	iamtest.RequireCode(t, lifecycle(types.LifecycleRule{Expiration: &types.LifecycleExpiration{Days: aws.Int32(7), ExpiredObjectDeleteMarker: aws.Bool(true)}}), "MalformedXML")
	iamtest.RequireCode(t, lifecycle(types.LifecycleRule{
		NoncurrentVersionTransitions: []types.NoncurrentVersionTransition{{StorageClass: types.TransitionStorageClassGlacier}},
	}), "MalformedXML")
}

// copyUnmet is the document that refuses a copy of what is as it was.
func copyUnmet(t *testing.T, s *sandbox, etag string) string {
	t.Helper()
	h, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/my.bucket/c", nil)
	require.NoError(t, err)
	h.Header.Set("X-Amz-Copy-Source", "my.bucket/k")
	h.Header.Set("X-Amz-Copy-Source-If-None-Match", etag)
	s.world.Sign(t, h, "s3", "us-east-1")
	r, err := http.DefaultClient.Do(h)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Body.Close() })
	return text(t, r)
}
