package iam_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const account = "000000000000"

var home = wire.ScopeOf(account, "us-east-1")

// world is IAM behind a real listener.
type world struct {
	*iam.Service
	db     *store.DB
	clock  *clock.Fake
	url    string
	router *wire.Router
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	w := &world{db: db, clock: clock.NewFake(time.Now().UTC())}
	w.open(t, iam.NewCredentials())
	return w
}

// open makes a new service over the same store, as after a restart.
func (w *world) open(t testing.TB, admin wire.Credentials) {
	t.Helper()
	var err error
	w.router = wire.NewRouter(nil, nil)
	w.router.Register(wire.Service{ID: "s3", Signing: wire.Signing{Stated: true, Old: true}})
	w.Service, err = iam.New(iam.Config{DB: w.db, Clock: w.clock, Home: account, Admin: admin, Signers: w.router})
	require.NoError(t, err)
	w.router.SetSecurity(w.Service, w.Service)
	w.Register(w.router)
	srv := httptest.NewServer(w.router)
	t.Cleanup(srv.Close)
	w.url = srv.URL
}

func config(c wire.Credentials) aws.Config {
	return aws.Config{
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
		RetryMaxAttempts: 1,
		HTTPClient:       plainbody.Client{Next: awshttp.NewBuildableClient()},
	}
}

func (w *world) iam(c wire.Credentials) *sdk.Client {
	return sdk.NewFromConfig(config(c), func(o *sdk.Options) { o.BaseEndpoint = &w.url })
}

func (w *world) sts(c wire.Credentials) *sts.Client {
	return sts.NewFromConfig(config(c), func(o *sts.Options) { o.BaseEndpoint = &w.url })
}

func requireCode(t *testing.T, err error, code string) smithy.APIError {
	t.Helper()
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
	return api
}

const trustStates = `{"Version":"2012-10-17","Statement":[{"Sid":"Trust","Effect":"Allow","Principal":{"Service":"states.amazonaws.com"},"Action":"sts:AssumeRole",
 "Condition":{"StringEquals":{"aws:SourceAccount":"000000000000"},"ArnLike":{"aws:SourceArn":["arn:aws:states:us-east-1:000000000000:stateMachine:m","arn:aws:states:us-east-1:000000000000:stateMachine:m:*"]}}}]}`

const trustUser = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:root"},"Action":"sts:AssumeRole"}]}`

func allow(action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`
}

func (w *world) role(t testing.TB, name, trust string) *types.Role {
	t.Helper()
	out, err := w.iam(w.Admin).CreateRole(t.Context(), &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	require.NoError(t, err)
	return out.Role
}

func TestRoleLifecycle(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.iam(w.Admin)
	created, err := c.CreateRole(ctx, &sdk.CreateRoleInput{
		RoleName: aws.String("states"), Path: aws.String("/pipelinetui/"), AssumeRolePolicyDocument: aws.String(trustStates),
		Description: aws.String("runs <machines> & more"), MaxSessionDuration: aws.Int32(7200),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}, {Key: aws.String("a.b"), Value: aws.String("")}},
	})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:iam::000000000000:role/pipelinetui/states", *created.Role.Arn)
	require.True(t, strings.HasPrefix(*created.Role.RoleId, "AROA"))

	got, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("states")})
	require.NoError(t, err)
	r := got.Role
	require.Equal(t, "runs <machines> & more", *r.Description)
	require.EqualValues(t, 7200, *r.MaxSessionDuration)
	require.Equal(t, w.clock.Now().Truncate(time.Second), r.CreateDate.UTC())
	require.Len(t, r.Tags, 2)
	doc, err := url.PathUnescape(*r.AssumeRolePolicyDocument)
	require.NoError(t, err)
	require.Equal(t, trustStates, doc)
	require.NotContains(t, *r.AssumeRolePolicyDocument, "+")

	_, err = c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("STATES"), AssumeRolePolicyDocument: aws.String(trustStates)})
	requireCode(t, err, "EntityAlreadyExists")

	_, err = c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("states"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("s3:GetObject", "*"))})
	require.NoError(t, err)
	rp, err := c.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: aws.String("states"), PolicyName: aws.String("p")})
	require.NoError(t, err)
	doc, err = url.QueryUnescape(*rp.PolicyDocument)
	require.NoError(t, err)
	require.Equal(t, allow("s3:GetObject", "*"), doc)
	_, err = c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{
		RoleName:  aws.String("states"),
		PolicyArn: aws.String("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
	})
	require.NoError(t, err)
	_, err = c.AttachRolePolicy(ctx, &sdk.AttachRolePolicyInput{RoleName: aws.String("states"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AWSLambdaFullAccess")})
	require.Contains(t, requireCode(t, err, "NoSuchEntity").ErrorMessage(), "does not exist or is not attachable")

	names, err := c.ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: aws.String("states")})
	require.NoError(t, err)
	require.Equal(t, []string{"p"}, names.PolicyNames)
	require.False(t, names.IsTruncated)
	attached, err := c.ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: aws.String("states")})
	require.NoError(t, err)
	require.Equal(t, "AWSLambdaBasicExecutionRole", *attached.AttachedPolicies[0].PolicyName)

	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("states")})
	requireCode(t, err, "DeleteConflict")
	_, err = c.DetachRolePolicy(ctx, &sdk.DetachRolePolicyInput{RoleName: aws.String("states"), PolicyArn: attached.AttachedPolicies[0].PolicyArn})
	require.NoError(t, err)
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("states")})
	requireCode(t, err, "DeleteConflict")
	_, err = c.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: aws.String("states"), PolicyName: aws.String("p")})
	require.NoError(t, err)
	profiles, err := c.ListInstanceProfilesForRole(ctx, &sdk.ListInstanceProfilesForRoleInput{RoleName: aws.String("states")})
	require.NoError(t, err)
	require.Empty(t, profiles.InstanceProfiles)
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: aws.String("states")})
	require.NoError(t, err)
	_, err = c.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("states")})
	var gone *types.NoSuchEntityException
	require.ErrorAs(t, err, &gone)
	require.Equal(t, "The role with name states cannot be found.", *gone.Message)
}

func TestRoleUpdates(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.iam(w.Admin)
	w.role(t, "r", trustStates)
	name := aws.String("r")
	_, err := c.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: name, Description: aws.String("d")})
	require.NoError(t, err)
	_, err = c.UpdateRole(ctx, &sdk.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(4000)})
	require.NoError(t, err)
	_, err = c.UpdateAssumeRolePolicy(ctx, &sdk.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(trustUser)})
	require.NoError(t, err)
	_, err = c.TagRole(ctx, &sdk.TagRoleInput{RoleName: name, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}, {Key: aws.String("l"), Value: aws.String("w")}}})
	require.NoError(t, err)
	_, err = c.UntagRole(ctx, &sdk.UntagRoleInput{RoleName: name, TagKeys: []string{"k"}})
	require.NoError(t, err)
	tags, err := c.ListRoleTags(ctx, &sdk.ListRoleTagsInput{RoleName: name})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}, tags.Tags)
	p, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("b"), PolicyDocument: aws.String(allow("s3:*", "*"))})
	require.NoError(t, err)
	_, err = c.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: p.Policy.Arn})
	require.NoError(t, err)
	got, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: name})
	require.NoError(t, err)
	require.Equal(t, *p.Policy.Arn, *got.Role.PermissionsBoundary.PermissionsBoundaryArn)
	require.Equal(t, "d", *got.Role.Description)
	require.EqualValues(t, 4000, *got.Role.MaxSessionDuration)
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: p.Policy.Arn})
	requireCode(t, err, "DeleteConflict")
	_, err = c.DeleteRolePermissionsBoundary(ctx, &sdk.DeleteRolePermissionsBoundaryInput{RoleName: name})
	require.NoError(t, err)
	up, err := c.UpdateRoleDescription(ctx, &sdk.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("e")})
	require.NoError(t, err)
	require.Equal(t, "e", *up.Role.Description)
	require.Nil(t, up.Role.PermissionsBoundary)
	_, err = c.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: aws.String("arn:aws:iam::000000000000:policy/none")})
	requireCode(t, err, "NoSuchEntity")
}

func TestPolicyVersions(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.iam(w.Admin)
	p, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("p"), Description: aws.String("d"), PolicyDocument: aws.String(allow("s3:*", "*"))})
	require.NoError(t, err)
	arn := p.Policy.Arn
	require.EqualValues(t, 0, *p.Policy.AttachmentCount)
	for range 4 {
		_, err = c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(allow("sqs:*", "*")), SetAsDefault: true})
		require.NoError(t, err)
	}
	_, err = c.CreatePolicyVersion(ctx, &sdk.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(allow("sqs:*", "*"))})
	requireCode(t, err, "LimitExceeded")
	versions, err := c.ListPolicyVersions(ctx, &sdk.ListPolicyVersionsInput{PolicyArn: arn})
	require.NoError(t, err)
	require.Len(t, versions.Versions, 5)
	require.Equal(t, "v5", *versions.Versions[0].VersionId)
	require.True(t, versions.Versions[0].IsDefaultVersion)
	_, err = c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})
	requireCode(t, err, "DeleteConflict")
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})
	requireCode(t, err, "DeleteConflict")
	for _, v := range []string{"v1", "v2", "v3", "v4"} {
		_, err = c.DeletePolicyVersion(ctx, &sdk.DeletePolicyVersionInput{PolicyArn: arn, VersionId: &v})
		require.NoError(t, err)
	}
	v, err := c.GetPolicyVersion(ctx, &sdk.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v5")})
	require.NoError(t, err)
	doc, err := url.QueryUnescape(*v.PolicyVersion.Document)
	require.NoError(t, err)
	require.Equal(t, allow("sqs:*", "*"), doc)
	_, err = c.DeletePolicy(ctx, &sdk.DeletePolicyInput{PolicyArn: arn})
	require.NoError(t, err)
	_, err = c.GetPolicy(ctx, &sdk.GetPolicyInput{PolicyArn: arn})
	requireCode(t, err, "NoSuchEntity")
}

func TestRefusedInput(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	c := w.iam(w.Admin)
	w.role(t, "r", trustStates)
	put := func(doc string) error {
		_, err := c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: aws.String("r"), PolicyName: aws.String("p"), PolicyDocument: &doc})
		return err
	}
	create := func(name, trust string) error {
		_, err := c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
		return err
	}
	big := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::` + strings.Repeat("x", 10240) + `"]}]}`
	for name, tc := range map[string]struct {
		err  error
		code string
	}{
		"not json":    {put(`{"Version":`), "MalformedPolicyDocument"},
		"no action":   {put(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}`), "MalformedPolicyDocument"},
		"no resource": {put(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*"}]}`), "MalformedPolicyDocument"},
		"principal":   {put(trustStates), "MalformedPolicyDocument"},
		"unknown operator": {put(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*",` +
			`"Condition":{"StringIs":{"aws:a":"b"}}}]}`), "MalformedPolicyDocument"},
		"too big":        {put(big), "LimitExceeded"},
		"long role name": {create(strings.Repeat("x", 65), trustStates), "ValidationError"},
		"bad role name":  {create("a b", trustStates), "ValidationError"},
		"trust with resource": {create("x", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole",`+
			`"Resource":"*"}]}`), "MalformedPolicyDocument"},
		"trust other action": {create("x", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}]}`), "MalformedPolicyDocument"},
		"trust no service": {create("x", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda"},`+
			`"Action":"sts:AssumeRole"}]}`), "MalformedPolicyDocument"},
		"trust nobody": {create("x", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
			`"Principal":{"AWS":"arn:aws:iam::000000000000:role/none"},"Action":"sts:AssumeRole"}]}`), "MalformedPolicyDocument"},
		"duplicate tags":       {tagTwice(ctx, c), "InvalidInput"},
		"role of another name": {func() error { _, err := c.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("q")}); return err }(), "NoSuchEntity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireCode(t, tc.err, tc.code)
		})
	}
}

func tagTwice(ctx context.Context, c *sdk.Client) error {
	_, err := c.TagRole(ctx, &sdk.TagRoleInput{
		RoleName: aws.String("r"),
		Tags:     []types.Tag{{Key: aws.String("k"), Value: aws.String("1")}, {Key: aws.String("K"), Value: aws.String("2")}},
	})
	return err
}

func TestListRolesPages(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		w.role(t, n, trustStates)
	}
	var names []string
	pages := 0
	p := sdk.NewListRolesPaginator(w.iam(w.Admin), &sdk.ListRolesInput{MaxItems: aws.Int32(2)})
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		pages++
		for _, r := range out.Roles {
			names = append(names, *r.RoleName)
		}
	}
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, names)
	require.Equal(t, 3, pages)
}

func TestCallerIdentityAndUser(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	key, err := w.sts(w.Admin).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String(w.Admin.AccessKeyID)})
	require.NoError(t, err)
	require.Equal(t, "000000000000", *key.Account)
	_, err = w.sts(w.Admin).GetAccessKeyInfo(ctx, &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("AKIAUNKNOWNUNKNOWN00")})
	require.ErrorContains(t, err, "Invalid Access Key")
	id, err := w.sts(w.Admin).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, account, *id.Account)
	require.Equal(t, "arn:aws:iam::000000000000:user/sandbox", *id.Arn)
	u, err := w.iam(w.Admin).GetUser(ctx, &sdk.GetUserInput{})
	require.NoError(t, err)
	require.Equal(t, *id.UserId, *u.User.UserId)
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	r := w.role(t, "deployer", trustUser)
	w.role(t, "machine", trustStates)
	c := w.iam(w.Admin)
	assume := func(arn string) (*sts.AssumeRoleOutput, error) {
		return w.sts(w.Admin).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("tester"), DurationSeconds: aws.Int32(900)})
	}
	_, err := assume("arn:aws:iam::000000000000:role/machine")
	requireCode(t, err, "AccessDenied")
	// A role that names another is served by that role's sessions alone.
	chained := w.role(t, "chained", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+*r.Arn+`"},"Action":"sts:AssumeRole"}]}`)
	_, err = assume(*chained.Arn)
	requireCode(t, err, "AccessDenied")
	_, err = assume("arn:aws:iam::000000000000:role/nobody")
	requireCode(t, err, "AccessDenied")
	out, err := assume(*r.Arn)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/deployer/tester", *out.AssumedRoleUser.Arn)
	keys := wire.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}

	id, err := w.sts(keys).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, *out.AssumedRoleUser.Arn, *id.Arn)

	next, err := w.sts(keys).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: chained.Arn, RoleSessionName: aws.String("on")})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/chained/on", *next.AssumedRoleUser.Arn)

	_, err = w.iam(keys).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("deployer")})
	denied := requireCode(t, err, "AccessDenied")
	require.Equal(t, "User: arn:aws:sts::000000000000:assumed-role/deployer/tester is not authorized to perform: iam:GetRole on resource: "+
		"arn:aws:iam::000000000000:role/deployer because no identity-based policy allows the iam:GetRole action", denied.ErrorMessage())
	_, err = c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{
		RoleName: r.RoleName, PolicyName: aws.String("p"),
		PolicyDocument: aws.String(allow("iam:Get*", "arn:aws:iam::*:role/deployer")),
	})
	require.NoError(t, err)
	_, err = w.iam(keys).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("deployer")})
	require.NoError(t, err)
	_, err = w.iam(keys).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("machine")})
	requireCode(t, err, "AccessDenied")

	// The session outlives a restart of the service, but not its own end ...
	w.open(t, w.Admin)
	_, err = w.iam(keys).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("deployer")})
	require.NoError(t, err)
	w.clock.Advance(901 * time.Second)
	_, err = w.iam(keys).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("deployer")})
	requireCode(t, err, "ExpiredToken")
	// ... nor a token that is not its own.
	keys.SessionToken = "other"
	_, err = w.iam(keys).GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("deployer")})
	requireCode(t, err, "InvalidClientTokenId")
}

func TestServiceRoles(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	r := w.role(t, "machine", trustStates)
	const source = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
	p, err := w.AssumeServiceRole(ctx, home, "states.amazonaws.com", *r.Arn, source, "run 1/2")
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::000000000000:assumed-role/machine/run-1-2", p.ARN)
	require.Equal(t, "machine", p.Role)
	for _, bad := range [][3]string{
		{"lambda.amazonaws.com", *r.Arn, source},
		{"states.amazonaws.com", *r.Arn, "arn:aws:states:us-east-1:000000000000:stateMachine:other"},
		{"states.amazonaws.com", *r.Arn, "arn:aws:states:us-east-1:111111111111:stateMachine:m"},
		{"states.amazonaws.com", "arn:aws:iam::000000000000:role/x/machine", source},
	} {
		_, err := w.AssumeServiceRole(ctx, home, bad[0], bad[1], bad[2], "s")
		var e *wire.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "AccessDenied", e.Code)
	}
	keys, err := w.SessionCredentials(ctx, p, time.Hour)
	require.NoError(t, err)
	id, err := w.sts(keys).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	require.NoError(t, err)
	require.Equal(t, p.ARN, *id.Arn)

	// A role of the same name that was made anew does not revive old sessions.
	require.Error(t, w.Authorize(ctx, p, "s3:GetObject", "arn:aws:s3:::b/k", nil))
	c := w.iam(w.Admin)
	grant := func() {
		_, err := c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("s3:*", "*"))})
		require.NoError(t, err)
	}
	grant()
	require.NoError(t, w.Authorize(ctx, p, "s3:GetObject", "arn:aws:s3:::b/k", nil))
	_, err = c.DeleteRolePolicy(ctx, &sdk.DeleteRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p")})
	require.NoError(t, err)
	_, err = c.DeleteRole(ctx, &sdk.DeleteRoleInput{RoleName: r.RoleName})
	require.NoError(t, err)
	w.role(t, "machine", trustStates)
	grant()
	require.Error(t, w.Authorize(ctx, p, "s3:GetObject", "arn:aws:s3:::b/k", nil))
}

func TestAuthorizeReasons(t *testing.T) {
	t.Parallel()
	w, ctx := newWorld(t), t.Context()
	r := w.role(t, "r", trustStates)
	c := w.iam(w.Admin)
	b, err := c.CreatePolicy(ctx, &sdk.CreatePolicyInput{PolicyName: aws.String("b"), PolicyDocument: aws.String(allow("s3:*", "*"))})
	require.NoError(t, err)
	_, err = c.PutRolePermissionsBoundary(ctx, &sdk.PutRolePermissionsBoundaryInput{RoleName: r.RoleName, PermissionsBoundary: b.Policy.Arn})
	require.NoError(t, err)
	_, err = c.PutRolePolicy(ctx, &sdk.PutRolePolicyInput{RoleName: r.RoleName, PolicyName: aws.String("p"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","sqs:SendMessage"],"Resource":"*"},{"Effect":"Deny",` +
			`"Action":"s3:GetObject","Resource":"arn:aws:s3:::secret/*"}]}`)})
	require.NoError(t, err)
	p, err := w.AssumeServiceRole(ctx, home, "states.amazonaws.com", *r.Arn, "arn:aws:states:us-east-1:000000000000:stateMachine:m", "s")
	require.NoError(t, err)
	require.NoError(t, w.Authorize(ctx, p, "s3:GetObject", "arn:aws:s3:::open/k", nil))
	for _, tc := range []struct{ action, resource, reason string }{
		{"s3:GetObject", "arn:aws:s3:::secret/k", "with an explicit deny in an identity-based policy"},
		{"sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:q", "because no permissions boundary allows the sqs:SendMessage action"},
		{"s3:PutObject", "arn:aws:s3:::open/k", "because no identity-based policy allows the s3:PutObject action"},
		{"states:StartExecution", "arn:aws:states:us-east-1:000000000000:stateMachine:m", "because no identity-based policy allows the states:StartExecution action"},
	} {
		err := w.Authorize(ctx, p, tc.action, tc.resource, nil)
		var denied *wire.DeniedError
		require.ErrorAs(t, err, &denied)
		require.Equal(t, "User: "+p.ARN+" is not authorized to perform: "+tc.action+" on resource: "+tc.resource+" "+tc.reason, denied.Error())
	}
	// A service that acts for itself has no identity policies.
	require.Error(t, w.Authorize(ctx, wire.Principal{Service: "events.amazonaws.com"}, "sqs:SendMessage", "*", nil))
}

func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.iam(w.Admin).GetServiceLastAccessedDetails(t.Context(), &sdk.GetServiceLastAccessedDetailsInput{JobId: aws.String("00000000-0000-0000-0000-000000000000")})
	requireCode(t, err, "InvalidAction")
}

func TestUnsignedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	res, err := http.PostForm(w.url, url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}})
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}
