package lambda_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"
)

// Errors and members are those of the recordings that layers.go names.
func TestLayers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, nil)
	c, ctx := s.as(t, "admin"), t.Context()
	publish := func(text string) *awslambda.PublishLayerVersionOutput {
		out, err := c.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{
			LayerName: str("shared"), Description: str("d"), CompatibleRuntimes: []types.Runtime{types.RuntimePython313},
			Content: &types.LayerVersionContentInput{ZipFile: pack(t, map[string]string{"python/shared.py": "TEXT = '" + text + "'", "bin/tool": "#!/bin/sh\necho " + text})},
		})
		require.NoError(t, err)
		return out
	}
	one, two := publish("one"), publish("two")
	require.Equal(t, "arn:aws:lambda:us-east-1:000000000000:layer:shared:2", *two.LayerVersionArn)
	require.EqualValues(t, 2, two.Version)
	require.NotEmpty(t, two.Content.CodeSha256)
	_, err := c.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{LayerName: str("empty"), Content: &types.LayerVersionContentInput{}})
	require.ErrorContains(t, err, "InvalidParameterValueException: Missing Content")

	s.python(t, "import os, subprocess\nfrom shared import TEXT\ndef handler(e, c): return TEXT + ' ' + subprocess.check_output(['tool'], "+
		"text=True).strip()", func(in *awslambda.CreateFunctionInput) {
		in.Layers = []string{*one.LayerVersionArn}
	})
	require.JSONEq(t, `"one one"`, string(s.invoke(t, `{}`).Payload))
	made, err := c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: str("fn"), Layers: []string{*two.LayerVersionArn}})
	require.NoError(t, err)
	require.Equal(t, *two.LayerVersionArn, *made.Layers[0].Arn)
	require.JSONEq(t, `"two two"`, string(s.invoke(t, `{}`).Payload))

	// A function keeps the layer that it has, through a restart too.
	_, err = c.DeleteLayerVersion(ctx, &awslambda.DeleteLayerVersionInput{LayerName: str("shared"), VersionNumber: aws.Int64(2)})
	require.NoError(t, err)
	_, err = c.DeleteLayerVersion(ctx, &awslambda.DeleteLayerVersionInput{LayerName: str("shared"), VersionNumber: aws.Int64(9)})
	require.NoError(t, err, "there is none")
	s.close()
	s = open(t, dir, nil)
	c = s.as(t, "admin")
	require.JSONEq(t, `"two two"`, string(s.invoke(t, `{}`).Payload))
	require.EqualValues(t, 3, publish("three").Version, "numbers do not come again")
	versions, err := c.ListLayerVersions(ctx, &awslambda.ListLayerVersionsInput{LayerName: str("shared")})
	require.NoError(t, err)
	require.Len(t, versions.LayerVersions, 2)
	require.EqualValues(t, 3, versions.LayerVersions[0].Version, "the newest first")
	layers, err := c.ListLayers(ctx, &awslambda.ListLayersInput{CompatibleRuntime: types.RuntimePython313})
	require.NoError(t, err)
	require.EqualValues(t, 3, layers.Layers[0].LatestMatchingVersion.Version)
	layers, err = c.ListLayers(ctx, &awslambda.ListLayersInput{CompatibleRuntime: types.RuntimeNodejs20x})
	require.NoError(t, err)
	require.Empty(t, layers.Layers)
	unknown, err := c.ListLayerVersions(ctx, &awslambda.ListLayerVersionsInput{LayerName: str("unknown")})
	require.NoError(t, err)
	require.Empty(t, unknown.LayerVersions)
	byARN, err := c.GetLayerVersionByArn(ctx, &awslambda.GetLayerVersionByArnInput{Arn: one.LayerVersionArn})
	require.NoError(t, err)
	require.Equal(t, *one.Content.CodeSha256, *byARN.Content.CodeSha256)

	prefix := "arn:aws:lambda:us-east-1:000000000000:layer:"
	for layers, want := range map[string]string{
		prefix + "shared:1 " + prefix + "shared:3": "Two different versions of the same layer are not allowed to be referenced in the same function.",
		prefix + "shared:9":                        "Layer version " + prefix + "shared:9 does not exist.",
		prefix + "a:1 " + prefix + "b:1 " + prefix + "c:1 " + prefix + "d:1 " + prefix + "e:1 " + prefix + "f:1": "Cannot reference more than 5 layers.",
		"arn:aws:lambda:eu-west-1:000000000000:layer:shared:1":                                                   "Layers are expected to be in region us-east-1.",
	} {
		_, err = c.UpdateFunctionConfiguration(ctx, &awslambda.UpdateFunctionConfigurationInput{FunctionName: str("fn"), Layers: strings.Fields(layers)})
		require.ErrorContains(t, err, want)
		require.Equal(t, "InvalidParameterValueException", code(t, err))
	}
	_, err = c.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: str("shared"), VersionNumber: aws.Int64(2)})
	require.ErrorContains(t, err, "ResourceNotFoundException: The resource you requested does not exist.")
	_, err = c.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: str("shared"), VersionNumber: aws.Int64(0)})
	require.ErrorContains(t, err, "Layer Version Cannot be less than 1")
}

func TestLayerPolicies(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c, ctx := s.as(t, "admin"), t.Context()
	_, err := c.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{
		LayerName: str("l"),
		Content:   &types.LayerVersionContentInput{ZipFile: pack(t, map[string]string{"x": "y"})},
	})
	require.NoError(t, err)
	carol := s.as(t, "carol")
	read := func() error {
		_, err := carol.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: str("l"), VersionNumber: aws.Int64(1)})
		return err
	}
	require.Equal(t, "AccessDeniedException", code(t, read()))
	add := func(sid string, number int64, revision *string) (*awslambda.AddLayerVersionPermissionOutput, error) {
		return c.AddLayerVersionPermission(ctx, &awslambda.AddLayerVersionPermissionInput{
			LayerName: str("l"), VersionNumber: &number, StatementId: &sid, Action: str("lambda:GetLayerVersion"), Principal: str("*"), RevisionId: revision,
		})
	}
	_, err = c.GetLayerVersionPolicy(ctx, &awslambda.GetLayerVersionPolicyInput{LayerName: str("l"), VersionNumber: aws.Int64(1)})
	require.ErrorContains(t, err, "No policy is associated with the given resource.")
	added, err := add("s1", 1, nil)
	require.NoError(t, err)
	plain, err := c.ListLayerVersions(ctx, &awslambda.ListLayerVersionsInput{LayerName: str("l")})
	require.NoError(t, err)
	require.Nil(t, plain.LayerVersions[0].Description, "none was given")
	require.JSONEq(t, `{"Sid":"s1","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"arn:aws:lambda:us-east-1:000000000000:layer:l:1"}`, *added.Statement)
	require.NoError(t, read(), "the policy lets everybody read it")
	_, err = add("s1", 1, nil)
	require.Equal(t, "ResourceConflictException", code(t, err))
	_, err = add("s2", 1, str("other"))
	require.Equal(t, "PreconditionFailedException", code(t, err))
	_, err = add("s2", 7, nil)
	require.ErrorContains(t, err, "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:7 does not exist.")
	policy, err := c.GetLayerVersionPolicy(ctx, &awslambda.GetLayerVersionPolicyInput{LayerName: str("l"), VersionNumber: aws.Int64(1)})
	require.NoError(t, err)
	require.Equal(t, *added.RevisionId, *policy.RevisionId)
	_, err = c.RemoveLayerVersionPermission(ctx, &awslambda.RemoveLayerVersionPermissionInput{
		LayerName: str("l"), VersionNumber: aws.Int64(1),
		StatementId: str("s1"), RevisionId: policy.RevisionId,
	})
	require.NoError(t, err)
	require.Equal(t, "AccessDeniedException", code(t, read()))
}

// By the recordings that provisioned.go names.
func TestProvisionedConcurrency(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	s.python(t, "def handler(e, c): return e", func(in *awslambda.CreateFunctionInput) { in.Publish = true })
	c, ctx := s.as(t, "admin"), t.Context()
	_, err := c.CreateAlias(ctx, &awslambda.CreateAliasInput{FunctionName: str("fn"), Name: str("live"), FunctionVersion: str("1")})
	require.NoError(t, err)
	put := func(qualifier string, n int32) (*awslambda.PutProvisionedConcurrencyConfigOutput, error) {
		return c.PutProvisionedConcurrencyConfig(ctx, &awslambda.PutProvisionedConcurrencyConfigInput{
			FunctionName: str("fn"), Qualifier: &qualifier,
			ProvisionedConcurrentExecutions: &n,
		})
	}
	get := func(qualifier string) (*awslambda.GetProvisionedConcurrencyConfigOutput, error) {
		return c.GetProvisionedConcurrencyConfig(ctx, &awslambda.GetProvisionedConcurrencyConfigInput{FunctionName: str("fn"), Qualifier: &qualifier})
	}
	_, err = get("1")
	require.Equal(t, "ProvisionedConcurrencyConfigNotFoundException", code(t, err))
	for qualifier, want := range map[string]string{
		"$LATEST": "Provisioned Concurrency Configs cannot be applied to unpublished function versions.", "none": "Cannot find alias arn: " + arn("fn") +
			":none", "9": "Function not found: " + arn("fn") + ":9",
	} {
		_, err = put(qualifier, 1)
		require.ErrorContains(t, err, want)
	}
	made, err := put("1", 5)
	require.NoError(t, err)
	require.Equal(t, types.ProvisionedConcurrencyStatusEnumInProgress, made.Status)
	got, err := get("1")
	require.NoError(t, err)
	require.Equal(t, types.ProvisionedConcurrencyStatusEnumReady, got.Status)
	require.EqualValues(t, 5, *got.AllocatedProvisionedConcurrentExecutions)
	_, err = put("live", 1)
	require.ErrorContains(t, err, "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
	_, err = put("1", 901)
	require.Equal(t, "InvalidParameterValueException", code(t, err))
	list, err := c.ListProvisionedConcurrencyConfigs(ctx, &awslambda.ListProvisionedConcurrencyConfigsInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Equal(t, arn("fn")+":1", *list.ProvisionedConcurrencyConfigs[0].FunctionArn)
	for range 2 {
		_, err = c.DeleteProvisionedConcurrencyConfig(ctx, &awslambda.DeleteProvisionedConcurrencyConfigInput{FunctionName: str("fn"), Qualifier: str("1")})
		require.NoError(t, err)
	}
}

// Provisioned concurrency goes with its version, and counts against the account.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
func TestProvisionedConcurrencyOfTheAccount(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, "def handler(e, c): pass", nil)
	other := s.python2(t)
	put := func(function, qualifier string, n int32) error {
		_, err := c.PutProvisionedConcurrencyConfig(ctx, &awslambda.PutProvisionedConcurrencyConfigInput{
			FunctionName: &function, Qualifier: &qualifier,
			ProvisionedConcurrentExecutions: &n,
		})
		return err
	}
	reserve := func(function string, n int32) error {
		_, err := c.PutFunctionConcurrency(ctx, &awslambda.PutFunctionConcurrencyInput{FunctionName: &function, ReservedConcurrentExecutions: &n})
		return err
	}
	for _, f := range []string{"fn", other} {
		_, err := c.PublishVersion(ctx, &awslambda.PublishVersionInput{FunctionName: &f})
		require.NoError(t, err)
	}
	require.NoError(t, put("fn", "1", 600))
	require.ErrorContains(t, put(other, "1", 301), "is greater than account's unreserved concurrency [300].")
	require.ErrorContains(t, reserve(other, 301), "below its minimum value of [100]")
	require.ErrorContains(t, reserve("fn", 599), "should not be lower than function's total provisioned concurrency [600].")
	require.NoError(t, reserve(other, 300))
	_, err := c.DeleteFunction(ctx, &awslambda.DeleteFunctionInput{FunctionName: str("fn"), Qualifier: str("1")})
	require.NoError(t, err)
	list, err := c.ListProvisionedConcurrencyConfigs(ctx, &awslambda.ListProvisionedConcurrencyConfigsInput{FunctionName: str("fn")})
	require.NoError(t, err)
	require.Empty(t, list.ProvisionedConcurrencyConfigs)
	require.NoError(t, reserve(other, 900))
}

// A layer is of its account and region, and a name has no version.
func TestLayersElsewhere(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), nil)
	c, ctx := s.as(t, "admin"), t.Context()
	content := &types.LayerVersionContentInput{ZipFile: pack(t, map[string]string{"a": "b"})}
	own := "arn:aws:lambda:us-east-1:" + account + ":layer:l"
	_, err := c.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{LayerName: &own, Content: content})
	require.NoError(t, err)
	for name, want := range map[string]string{
		"arn:aws:lambda:eu-west-1:" + account + ":layer:l":   "ResourceNotFoundException",
		"arn:aws:lambda:us-east-1:" + stranger + ":layer:l":  "AccessDeniedException",
		"arn:aws:lambda:us-east-1:" + account + ":layer:l:1": "ValidationException",
	} {
		_, err := c.PublishLayerVersion(ctx, &awslambda.PublishLayerVersionInput{LayerName: &name, Content: content})
		require.Equal(t, want, code(t, err), name)
		_, err = c.DeleteLayerVersion(ctx, &awslambda.DeleteLayerVersionInput{LayerName: &name, VersionNumber: aws.Int64(1)})
		require.Equal(t, want, code(t, err), name)
		_, err = c.AddLayerVersionPermission(ctx, &awslambda.AddLayerVersionPermissionInput{
			LayerName: &name, VersionNumber: aws.Int64(1),
			StatementId: str("s"), Action: str("lambda:GetLayerVersion"), Principal: str("*"),
		})
		require.Equal(t, want, code(t, err), name)
		_, err = c.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: &name, VersionNumber: aws.Int64(1)})
		require.Equal(t, want, code(t, err), name)
	}
	_, err = c.GetLayerVersionByArn(ctx, &awslambda.GetLayerVersionByArnInput{Arn: str("arn:aws:lambda:eu-west-1:" + account + ":layer:l:1")})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
	_, err = c.GetLayerVersion(ctx, &awslambda.GetLayerVersionInput{LayerName: &own, VersionNumber: aws.Int64(1)})
	require.NoError(t, err)
}
