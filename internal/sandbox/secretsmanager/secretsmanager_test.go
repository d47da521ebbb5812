package secretsmanager_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/secretsmanager"
)

func register(t *testing.T, w *iamtest.World) *sdk.Client {
	t.Helper()
	k, err := kms.New(kms.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	k.Register(w.Router)
	s, err := secretsmanager.New(secretsmanager.Config{DB: w.DB, Router: w.Router, Clock: w.Clock})
	require.NoError(t, err)
	s.Register(w.Router)
	return sdk.NewFromConfig(w.Admin())
}

func value(t *testing.T, c *sdk.Client, in *sdk.GetSecretValueInput) string {
	t.Helper()
	out, err := c.GetSecretValue(t.Context(), in)
	require.NoError(t, err)
	return aws.ToString(out.SecretString)
}

// TestVersions follows the recordings of AWS in localstack's snapshot tests
// (tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json) and the user
// guide ("What's in a Secrets Manager secret?").
func TestVersions(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	name := aws.String("prod/db_1+=.@!-x")
	made, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{
		Name: name, SecretString: aws.String("one"), Description: aws.String("d"),
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	})
	require.NoError(t, err)
	require.Regexp(t, `^arn:aws:secretsmanager:us-east-1:000000000000:secret:`+regexp.QuoteMeta(*name)+`-[A-Za-z0-9]{6}$`, *made.ARN)
	_, err = c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("other"), ClientRequestToken: made.VersionId})
	require.Equal(t, "You can't use ClientRequestToken "+*made.VersionId+" because that value is already in use for a version of secret "+*made.ARN+".",
		iamtest.RequireCode(t, err, "ResourceExistsException").ErrorMessage())
	_, err = c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("other")})
	iamtest.RequireCode(t, err, "ResourceExistsException")

	for _, id := range []string{*name, *made.ARN, (*made.ARN)[:len(*made.ARN)-7]} {
		require.Equal(t, "one", value(t, c, &sdk.GetSecretValueInput{SecretId: &id}), id)
	}
	two, err := c.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: name, SecretString: aws.String("two")})
	require.NoError(t, err)
	require.Equal(t, []string{"AWSCURRENT"}, two.VersionStages)
	require.Equal(t, "two", value(t, c, &sdk.GetSecretValueInput{SecretId: name}))
	require.Equal(t, "one", value(t, c, &sdk.GetSecretValueInput{SecretId: name, VersionStage: aws.String("AWSPREVIOUS")}))
	require.Equal(t, "one", value(t, c, &sdk.GetSecretValueInput{SecretId: name, VersionId: made.VersionId}))
	_, err = c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: name, VersionStage: aws.String("AWSPENDING")})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")

	// The same token with the same value is the same request; with another it is an error.
	_, err = c.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: name, SecretString: aws.String("two"), ClientRequestToken: two.VersionId})
	require.NoError(t, err)
	_, err = c.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: name, SecretString: aws.String("three"), ClientRequestToken: two.VersionId})
	iamtest.RequireCode(t, err, "ResourceExistsException")

	bytes, err := c.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: name, SecretBinary: []byte{0, 255}})
	require.NoError(t, err)
	got, err := c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: name})
	require.NoError(t, err)
	require.Equal(t, []byte{0, 255}, got.SecretBinary)
	require.Nil(t, got.SecretString)
	d, err := c.DescribeSecret(ctx, &sdk.DescribeSecretInput{SecretId: name})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{*bytes.VersionId: {"AWSCURRENT"}, *two.VersionId: {"AWSPREVIOUS"}}, d.VersionIdsToStages)
	require.Equal(t, "d", *d.Description)
	require.Equal(t, "v", *d.Tags[0].Value)
	require.Nil(t, d.KmsKeyId)

	for _, in := range []*sdk.PutSecretValueInput{{SecretId: name}, {SecretId: name, SecretString: aws.String("a"), SecretBinary: []byte("b")}} {
		_, err = c.PutSecretValue(ctx, in)
		iamtest.RequireCode(t, err, "InvalidParameterException")
	}
	for _, bad := range []string{"a b", "ä", "a:b"} {
		_, err = c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: &bad})
		iamtest.RequireCode(t, err, "ValidationException")
	}
	_, err = c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: aws.String("none")})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
	require.ErrorContains(t, err, "Secrets Manager can't find the specified secret.")
}

// TestDeletion: a secret waits for its deletion, cannot be read meanwhile, keeps its
// name, and can be had back.
func TestDeletion(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	name := aws.String("a")
	made, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("one")})
	require.NoError(t, err)
	for _, in := range []*sdk.DeleteSecretInput{
		{SecretId: name, RecoveryWindowInDays: aws.Int64(6)},
		{SecretId: name, RecoveryWindowInDays: aws.Int64(31)},
		{SecretId: name, RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)},
	} {
		_, err = c.DeleteSecret(ctx, in)
		iamtest.RequireCode(t, err, "InvalidParameterException")
	}
	del, err := c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: name})
	require.NoError(t, err)
	require.True(t, w.Clock.Now().AddDate(0, 0, 30).Equal(*del.DeletionDate))
	_, err = c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: name})
	iamtest.RequireCode(t, err, "InvalidRequestException")
	require.ErrorContains(t, err, "You can't perform this operation on the secret because it was marked for deletion.")
	_, err = c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name})
	iamtest.RequireCode(t, err, "InvalidRequestException")
	require.ErrorContains(t, err, "You can't create this secret because a secret with this name is already scheduled for deletion.")
	list, err := c.ListSecrets(ctx, &sdk.ListSecretsInput{})
	require.NoError(t, err)
	require.Empty(t, list.SecretList)
	list, err = c.ListSecrets(ctx, &sdk.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
	require.NoError(t, err)
	require.Len(t, list.SecretList, 1)
	_, err = c.RestoreSecret(ctx, &sdk.RestoreSecretInput{SecretId: name})
	require.NoError(t, err)
	require.Equal(t, "one", value(t, c, &sdk.GetSecretValueInput{SecretId: name}))

	// Made anew it is another secret: the old ARN leads nowhere.
	_, err = c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: name, ForceDeleteWithoutRecovery: aws.Bool(true)})
	require.NoError(t, err)
	again, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("two")})
	require.NoError(t, err)
	require.NotEqual(t, *made.ARN, *again.ARN)
	_, err = c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: made.ARN})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
}

func TestList(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	for _, name := range []string{"b/2", "a/1", "a/3", "a/2"} {
		_, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: &name})
		require.NoError(t, err)
	}
	var names []string
	pages := sdk.NewListSecretsPaginator(c, &sdk.ListSecretsInput{MaxResults: aws.Int32(2), Filters: []types.Filter{{Key: "name", Values: []string{"a/"}}}})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(out.SecretList), 2)
		for _, x := range out.SecretList {
			names = append(names, *x.Name)
		}
	}
	require.Equal(t, []string{"a/1", "a/2", "a/3"}, names)
	_, err := c.ListSecrets(ctx, &sdk.ListSecretsInput{NextToken: aws.String("%%")})
	iamtest.RequireCode(t, err, "InvalidNextTokenException")
	_, err = c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: aws.String("a/1")})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
}

// TestAccess: who may read the secret but not use its key cannot read it; what is on the
// disk is not the secret; and it is there after a restart.
func TestAccess(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	key, err := awskms.NewFromConfig(w.Admin()).CreateKey(ctx, &awskms.CreateKeyInput{})
	require.NoError(t, err)
	_, err = c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: aws.String("own"), SecretString: aws.String("a-text-to-be-found"), KmsKeyId: key.KeyMetadata.KeyId})
	require.NoError(t, err)
	_, err = c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: aws.String("managed"), SecretString: aws.String("a-text-to-be-found")})
	require.NoError(t, err)

	_, cfg := w.Role(t, "reader", iamtest.Allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:000000000000:secret:*"))
	role := sdk.NewFromConfig(cfg)
	require.Equal(t, "a-text-to-be-found", value(t, role, &sdk.GetSecretValueInput{SecretId: aws.String("managed")}))
	_, err = role.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: aws.String("own")})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	require.ErrorContains(t, err, "kms:Decrypt")
	_, err = role.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: aws.String("managed"), SecretString: aws.String("x")})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	_, err = role.ListSecrets(ctx, &sdk.ListSecretsInput{})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	other := sdk.NewFromConfig(w.Admin(), func(o *sdk.Options) { o.Region = "eu-west-1" })
	_, err = other.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: aws.String("managed")})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")

	w.Clock.Advance(time.Minute)
	w.Reopen(t)
	c = register(t, w)
	require.Equal(t, "a-text-to-be-found", value(t, c, &sdk.GetSecretValueInput{SecretId: aws.String("own")}))
	files, err := filepath.Glob(filepath.Join(filepath.Dir(w.Path()), "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		require.False(t, strings.Contains(string(raw), "a-text-to-be-found"), f)
	}
}
