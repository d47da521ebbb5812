package sandbox

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// inside calls operations as the account's own user.
type inside struct {
	*testing.T
	*services
}

func newInside(t *testing.T, change ...func(*ServeOptions)) *inside {
	t.Helper()
	o := ServeOptions{Dir: t.TempDir(), Account: Account, Region: Region, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	s, err := build(o, wire.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, "http://127.0.0.1:1")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	return &inside{t, s}
}

func (w *inside) call(service, operation string, in any) map[string]any {
	w.Helper()
	raw, err := json.Marshal(in)
	require.NoError(w, err)
	reply, err := w.router.Invoke(w.Context(), wire.ScopeOf(Account, Region), wire.Principal{Account: Account, Admin: true}, service, operation, raw)
	require.NoError(w, err, "%s:%s %s", service, operation, raw)
	var out map[string]any
	require.NoError(w, json.Unmarshal(reply, &out))
	return out
}

func (w *inside) verdict(resource string) string {
	w.Helper()
	definition := fmt.Sprintf(`{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::%s","End":true}}}`, resource)
	out := w.call("sfn", "ValidateStateMachineDefinition", map[string]any{"definition": definition})
	diagnostics, _ := json.Marshal(out["diagnostics"])
	return fmt.Sprint(out["result"]) + " " + string(diagnostics)
}

// What a service serves is an SDK integration of Step Functions; what only AWS has
// is told apart from what there is not at all.
func TestWhatIsServedIsAnIntegration(t *testing.T) {
	t.Parallel()
	w := newInside(t)
	for _, name := range w.router.Operations() {
		service, operation, _ := strings.Cut(name, ".")
		if api := model.Of(service); api == nil || api.Operations[operation] == nil {
			continue // none of AWS's API
		}
		require.True(t, strings.HasPrefix(w.verdict("aws-sdk:"+service+":"+strings.ToLower(operation[:1])+operation[1:]), "OK "), name)
	}
	for _, name := range w.router.Operations() {
		service, _, _ := strings.Cut(name, ".")
		if model.Of(service) == nil {
			continue
		}
		client, ok := integration.JavaClient(service)
		require.True(t, ok, "the names of %s's errors in Step Functions begin with its Java client's", service)
		require.True(t, strings.EqualFold(client, service) || client == "EventBridge" || client == "CloudWatchLogs", "%s: %s", service, client)
	}
	for _, resource := range []string{
		"aws-sdk:sagemakerruntime:invokeEndpointAsync", "aws-sdk:sagemaker:createNotebookInstance", "aws-sdk:s3:restoreObject", "dynamodb:putItem", "aws-sdk:dynamodb:putItem",
	} {
		require.Contains(t, w.verdict(resource), "is not served by the sandbox", resource)
	}
	for _, resource := range []string{"aws-sdk:s3:putObjekt", "aws-sdk:nosuchservice:getThing"} {
		require.Contains(t, w.verdict(resource), "is not recognized", resource)
	}
}

// A machine's calls to S3 go the way of any client's: the same operations, with the
// blobs and times of Step Functions.
func TestObjectsInTasks(t *testing.T) {
	t.Parallel()
	w := newInside(t)
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",%s"Action":"%s"%s}]}`
	role, _ := w.call("iam", "CreateRole", map[string]any{
		"RoleName": "machine", "AssumeRolePolicyDocument": fmt.Sprintf(allow, `"Principal":{"Service":"states.amazonaws.com"},`, "sts:AssumeRole", ""),
	})["Role"].(map[string]any)
	w.call("iam", "PutRolePolicy", map[string]any{"RoleName": "machine", "PolicyName": "s3", "PolicyDocument": fmt.Sprintf(allow, "", "s3:*", `,"Resource":"*"`)})
	w.call("s3", "CreateBucket", map[string]any{"Bucket": "objects-in-tasks"})
	machines := 0
	run := func(operation string, args map[string]any) map[string]any {
		machines++
		definition, err := json.Marshal(map[string]any{
			"StartAt": "A", "QueryLanguage": "JSONata",
			"States": map[string]any{"A": map[string]any{"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:" + operation, "Arguments": args, "End": true}},
		})
		require.NoError(t, err)
		machine := w.call("sfn", "CreateStateMachine", map[string]any{"name": fmt.Sprint("m", machines), "definition": string(definition), "roleArn": role["Arn"], "type": "EXPRESS"})
		out := w.call("sfn", "StartSyncExecution", map[string]any{"stateMachineArn": machine["stateMachineArn"]})
		require.Equal(t, "SUCCEEDED", out["status"], "%v", out)
		var reply map[string]any
		require.NoError(t, json.Unmarshal([]byte(out["output"].(string)), &reply))
		return reply
	}
	put := run("putObject", map[string]any{
		"Bucket": "objects-in-tasks", "Key": "a/b c", "Body": map[string]any{"x": 1},
		"Metadata": map[string]any{"run": "one"}, "Tagging": "tier=gold",
	})
	require.Equal(t, "AES256", put["ServerSideEncryption"])
	require.NotEmpty(t, put["ChecksumCRC32"], "as AWS's SDKs send one")
	got := run("getObject", map[string]any{"Bucket": "objects-in-tasks", "Key": "a/b c"})
	require.Equal(t, `{"x":1}`, got["Body"])
	require.Equal(t, "text/plain; charset=UTF-8", got["ContentType"])
	require.Equal(t, map[string]any{"run": "one"}, got["Metadata"])
	require.InDelta(t, 7, got["ContentLength"], 0)
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, got["LastModified"])
	tags := run("getObjectTagging", map[string]any{"Bucket": "objects-in-tasks", "Key": "a/b c"})
	require.Equal(t, []any{map[string]any{"Key": "tier", "Value": "gold"}}, tags["TagSet"])
	list := run("listObjectsV2", map[string]any{"Bucket": "objects-in-tasks", "Prefix": "a/", "MaxKeys": 5})
	require.Len(t, list["Contents"], 1)
	require.Equal(t, []any{}, list["CommonPrefixes"])
	require.Equal(t, false, list["IsTruncated"])
	buckets, _ := run("listBuckets", map[string]any{})["Buckets"].([]any)
	require.Len(t, buckets, 1)
	gone := run("deleteObjects", map[string]any{
		"Bucket": "objects-in-tasks",
		"Delete": map[string]any{"Objects": []any{map[string]any{"Key": "a/b c"}, map[string]any{"Key": "other"}}},
	})
	require.Len(t, gone["Deleted"], 2)
	require.Empty(t, run("listObjectsV2", map[string]any{"Bucket": "objects-in-tasks"})["Contents"])
}

// A machine publishes to topics, whose message may be any JSON.
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-sns.html
func TestTopicsInTasks(t *testing.T) {
	t.Parallel()
	w := newInside(t)
	allow := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",%s"Action":"%s"%s}]}`
	role, _ := w.call("iam", "CreateRole", map[string]any{
		"RoleName": "machine", "AssumeRolePolicyDocument": fmt.Sprintf(allow, `"Principal":{"Service":"states.amazonaws.com"},`, "sts:AssumeRole", ""),
	})["Role"].(map[string]any)
	w.call("iam", "PutRolePolicy", map[string]any{"RoleName": "machine", "PolicyName": "sns", "PolicyDocument": fmt.Sprintf(allow, "", "sns:Publish", `,"Resource":"*"`)})
	topic := w.call("sns", "CreateTopic", map[string]any{"Name": "t"})
	definition, err := json.Marshal(map[string]any{"StartAt": "A", "States": map[string]any{"A": map[string]any{
		"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": true, "Parameters": map[string]any{
			"TopicArn": topic["TopicArn"], "Message": map[string]any{"order": 1}, "MessageAttributes": map[string]any{"k": map[string]any{"DataType": "String", "StringValue": "v"}},
		},
	}}})
	require.NoError(t, err)
	machine := w.call("sfn", "CreateStateMachine", map[string]any{"name": "m", "definition": string(definition), "roleArn": role["Arn"], "type": "EXPRESS"})
	out := w.call("sfn", "StartSyncExecution", map[string]any{"stateMachineArn": machine["stateMachineArn"]})
	require.Equal(t, "SUCCEEDED", out["status"], "%v", out)
	require.Contains(t, out["output"], `"MessageId"`)
}
