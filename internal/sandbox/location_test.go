package sandbox_test

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

func fetch(t *testing.T, link string) (int, []byte) {
	t.Helper()
	h, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	require.NoError(t, err)
	r, err := http.DefaultClient.Do(h)
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, body
}

// The link of GetFunction gives the package to whoever has it, as it is only
// (https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCodeLocation.html).
func TestCodeLocation(t *testing.T) {
	t.Setenv(childEnv, "serve")
	i, err := start(t, filepath.Join(t.TempDir(), "sandbox"))
	require.NoError(t, err)
	ctx := t.Context()
	role, err := iam.NewFromConfig(config(i)).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("fn"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	require.NoError(t, err)
	var pkg bytes.Buffer
	z := zip.NewWriter(&pkg)
	w, err := z.Create("h.py")
	require.NoError(t, err)
	_, err = io.WriteString(w, "def f(e, c): return e")
	require.NoError(t, err)
	require.NoError(t, z.Close())
	c := lambda.NewFromConfig(config(i))
	_, err = c.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: aws.String("fn"), Runtime: types.RuntimePython312, Handler: aws.String("h.f"), Role: role.Role.Arn, Code: &types.FunctionCode{ZipFile: pkg.Bytes()},
	})
	require.NoError(t, err)
	got, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("fn")})
	require.NoError(t, err)
	require.NotNil(t, got.Code.Location)
	link, err := url.Parse(*got.Code.Location)
	require.NoError(t, err)
	require.Equal(t, "600", link.Query().Get("X-Amz-Expires"), "ten minutes")
	status, body := fetch(t, link.String())
	require.Equal(t, http.StatusOK, status, string(body))
	require.Equal(t, pkg.Bytes(), body)

	other := *link
	other.Path = "/2015-03-31/functions/fn"
	status, _ = fetch(t, other.String())
	require.Equal(t, http.StatusForbidden, status, "the link is signed for this and nothing else")
	other = *link
	other.RawQuery = ""
	status, _ = fetch(t, other.String())
	require.Equal(t, http.StatusForbidden, status)
}

// aws:kms without a key is AWS's own key in the account, told by its ARN
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html).
func TestDefaultKMSKey(t *testing.T) {
	t.Setenv(childEnv, "serve")
	i, err := start(t, filepath.Join(t.TempDir(), "sandbox"))
	require.NoError(t, err)
	ctx := t.Context()
	c := s3.NewFromConfig(config(i), func(o *s3.Options) { o.UsePathStyle = true })
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bucket")})
	require.NoError(t, err)
	var keys []string
	for _, k := range []string{"a", "b"} {
		put, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &k, ServerSideEncryption: s3types.ServerSideEncryptionAwsKms})
		require.NoError(t, err)
		keys = append(keys, aws.ToString(put.SSEKMSKeyId))
		_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: &k})
		require.NoError(t, err)
	}
	require.Regexp(t, "^arn:aws:kms:us-east-1:"+sandbox.Account+":key/[0-9a-f-]{36}$", keys[0])
	require.Equal(t, keys[0], keys[1])
}
