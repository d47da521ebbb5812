package kms_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
)

func register(t *testing.T, w *iamtest.World) *sdk.Client {
	t.Helper()
	s, err := kms.New(kms.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	s.Register(w.Router)
	return sdk.NewFromConfig(w.Admin())
}

func create(t *testing.T, c *sdk.Client, in *sdk.CreateKeyInput) *types.KeyMetadata {
	t.Helper()
	out, err := c.CreateKey(t.Context(), in)
	require.NoError(t, err)
	return out.KeyMetadata
}

func TestKeyLifecycle(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	m := create(t, c, &sdk.CreateKeyInput{
		Description: aws.String("d"),
		Tags:        []types.Tag{{TagKey: aws.String("b"), TagValue: aws.String("2")}, {TagKey: aws.String("a"), TagValue: aws.String("1")}},
	})
	require.True(t, m.Enabled)
	require.Equal(t, types.KeyStateEnabled, m.KeyState)
	require.Equal(t, "arn:aws:kms:us-east-1:000000000000:key/"+*m.KeyId, *m.Arn)
	require.True(t, w.Clock.Now().Equal(*m.CreationDate))

	rotation, err := c.GetKeyRotationStatus(ctx, &sdk.GetKeyRotationStatusInput{KeyId: m.KeyId})
	require.NoError(t, err)
	require.False(t, rotation.KeyRotationEnabled)
	_, err = c.EnableKeyRotation(ctx, &sdk.EnableKeyRotationInput{KeyId: m.KeyId})
	require.NoError(t, err)
	rotation, err = c.GetKeyRotationStatus(ctx, &sdk.GetKeyRotationStatusInput{KeyId: m.Arn})
	require.NoError(t, err)
	require.True(t, rotation.KeyRotationEnabled)
	require.EqualValues(t, 365, *rotation.RotationPeriodInDays)
	_, err = c.DisableKeyRotation(ctx, &sdk.DisableKeyRotationInput{KeyId: m.KeyId})
	require.NoError(t, err)

	_, err = c.UpdateKeyDescription(ctx, &sdk.UpdateKeyDescriptionInput{KeyId: m.KeyId, Description: aws.String("e")})
	require.NoError(t, err)
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{KeyId: m.KeyId, Tags: []types.Tag{{TagKey: aws.String("c"), TagValue: aws.String("3")}}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{KeyId: m.KeyId, TagKeys: []string{"a"}})
	require.NoError(t, err)
	tags, err := c.ListResourceTags(ctx, &sdk.ListResourceTagsInput{KeyId: m.KeyId, Limit: aws.Int32(1)})
	require.NoError(t, err)
	require.Equal(t, "b", *tags.Tags[0].TagKey)
	require.True(t, tags.Truncated)
	tags, err = c.ListResourceTags(ctx, &sdk.ListResourceTagsInput{KeyId: m.KeyId, Marker: tags.NextMarker})
	require.NoError(t, err)
	require.Equal(t, "c", *tags.Tags[0].TagKey)
	require.False(t, tags.Truncated)

	p, err := c.GetKeyPolicy(ctx, &sdk.GetKeyPolicyInput{KeyId: m.KeyId, PolicyName: aws.String("default")})
	require.NoError(t, err)
	require.Contains(t, *p.Policy, "key-default-1")

	// The store has it all.
	w.Reopen(t)
	c = register(t, w)
	d, err := c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: m.KeyId})
	require.NoError(t, err)
	require.Equal(t, "e", *d.KeyMetadata.Description)

	del, err := c.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: m.KeyId, PendingWindowInDays: aws.Int32(7)})
	require.NoError(t, err)
	require.Equal(t, types.KeyStatePendingDeletion, del.KeyState)
	require.True(t, w.Clock.Now().AddDate(0, 0, 7).Equal(*del.DeletionDate))
	_, err = c.UpdateKeyDescription(ctx, &sdk.UpdateKeyDescriptionInput{KeyId: m.KeyId, Description: aws.String("f")})
	iamtest.RequireCode(t, err, "KMSInvalidStateException")
	_, err = c.CancelKeyDeletion(ctx, &sdk.CancelKeyDeletionInput{KeyId: m.KeyId})
	require.NoError(t, err)
	d, err = c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: m.KeyId})
	require.NoError(t, err)
	require.Equal(t, types.KeyStateDisabled, d.KeyMetadata.KeyState)
	require.Nil(t, d.KeyMetadata.DeletionDate)
	_, err = c.EnableKey(ctx, &sdk.EnableKeyInput{KeyId: m.KeyId})
	require.NoError(t, err)
	_, err = c.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: m.KeyId, PendingWindowInDays: aws.Int32(7)})
	require.NoError(t, err)
	w.Clock.Advance(7*24*time.Hour - 20*time.Minute)
	w.Clock.Advance(20 * time.Minute)
	// The client's clock is behind by now, so ask from inside.
	_, err = w.Router.Invoke(ctx, iamtest.Scope, w.IAM.Principal(iamtest.Scope), "kms", "DescribeKey", []byte(`{"KeyId":"`+*m.KeyId+`"}`))
	require.ErrorContains(t, err, "NotFoundException")
}

// https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
func TestOnTrial(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	k := create(t, c, &sdk.CreateKeyInput{})
	trial := aws.Bool(true)
	_, err := c.Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), DryRun: trial})
	require.Equal(t, "The request would have succeeded, but the DryRun option is set.", iamtest.RequireCode(t, err, "DryRunOperationException").ErrorMessage())
	_, err = c.Encrypt(ctx, &sdk.EncryptInput{KeyId: aws.String("alias/none"), Plaintext: []byte("x"), DryRun: trial})
	iamtest.RequireCode(t, err, "NotFoundException")
	give := &sdk.CreateGrantInput{
		KeyId: k.KeyId, GranteePrincipal: aws.String("arn:aws:iam::000000000000:root"),
		Operations: []types.GrantOperation{types.GrantOperationDecrypt}, DryRun: trial,
	}
	_, err = c.CreateGrant(ctx, give)
	iamtest.RequireCode(t, err, "DryRunOperationException")
	grants, err := c.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: k.KeyId})
	require.NoError(t, err)
	require.Empty(t, grants.Grants)
	give.DryRun = nil
	made, err := c.CreateGrant(ctx, give)
	require.NoError(t, err)
	_, err = c.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: k.KeyId, GrantId: made.GrantId, DryRun: trial})
	iamtest.RequireCode(t, err, "DryRunOperationException")
	_, err = c.RetireGrant(ctx, &sdk.RetireGrantInput{KeyId: k.Arn, GrantId: made.GrantId, DryRun: trial})
	iamtest.RequireCode(t, err, "DryRunOperationException")
	grants, err = c.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: k.KeyId})
	require.NoError(t, err)
	require.Len(t, grants.Grants, 1)
}

func TestAliases(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	a, b := create(t, c, &sdk.CreateKeyInput{}), create(t, c, &sdk.CreateKeyInput{})
	name := aws.String("alias/ptui-acme-fraud-dev")
	_, err := c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: name, TargetKeyId: a.KeyId})
	require.NoError(t, err)
	_, err = c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: name, TargetKeyId: b.KeyId})
	iamtest.RequireCode(t, err, "AlreadyExistsException")
	_, err = c.UpdateAlias(ctx, &sdk.UpdateAliasInput{AliasName: name, TargetKeyId: b.Arn})
	require.NoError(t, err)
	list, err := c.ListAliases(ctx, &sdk.ListAliasesInput{})
	require.NoError(t, err)
	last := list.Aliases[len(list.Aliases)-1]
	require.Equal(t, *b.KeyId, *last.TargetKeyId)
	require.Equal(t, "alias/aws/lambda", *list.Aliases[0].AliasName, "AWS's own are there from the beginning")
	require.Nil(t, list.Aliases[0].TargetKeyId)
	list, err = c.ListAliases(ctx, &sdk.ListAliasesInput{KeyId: a.KeyId})
	require.NoError(t, err)
	require.Empty(t, list.Aliases)
	d, err := c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: name})
	require.NoError(t, err)
	require.Equal(t, *b.KeyId, *d.KeyMetadata.KeyId)
	_, err = c.GetKeyPolicy(ctx, &sdk.GetKeyPolicyInput{KeyId: name})
	iamtest.RequireCode(t, err, "NotFoundException")
	_, err = c.DeleteAlias(ctx, &sdk.DeleteAliasInput{AliasName: name})
	require.NoError(t, err)
	_, err = c.DeleteAlias(ctx, &sdk.DeleteAliasInput{AliasName: name})
	iamtest.RequireCode(t, err, "NotFoundException")
	_, err = c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("alias/a b"), TargetKeyId: a.KeyId})
	iamtest.RequireCode(t, err, "ValidationException")
}

func TestEncryption(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	k, other := create(t, c, &sdk.CreateKeyInput{}), create(t, c, &sdk.CreateKeyInput{})
	ec := map[string]string{"bucket": "b", "key": "k"}
	enc, err := c.Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("secret"), EncryptionContext: ec})
	require.NoError(t, err)
	require.NotContains(t, string(enc.CiphertextBlob), "secret")
	dec, err := c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: ec})
	require.NoError(t, err)
	require.Equal(t, "secret", string(dec.Plaintext))
	require.Equal(t, *k.Arn, *dec.KeyId)

	_, err = c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: enc.CiphertextBlob})
	iamtest.RequireCode(t, err, "InvalidCiphertextException")
	_, err = c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: ec, KeyId: other.KeyId})
	iamtest.RequireCode(t, err, "IncorrectKeyException")
	broken := append([]byte{}, enc.CiphertextBlob...)
	broken[len(broken)-1] ^= 1
	_, err = c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: broken, EncryptionContext: ec})
	iamtest.RequireCode(t, err, "InvalidCiphertextException")
	_, err = c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: []byte("no")})
	iamtest.RequireCode(t, err, "InvalidCiphertextException")
	_, err = c.Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: []byte(strings.Repeat("x", 4097))})
	iamtest.RequireCode(t, err, "ValidationException")

	dk, err := c.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: types.DataKeySpecAes256})
	require.NoError(t, err)
	require.Len(t, dk.Plaintext, 32)
	dec, err = c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: dk.CiphertextBlob})
	require.NoError(t, err)
	require.Equal(t, dk.Plaintext, dec.Plaintext)

	_, err = c.DisableKey(ctx, &sdk.DisableKeyInput{KeyId: k.KeyId})
	require.NoError(t, err)
	_, err = c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: dk.CiphertextBlob})
	iamtest.RequireCode(t, err, "DisabledException")
}

func TestKeyPolicyDecides(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	_, able := w.Role(t, "able", iamtest.Allow("kms:*", "*"))
	_, plain := w.Role(t, "plain", "")
	delegated := create(t, c, &sdk.CreateKeyInput{})
	closed := create(t, c, &sdk.CreateKeyInput{Policy: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:user/sandbox"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:role/plain"},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:tenant":"acme"}}}]}`)})
	try := func(cfg aws.Config, k *types.KeyMetadata, ec map[string]string) error {
		_, err := sdk.NewFromConfig(cfg).Encrypt(ctx, &sdk.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionContext: ec})
		return err
	}
	require.NoError(t, try(able, delegated, nil))
	iamtest.RequireCode(t, try(plain, delegated, nil), "AccessDeniedException")
	iamtest.RequireCode(t, try(able, closed, nil), "AccessDeniedException") // own policies do not count
	require.NoError(t, try(plain, closed, map[string]string{"tenant": "acme"}))
	iamtest.RequireCode(t, try(plain, closed, map[string]string{"tenant": "other"}), "AccessDeniedException")

	put := func(doc string) error {
		_, err := c.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: delegated.KeyId, Policy: &doc})
		return err
	}
	iamtest.RequireCode(t, put(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"logs.us-east-1.amazonaws.com"},`+
		`"Action":"kms:*","Resource":"*"}]}`), "MalformedPolicyDocumentException")
	iamtest.RequireCode(t, put(`{`), "MalformedPolicyDocumentException")
}

func TestUnsupportedKeys(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	c := register(t, w)
	_, err := c.CreateKey(t.Context(), &sdk.CreateKeyInput{KeySpec: types.KeySpecEccSecgP256k1, KeyUsage: types.KeyUsageTypeSignVerify})
	iamtest.RequireCode(t, err, "UnsupportedOperationException")
	_, err = c.CreateKey(t.Context(), &sdk.CreateKeyInput{MultiRegion: aws.Bool(true)})
	iamtest.RequireCode(t, err, "UnsupportedOperationException")
	_, err = c.GetParametersForImport(t.Context(), &sdk.GetParametersForImportInput{
		KeyId:             aws.String("x"),
		WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	iamtest.RequireCode(t, err, "UnknownOperationException")
	_, err = c.DescribeKey(t.Context(), &sdk.DescribeKeyInput{KeyId: aws.String("00000000-0000-0000-0000-000000000000")})
	iamtest.RequireCode(t, err, "NotFoundException")
}
