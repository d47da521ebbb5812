package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/permissions"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// askedFor is a permission that the sandbox was asked for, and gave, by its log: a user with
// policies of `permissions` each made, changed, refreshed and destroyed the pipeline below
// (deployer), ran it, redrove and watched (runner), and looked (reader), with stacks in a
// bucket that is encrypted with the key of their secrets. Ids and hashes are replaced. The
// reader's calls about aliases, which are made of a pipeline that is not ready, are the deployer's.
type askedFor struct {
	Who, Action, Resource string
	Keys                  map[string][]string
}

func recordedCalls(t *testing.T, bucket string) map[string][]askedFor {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "calls.jsonl"))
	require.NoError(t, err)
	out := map[string][]askedFor{}
	for dec := json.NewDecoder(bytes.NewReader(raw)); dec.More(); {
		var c askedFor
		require.NoError(t, dec.Decode(&c))
		c.Resource = strings.ReplaceAll(c.Resource, "ptui-acme-iris-dev-{hash}", bucket)
		out[c.Who] = append(out[c.Who], c)
	}
	return out
}

// irisSet is the spec of the recording.
func irisSet(t *testing.T, a *App) []*spec.Pipeline {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", "examples", "iris"))
	require.NoError(t, err)
	cat, err := a.Catalog(t.Context())
	require.NoError(t, err)
	text := `{"apiVersion": "pipelinetui/v1", "defaults": {"template": "realtime", "region": "us-east-1"},
		"tenants": {"acme": {"permissionsBoundary": "arn:aws:iam::000000000000:policy/ptui-boundary"}},
		"pipelines": [{"tenant": "acme", "model": "iris", "parameters": {"image": "sandbox/linear", "modelDataUrl": "./model.tar.gz", "preprocess": {"code": "./preprocess", "handler": "index.handler"}}}]}`
	set, err := spec.Parse("spec.json", []byte(text), root, cat, a.SpecOptions(nil))
	require.NoError(t, err)
	out := make([]*spec.Pipeline, len(set.Pipelines))
	for i := range set.Pipelines {
		out[i] = &set.Pipelines[i]
	}
	return out
}

// Each may do with their policies what they did, and for each statement there is something
// that nothing else allows.
func TestPermissionsAreWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, map[string]string{
		"PIPELINETUI_BACKEND":          "s3://acme-pulumi-state?region=us-east-1",
		"PIPELINETUI_SECRETS_PROVIDER": "awskms://alias/pulumi-state?region=us-east-1",
	}, nil)
	list := irisSet(t, a)
	report, err := a.Permissions(t.Context(), PermissionsRequest{Pipelines: list, Scope: permissions.ByPipeline, Account: "000000000000"})
	require.NoError(t, err)
	require.Empty(t, report.Unbounded)
	calls := recordedCalls(t, list[0].Names("000000000000").Bucket)
	for who, names := range map[string][]string{
		"reader": {"read", "state-read"}, "runner": {"run", "read", "state-read"}, "deployer": {"deploy", "state", "read", "state-read"},
	} {
		statements := statementsOf(t, report, names)
		may := func(without string, c askedFor) bool {
			docs := []*policy.Document{}
			for name, doc := range statements {
				if name != without {
					docs = append(docs, doc)
				}
			}
			p := wire.Principal{Account: "000000000000", ARN: "arn:aws:iam::000000000000:user/" + who}
			return policy.Evaluate(docs, policy.NewRequest(p, c.Action, c.Resource, c.Keys, time.Unix(0, 0))) == policy.Allow
		}
		require.Greater(t, len(calls[who]), 10)
		for _, c := range calls[who] {
			require.True(t, may("", c), "%s may not %s on %s", who, c.Action, c.Resource)
		}
		for name := range statements {
			if strings.HasPrefix(name, "read ") && who != "reader" {
				continue // it is the reader who has to need it
			}
			require.True(t, slices.ContainsFunc(calls[who], func(c askedFor) bool { return !may(name, c) }), "%s: without %s everything goes as well", who, name)
		}
	}
}

// statementsOf are the statements of policies, each as a policy of its own.
func statementsOf(t *testing.T, r permissions.Report, names []string) map[string]*policy.Document {
	t.Helper()
	out := map[string]*policy.Document{}
	for _, p := range r.Policies {
		if !slices.Contains(names, p.Name) {
			continue
		}
		for _, s := range p.Document.Statement {
			raw, err := json.Marshal(permissions.Document{Version: p.Document.Version, Statement: []permissions.Statement{s}})
			require.NoError(t, err)
			doc, err := policy.Parse(string(raw), policy.Identity)
			require.NoError(t, err)
			out[p.Name+" "+s.Sid] = doc
		}
	}
	require.NotEmpty(t, out)
	return out
}

// The boundary of the policies is enough for the pipeline's own roles: they have no more.
func TestTheBoundaryHoldsWhatRolesAreGranted(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, nil, nil)
	list := irisSet(t, a)
	report, err := a.Permissions(t.Context(), PermissionsRequest{Pipelines: list, Scope: permissions.ByTenant, Account: "111122223333"})
	require.NoError(t, err)
	at := slices.IndexFunc(report.Policies, func(p permissions.Policy) bool { return p.Purpose == permissions.Boundary })
	require.GreaterOrEqual(t, at, 0)
	raw, err := json.Marshal(report.Policies[at].Document)
	require.NoError(t, err)
	doc, err := policy.Parse(string(raw), policy.Identity)
	require.NoError(t, err)
	n := list[0].Names("111122223333")
	may := func(action, resource string) bool {
		p := wire.Principal{Account: "111122223333"}
		return policy.Evaluate([]*policy.Document{doc}, policy.NewRequest(p, action, resource, map[string][]string{"s3:ResourceAccount": {"111122223333"}},
			time.Unix(0, 0))) == policy.Allow
	}
	require.True(t, may("sagemaker:InvokeEndpoint", n.EndpointARN))
	require.True(t, may("lambda:InvokeFunction", n.FunctionAliasARN))
	require.True(t, may("s3:PutObject", n.BucketARN+"/results/x"))
	require.True(t, may("s3:GetObject", n.BucketARN+"/artifacts/model-0123456789ab.tar.gz"))
	require.False(t, may("iam:CreateRole", n.StatesRoleARN))
	require.False(t, may("s3:PutObject", "arn:aws:s3:::somewhere/results/x"))
}

// What a pipeline has of the user's own, and what an up asks of it besides, is in the policies.
func TestPermissionsOfWhatIsGiven(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, map[string]string{"PIPELINETUI_BACKEND": "s3://states/fleet?region=us-east-1&prefix=team-a/"}, nil)
	cat, err := a.Catalog(t.Context())
	require.NoError(t, err)
	text := `{"apiVersion": "pipelinetui/v1", "defaults": {"template": "realtime", "region": "us-east-1"}, "pipelines": [
		{"tenant": "acme", "model": "iris", "checks": {"one": {"input": {"x": 1}, "latency": "5s"}},
		"parameters": {"image": "sandbox/linear", "modelDataUrl": "https://models.s3.us-east-1.amazonaws.com/iris/", "notify": {"topic": "arn:aws:sns:us-east-1:111122223333:on-call", "slack": "https://hooks.slack.com/services/T0/B0/x"}}}]}`
	set, err := spec.Parse("spec.json", []byte(text), t.TempDir(), cat, a.SpecOptions(nil))
	require.NoError(t, err)
	report, err := a.Permissions(t.Context(), PermissionsRequest{Pipelines: []*spec.Pipeline{&set.Pipelines[0]}, Scope: permissions.ByPipeline, Account: "111122223333"})
	require.NoError(t, err)
	may := func(purpose permissions.Purpose, action, resource string, keys map[string][]string) bool {
		docs := []*policy.Document{}
		for _, p := range report.Policies {
			for _, s := range p.Document.Statement {
				require.NotEmpty(t, s.Resource, "%s %s", p.Name, s.Sid)
			}
			if p.Purpose == purpose {
				raw, err := json.Marshal(p.Document)
				require.NoError(t, err)
				doc, err := policy.Parse(string(raw), policy.Identity)
				require.NoError(t, err)
				docs = append(docs, doc)
			}
		}
		return policy.Evaluate(docs, policy.NewRequest(wire.Principal{Account: "111122223333"}, action, resource, keys, time.Unix(0, 0))) == policy.Allow
	}
	n := set.Pipelines[0].Names("111122223333")
	for _, action := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		require.True(t, may(permissions.Boundary, "sqs:"+action, n.NoticesQueueARN, nil), action)
	}
	onCall := "arn:aws:sns:us-east-1:111122223333:on-call"
	require.True(t, may(permissions.Boundary, "sns:Publish", onCall, nil))
	require.True(t, may(permissions.Deploy, "sns:Subscribe", onCall, nil))
	require.True(t, may(permissions.Deploy, "states:StartExecution", n.StateMachineARN, nil))
	require.True(t, may(permissions.Deploy, "s3:GetObject", "arn:aws:s3:::models/iris/model.tar.gz", nil))
	require.True(t, may(permissions.Deploy, "s3:ListBucket", "arn:aws:s3:::models", map[string][]string{"s3:prefix": {"iris/"}}))
	require.False(t, may(permissions.Deploy, "s3:ListBucket", "arn:aws:s3:::models", map[string][]string{"s3:prefix": {"other/"}}))
	require.True(t, may(permissions.State, "s3:PutObject", "arn:aws:s3:::states/team-a/fleet/.pulumi/meta.yaml", nil))
	require.False(t, may(permissions.State, "s3:PutObject", "arn:aws:s3:::states/team-b/fleet/.pulumi/meta.yaml", nil))
	require.False(t, may(permissions.State, "s3:PutObject", "arn:aws:s3:::states/fleet/.pulumi/meta.yaml", nil))
}

// Credentials are asked for only where nobody says the account.
func TestPermissionsAskNobody(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, map[string]string{"PIPELINETUI_TARGET": "aws", "AWS_EC2_METADATA_DISABLED": "true"}, map[string]string{"region": "cn-north-1"})
	report, err := a.Permissions(t.Context(), PermissionsRequest{Account: "111122223333"})
	require.NoError(t, err)
	require.NotEmpty(t, report.Policies)
	raw, err := json.Marshal(report)
	require.NoError(t, err)
	require.Contains(t, string(raw), "arn:aws-cn:states:cn-north-1:111122223333:")
	require.NotContains(t, string(raw), "arn:aws:")
}
