package s3_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// Numbers of lists are refused in two ways, as AWS was seen to do by the authors of
// https://github.com/getmoto/moto (test_multipart_list_parts_invalid_argument).
func TestNumbersOfListsAreChecked(t *testing.T) {
	t.Parallel()
	s, ctx := open(t, t.TempDir(), nil), t.Context()
	s.bucket(t, "box")
	c, b, key := s.as("admin"), aws.String("box"), aws.String("k")
	up, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: b, Key: key})
	require.NoError(t, err)
	for name, ask := range map[string]func(n int32) error{
		"max-parts": func(n int32) error {
			_, err := c.ListParts(ctx, &awss3.ListPartsInput{Bucket: b, Key: key, UploadId: up.UploadId, MaxParts: &n})
			return err
		},
		"max-uploads": func(n int32) error {
			_, err := c.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: b, MaxUploads: &n})
			return err
		},
		"max-keys": func(n int32) error {
			_, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: b, MaxKeys: &n})
			return err
		},
	} {
		require.NoError(t, ask(2147483647), name)
		require.Equal(t, "Argument "+name+" must be an integer between 0 and 2147483647", iamtest.RequireCode(t, ask(-1), "InvalidArgument").ErrorMessage())
	}
	for _, marker := range []string{"x", "2147483648"} {
		_, err = c.ListParts(ctx, &awss3.ListPartsInput{Bucket: b, Key: key, UploadId: up.UploadId, PartNumberMarker: &marker})
		require.Equal(t, "Provided part-number-marker not an integer or within integer range", iamtest.RequireCode(t, err, "InvalidArgument").ErrorMessage())
	}
}
