package kms_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

const rolePrefix = "arn:aws:iam::000000000000:role/"

// https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
func TestGrants(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	_, worker := w.Role(t, "worker", "")
	_, other := w.Role(t, "other", "")
	k := create(t, c, &sdk.CreateKeyInput{})
	encrypt := func(cfg aws.Config, ec map[string]string) error {
		_, err := sdk.NewFromConfig(cfg).Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: ec})
		return err
	}
	iamtest.RequireCode(t, encrypt(worker, nil), "AccessDeniedException")

	in := &sdk.CreateGrantInput{
		KeyId: k.KeyId, GranteePrincipal: aws.String(rolePrefix + "worker"), RetiringPrincipal: aws.String(rolePrefix + "other"), Name: aws.String("work"),
		Operations:  []types.GrantOperation{types.GrantOperationEncrypt, types.GrantOperationCreateGrant},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"tenant": "acme"}},
	}
	made, err := c.CreateGrant(ctx, in)
	require.NoError(t, err)
	require.Len(t, *made.GrantId, 64)
	again, err := c.CreateGrant(ctx, in)
	require.NoError(t, err)
	require.Equal(t, *made.GrantId, *again.GrantId, "by its name it is the same")
	require.NotEqual(t, *made.GrantToken, *again.GrantToken)

	require.NoError(t, encrypt(worker, map[string]string{"tenant": "acme", "more": "x"}))
	iamtest.RequireCode(t, encrypt(worker, map[string]string{"tenant": "other"}), "AccessDeniedException")
	iamtest.RequireCode(t, encrypt(worker, nil), "AccessDeniedException")
	iamtest.RequireCode(t, encrypt(other, map[string]string{"tenant": "acme"}), "AccessDeniedException")
	_, err = sdk.NewFromConfig(worker).GenerateDataKey(ctx,
		&sdk.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: types.DataKeySpecAes256, EncryptionContext: map[string]string{"tenant": "acme"}})
	iamtest.RequireCode(t, err, "AccessDeniedException")

	// Who has a grant by a grant only gives no more than it has.
	give := func(ops []types.GrantOperation, c *types.GrantConstraints) error {
		_, err := sdk.NewFromConfig(worker).CreateGrant(ctx, &sdk.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: aws.String(rolePrefix + "other"), Operations: ops, Constraints: c})
		return err
	}
	equal := &types.GrantConstraints{EncryptionContextEquals: map[string]string{"tenant": "acme"}}
	iamtest.RequireCode(t, give([]types.GrantOperation{types.GrantOperationDecrypt}, equal), "AccessDeniedException")
	iamtest.RequireCode(t, give([]types.GrantOperation{types.GrantOperationEncrypt}, nil), "AccessDeniedException")
	require.NoError(t, give([]types.GrantOperation{types.GrantOperationEncrypt}, equal))
	require.NoError(t, encrypt(other, map[string]string{"tenant": "acme"}))
	iamtest.RequireCode(t, encrypt(other, map[string]string{"tenant": "acme", "more": "x"}), "AccessDeniedException")

	w.Reopen(t)
	c = register(t, w)
	list, err := c.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: k.KeyId, GranteePrincipal: aws.String(rolePrefix + "worker")})
	require.NoError(t, err)
	require.Len(t, list.Grants, 1)
	require.Equal(t, "work", *list.Grants[0].Name)
	require.Equal(t, *k.Arn, *list.Grants[0].KeyId)
	require.Equal(t, in.Constraints.EncryptionContextSubset, list.Grants[0].Constraints.EncryptionContextSubset)
	retirable, err := c.ListRetirableGrants(ctx, &sdk.ListRetirableGrantsInput{RetiringPrincipal: aws.String(rolePrefix + "other")})
	require.NoError(t, err)
	require.Len(t, retirable.Grants, 1)
}

func TestGrantsEnd(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	_, worker := w.Role(t, "worker", "")
	_, retirer := w.Role(t, "retirer", "")
	_, stranger := w.Role(t, "stranger", "")
	k := create(t, c, &sdk.CreateKeyInput{})
	make := func() *sdk.CreateGrantOutput {
		out, err := c.CreateGrant(ctx, &sdk.CreateGrantInput{
			KeyId: k.KeyId, GranteePrincipal: aws.String(rolePrefix + "worker"), RetiringPrincipal: aws.String(rolePrefix + "retirer"),
			Operations: []types.GrantOperation{types.GrantOperationDescribeKey},
		})
		require.NoError(t, err)
		return out
	}
	describe := func() error {
		_, err := sdk.NewFromConfig(worker).DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: k.KeyId})
		return err
	}
	g := make()
	require.NoError(t, describe())
	for _, cfg := range []aws.Config{stranger, worker} { // RetireGrant is not among the grant's operations
		_, err := sdk.NewFromConfig(cfg).RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: g.GrantToken})
		iamtest.RequireCode(t, err, "AccessDeniedException")
	}
	_, err := sdk.NewFromConfig(retirer).RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: g.GrantToken})
	require.NoError(t, err)
	iamtest.RequireCode(t, describe(), "AccessDeniedException")
	_, err = sdk.NewFromConfig(retirer).RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: g.GrantToken})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	_, err = c.RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: g.GrantToken})
	iamtest.RequireCode(t, err, "InvalidGrantTokenException")

	g = make()
	_, err = sdk.NewFromConfig(stranger).RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: k.KeyId, GrantId: g.GrantId})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	_, err = c.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: k.KeyId, GrantId: g.GrantId})
	require.NoError(t, err)
	_, err = c.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: k.KeyId, GrantId: g.GrantId})
	iamtest.RequireCode(t, err, "NotFoundException")

	for _, bad := range []*sdk.CreateGrantInput{
		{KeyId: k.KeyId, GranteePrincipal: aws.String("arn:aws:iam::000000000000:role/worker"), Operations: []types.GrantOperation{types.GrantOperationSign}},
		{
			KeyId: k.KeyId, GranteePrincipal: aws.String("arn:aws:iam::000000000000:role/worker"),
			Operations:  []types.GrantOperation{types.GrantOperationDecrypt},
			Constraints: &types.GrantConstraints{EncryptionContextEquals: map[string]string{"a": "b"}, EncryptionContextSubset: map[string]string{"a": "b"}},
		},
	} {
		_, err := c.CreateGrant(ctx, bad)
		iamtest.RequireCode(t, err, "ValidationException")
	}
	_, err = c.CreateGrant(ctx, &sdk.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: aws.String("worker"), Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
	iamtest.RequireCode(t, err, "InvalidArnException")
}

// Who may make grants on conditions makes those that fulfil them, and no others.
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
func TestGrantsOnConditions(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	_, _ = w.Role(t, "worker", "")
	k := create(t, c, &sdk.CreateKeyInput{})
	_, err := c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("alias/good"), TargetKeyId: k.KeyId})
	require.NoError(t, err)
	may := func(condition string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":` + condition + `}}`
	}
	for name, condition := range map[string]string{
		"grantee":    `{"StringEquals":{"kms:GranteePrincipal":"` + rolePrefix + `worker"}}`,
		"retiring":   `{"StringEquals":{"kms:RetiringPrincipal":"` + rolePrefix + `worker"}}`,
		"constraint": `{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextSubset"}}`,
		"operations": `{"ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt"]}}`,
		"aliases":    `{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/good"}}`,
		"service":    `{"Bool":{"kms:GrantIsForAWSResource":"false"}}`,
		"caller":     `{"StringEquals":{"kms:CallerAccount":"000000000000"}}`,
	} {
		_, giver := w.Role(t, name, may(condition))
		_, err = sdk.NewFromConfig(giver).CreateGrant(ctx, &sdk.CreateGrantInput{
			KeyId: k.KeyId, GranteePrincipal: aws.String(rolePrefix + "worker"), RetiringPrincipal: aws.String(rolePrefix + "worker"),
			Operations: []types.GrantOperation{types.GrantOperationEncrypt}, Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"tenant": "acme"}},
		})
		require.NoError(t, err, name)
	}
	_, giver := w.Role(t, "giver", may(`{"StringEquals":{"kms:GranteePrincipal":"`+rolePrefix+`other"}}`))
	_, err = sdk.NewFromConfig(giver).CreateGrant(ctx,
		&sdk.CreateGrantInput{KeyId: k.KeyId, GranteePrincipal: aws.String(rolePrefix + "worker"), Operations: []types.GrantOperation{types.GrantOperationEncrypt}})
	iamtest.RequireCode(t, err, "AccessDeniedException")
}
