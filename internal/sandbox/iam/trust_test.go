package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// A trust policy that names the caller is enough for it to assume the role, but it
// overrides neither an explicit Deny nor the caller's permissions boundary.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
func TestTrustOverridesNoDeny(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	admin := sdk.NewFromConfig(w.Admin())
	_, plain := w.Role(t, "plain", "")
	_, denied := w.Role(t, "denied", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:*","Resource":"*"}]}`)
	_, bounded := w.Role(t, "bounded", iamtest.Allow("*", "*"))
	bound, err := admin.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("bound"), PolicyDocument: aws.String(iamtest.Allow("s3:*", "*"))})
	require.NoError(t, err)
	_, err = admin.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: aws.String("bounded"), PermissionsBoundary: bound.Policy.Arn})
	require.NoError(t, err)
	var names string
	for _, name := range []string{"plain", "denied", "bounded"} {
		names += `,"arn:aws:iam::` + iamtest.Account + `:role/` + name + `"`
	}
	target, err := admin.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("target"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":[` + names[1:] + `]},"Action":"sts:AssumeRole"}]}`)})
	require.NoError(t, err)
	for _, tt := range []struct {
		name string
		cfg  aws.Config
		ok   bool
	}{{"plain", plain, true}, {"denied", denied, false}, {"bounded", bounded, false}} {
		_, err := sts.NewFromConfig(tt.cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: target.Role.Arn, RoleSessionName: aws.String("session")})
		if tt.ok {
			require.NoError(t, err, tt.name)
			continue
		}
		require.Contains(t, iamtest.RequireCode(t, err, "AccessDenied").ErrorMessage(), "sts:AssumeRole", tt.name)
	}
}

// IAM refuses what cannot be the ARN of a resource, in its own words (those that
// moto's tests have recorded of AWS).
func TestMalformedResources(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	c := sdk.NewFromConfig(w.Admin())
	w.Role(t, "r", "")
	for resource, text := range map[string]string{
		"bucket":                     `Resource bucket must be in ARN format or "*".`,
		"s3:b/k":                     `Partition "b/k" is not valid for resource "arn:b/k:*:*:*:*".`,
		"arn:wrong:s3:::b":           `Partition "wrong" is not valid for resource "arn:wrong:s3:::b".`,
		"arn:s3:::b":                 `Partition "s3" is not valid for resource "arn:s3:::b:*".`,
		"arn:aws":                    "Resource vendor must be fully qualified and cannot contain regexes.",
		"arn:aws:s3:us-east-1::b":    "Resource arn:aws:s3:us-east-1::b can not contain region information.",
		"arn:aws:iam:us-east-1::x/y": "IAM resource arn:aws:iam:us-east-1::x/y cannot contain region information.",
		"arn:aws:iam::1:robots/r2": `IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, ` +
			`server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.`,
	} {
		_, err := c.PutRolePolicy(t.Context(), &sdk.PutRolePolicyInput{
			RoleName: aws.String("r"), PolicyName: aws.String("p"),
			PolicyDocument: aws.String(iamtest.Allow("s3:*", resource)),
		})
		require.Equal(t, text, iamtest.RequireCode(t, err, "MalformedPolicyDocument").ErrorMessage(), resource)
	}
	for _, resource := range []string{
		"*", "arn:aws:s3:::*", "arn:aws-cn:s3:::b", "arn:*:s3:::b", "arn:aws:iam::*:role/*", "arn:aws:iam::1:*",
		"arn:aws:s3:us-east-1:1:accesspoint/a",
	} {
		_, err := c.PutRolePolicy(t.Context(), &sdk.PutRolePolicyInput{
			RoleName: aws.String("r"), PolicyName: aws.String("p"),
			PolicyDocument: aws.String(iamtest.Allow("s3:*", resource)),
		})
		require.NoError(t, err, resource)
	}
}

// A session has no more than the policies that it was made with allow, and is
// known by its tags. A role may be tagged only by whom its trust policy lets.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session,
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
func TestSessionPoliciesAndTags(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	admin := sdk.NewFromConfig(w.Admin())
	trust := func(actions string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + iamtest.Account + `:root"},"Action":[` + actions + `]}]}`)
	}
	own := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","iam:ListRoles","sts:*"],"Resource":"*"},
		{"Effect":"Allow","Action":"iam:TagRole","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"ml"}}}]}`
	arns := map[string]*string{}
	for name, actions := range map[string]string{"tagged": `"sts:AssumeRole","sts:TagSession"`, "untagged": `"sts:AssumeRole"`} {
		out, err := admin.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: trust(actions)})
		require.NoError(t, err)
		arns[name] = out.Role.Arn
		_, err = admin.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("own"), PolicyDocument: &own})
		require.NoError(t, err)
	}
	assume := func(from aws.Config, in *sts.AssumeRoleInput) (aws.Config, error) {
		in.RoleSessionName = aws.String("session")
		out, err := sts.NewFromConfig(from).AssumeRole(ctx, in)
		cfg := w.Admin()
		if err == nil {
			require.Equal(t, in.Policy != nil || in.PolicyArns != nil || in.Tags != nil, out.PackedPolicySize != nil)
			cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
		}
		return cfg, err
	}
	get := func(c aws.Config) error {
		_, err := sdk.NewFromConfig(c).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("tagged")})
		return err
	}
	list := func(c aws.Config) error {
		_, err := sdk.NewFromConfig(c).ListRoles(ctx, &sdk.ListRolesInput{})
		return err
	}
	tag := func(c aws.Config) error {
		_, err := sdk.NewFromConfig(c).TagRole(ctx, &sdk.TagRoleInput{RoleName: aws.String("untagged"), Tags: []iamtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
		return err
	}
	bounded, err := assume(w.Admin(), &sts.AssumeRoleInput{RoleArn: arns["tagged"], Policy: aws.String(iamtest.Allow("iam:Get*", "*"))})
	require.NoError(t, err)
	require.NoError(t, get(bounded))
	require.Contains(t, iamtest.RequireCode(t, list(bounded), "AccessDenied").ErrorMessage(), "because no session policy allows the iam:ListRoles action")
	denying, err := assume(w.Admin(), &sts.AssumeRoleInput{
		RoleArn: arns["tagged"],
		Policy:  aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:ListRoles","Resource":"*"}]}`),
	})
	require.NoError(t, err)
	require.NoError(t, get(denying))
	require.Contains(t, iamtest.RequireCode(t, list(denying), "AccessDenied").ErrorMessage(), "with an explicit deny in a session policy")
	wide, err := assume(w.Admin(), &sts.AssumeRoleInput{
		RoleArn:    arns["tagged"],
		PolicyArns: []types.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")}},
	})
	require.NoError(t, err)
	require.NoError(t, list(wide))
	iamtest.RequireCode(t, tag(wide), "AccessDenied") // a session policy grants nothing
	_, err = assume(w.Admin(), &sts.AssumeRoleInput{RoleArn: arns["tagged"], Policy: aws.String(`{"Version":"2012-10-17"}`)})
	iamtest.RequireCode(t, err, "MalformedPolicyDocument")

	tags := []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}}
	_, err = assume(w.Admin(), &sts.AssumeRoleInput{RoleArn: arns["untagged"], Tags: tags})
	require.Contains(t, iamtest.RequireCode(t, err, "AccessDenied").ErrorMessage(), "sts:TagSession on resource: "+*arns["untagged"])
	plain, err := assume(w.Admin(), &sts.AssumeRoleInput{RoleArn: arns["tagged"]})
	require.NoError(t, err)
	iamtest.RequireCode(t, tag(plain), "AccessDenied")
	ml, err := assume(w.Admin(), &sts.AssumeRoleInput{RoleArn: arns["tagged"], Tags: tags, TransitiveTagKeys: []string{"team"}})
	require.NoError(t, err)
	require.NoError(t, tag(ml))
	chained, err := assume(ml, &sts.AssumeRoleInput{RoleArn: arns["untagged"]})
	require.NoError(t, err)
	require.NoError(t, tag(chained), "the transitive tag goes with the chain")
	_, err = assume(ml, &sts.AssumeRoleInput{RoleArn: arns["tagged"], Tags: tags})
	iamtest.RequireCode(t, err, "InvalidParameterValue")
}
