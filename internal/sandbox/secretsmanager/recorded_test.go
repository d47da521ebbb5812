package secretsmanager_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// TestRecorded holds answers that were recorded from AWS in
// https://github.com/localstack/localstack,
// tests/aws/services/secretsmanager/test_secretsmanager.snapshot.json.
func TestRecorded(t *testing.T) {
	t.Parallel()
	c, ctx := register(t, iamtest.New(t)), t.Context()
	says := func(err error, code, text string) {
		t.Helper()
		require.Equal(t, text, iamtest.RequireCode(t, err, code).ErrorMessage())
	}
	const name = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
	_, err := c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: aws.String("Inv Name"), ForceDeleteWithoutRecovery: aws.Bool(true)})
	says(err, "ValidationException", name)
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{SecretId: aws.String(" Inv *?!]Name\\-"), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	says(err, "ValidationException", name)

	made, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("original")})
	require.NoError(t, err)
	_, err = c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: made.ARN, VersionId: made.VersionId, VersionStage: aws.String("AWSPREVIOUS")})
	says(err, "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId.")
	for _, value := range []string{"update1", "update2"} {
		_, err = c.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: made.ARN, SecretString: &value})
		require.NoError(t, err)
	}
	_, err = c.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: made.ARN})
	require.NoError(t, err)
	list, err := c.ListSecretVersionIds(ctx, &sdk.ListSecretVersionIdsInput{SecretId: made.ARN, IncludeDeprecated: aws.Bool(true)})
	require.NoError(t, err)
	require.Len(t, list.Versions, 3)
	for _, v := range list.Versions {
		current := len(v.VersionStages) == 1 && v.VersionStages[0] == "AWSCURRENT"
		require.Equal(t, current, v.LastAccessedDate != nil, "%v", v.VersionStages)
		require.Equal(t, *v.VersionId == *made.VersionId, v.VersionStages == nil)
	}

	shown := func() []types.Tag {
		t.Helper()
		out, err := c.DescribeSecret(ctx, &sdk.DescribeSecretInput{SecretId: made.ARN})
		require.NoError(t, err)
		return out.Tags
	}
	require.Nil(t, shown(), "left out until there was one")
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{SecretId: made.ARN, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{SecretId: made.ARN, TagKeys: []string{"a"}})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{}, shown())

	_, err = c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: made.ARN})
	require.NoError(t, err)
	const marked = "You can't perform this operation on the secret because it was marked for deletion."
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{SecretId: made.ARN, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	says(err, "InvalidRequestException", marked)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{SecretId: made.ARN, TagKeys: []string{"a"}})
	says(err, "InvalidRequestException", marked)
}
