package ecr_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions.html
func TestRegistryPolicies(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	const none = "Registry policy does not exist in the registry with id '000000000000'"
	_, err := c.GetRegistryPolicy(ctx, &sdk.GetRegistryPolicyInput{})
	require.Equal(t, none, iamtest.RequireCode(t, err, "RegistryPolicyNotFoundException").ErrorMessage())
	_, err = c.DeleteRegistryPolicy(ctx, &sdk.DeleteRegistryPolicyInput{})
	require.Equal(t, none, iamtest.RequireCode(t, err, "RegistryPolicyNotFoundException").ErrorMessage())

	doc := func(actions string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":` +
			actions + `,"Resource":"arn:aws:ecr:us-east-1:000000000000:repository/*"}]}`)
	}
	for _, bad := range []*string{aws.String("{"), aws.String("{}"), doc(`["ecr:CreateRepository","ecr:DescribeRepositories"]`), doc(`7`)} {
		_, err = c.PutRegistryPolicy(ctx, &sdk.PutRegistryPolicyInput{PolicyText: bad})
		require.Equal(t, "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid registry policy provided'",
			iamtest.RequireCode(t, err, "InvalidParameterException").ErrorMessage(), *bad)
	}
	for _, good := range []*string{doc(`"ecr:*"`), doc(`["ecr:CreateRepository","ecr:ReplicateImage"]`)} {
		put, err := c.PutRegistryPolicy(ctx, &sdk.PutRegistryPolicyInput{PolicyText: good})
		require.NoError(t, err)
		require.Equal(t, iamtest.Account, *put.RegistryId)
		got, err := c.GetRegistryPolicy(ctx, &sdk.GetRegistryPolicyInput{})
		require.NoError(t, err)
		require.Equal(t, *good, *got.PolicyText)
	}
	gone, err := c.DeleteRegistryPolicy(ctx, &sdk.DeleteRegistryPolicyInput{})
	require.NoError(t, err)
	require.Equal(t, *doc(`["ecr:CreateRepository","ecr:ReplicateImage"]`), *gone.PolicyText)
	_, err = c.GetRegistryPolicy(ctx, &sdk.GetRegistryPolicyInput{})
	iamtest.RequireCode(t, err, "RegistryPolicyNotFoundException")

	registry, err := c.DescribeRegistry(ctx, &sdk.DescribeRegistryInput{})
	require.NoError(t, err)
	require.Equal(t, iamtest.Account, *registry.RegistryId)
	require.Empty(t, registry.ReplicationConfiguration.Rules)
}

// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetRepositoryScanningConfiguration.html
func TestRegistryScanning(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	_, err := c.CreateRepository(ctx, &sdk.CreateRepositoryInput{
		RepositoryName: aws.String("ml/serve"), ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: true},
	})
	require.NoError(t, err)
	first, err := c.GetRegistryScanningConfiguration(ctx, &sdk.GetRegistryScanningConfigurationInput{})
	require.NoError(t, err)
	require.Equal(t, types.ScanTypeBasic, first.ScanningConfiguration.ScanType)
	require.Empty(t, first.ScanningConfiguration.Rules)

	of := func() *sdk.BatchGetRepositoryScanningConfigurationOutput {
		t.Helper()
		out, err := c.BatchGetRepositoryScanningConfiguration(ctx, &sdk.BatchGetRepositoryScanningConfigurationInput{RepositoryNames: []string{"ml/serve", "none"}})
		require.NoError(t, err)
		require.Len(t, out.Failures, 1)
		require.Equal(t, types.ScanningConfigurationFailureCodeRepositoryNotFound, out.Failures[0].FailureCode)
		require.Len(t, out.ScanningConfigurations, 1)
		require.True(t, out.ScanningConfigurations[0].ScanOnPush)
		return out
	}
	require.Equal(t, types.ScanFrequencyManual, of().ScanningConfigurations[0].ScanFrequency)

	filter := []types.ScanningRepositoryFilter{{Filter: aws.String("ml/*"), FilterType: types.ScanningRepositoryFilterTypeWildcard}}
	rules := []types.RegistryScanningRule{{ScanFrequency: types.ScanFrequencyContinuousScan, RepositoryFilters: filter}}
	put, err := c.PutRegistryScanningConfiguration(ctx, &sdk.PutRegistryScanningConfigurationInput{ScanType: types.ScanTypeEnhanced, Rules: rules})
	require.NoError(t, err)
	require.Equal(t, rules, put.RegistryScanningConfiguration.Rules)
	got := of().ScanningConfigurations[0]
	require.Equal(t, types.ScanFrequencyContinuousScan, got.ScanFrequency)
	require.Equal(t, filter, got.AppliedScanFilters)
}
