package states_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslogs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
)

// CreateStateMachine and UpdateStateMachine look at the role before anything runs:
// it exists, it trusts Step Functions, the caller may pass it, and it may have the
// log written. The texts are those of AWS (recorded calls; see also
// https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html).
func TestMachineRolesAreChecked(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	groups, err := logs.New(logs.Config{DB: w.DB, Clock: w.Clock, Auth: w.IAM})
	require.NoError(t, err)
	groups.Register(w.Router)
	svc, err := states.New(states.Config{DB: w.DB, Clock: w.Clock, Router: w.Router, Roles: w.IAM, Logs: groups})
	require.NoError(t, err)
	svc.Register(w.Router)
	t.Cleanup(func() { require.NoError(t, svc.Close()) })
	admin := iam.NewFromConfig(w.Admin())
	role := func(name, service string, actions ...string) string {
		out, err := admin.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`)})
		require.NoError(t, err)
		for _, action := range actions {
			_, err = admin.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: aws.String(iamtest.Allow(action, "*"))})
			require.NoError(t, err)
		}
		return *out.Role.Arn
	}
	good, wrong, logging := role("good", "states.amazonaws.com"), role("wrong", "lambda.amazonaws.com"), role("logging", "states.amazonaws.com", "logs:*")
	_, err = awslogs.NewFromConfig(w.Admin()).CreateLogGroup(ctx, &awslogs.CreateLogGroupInput{LogGroupName: aws.String("g")})
	require.NoError(t, err)
	logged := &types.LoggingConfiguration{Level: types.LogLevelAll, Destinations: []types.LogDestination{
		{CloudWatchLogsLogGroup: &types.CloudWatchLogsLogGroup{LogGroupArn: aws.String("arn:aws:logs:us-east-1:" + iamtest.Account + ":log-group:g:*")}},
	}}
	c := sfn.NewFromConfig(w.Admin())
	create := func(c *sfn.Client, name, role string, l *types.LoggingConfiguration) (string, error) {
		out, err := c.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
			Name: &name, RoleArn: &role, LoggingConfiguration: l, Definition: aws.String(`{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`),
		})
		if err != nil {
			return "", err
		}
		return *out.StateMachineArn, nil
	}
	machine, err := create(c, "machine", good, nil)
	require.NoError(t, err)
	_, err = create(c, "logged", logging, logged)
	require.NoError(t, err)

	const distrust = "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role."
	const noLog = "The state machine IAM Role is not authorized to access the Log Destination"
	for name, tt := range map[string]struct {
		role    string
		logging *types.LoggingConfiguration
		code    string
		text    string
	}{
		"no such role":      {"arn:aws:iam::" + iamtest.Account + ":role/nope", nil, "AccessDeniedException", distrust},
		"trusts another":    {wrong, nil, "AccessDeniedException", distrust},
		"another account":   {"arn:aws:iam::111111111111:role/x", nil, "AccessDeniedException", "Cross-account pass role is not allowed."},
		"malformed account": {"arn:aws:iam::1234:role/x", nil, "InvalidArn", "Invalid Role Arn: 'arn:aws:iam::1234:role/x'"},
		"may not log":       {good, logged, "AccessDeniedException", noLog},
	} {
		_, err := create(c, "refused", tt.role, tt.logging)
		require.Contains(t, iamtest.RequireCode(t, err, tt.code).ErrorMessage(), tt.text, name)
		_, err = c.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &machine, RoleArn: &tt.role, LoggingConfiguration: tt.logging})
		require.Contains(t, iamtest.RequireCode(t, err, tt.code).ErrorMessage(), tt.text, "update: %s", name)
	}
	// The machine's own role counts where only its log changes.
	_, err = c.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &machine, LoggingConfiguration: logged})
	require.Contains(t, iamtest.RequireCode(t, err, "AccessDeniedException").ErrorMessage(), noLog)
	_, err = c.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{StateMachineArn: &machine, LoggingConfiguration: logged, RoleArn: &logging})
	require.NoError(t, err)

	// Who may make machines may not give every role away.
	_, limited := w.Role(t, "limited", iamtest.Allow("states:*", "*"))
	_, err = create(sfn.NewFromConfig(limited), "passed", good, nil)
	require.Contains(t, iamtest.RequireCode(t, err, "AccessDeniedException").ErrorMessage(), "iam:PassRole on resource: "+good)
}
