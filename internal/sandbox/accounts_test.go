package sandbox_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

func refused(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
}

// Between two accounts both must allow: the policy of the resource, and the
// caller's own.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
func TestAccounts(t *testing.T) {
	t.Setenv(childEnv, "serve")
	dir, ctx := filepath.Join(t.TempDir(), "sandbox"), t.Context()
	info, err := start(t, dir)
	require.NoError(t, err)
	for _, id := range []string{"", "123", "12345678901a", "1234567890123"} {
		_, err := sandbox.AddAccount(ctx, info, id)
		require.Equal(t, fault.Invalid, fault.KindOf(err), "%q", id)
	}
	for _, id := range []string{"111122223333", "444455556666"} {
		added, err := sandbox.AddAccount(ctx, info, id)
		require.NoError(t, err)
		require.Equal(t, id, added.ID)
	}
	_, err = sandbox.AddAccount(ctx, info, "111122223333")
	require.Equal(t, fault.Conflict, fault.KindOf(err))

	// They are kept, with their keys.
	stopped(ctx, t, dir)
	info, err = start(t, dir)
	require.NoError(t, err)
	all, err := sandbox.Accounts(ctx, info)
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, sandbox.Account, all[0].ID)
	ours, err := sandbox.InAccount(ctx, info, "111122223333")
	require.NoError(t, err)
	theirs, err := sandbox.InAccount(ctx, info, "444455556666")
	require.NoError(t, err)
	_, err = sandbox.InAccount(ctx, info, "777788889999")
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	_, err = sandbox.Accounts(ctx, ours)
	require.Error(t, err, "only the first account's user manages accounts")

	a, b := config(ours), config(theirs)
	crossQueue(t, a, b)
	crossBucket(t, a, b)
	crossKey(t, a, b)
	crossRole(t, a, b)
}

func crossQueue(t *testing.T, a, b aws.Config) {
	t.Helper()
	ctx, ours, theirs := t.Context(), sqs.NewFromConfig(a), sqs.NewFromConfig(b)
	queue, err := ours.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("jobs")})
	require.NoError(t, err)
	require.Contains(t, *queue.QueueUrl, "/111122223333/jobs")
	send := &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("x")}
	_, err = theirs.SendMessage(ctx, send)
	refused(t, err, "AccessDenied")
	_, err = ours.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue.QueueUrl, Attributes: map[string]string{"Policy": `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:111122223333:jobs"}]}`}})
	require.NoError(t, err)
	_, err = theirs.SendMessage(ctx, send)
	require.NoError(t, err)
	_, err = theirs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	refused(t, err, "AccessDenied")
	_, err = theirs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("jobs")})
	refused(t, err, "AWS.SimpleQueueService.NonExistentQueue")
}

func crossBucket(t *testing.T, a, b aws.Config) {
	t.Helper()
	style := func(o *s3.Options) { o.UsePathStyle = true }
	ctx, ours, theirs := t.Context(), s3.NewFromConfig(a, style), s3.NewFromConfig(b, style)
	name := aws.String("shared")
	_, err := ours.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name})
	require.NoError(t, err)
	_, err = ours.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("k"), Body: strings.NewReader("v")})
	require.NoError(t, err)
	_, err = theirs.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name})
	refused(t, err, "BucketAlreadyExists")
	get := &s3.GetObjectInput{Bucket: name, Key: aws.String("k")}
	_, err = theirs.GetObject(ctx, get)
	refused(t, err, "AccessDenied")
	_, err = ours.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: name, Policy: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::shared/*"}]}`)})
	require.NoError(t, err)
	_, err = theirs.GetObject(ctx, get)
	require.NoError(t, err)
	_, err = theirs.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: aws.String("k"), Body: strings.NewReader("w")})
	refused(t, err, "AccessDenied")
	list, err := theirs.ListBuckets(ctx, &s3.ListBucketsInput{})
	require.NoError(t, err)
	require.Empty(t, list.Buckets)
	_, err = ours.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: aws.String("k"), ExpectedBucketOwner: aws.String("444455556666")})
	refused(t, err, "AccessDenied")
}

func crossKey(t *testing.T, a, b aws.Config) {
	t.Helper()
	ctx, ours, theirs := t.Context(), kms.NewFromConfig(a), kms.NewFromConfig(b)
	key, err := ours.CreateKey(ctx, &kms.CreateKeyInput{})
	require.NoError(t, err)
	require.Equal(t, "111122223333", *key.KeyMetadata.AWSAccountId)
	encrypt := &kms.EncryptInput{KeyId: key.KeyMetadata.Arn, Plaintext: []byte("x")}
	_, err = theirs.Encrypt(ctx, encrypt)
	refused(t, err, "AccessDeniedException")
	_, err = ours.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyMetadata.KeyId, Policy: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"kms:Encrypt","Resource":"*"}]}`)})
	require.NoError(t, err)
	_, err = theirs.Encrypt(ctx, encrypt)
	require.NoError(t, err)
	_, err = theirs.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyMetadata.Arn})
	refused(t, err, "AccessDeniedException")
}

// crossRole assumes a role of another account: its trust must name the caller or
// his account, and the caller's own policies must let him.
func crossRole(t *testing.T, a, b aws.Config) {
	t.Helper()
	ctx := t.Context()
	role := func(cfg aws.Config, name, trusted string) string {
		out, err := iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + trusted + `"},"Action":"sts:AssumeRole"}]}`)})
		require.NoError(t, err)
		return *out.Role.Arn
	}
	assume := func(cfg aws.Config, arn string) (aws.Config, error) {
		out, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("test")})
		if err != nil {
			return cfg, err
		}
		cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
		return cfg, nil
	}
	middle := role(b, "middle", "arn:aws:iam::444455556666:root")
	target := role(a, "target", middle)
	_, err := assume(b, target)
	refused(t, err, "AccessDenied") // the trust names the role, not its account

	session, err := assume(b, middle)
	require.NoError(t, err)
	_, err = assume(session, target)
	refused(t, err, "AccessDenied") // trusted, but not allowed by its own account
	_, err = iam.NewFromConfig(b).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("middle"), PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + target + `"}]}`)})
	require.NoError(t, err)
	inside, err := assume(session, target)
	require.NoError(t, err)
	who, err := sts.NewFromConfig(inside).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::111122223333:assumed-role/target/test", *who.Arn)
}
