package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// Who may give rights only to roles with a boundary may not give them to others: the key is
// that of the role, in every operation that gives rights or takes them.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html, Delegating responsibility
func TestRightsOnlyWithinABoundary(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	admin := sdk.NewFromConfig(w.Admin())
	made, err := admin.CreatePolicy(t.Context(), &sdk.CreatePolicyInput{PolicyName: aws.String("bound"), PolicyDocument: aws.String(iamtest.Allow("s3:*", "*"))})
	require.NoError(t, err)
	bound := made.Policy.Arn
	_, cfg := w.User(t, "delegate", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*",`+
		`"Condition":{"StringEquals":{"iam:PermissionsBoundary":"`+*bound+`"}}}]}`)
	as := sdk.NewFromConfig(cfg)
	trust := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)
	document := aws.String(iamtest.Allow("s3:GetObject", "*"))
	for _, c := range []struct {
		role     string
		boundary *string
		refused  bool
	}{{"within", bound, false}, {"beyond", nil, true}} {
		_, err := admin.CreateRole(t.Context(), &sdk.CreateRoleInput{RoleName: &c.role, AssumeRolePolicyDocument: trust, PermissionsBoundary: c.boundary})
		require.NoError(t, err)
		_, err = admin.PutRolePolicy(t.Context(), &sdk.PutRolePolicyInput{RoleName: &c.role, PolicyName: aws.String("first"), PolicyDocument: document})
		require.NoError(t, err)
		for name, call := range map[string]func() error{
			"put": func() error {
				_, err := as.PutRolePolicy(t.Context(), &sdk.PutRolePolicyInput{RoleName: &c.role, PolicyName: aws.String("p"), PolicyDocument: document})
				return err
			},
			"delete": func() error {
				_, err := as.DeleteRolePolicy(t.Context(), &sdk.DeleteRolePolicyInput{RoleName: &c.role, PolicyName: aws.String("first")})
				return err
			},
			"attach": func() error {
				_, err := as.AttachRolePolicy(t.Context(), &sdk.AttachRolePolicyInput{RoleName: &c.role, PolicyArn: bound})
				return err
			},
		} {
			if err := call(); c.refused {
				iamtest.RequireCode(t, err, "AccessDenied")
			} else {
				require.NoError(t, err, name)
			}
		}
	}
}
