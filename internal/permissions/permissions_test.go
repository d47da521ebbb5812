package permissions

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	account  = "111122223333"
	boundary = "arn:aws:iam::111122223333:policy/bound"
)

// whole is a pipeline with a resource of each type.
func whole(tenant, model string) Pipeline {
	base := "ptui-" + tenant + "-" + model + "-dev"
	p := Pipeline{
		ID: tenant + "/" + model, Tenant: tenant, Stack: tenant + "." + model + ".dev", Place: kinds.Place{Partition: "aws", Region: "eu-central-1", Account: account},
		Base: base, Bucket: base + "-0a1b2c3d", RoleBoundary: boundary, Uploads: true, Maps: true,
	}
	names := map[string][]string{
		kinds.Bucket: {p.Bucket}, kinds.Role: {base + "-states", base + "-lambda", base + "-sagemaker"}, kinds.Function: {base + "-pre"}, kinds.StateMachine: {base},
		kinds.Endpoint: {base + "-ep"}, kinds.LogGroup: {"/aws/lambda/" + base + "-pre"}, kinds.Queue: {base + "-dlq"}, kinds.KeyAlias: {"alias/" + base},
	}
	for _, k := range kinds.Made() {
		list := names[k.Type]
		if list == nil {
			list = []string{""}
		}
		for _, name := range list {
			p.Resources = append(p.Resources, Resource{k.Type, name})
		}
	}
	return p
}

// documents are policies as the sandbox, which decides as IAM does, reads them.
func documents(t *testing.T, r Report, purposes ...Purpose) []*policy.Document {
	t.Helper()
	var out []*policy.Document
	for _, p := range r.Policies {
		if slices.Contains(purposes, p.Purpose) {
			raw, err := json.Marshal(p.Document)
			require.NoError(t, err)
			doc, err := policy.Parse(string(raw), policy.Identity)
			require.NoError(t, err, "%s: %s", p.Name, raw)
			out = append(out, doc)
		}
	}
	return out
}

func may(docs []*policy.Document, action, resource string, keys ...string) bool {
	given := map[string][]string{}
	for i := 0; i+1 < len(keys); i += 2 {
		given[keys[i]] = []string{keys[i+1]}
	}
	who := wire.Principal{Account: account, ARN: "arn:aws:iam::" + account + ":user/op"}
	return policy.Evaluate(docs, policy.NewRequest(who, action, resource, given, time.Unix(0, 0))) == policy.Allow
}

const at = ":eu-central-1:111122223333:"

// A policy goes as far as its scope, and no further.
func TestScopes(t *testing.T) {
	t.Parallel()
	machine := func(name string) string { return "arn:aws:states" + at + "stateMachine:" + name }
	for _, c := range []struct {
		scope                Scope
		own, tenants, others bool
	}{{ByPipeline, true, false, false}, {ByTenant, true, true, false}, {ByFleet, true, true, true}} {
		docs := documents(t, Compute([]Pipeline{whole("acme", "iris")}, Backend{}, c.scope, account), Deploy, Run)
		for name, want := range map[string]bool{"ptui-acme-iris-dev": c.own, "ptui-acme-fraud-dev": c.tenants, "ptui-globex-iris-dev": c.others, "other": false} {
			require.Equal(t, want, may(docs, "states:UpdateStateMachine", machine(name)), "%s %s", c.scope, name)
			require.Equal(t, want, may(docs, "states:StartExecution", machine(name)+":live"), "%s %s", c.scope, name)
			require.Equal(t, want, may(docs, "s3:PutObject", "arn:aws:s3:::"+name+"-0a1b2c3d/in/x"), "%s %s", c.scope, name)
			require.Equal(t, want, may(docs, "iam:PassRole", "arn:aws:iam::"+account+":role/pipelinetui/"+name+"-states", "iam:PassedToService",
				"states.amazonaws.com"), "%s %s", c.scope, name)
			require.Equal(t, want, may(docs, "sagemaker:CreateModel", "arn:aws:sagemaker"+at+"model/"+name+"-m-1a2b3c4"), "%s %s", c.scope, name)
		}
	}
}

// Who deploys gives no role more than its boundary, hands it to no other service, and uses
// no key but those of the pipelines.
func TestWhatDeployingMayNotDo(t *testing.T) {
	t.Parallel()
	docs := documents(t, Compute([]Pipeline{whole("acme", "iris")}, Backend{}, ByTenant, account), Deploy, Run, Read, State, Check)
	role, key := "arn:aws:iam::"+account+":role/pipelinetui/ptui-acme-iris-dev-states", "arn:aws:kms"+at+"key/1"
	require.True(t, may(docs, "iam:CreateRole", role, "iam:PermissionsBoundary", boundary))
	require.False(t, may(docs, "iam:CreateRole", role))
	require.False(t, may(docs, "iam:PutRolePolicy", role, "iam:PermissionsBoundary", boundary+"2"))
	require.False(t, may(docs, "iam:DeleteRolePermissionsBoundary", role))
	require.False(t, may(docs, "iam:PassRole", role, "iam:PassedToService", "ec2.amazonaws.com"))
	require.False(t, may(docs, "iam:CreateRole", "arn:aws:iam::"+account+":role/admin", "iam:PermissionsBoundary", boundary))
	require.True(t, may(docs, "kms:Decrypt", key, "aws:ResourceTag/pipelinetui:tenant", "acme"))
	require.False(t, may(docs, "kms:Decrypt", key, "aws:ResourceTag/pipelinetui:tenant", "globex"))
	require.False(t, may(docs, "kms:CreateKey", "*"), "without its tags nobody would find it again")
	require.False(t, may(docs, "iam:CreateServiceLinkedRole", "arn:aws:iam::"+account+":role/aws-service-role/x", "iam:AWSServiceName", "x"))
	made := "aws:RequestTag/pipelinetui:tenant"
	require.True(t, may(docs, "kms:TagResource", "*", made, "acme"), "to make one")
	require.False(t, may(docs, "kms:TagResource", key, made, "acme", "kms:ResourceAliases", "alias/theirs"), "a tag would make it the pipelines'")
	require.True(t, may(docs, "kms:TagResource", key, "aws:ResourceTag/pipelinetui:tenant", "acme", "kms:ResourceAliases", "alias/ptui-acme-iris-dev"))
	ours, theirs := "arn:aws:lambda"+at+"function:ptui-acme-iris-dev-pre", "arn:aws:lambda"+at+"function:theirs"
	for action, on := range map[string]string{"Create": "*", "Update": "arn:aws:lambda" + at + "event-source-mapping:1", "Delete": "arn:aws:lambda" + at + "event-source-mapping:1"} {
		require.True(t, may(docs, "lambda:"+action+"EventSourceMapping", on, "lambda:FunctionArn", ours), action)
		require.False(t, may(docs, "lambda:"+action+"EventSourceMapping", on, "lambda:FunctionArn", theirs), action)
	}
	for _, action := range []string{"RegisterScalableTarget", "DeregisterScalableTarget", "PutScalingPolicy", "DeleteScalingPolicy"} {
		target := "arn:aws:application-autoscaling" + at + "scalable-target/1"
		require.True(t, may(docs, "application-autoscaling:"+action, target, "application-autoscaling:service-namespace", "sagemaker"), action)
		require.False(t, may(docs, "application-autoscaling:"+action, target, "application-autoscaling:service-namespace", "ecs"), action)
	}
}

// Who deploys turns a rollout back, and asks the checks of pipelines that have some.
func TestDeployingAsksChecks(t *testing.T) {
	t.Parallel()
	checked, plain := whole("acme", "iris"), whole("acme", "fraud")
	checked.Checks = "pipelinetui"
	docs := documents(t, Compute([]Pipeline{checked, plain}, Backend{}, ByPipeline, account), Deploy)
	for _, c := range []struct {
		p    Pipeline
		want bool
	}{{checked, true}, {plain, false}} {
		require.Equal(t, c.want, may(docs, "states:StartExecution", "arn:aws:states"+at+"stateMachine:"+c.p.Base+":live"))
		require.Equal(t, c.want, may(docs, "states:StopExecution", "arn:aws:states"+at+"execution:"+c.p.Base+":x"))
		require.True(t, may(docs, "cloudwatch:SetAlarmState", "arn:aws:cloudwatch"+at+"alarm:"+c.p.Base+"-checks"))
	}
	require.False(t, may(docs, "cloudwatch:SetAlarmState", "arn:aws:cloudwatch"+at+"alarm:checkout-errors"))
	require.True(t, may(docs, "cloudwatch:PutMetricData", "*", "cloudwatch:namespace", "pipelinetui"))
	require.False(t, may(docs, "cloudwatch:PutMetricData", "*", "cloudwatch:namespace", "other"))
}

// A pipeline without a boundary, or with another one, takes none away from the others.
func TestBoundariesAreApart(t *testing.T) {
	t.Parallel()
	a, b, none := whole("acme", "iris"), whole("acme", "fraud"), whole("acme", "free")
	b.RoleBoundary, none.RoleBoundary = boundary+"2", ""
	for _, scope := range []Scope{ByPipeline, ByTenant, ByFleet} {
		docs := documents(t, Compute([]Pipeline{a, b, none}, Backend{}, scope, account), Deploy)
		put := func(p Pipeline, keys ...string) bool {
			return may(docs, "iam:PutRolePolicy", "arn:aws:iam::"+account+":role/pipelinetui/"+p.Base+"-states", keys...)
		}
		require.True(t, put(none), scope)
		require.False(t, put(a), scope)
		require.True(t, put(a, "iam:PermissionsBoundary", boundary), scope)
		require.False(t, put(a, "iam:PermissionsBoundary", boundary+"2"), scope)
		require.True(t, put(b, "iam:PermissionsBoundary", boundary+"2"), scope)
		require.False(t, put(b), scope)
		require.True(t, may(docs, "iam:GetRole", "arn:aws:iam::"+account+":role/pipelinetui/"+a.Base+"-states"))
	}
	r := Compute([]Pipeline{a, b}, Backend{}, ByTenant, account)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "pipelines of acme have different boundaries")
}

// A topic of notices that is the user's own is subscribed to and is nothing more; no policy
// has a statement about nothing, which IAM refuses.
func TestGivenTopic(t *testing.T) {
	t.Parallel()
	p := whole("acme", "iris")
	p.Resources = slices.DeleteFunc(p.Resources, func(r Resource) bool { return r.Type == kinds.Topic || r.Type == kinds.TopicPolicy })
	p.Topics = []string{"arn:aws:sns" + at + "on-call"}
	r := Compute([]Pipeline{p}, Backend{}, ByPipeline, account)
	requireResources(t, r)
	docs := documents(t, r, Deploy)
	require.True(t, may(docs, "sns:Subscribe", p.Topics[0]))
	require.False(t, may(docs, "sns:DeleteTopic", p.Topics[0]))
	for _, k := range kinds.Made() { // whatever a pipeline lacks
		x := whole("acme", "iris")
		x.Resources = slices.DeleteFunc(x.Resources, func(r Resource) bool { return r.Type == k.Type })
		requireResources(t, Compute([]Pipeline{x}, Backend{}, ByPipeline, account))
		x.Resources = []Resource{{Type: k.Type}}
		requireResources(t, Compute([]Pipeline{x}, Backend{}, ByPipeline, account))
	}
}

func requireResources(t *testing.T, r Report) {
	t.Helper()
	for _, p := range r.Policies {
		seen := map[string]bool{}
		for _, s := range p.Document.Statement {
			require.NotEmpty(t, s.Action, "%s %s", p.Name, s.Sid)
			require.NotEmpty(t, s.Resource, "%s %s", p.Name, s.Sid)
			require.False(t, seen[s.Sid], "%s has two statements %s", p.Name, s.Sid)
			seen[s.Sid] = true
		}
	}
}

// A tenant whose name another's begins with is said to reach it.
func TestTenantsWithLikeNames(t *testing.T) {
	t.Parallel()
	list := []Pipeline{whole("acme", "iris"), whole("acme-eu", "iris"), whole("acmex", "iris")}
	r := Compute(list, Backend{}, ByTenant, account)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "what is allowed for acme is for acme-eu too")
	require.NotContains(t, strings.Join(r.Warnings, "\n"), "acmex")
}

// Who looks changes nothing, who runs changes no resource.
func TestPurposesAreApart(t *testing.T) {
	t.Parallel()
	b := Backend{Bucket: "states", Folder: "team/", Key: "alias/states", Place: kinds.Place{Partition: "aws", Region: "eu-central-1", Account: account}}
	r := Compute([]Pipeline{whole("acme", "iris")}, b, ByPipeline, account)
	harmless := []string{"Describe", "Get", "List", "Filter", "Decrypt"}
	for _, p := range r.Policies {
		for _, s := range p.Document.Statement {
			for _, a := range s.Action {
				_, verb, _ := strings.Cut(a, ":")
				reads := slices.ContainsFunc(harmless, func(h string) bool { return strings.HasPrefix(verb, h) })
				if p.Purpose == Read || p.Purpose == Check {
					require.True(t, reads || verb == "BatchGetImage" || verb == "SimulatePrincipalPolicy", "%s allows %s", p.Name, a)
				}
				if p.Purpose == Run {
					require.Contains(t, []string{
						"StartExecution", "StopExecution", "RedriveExecution", "UpdateMapRun", "PutObject", "AbortMultipartUpload", "GenerateDataKey",
						"Subscribe", "Unsubscribe", "ListSubscriptionsByTopic", "ListQueues", "CreateQueue", "DeleteQueue", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes",
						"GetQueueUrl", "SetQueueAttributes",
					}, verb)
				}
			}
		}
	}
	run := documents(t, r, Run)
	require.True(t, may(run, "sqs:CreateQueue", "arn:aws:sqs"+at+"ptui-acme-iris-dev-w-0a1b2c3d"), "the queue of a watch")
	require.False(t, may(run, "sqs:DeleteQueue", "arn:aws:sqs"+at+"ptui-acme-iris-dev-dlq"))
	require.True(t, may(run, "sns:Subscribe", "arn:aws:sns"+at+"ptui-acme-iris-dev-events"))
	require.False(t, may(run, "sns:Subscribe", "arn:aws:sns"+at+"ptui-acme-iris-dev-notices"))
	state := documents(t, r, State)
	require.True(t, may(state, "s3:PutObject", "arn:aws:s3:::states/team/.pulumi/meta.yaml"))
	require.False(t, may(state, "s3:PutObject", "arn:aws:s3:::states/other"))
	require.False(t, may(documents(t, r, Read), "s3:PutObject", "arn:aws:s3:::states/team/.pulumi/meta.yaml"))
	require.True(t, may(state, "kms:Encrypt", "arn:aws:kms"+at+"key/1", "kms:ResourceAliases", "alias/states"))
	require.False(t, may(state, "kms:Encrypt", "arn:aws:kms"+at+"key/1", "kms:ResourceAliases", "alias/other"))
}

// However many pipelines there are, each policy fits, and nothing gets lost between them.
func TestPoliciesFit(t *testing.T) {
	t.Parallel()
	var list []Pipeline
	for i := range 60 {
		p := whole("tenant-with-a-long-name", fmt.Sprintf("model%02d", i))
		p.Grants = []Statement{
			allow("A", []string{"s3:PutObject"}, []string{"arn:aws:s3:::" + p.Bucket + "/results/*"}),
			allow("B", []string{"lambda:InvokeFunction"}, []string{"arn:aws:lambda" + at + "function:" + p.Base + "-pre"}),
		}
		list = append(list, p)
	}
	r := Compute(list, Backend{}, ByPipeline, account)
	seen := map[string]bool{}
	bounds := 0
	for _, p := range r.Policies {
		if p.Purpose == Boundary {
			bounds++
		}
		require.LessOrEqual(t, p.Document.Size(), MaxSize, p.Name)
		require.False(t, seen[p.Name], p.Name)
		seen[p.Name] = true
	}
	require.Equal(t, 1, bounds, "a role has one boundary")
	warned := strings.Join(r.Warnings, "\n")
	require.Contains(t, warned, "boundary is made in the scope tenant")
	require.Contains(t, warned, "policies, and 10 may be attached")
	docs, bound := documents(t, r, Deploy, Read), documents(t, r, Boundary)
	for _, p := range list {
		require.True(t, may(bound, "s3:PutObject", "arn:aws:s3:::"+p.Bucket+"/results/x"))
		require.True(t, may(bound, "lambda:InvokeFunction", "arn:aws:lambda"+at+"function:"+p.Base+"-pre"))
		require.True(t, may(docs, "states:DeleteStateMachine", "arn:aws:states"+at+"stateMachine:"+p.Base))
		require.True(t, may(docs, "s3:DeleteBucket", "arn:aws:s3:::"+p.Bucket))
		require.True(t, may(docs, "kms:Decrypt", "arn:aws:kms"+at+"key/1", "aws:ResourceTag/pipelinetui:stack", p.Stack))
		require.True(t, may(docs, "lambda:CreateEventSourceMapping", "*", "lambda:FunctionArn", "arn:aws:lambda"+at+"function:"+p.Base+"-pre"))
		require.True(t, may(docs, "logs:FilterLogEvents", "arn:aws:logs"+at+"log-group:/aws/lambda/"+p.Base+"-pre"))
	}
	wide := Compute(list, Backend{}, ByTenant, account)
	require.Less(t, len(wide.Policies), 8)
}

// Pipelines of a tenant's role are deployed with its policies, in its account; who uses the
// tool may take the role and nothing else there.
func TestRolesOfTenants(t *testing.T) {
	t.Parallel()
	own, acme, globex := whole("own", "iris"), whole("acme", "iris"), whole("globex", "iris")
	acme.Role, globex.Role = "arn:aws:iam::444455556666:role/deployer", "arn:aws:iam::777788889999:role/deployer"
	acme.Place.Account, globex.Place.Account, globex.RoleBoundary = "444455556666", "777788889999", ""
	r := Compute([]Pipeline{own, acme, globex}, Backend{}, ByPipeline, account)
	require.Equal(t, []string{"globex/iris"}, r.Unbounded)
	require.Len(t, r.Trusts, 2)
	require.Equal(t, "arn:aws:iam::"+account+":root", r.Trusts[0].Document.Statement[0].Principal.AWS)
	byRole := map[string][]string{}
	for _, p := range r.Policies {
		byRole[p.Role] = append(byRole[p.Role], p.Name)
		for _, s := range p.Document.Statement {
			for _, on := range s.Resource {
				if p.Role != "" {
					require.NotContains(t, on, account, p.Name)
				}
			}
		}
	}
	require.Contains(t, byRole[""], "assume")
	require.Contains(t, byRole[acme.Role], "acme-deploy")
	require.Contains(t, byRole[globex.Role], "globex-read")
	require.False(t, may(documents(t, r, Assume), "sts:AssumeRole", "arn:aws:iam::444455556666:role/other"))
}

// The boundary allows what the pipelines' roles are granted, for the names of the scope, and
// nothing besides.
func TestBoundary(t *testing.T) {
	t.Parallel()
	p := whole("acme", "iris")
	grants, err := ParseStatements([]byte(`[
		{"Sid":"A","Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::`+p.Bucket+`/results/*"},
		{"Sid":"K","Effect":"Allow","Action":["kms:Decrypt"],"Resource":"\u0000key"},
		{"Sid":"M","Effect":"Allow","Action":"cloudwatch:PutMetricData","Resource":"*","Condition":{"StringLike":{"cloudwatch:namespace":["a","b"]}}}]`), "\x00key")
	require.NoError(t, err)
	p.Grants = grants
	other := whole("acme", "fraud")
	other.Grants, err = ParseStatements([]byte(`[{"Sid":"A","Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::`+other.Bucket+`/results/*"}]`), "")
	require.NoError(t, err)
	docs := documents(t, Compute([]Pipeline{p, other}, Backend{}, ByPipeline, account), Boundary)
	require.True(t, may(docs, "s3:PutObject", "arn:aws:s3:::"+p.Bucket+"/results/x"))
	require.True(t, may(docs, "s3:PutObject", "arn:aws:s3:::"+other.Bucket+"/results/x"))
	require.False(t, may(docs, "s3:PutObject", "arn:aws:s3:::"+p.Bucket+"/in/x"))
	require.True(t, may(docs, "kms:Decrypt", "arn:aws:kms"+at+"key/1"))
	require.True(t, may(docs, "cloudwatch:PutMetricData", "*", "cloudwatch:namespace", "a"))
	require.False(t, may(docs, "cloudwatch:PutMetricData", "*", "cloudwatch:namespace", "c"))
	require.False(t, may(docs, "iam:CreateUser", "*"))
	wide := documents(t, Compute([]Pipeline{p}, Backend{}, ByTenant, account), Boundary)
	require.True(t, may(wide, "s3:PutObject", "arn:aws:s3:::ptui-acme-new-dev-11111111/results/x"))
	require.False(t, may(wide, "s3:PutObject", "arn:aws:s3:::ptui-globex-new-dev-11111111/results/x"))
}
