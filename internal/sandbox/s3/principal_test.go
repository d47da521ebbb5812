package s3_test

import (
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/s3"
)

// aws:PrincipalArn is the role of a session, not the session: a bucket that shuts a
// role out by it is shut, and one that lets only a role in lets it in.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
func TestBucketPolicyKnowsTheRole(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	svc, err := s3.New(s3.Config{DB: w.DB, Dir: filepath.Join(t.TempDir(), "s3"), Auth: w.IAM})
	require.NoError(t, err)
	svc.Register(w.Router)
	client := func(cfg aws.Config) *awss3.Client {
		return awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
	}
	admin := client(w.Admin())
	_, err = admin.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("bkt")})
	require.NoError(t, err)
	list := func(cfg aws.Config) error {
		_, err := client(cfg).ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: aws.String("bkt")})
		return err
	}
	_, shut := w.Role(t, "shut", iamtest.Allow("s3:*", "*"))
	_, open := w.Role(t, "open", iamtest.Allow("s3:*", "*"))
	for operator, refused := range map[string]aws.Config{"ArnEquals": shut, "ArnNotEquals": open} {
		_, err = admin.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: aws.String("bkt"), Policy: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bkt","Condition":{"` + operator +
				`":{"aws:PrincipalArn":"arn:aws:iam::` + iamtest.Account + `:role/shut"}}}]}`)})
		require.NoError(t, err)
		require.Contains(t, iamtest.RequireCode(t, list(refused), "AccessDenied").ErrorMessage(), "explicit deny in a resource-based policy", operator)
		if operator == "ArnEquals" {
			require.NoError(t, list(open))
		} else {
			require.NoError(t, list(shut))
		}
	}
}
