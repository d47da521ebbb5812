package cloudcontrol_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol"
	"github.com/aws/aws-sdk-go-v2/service/cloudcontrol/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	service "github.com/pipelinetui/pipelinetui/internal/sandbox/cloudcontrol"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	machineType = "AWS::StepFunctions::StateMachine"
	versionType = "AWS::StepFunctions::StateMachineVersion"
	aliasType   = "AWS::StepFunctions::StateMachineAlias"
	role        = "arn:aws:iam::000000000000:role/machine"
	one         = `{"StartAt":"A","States":{"A":{"Type":"Pass","End":true}}}`
	two         = `{"StartAt":"B","States":{"B":{"Type":"Pass","End":true}}}`
)

type world struct {
	*iamtest.World
	t *testing.T
	c *cloudcontrol.Client
	// clock is Cloud Control's: that of the machine unless a test has set another.
	clock clock.Clock
	// stop ends Cloud Control and Step Functions, as a kill does: nothing is written after.
	stop func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: iamtest.New(t), t: t, clock: clock.Real{}}
	_, err := iam.NewFromConfig(w.Admin()).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("machine"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	require.NoError(t, err)
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) start() {
	w.t.Helper()
	machines, err := states.New(states.Config{DB: w.DB, Clock: clock.Real{}, Router: w.Router, Roles: w.IAM})
	require.NoError(w.t, err)
	machines.Register(w.Router)
	require.NoError(w.t, machines.Start(context.Background()))
	metrics, err := cloudwatch.New(cloudwatch.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(w.t, err)
	metrics.Register(w.Router)
	s, err := service.New(service.Config{DB: w.DB, Router: w.Router, Clock: w.clock})
	require.NoError(w.t, err)
	s.Register(w.Router)
	require.NoError(w.t, s.Start(context.Background()))
	w.c = cloudcontrol.NewFromConfig(w.Admin())
	w.stop = func() {
		require.NoError(w.t, s.Close())
		require.NoError(w.t, machines.Close())
	}
}

// done waits with the SDK's own waiter.
func (w *world) done(e *types.ProgressEvent, err error) *types.ProgressEvent {
	w.t.Helper()
	require.NoError(w.t, err)
	require.Equal(w.t, types.OperationStatusInProgress, e.OperationStatus)
	var last *types.ProgressEvent
	require.Eventually(w.t, func() bool {
		out, err := w.c.GetResourceRequestStatus(w.t.Context(), &cloudcontrol.GetResourceRequestStatusInput{RequestToken: e.RequestToken})
		require.NoError(w.t, err)
		last = out.ProgressEvent
		return last.OperationStatus != types.OperationStatusInProgress
	}, time.Minute, 10*time.Millisecond)
	return last
}

func (w *world) well(e *types.ProgressEvent, err error) string {
	w.t.Helper()
	last := w.done(e, err)
	require.Equal(w.t, types.OperationStatusSuccess, last.OperationStatus, aws.ToString(last.StatusMessage))
	return *last.Identifier
}

func (w *world) create(kind string, properties map[string]any) (*types.ProgressEvent, error) {
	raw, err := json.Marshal(properties)
	require.NoError(w.t, err)
	out, err := w.c.CreateResource(w.t.Context(), &cloudcontrol.CreateResourceInput{TypeName: &kind, DesiredState: aws.String(string(raw))})
	if err != nil {
		return nil, err
	}
	return out.ProgressEvent, nil
}

func (w *world) update(kind, id, patch string) (*types.ProgressEvent, error) {
	out, err := w.c.UpdateResource(w.t.Context(), &cloudcontrol.UpdateResourceInput{TypeName: &kind, Identifier: &id, PatchDocument: &patch})
	if err != nil {
		return nil, err
	}
	return out.ProgressEvent, nil
}

func (w *world) remove(kind, id string) (*types.ProgressEvent, error) {
	out, err := w.c.DeleteResource(w.t.Context(), &cloudcontrol.DeleteResourceInput{TypeName: &kind, Identifier: &id})
	if err != nil {
		return nil, err
	}
	return out.ProgressEvent, nil
}

func (w *world) get(kind, id string) (map[string]any, error) {
	out, err := w.c.GetResource(w.t.Context(), &cloudcontrol.GetResourceInput{TypeName: &kind, Identifier: &id})
	if err != nil {
		return nil, err
	}
	var m map[string]any
	require.NoError(w.t, json.Unmarshal([]byte(*out.ResourceDescription.Properties), &m))
	return m, nil
}

func (w *world) list(kind, filter string) []string {
	w.t.Helper()
	in := &cloudcontrol.ListResourcesInput{TypeName: &kind, MaxResults: aws.Int32(1)}
	if filter != "" {
		in.ResourceModel = &filter
	}
	var ids []string
	for pages := cloudcontrol.NewListResourcesPaginator(w.c, in); pages.HasMorePages(); {
		page, err := pages.NextPage(w.t.Context())
		require.NoError(w.t, err)
		for _, d := range page.ResourceDescriptions {
			ids = append(ids, *d.Identifier)
		}
	}
	return ids
}

func TestLifeOfResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.well(w.create(machineType, map[string]any{
		"StateMachineName": "churn", "RoleArn": role, "DefinitionString": `{"StartAt":"${First}","States":{"A":{"Type":"Pass","End":true}}}`,
		"DefinitionSubstitutions": map[string]any{"First": "A"}, "Tags": []any{map[string]any{"Key": "team", "Value": "ml"}},
	}))
	require.Equal(t, "arn:aws:states:us-east-1:000000000000:stateMachine:churn", id)
	m, err := w.get(machineType, id)
	require.NoError(t, err)
	require.Equal(t, one, m["DefinitionString"])
	require.Equal(t, "STANDARD", m["StateMachineType"])
	require.Equal(t, "INITIAL", m["StateMachineRevisionId"])
	require.Equal(t, []any{map[string]any{"Key": "team", "Value": "ml"}}, m["Tags"])
	v1 := w.well(w.create(versionType, map[string]any{"StateMachineArn": id, "StateMachineRevisionId": "INITIAL", "Description": "first"}))
	require.Equal(t, id+":1", v1)
	alias := w.well(w.create(aliasType, map[string]any{"Name": "live", "RoutingConfiguration": []any{map[string]any{"StateMachineVersionArn": v1, "Weight": 100}}}))
	require.Equal(t, id+":live", alias)

	text, err := json.Marshal(two)
	require.NoError(t, err)
	w.well(w.update(machineType, id, `[{"op":"test","path":"/Name","value":"churn"},{"op":"replace",`+
		`"path":"/DefinitionString","value":`+string(text)+`},{"op":"add","path":"/Tags/-","value":{"Key":"a","Value":"b"}},{"op":"remove","path":"/Tags/0"}]`))
	m, err = w.get(machineType, id)
	require.NoError(t, err)
	require.Equal(t, two, m["DefinitionString"])
	require.NotEqual(t, "INITIAL", m["StateMachineRevisionId"])
	require.Equal(t, []any{map[string]any{"Key": "a", "Value": "b"}}, m["Tags"])
	v2 := w.well(w.create(versionType, map[string]any{"StateMachineArn": id}))
	w.well(w.update(aliasType, alias, `[{"op":"add","path":"/DeploymentPreference","value":{"Type":"ALL_AT_ONCE","StateMachineVersionArn":"`+v2+`"}}]`))
	m, err = w.get(aliasType, alias)
	require.NoError(t, err)
	require.Equal(t, []any{map[string]any{"StateMachineVersionArn": v2, "Weight": 100.0}}, m["RoutingConfiguration"])

	require.Equal(t, []string{id}, w.list(machineType, ""))
	require.ElementsMatch(t, []string{v1, v2}, w.list(versionType, `{"StateMachineArn":"`+id+`"}`))
	require.Equal(t, []string{alias}, w.list(aliasType, `{"StateMachineArn":"`+id+`"}`))
	_, err = w.c.ListResources(t.Context(), &cloudcontrol.ListResourcesInput{TypeName: aws.String(versionType)})
	iamtest.RequireCode(t, err, "InvalidRequestException")

	failed := w.done(w.remove(versionType, v2))
	require.Equal(t, types.OperationStatusFailed, failed.OperationStatus)
	require.Equal(t, types.HandlerErrorCodeGeneralServiceException, failed.ErrorCode, "the alias leads to it, for which the handler has no code")
	w.well(w.remove(aliasType, alias))
	w.well(w.remove(versionType, v2))
	w.well(w.remove(machineType, id))
	_, err = w.get(machineType, id)
	require.Equal(t, "Resource of type '"+machineType+"' with identifier '"+id+"' was not found.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
	require.Equal(t, types.HandlerErrorCodeNotFound, w.done(w.remove(machineType, id)).ErrorCode)
	all, err := w.c.ListResourceRequests(t.Context(), &cloudcontrol.ListResourceRequestsInput{ResourceRequestStatusFilter: &types.ResourceRequestStatusFilter{
		Operations: []types.Operation{types.OperationDelete}, OperationStatuses: []types.OperationStatus{types.OperationStatusSuccess},
	}})
	require.NoError(t, err)
	require.Len(t, all.ResourceRequestStatusSummaries, 3)
}

// What CloudFormation's own handlers do where the service would do otherwise:
// https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions
func TestHandlers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	properties := map[string]any{
		"StateMachineName": "churn", "RoleArn": role, "DefinitionString": one, "TracingConfiguration": map[string]any{"Enabled": true},
		"LoggingConfiguration": map[string]any{"Level": "OFF", "IncludeExecutionData": true},
	}
	id := w.well(w.create(machineType, properties))
	m, err := w.get(machineType, id)
	require.NoError(t, err)
	require.Equal(t, []any{}, m["Tags"])
	fails := func(e *types.ProgressEvent, err error) (types.HandlerErrorCode, string) {
		t.Helper()
		last := w.done(e, err)
		require.Equal(t, types.OperationStatusFailed, last.OperationStatus)
		return last.ErrorCode, aws.ToString(last.StatusMessage)
	}
	// The same once more is the same machine to CreateStateMachine, and none that can be made.
	code, text := fails(w.create(machineType, properties))
	require.Equal(t, types.HandlerErrorCodeAlreadyExists, code)
	require.Equal(t, "State machine already exists", text)
	// So it is with a version of the revision that there is, whatever is said of it.
	w.well(w.create(versionType, map[string]any{"StateMachineArn": id}))
	code, _ = fails(w.create(versionType, map[string]any{"StateMachineArn": id, "Description": "better"}))
	require.Equal(t, types.HandlerErrorCodeAlreadyExists, code)
	// What is no longer said of a machine stays as it is.
	w.well(w.update(machineType, id, `[{"op":"remove","path":"/TracingConfiguration"},{"op":"remove","path":"/LoggingConfiguration"}]`))
	m, err = w.get(machineType, id)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"Enabled": true}, m["TracingConfiguration"])
	require.Equal(t, true, m["LoggingConfiguration"].(map[string]any)["IncludeExecutionData"]) // a test
	// Definitions are counted, with the handler's words.
	code, text = fails(w.create(machineType, map[string]any{"RoleArn": role}))
	require.Equal(t, types.HandlerErrorCodeInternalFailure, code)
	require.Equal(t, "Property validation failed. Required key [DefinitionS3Location], [DefinitionString] or [Definition] not found.", text)
	code, text = fails(w.create(machineType, map[string]any{"RoleArn": role, "DefinitionString": one, "Definition": map[string]any{"StartAt": "A"}}))
	require.Equal(t, types.HandlerErrorCodeInternalFailure, code)
	require.Equal(t, "Property validation failed. Please use one of [DefinitionS3Location], [DefinitionString] or [Definition].", text)
}

// What every account has of networks can be looked at, by who may look at it in EC2 too, and
// not be changed.
func TestNetworks(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	ids := func(c *cloudcontrol.Client, name string) (out []string, err error) {
		list, err := c.ListResources(ctx, &cloudcontrol.ListResourcesInput{TypeName: &name})
		if err != nil {
			return nil, err
		}
		for _, x := range list.ResourceDescriptions {
			out = append(out, *x.Identifier)
		}
		return out, nil
	}
	vpcs := map[string]bool{}
	for name, n := range map[string]int{"AWS::EC2::Subnet": 3, "AWS::EC2::SecurityGroup": 1, "AWS::EC2::VPCEndpoint": 0} {
		all, err := ids(w.c, name)
		require.NoError(t, err)
		require.Len(t, all, n)
		for _, id := range all {
			m, err := w.get(name, id)
			require.NoError(t, err)
			vpcs[m["VpcId"].(string)] = true // a test
		}
		_, err = w.get(name, "subnet-0")
		iamtest.RequireCode(t, err, "ResourceNotFoundException")
		_, err = w.c.CreateResource(ctx, &cloudcontrol.CreateResourceInput{TypeName: &name, DesiredState: aws.String(`{}`)})
		iamtest.RequireCode(t, err, "UnsupportedActionException")
		_, err = w.c.DeleteResource(ctx, &cloudcontrol.DeleteResourceInput{TypeName: &name, Identifier: aws.String("x")})
		iamtest.RequireCode(t, err, "UnsupportedActionException")
		_, err = w.update(name, "x", `[]`)
		iamtest.RequireCode(t, err, "UnsupportedActionException")
	}
	require.Len(t, vpcs, 1)

	_, cfg := w.User(t, "looker", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudformation:ListResources","ec2:DescribeSecurityGroups"],"Resource":"*"}]}`)
	theirs := cloudcontrol.NewFromConfig(cfg)
	_, err := ids(theirs, "AWS::EC2::SecurityGroup")
	require.NoError(t, err)
	_, err = ids(theirs, "AWS::EC2::Subnet")
	require.Contains(t, iamtest.RequireCode(t, err, "AccessDeniedException").ErrorMessage(), "ec2:DescribeSubnets")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	for properties, code := range map[string]string{
		`{`: "ValidationException", `{"DefinitionString":"{}"}`: "ValidationException", `{"RoleArn":"x","Color":1}`: "ValidationException",
		`{"RoleArn":"x","Arn":"y"}`: "ValidationException",
	} {
		_, err := w.c.CreateResource(ctx, &cloudcontrol.CreateResourceInput{TypeName: aws.String(machineType), DesiredState: &properties})
		iamtest.RequireCode(t, err, code)
	}
	for name, code := range map[string]string{"AWS::S3::Bucket": "UnsupportedActionException", "My::Own::Type": "TypeNotFoundException"} {
		_, err := w.c.GetResource(ctx, &cloudcontrol.GetResourceInput{TypeName: &name, Identifier: aws.String("x")})
		iamtest.RequireCode(t, err, code)
	}
	bad := w.done(w.create(machineType, map[string]any{"RoleArn": role, "DefinitionString": `{"StartAt":"Nowhere","States":{}}`}))
	require.Equal(t, types.OperationStatusFailed, bad.OperationStatus)
	require.Equal(t, types.HandlerErrorCodeInvalidRequest, bad.ErrorCode)
	id := w.well(w.create(machineType, map[string]any{"RoleArn": role, "DefinitionString": one}))
	for patch, code := range map[string]string{
		`{`: "ValidationException", `[{"op":"add","path":"/Tags/5","value":1}]`: "ValidationException", `[{"op":"test","path":"/Name","value":"x"}]`: "ValidationException",
		`[{"op":"replace","path":"/StateMachineName","value":"x"}]`: "NotUpdatableException", `[{"op":"remove","path":"/RoleArn"}]`: "ValidationException",
	} {
		_, err := w.update(machineType, id, patch)
		iamtest.RequireCode(t, err, code)
	}
	again := w.done(w.create(machineType, map[string]any{"StateMachineName": id[len(id)-len("StateMachine-123456789012"):], "RoleArn": role, "DefinitionString": two}))
	require.Equal(t, types.HandlerErrorCodeAlreadyExists, again.ErrorCode)
	_, err := w.update(versionType, id+":1", `[]`)
	iamtest.RequireCode(t, err, "UnsupportedActionException")
	_, err = w.c.GetResourceRequestStatus(ctx, &cloudcontrol.GetResourceRequestStatusInput{RequestToken: aws.String("nothing")})
	iamtest.RequireCode(t, err, "RequestTokenNotFoundException")
	_, err = w.c.CancelResourceRequest(ctx, &cloudcontrol.CancelResourceRequestInput{RequestToken: bad.RequestToken})
	iamtest.RequireCode(t, err, "ConcurrentModificationException")

	// Who may use Cloud Control may not for that use Step Functions.
	_, cfg := w.User(t, "caller", iamtest.Allow("cloudformation:*", "*"))
	_, err = cloudcontrol.NewFromConfig(cfg).GetResource(ctx, &cloudcontrol.GetResourceInput{TypeName: aws.String(machineType), Identifier: &id})
	iamtest.RequireCode(t, err, "AccessDeniedException")
	out, err := cloudcontrol.NewFromConfig(cfg).CreateResource(ctx,
		&cloudcontrol.CreateResourceInput{TypeName: aws.String(machineType), DesiredState: aws.String(`{"RoleArn":"` + role + `","DefinitionString":"{}"}`)})
	require.NoError(t, err)
	require.Equal(t, types.HandlerErrorCodeAccessDenied, w.done(out.ProgressEvent, nil).ErrorCode)
	_, cfg = w.User(t, "nobody", "")
	_, err = cloudcontrol.NewFromConfig(cfg).ListResources(ctx, &cloudcontrol.ListResourcesInput{TypeName: aws.String(machineType)})
	iamtest.RequireCode(t, err, "AccessDeniedException")
}

// The SDK for Go signs by another name where the caller resolves the endpoint by the older
// interface, as the official aws-native does.
func TestTheOtherSigningName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.Admin()
	url := *cfg.BaseEndpoint
	cfg.BaseEndpoint = nil
	cfg.EndpointResolverWithOptions = aws.EndpointResolverWithOptionsFunc(func(string, string, ...any) (aws.Endpoint, error) { return aws.Endpoint{URL: url}, nil })
	_, err := cloudcontrol.NewFromConfig(cfg).ListResources(t.Context(), &cloudcontrol.ListResourcesInput{TypeName: aws.String(machineType)})
	require.NoError(t, err)
}

func TestClientTokens(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	ask := func(text string) (*types.ProgressEvent, error) {
		out, err := w.c.CreateResource(ctx, &cloudcontrol.CreateResourceInput{TypeName: aws.String(machineType), ClientToken: aws.String("once"), DesiredState: &text})
		if err != nil {
			return nil, err
		}
		return out.ProgressEvent, nil
	}
	quoted, err := json.Marshal(one)
	require.NoError(t, err)
	desired := `{"RoleArn":"` + role + `","DefinitionString":` + string(quoted) + `}`
	first, err := ask(desired)
	id := w.well(first, err)
	second, err := ask(desired)
	require.NoError(t, err)
	require.Equal(t, *first.RequestToken, *second.RequestToken)
	require.Equal(t, types.OperationStatusSuccess, second.OperationStatus)
	require.Equal(t, []string{id}, w.list(machineType, ""))
	_, err = ask(`{"RoleArn":"x","DefinitionString":"{}"}`)
	iamtest.RequireCode(t, err, "ClientTokenConflictException")
}

// A request that was kept and not done, since the process was killed, is done by the next.
func TestRequestsSurviveAKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.stop() // from here on what is asked for is kept only
	e, err := w.create(machineType, map[string]any{"RoleArn": role, "DefinitionString": one})
	require.NoError(t, err)
	w.Reopen(t)
	w.start()
	id := w.well(e, nil)
	require.Equal(t, []string{id}, w.list(machineType, ""))
}

// unsettled has the process killed when a request was done and before that was written.
func (w *world) unsettled(token *string) {
	w.t.Helper()
	w.stop()
	const bucket = "cloudcontrol.requests"
	require.NoError(w.t, w.DB.Update(func(tx *store.Tx) error {
		found := false
		all, err := store.List[map[string]any](tx, bucket, "")
		if err != nil {
			return err
		}
		for _, r := range all {
			if r["Token"] != *token {
				continue
			}
			found, r["Status"], r["Model"] = true, types.OperationStatusInProgress, ""
			if err := store.Put(tx, bucket, wire.ScopeOf(iamtest.Account, "us-east-1").Key(*token), r); err != nil {
				return err
			}
		}
		require.True(w.t, found)
		return nil
	}))
	w.Reopen(w.t)
	w.start()
}

// What was done when the process was killed is done by the next too: nothing is done
// twice, and nothing that was done has failed.
func TestWhatWasDoneSurvivesAKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, err := w.create(machineType, map[string]any{"RoleArn": role, "DefinitionString": one, "Tags": []any{map[string]any{"Key": "a", "Value": "1"}}})
	id := w.well(e, err)
	w.unsettled(e.RequestToken)
	require.Equal(t, id, w.well(e, nil))
	require.Equal(t, []string{id}, w.list(machineType, ""))

	e, err = w.update(machineType, id, `[{"op":"test","path":"/Tags/0/Value","value":"1"},{"op":"remove","path":"/Tags/0"},{"op":"add","path":"/Tags/-",`+
		`"value":{"Key":"b","Value":"2"}}]`)
	w.well(e, err)
	w.unsettled(e.RequestToken)
	last := w.done(e, nil)
	require.Equal(t, types.OperationStatusSuccess, last.OperationStatus, aws.ToString(last.StatusMessage))
	var m struct{ Tags []map[string]string }
	require.NoError(t, json.Unmarshal([]byte(*last.ResourceModel), &m))
	require.Equal(t, []map[string]string{{"Key": "b", "Value": "2"}}, m.Tags)

	e, err = w.create(versionType, map[string]any{"StateMachineArn": id})
	version := w.well(e, err)
	for _, x := range []struct{ kind, id string }{{versionType, version}, {machineType, id}} {
		e, err = w.remove(x.kind, x.id)
		w.well(e, err)
		w.unsettled(e.RequestToken)
		last = w.done(e, nil)
		require.Equal(t, types.OperationStatusSuccess, last.OperationStatus, aws.ToString(last.StatusMessage))
		e, err = w.remove(x.kind, x.id)
		require.Equal(t, types.HandlerErrorCodeNotFound, w.done(e, err).ErrorCode, "what was not there is not removed")
	}
}
