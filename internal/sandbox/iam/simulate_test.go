package iam_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

// verdicts are decisions as "action resource decision [policies] missing".
func verdicts(list []types.EvaluationResult) (out []string) {
	for _, r := range list {
		text := *r.EvalActionName + " " + *r.EvalResourceName + " " + string(r.EvalDecision)
		for _, m := range r.MatchedStatements {
			text += " " + *m.SourcePolicyId
		}
		if len(r.MissingContextValues) > 0 {
			text += " missing " + strings.Join(r.MissingContextValues, ",")
		}
		out = append(out, text)
	}
	return out
}

// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
func TestSimulateCustomPolicy(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	c := sdk.NewFromConfig(w.Admin())
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::a/*"},{"Effect":"Deny","Action":"s3:DeleteObject","Resource":"*"},
		{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/Team":"ml"}}}]}`
	in := &sdk.SimulateCustomPolicyInput{
		PolicyInputList: []string{allow}, ActionNames: []string{"s3:GetObject", "s3:DeleteObject", "sqs:SendMessage"}, ResourceArns: []string{"arn:aws:s3:::a/k", "arn:aws:s3:::b/k"},
	}
	out, err := c.SimulateCustomPolicy(t.Context(), in)
	require.NoError(t, err)
	const missing = " missing aws:RequestTag/Team"
	require.Equal(t, []string{
		"s3:GetObject arn:aws:s3:::a/k allowed PolicyInputList.1" + missing, "s3:GetObject arn:aws:s3:::b/k implicitDeny" + missing,
		"s3:DeleteObject arn:aws:s3:::a/k explicitDeny PolicyInputList.1" + missing, "s3:DeleteObject arn:aws:s3:::b/k explicitDeny PolicyInputList.1" + missing,
		"sqs:SendMessage arn:aws:s3:::a/k implicitDeny" + missing, "sqs:SendMessage arn:aws:s3:::b/k implicitDeny" + missing,
	}, verdicts(out.EvaluationResults))

	in.ActionNames, in.ResourceArns = []string{"sqs:SendMessage"}, nil
	in.ContextEntries = []types.ContextEntry{{ContextKeyName: aws.String("aws:requesttag/team"), ContextKeyType: types.ContextKeyTypeEnumString, ContextKeyValues: []string{"ml"}}}
	out, err = c.SimulateCustomPolicy(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{"sqs:SendMessage * allowed PolicyInputList.1"}, verdicts(out.EvaluationResults))

	in.PermissionsBoundaryPolicyInputList = []string{iamtest.Allow("s3:*", "*")}
	out, err = c.SimulateCustomPolicy(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{"sqs:SendMessage * implicitDeny"}, verdicts(out.EvaluationResults))
	require.False(t, out.EvaluationResults[0].PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary)

	in = &sdk.SimulateCustomPolicyInput{
		PolicyInputList: []string{iamtest.Allow("s3:GetObject", "*")}, ActionNames: []string{"s3:GetObject", "s3:PutObject"}, ResourceArns: []string{"arn:aws:s3:::theirs/k"},
		CallerArn: aws.String("arn:aws:iam::000000000000:user/u"), ResourceOwner: aws.String("arn:aws:iam::111122223333:root"),
		ResourcePolicy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`),
	}
	out, err = c.SimulateCustomPolicy(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, []string{
		"s3:GetObject arn:aws:s3:::theirs/k allowed PolicyInputList.1 ResourcePolicy",
		"s3:PutObject arn:aws:s3:::theirs/k implicitDeny",
	}, verdicts(out.EvaluationResults), "both accounts have to consent")

	_, err = c.SimulateCustomPolicy(t.Context(), &sdk.SimulateCustomPolicyInput{PolicyInputList: []string{"{"}, ActionNames: []string{"s3:GetObject"}})
	iamtest.RequireCode(t, err, "InvalidInput")
	keys, err := c.GetContextKeysForCustomPolicy(t.Context(), &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{allow}})
	require.NoError(t, err)
	require.Equal(t, []string{"aws:RequestTag/Team"}, keys.ContextKeyNames)
}

// A simulation and a request get the same verdict: what a user, its group and its boundary
// come to, and a role.
func TestSimulationIsWhatIsEnforced(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := sdk.NewFromConfig(w.Admin())
	p, cfg := w.User(t, "u", iamtest.Allow("iam:List*", "*"))
	_, err := c.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("g")})
	require.NoError(t, err)
	_, err = c.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{
		GroupName: aws.String("g"), PolicyName: aws.String("gp"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:Simulate*","Resource":"*"},{"Effect":"Deny",` +
			`"Action":"iam:ListUsers","Resource":"*"}]}`),
	})
	require.NoError(t, err)
	_, err = c.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{GroupName: aws.String("g"), UserName: aws.String("u")})
	require.NoError(t, err)
	theirs := sdk.NewFromConfig(cfg)
	ask := func(arn string) []string {
		out, err := theirs.SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{
			PolicySourceArn: &arn,
			ActionNames:     []string{"iam:ListRoles", "iam:ListUsers", "iam:CreateRole"},
		})
		require.NoError(t, err)
		return verdicts(out.EvaluationResults)
	}
	require.Equal(t, []string{"iam:ListRoles * allowed user_u_p", "iam:ListUsers * explicitDeny group_g_gp", "iam:CreateRole * implicitDeny"}, ask(p.ARN))
	_, err = theirs.ListRoles(ctx, &sdk.ListRolesInput{})
	require.NoError(t, err)
	_, err = theirs.ListUsers(ctx, &sdk.ListUsersInput{})
	iamtest.RequireCode(t, err, "AccessDenied")

	_, _ = w.Role(t, "r", iamtest.Allow("iam:CreateRole", "*"))
	require.Equal(t, []string{"iam:ListRoles * implicitDeny", "iam:ListUsers * implicitDeny", "iam:CreateRole * allowed role_r_p"}, ask("arn:aws:iam::000000000000:role/r"))
	require.Equal(t, []string{
		"iam:ListRoles * allowed AdministratorAccess", "iam:ListUsers * allowed AdministratorAccess",
		"iam:CreateRole * allowed AdministratorAccess",
	}, ask("arn:aws:iam::000000000000:user/sandbox"))

	none := "arn:aws:iam::000000000000:role/nope"
	_, err = theirs.SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &none, ActionNames: []string{"iam:ListRoles"}})
	iamtest.RequireCode(t, err, "NoSuchEntity")
	_, other := w.User(t, "nobody", "")
	_, err = sdk.NewFromConfig(other).SimulatePrincipalPolicy(ctx, &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &p.ARN, ActionNames: []string{"iam:ListRoles"}})
	iamtest.RequireCode(t, err, "AccessDenied")
}

// Only what is on a page is decided: of a million pairs a few.
func TestSimulationIsPaged(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	c := sdk.NewFromConfig(w.Admin())
	in := &sdk.SimulateCustomPolicyInput{PolicyInputList: []string{iamtest.Allow("s3:GetObject", "*")}, MaxItems: aws.Int32(3)}
	for i := range 1000 {
		in.ActionNames, in.ResourceArns = append(in.ActionNames, "s3:GetObject"), append(in.ResourceArns, "arn:aws:s3:::b/"+strconv.Itoa(i))
	}
	first, err := c.SimulateCustomPolicy(t.Context(), in)
	require.NoError(t, err)
	require.True(t, first.IsTruncated)
	require.Len(t, first.EvaluationResults, 3)
	in.Marker = first.Marker
	second, err := c.SimulateCustomPolicy(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:s3:::b/3", *second.EvaluationResults[0].EvalResourceName)
	in.Marker = aws.String("no marker")
	_, err = c.SimulateCustomPolicy(t.Context(), in)
	iamtest.RequireCode(t, err, "ValidationError")
}
