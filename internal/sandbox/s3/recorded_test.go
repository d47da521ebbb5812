package s3_test

import (
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// TestRecorded holds answers that were recorded from AWS in
// https://github.com/localstack/localstack, tests/aws/services/s3/test_s3.snapshot.json.
func TestRecorded(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, t.TempDir(), nil), t.Context()
	s.bucket(t, "bkt")
	c := s.as("admin")
	says := func(err error, code, text string) {
		t.Helper()
		require.Equal(t, text, iamtest.RequireCode(t, err, code).ErrorMessage())
	}
	for _, owner := range []string{"0000", "0000000000020", "abcd"} {
		_, err := c.GetBucketPolicy(ctx, &awss3.GetBucketPolicyInput{Bucket: str("bkt"), ExpectedBucketOwner: &owner})
		says(err, "InvalidBucketOwnerAWSAccountID", "The value of the expected bucket owner parameter must be an AWS Account ID... ["+owner+"]")
	}
	_, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: str("bkt"), Key: str("k"), UploadId: str("fakeid")})
	iamtest.RequireCode(t, err, "NoSuchUpload")
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: str("bkt"), Key: str("test-unicode_—_file")})
	require.NoError(t, err)
	_, err = c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: str("bkt"), Key: up.Key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{}})
	says(err, "InvalidRequest", "You must specify at least one part")

	_, err = c.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{
		Bucket: str("bkt"), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	require.NoError(t, err)
	_, err = c.PutObject(ctx, &awss3.PutObjectInput{Bucket: str("bkt"), Key: str("test"), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	require.NoError(t, err)
	list, err := c.ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{Bucket: str("bkt")})
	require.NoError(t, err)
	require.Equal(t, []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32}, list.Versions[0].ChecksumAlgorithm)
	require.Equal(t, types.ChecksumTypeFullObject, list.Versions[0].ChecksumType)
}
