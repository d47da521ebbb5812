package secretsmanager_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

func TestRandomPassword(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	yes, no := aws.Bool(true), aws.Bool(false)
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	for name, c0 := range map[string]struct {
		in           sdk.GetRandomPasswordInput
		size         int
		with, absent []string
	}{
		"standard": {size: 32, with: []string{lower, upper, digits, "!#$%&()*+,-./:;<=>?@[]^_{|}~\"'\\`"}, absent: []string{" "}},
		"short":    {in: sdk.GetRandomPasswordInput{PasswordLength: aws.Int64(5), IncludeSpace: yes}, size: 5, with: []string{lower, upper, digits, " "}},
		"excluded": {in: sdk.GetRandomPasswordInput{
			PasswordLength: aws.Int64(300), ExcludeLowercase: yes, ExcludeNumbers: yes,
			ExcludeCharacters: aws.String("ABC!"),
		}, size: 300, with: []string{upper}, absent: []string{lower, digits, "ABC!"}},
		"one kind": {
			in:   sdk.GetRandomPasswordInput{PasswordLength: aws.Int64(1), ExcludeLowercase: yes, ExcludeUppercase: yes, ExcludePunctuation: yes},
			size: 1, with: []string{digits},
		},
		"any": {in: sdk.GetRandomPasswordInput{PasswordLength: aws.Int64(2), RequireEachIncludedType: no}, size: 2},
	} {
		out, err := c.GetRandomPassword(ctx, &c0.in)
		require.NoError(t, err, name)
		require.Len(t, *out.RandomPassword, c0.size, name)
		for _, kind := range c0.with {
			require.True(t, strings.ContainsAny(*out.RandomPassword, kind), "%s: %q has none of %q", name, *out.RandomPassword, kind)
		}
		for _, kind := range c0.absent {
			require.False(t, strings.ContainsAny(*out.RandomPassword, kind), "%s: %q has some of %q", name, *out.RandomPassword, kind)
		}
	}
	for _, in := range []*sdk.GetRandomPasswordInput{{PasswordLength: aws.Int64(3)}, {PasswordLength: aws.Int64(4), IncludeSpace: yes}} {
		_, err := c.GetRandomPassword(ctx, in)
		require.ErrorContains(t, err, "Password length is too short based on the required types.")
	}
}

// A secret's own policy counts: who is named there may read, who is denied may not.
func TestResourcePolicy(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	name := aws.String("s")
	_, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: name, SecretString: aws.String("x")})
	require.NoError(t, err)
	_, cfg := w.Role(t, "r", "")
	read := func() error {
		_, err := sdk.NewFromConfig(cfg).GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: name})
		return err
	}
	iamtest.RequireCode(t, read(), "AccessDeniedException")
	doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:role/r"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	_, err = c.PutResourcePolicy(ctx, &sdk.PutResourcePolicyInput{SecretId: name, ResourcePolicy: &doc})
	require.NoError(t, err)
	require.NoError(t, read())
	got, err := c.GetResourcePolicy(ctx, &sdk.GetResourcePolicyInput{SecretId: name})
	require.NoError(t, err)
	require.JSONEq(t, doc, *got.ResourcePolicy)
	_, err = c.PutResourcePolicy(ctx, &sdk.PutResourcePolicyInput{SecretId: name, ResourcePolicy: aws.String("{}")})
	iamtest.RequireCode(t, err, "MalformedPolicyDocumentException")
	_, err = c.DeleteResourcePolicy(ctx, &sdk.DeleteResourcePolicyInput{SecretId: name})
	require.NoError(t, err)
	iamtest.RequireCode(t, read(), "AccessDeniedException")
}

func TestStagesTagsAndBatches(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	one, two := aws.String("one"), aws.String("two")
	a, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: one, SecretString: aws.String("1"), Description: aws.String("The first word")})
	require.NoError(t, err)
	bare, err := c.DescribeSecret(ctx, &sdk.DescribeSecretInput{SecretId: one})
	require.NoError(t, err)
	require.Nil(t, bare.Tags)
	b, err := c.PutSecretValue(ctx, &sdk.PutSecretValueInput{SecretId: one, SecretString: aws.String("2"), VersionStages: []string{"AWSPENDING"}})
	require.NoError(t, err)
	move := func(stage string, from, to *string) error {
		_, err := c.UpdateSecretVersionStage(ctx, &sdk.UpdateSecretVersionStageInput{SecretId: one, VersionStage: &stage, RemoveFromVersionId: from, MoveToVersionId: to})
		return err
	}
	require.ErrorContains(t, move("AWSCURRENT", nil, b.VersionId),
		"The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version "+*a.VersionId)
	iamtest.RequireCode(t, move("AWSCURRENT", a.VersionId, nil), "InvalidParameterException")
	require.NoError(t, move("AWSCURRENT", a.VersionId, b.VersionId))
	require.NoError(t, move("AWSPENDING", b.VersionId, nil))
	d, err := c.DescribeSecret(ctx, &sdk.DescribeSecretInput{SecretId: one})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{*a.VersionId: {"AWSPREVIOUS"}, *b.VersionId: {"AWSCURRENT"}}, d.VersionIdsToStages)
	versions, err := c.ListSecretVersionIds(ctx, &sdk.ListSecretVersionIdsInput{SecretId: one})
	require.NoError(t, err)
	require.Len(t, versions.Versions, 2)

	_, err = c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: two, SecretString: aws.String("x")})
	require.NoError(t, err)
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{
		SecretId: two,
		Tags:     []types.Tag{{Key: aws.String("a"), Value: aws.String("Firstly")}, {Key: aws.String("b"), Value: aws.String("2")}},
	})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{SecretId: two, TagKeys: []string{"b"}})
	require.NoError(t, err)
	for value, want := range map[string]int{"first": 2, "FIRST": 2, "first word": 1, "irst": 0, "two": 1} {
		list, err := c.ListSecrets(ctx, &sdk.ListSecretsInput{Filters: []types.Filter{{Key: types.FilterNameStringTypeAll, Values: []string{value}}}})
		require.NoError(t, err)
		require.Len(t, list.SecretList, want, value)
	}
	got, err := c.BatchGetSecretValue(ctx, &sdk.BatchGetSecretValueInput{SecretIdList: []string{"one", "none", "two"}})
	require.NoError(t, err)
	require.Equal(t, []string{"2", "x"}, []string{*got.SecretValues[0].SecretString, *got.SecretValues[1].SecretString})
	require.Equal(t, []string{"none", "ResourceNotFoundException"}, []string{*got.Errors[0].SecretId, *got.Errors[0].ErrorCode})
	// Each secret of a batch is asked for by itself.
	_, cfg := w.Role(t, "r", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:BatchGetSecretValue","Resource":"*"},`+
		`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"`+*a.ARN+`"}]}`)
	got, err = sdk.NewFromConfig(cfg).BatchGetSecretValue(ctx, &sdk.BatchGetSecretValueInput{SecretIdList: []string{"one", "two"}})
	require.NoError(t, err)
	require.Len(t, got.SecretValues, 1)
	require.Equal(t, "AccessDeniedException", *got.Errors[0].ErrorCode)
	for range 2 { // gone already is no error of a deletion by force
		_, err = c.DeleteSecret(ctx, &sdk.DeleteSecretInput{SecretId: two, ForceDeleteWithoutRecovery: aws.Bool(true)})
		require.NoError(t, err)
	}
}

// A search over all takes words apart where their case changes.
// https://github.com/getmoto/moto, tests/test_secretsmanager/test_list_secrets.py ("aws_verified")
func TestSearchByPartsOfWords(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	for _, name := range []string{"live/FraudModel/a", "live-FraudModel-b", "DATASETkeys", "DATASET", "Frauds"} {
		_, err := c.CreateSecret(ctx, &sdk.CreateSecretInput{Name: &name, SecretString: aws.String("x")})
		require.NoError(t, err)
	}
	for value, want := range map[string]int{"FraudModel": 2, "model": 2, "mod fraud": 2, "fraud": 3, "raud": 0, "dataset": 1, "Tkeys": 1, "keys": 0, "S": 0, "/": 0} {
		list, err := c.ListSecrets(ctx, &sdk.ListSecretsInput{Filters: []types.Filter{{Key: types.FilterNameStringTypeAll, Values: []string{value}}}})
		require.NoError(t, err)
		require.Len(t, list.SecretList, want, value)
	}
}
