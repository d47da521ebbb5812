package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// TestRecorded holds answers that were recorded from AWS in
// https://github.com/localstack/localstack, tests/aws/services/iam (test_iam.py and its
// snapshots).
func TestRecorded(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	boundary, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("b"), PolicyDocument: aws.String(allow("*", "*"))})
	require.NoError(t, err)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	made, err := c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: &trust, PermissionsBoundary: boundary.Policy.Arn})
	require.NoError(t, err)
	require.Nil(t, made.Role.MaxSessionDuration)
	require.Nil(t, made.Role.RoleLastUsed)
	role, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("r")})
	require.NoError(t, err)
	require.EqualValues(t, 3600, *role.Role.MaxSessionDuration)
	require.EqualValues(t, "Policy", role.Role.PermissionsBoundary.PermissionsBoundaryType)
	_, err = c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: aws.String("longpolicynamebutnoarn")})
	require.ErrorContains(t, err, "Invalid ARN:  Could not be parsed!")
	iamtest.RequireCode(t, err, "ValidationError")
	_, err = c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("s3:PutObject", "*"))})
	require.NoError(t, err)
	sim, err := c.SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: role.Role.Arn, ActionNames: []string{"s3:PutObject"}})
	require.NoError(t, err)
	require.EqualValues(t, "IAM Policy", sim.EvaluationResults[0].MatchedStatements[0].SourcePolicyType)
}
