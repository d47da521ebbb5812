package kms_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// TestRecorded holds answers that were recorded from AWS in
// https://github.com/localstack/localstack, tests/aws/services/kms/test_kms.snapshot.json.
func TestRecorded(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	key, rsa, off := create(t, c, &sdk.CreateKeyInput{}), create(t, c, &sdk.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt}),
		create(t, c, &sdk.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	_, err := c.DisableKey(ctx, &sdk.DisableKeyInput{KeyId: off.KeyId})
	require.NoError(t, err)
	tag := func(k, v string) types.Tag { return types.Tag{TagKey: &k, TagValue: &v} }
	many := make([]types.Tag, 51)
	for i := range many {
		many[i] = tag(fmt.Sprint("key", i), "v")
	}
	const missing = "mrk-d3b95762d3b95762d3b95762d3b95762"
	for want, call := range map[string]func() error{
		"TagException: Duplicate tag keys": func() error {
			_, err := c.TagResource(ctx, &sdk.TagResourceInput{KeyId: key.KeyId, Tags: []types.Tag{tag("a", "1"), tag("a", "2")}})
			return err
		},
		"TagException: Too many tags": func() error {
			_, err := c.CreateKey(ctx, &sdk.CreateKeyInput{Tags: many})
			return err
		},
		`ValidationException: Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`: func() error {
			_, err := c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("a"), TargetKeyId: key.KeyId})
			return err
		},
		"ValidationException: NumberOfBytes is required.": func() error {
			_, err := c.GenerateRandom(ctx, &sdk.GenerateRandomInput{})
			return err
		},
		"NotFoundException: Key 'arn:aws:kms:us-east-1:000000000000:key/" + missing + "' does not exist": func() error {
			_, err := c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: aws.String(missing)})
			return err
		},
		"DisabledException: " + *off.Arn + " is disabled.": func() error {
			_, err := c.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: off.KeyId})
			return err
		},
		"UnsupportedOperationException: ": func() error {
			_, err := c.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: rsa.KeyId})
			return err
		},
		"DryRunOperationException: The request would have succeeded, but the DryRun option is set.": func() error {
			_, err := c.GenerateDataKey(ctx, &sdk.GenerateDataKeyInput{KeyId: key.KeyId, KeySpec: types.DataKeySpecAes256, DryRun: aws.Bool(true)})
			return err
		},
	} {
		var e smithy.APIError
		require.True(t, errors.As(call(), &e), want)
		require.Equal(t, want, e.ErrorCode()+": "+e.ErrorMessage())
	}
	out, err := c.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: key.KeyId})
	require.NoError(t, err)
	require.Equal(t, *key.Arn, *out.KeyId)
}
