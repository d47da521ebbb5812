package program

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// sampleBucket is the bucket in the sample policies and definitions.
const sampleBucket = "ptui-acme-churn-dev-123456789012-use1"

// sample reads sample policies and joins their statements into one.
func sample(t *testing.T, p *spec.Pipeline, files ...string) any {
	t.Helper()
	var all []any
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join("testdata", "iam", file+".json"))
		require.NoError(t, err)
		doc := meaning(t, []byte(strings.ReplaceAll(string(data), sampleBucket, p.Names(testAccount).Bucket)))
		all = append(all, doc.(map[string]any)["Statement"].([]any)...)
	}
	return normal(map[string]any{"Version": "2012-10-17", "Statement": all})
}

// without drops statements.
func without(doc any, sids ...string) any {
	m := doc.(map[string]any)
	var kept []any
	for _, s := range m["Statement"].([]any) {
		if !strings.Contains(","+strings.Join(sids, ",")+",", ","+sortKey(s)+",") {
			kept = append(kept, s)
		}
	}
	m["Statement"] = kept
	return m
}

// With everything on, the policies are exactly the samples; and each statement
// about something optional goes when that is off.
func TestPolicies(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, everything)
	all := execute(t, p, tmpl, testEnv)
	plainPipe, tmpl := pipelineOf(t, map[string]any{"tracing": false, "logLevel": "OFF"})
	plain := execute(t, plainPipe, tmpl, testEnv)

	for _, c := range []struct {
		resource, property string
		want               any
		optional           []string
	}{
		{"states-policy", "policy", sample(t, p, "states_realtime"), []string{"PipelineKey", "LogDelivery", "XRay"}},
		{"lambda-policy", "policy", sample(t, p, "lambda_preprocess", "lambda_vpc_addon"), []string{"PipelineKey", "XRay", "DeadLetters", "VpcNetworkInterfaces"}},
		{"sagemaker-policy", "policy", sample(t, p, "sagemaker_base", "sagemaker_vpc_addon", "sagemaker_key_addon"), []string{"PipelineKey", "PipelineKeyVolumeGrants", "DataCapture", "Vpc"}},
		{"states-role", "assumeRolePolicy", sample(t, p, "trust_states"), nil},
		{"lambda-role", "assumeRolePolicy", sample(t, p, "trust_lambda"), nil},
		{"sagemaker-role", "assumeRolePolicy", sample(t, p, "trust_sagemaker"), nil},
		{"data-policy", "policy", sample(t, p, "bucket_policy"), nil},
		{"dlq-policy", "policy", sample(t, p, "dlq_policy"), nil},
		{"key", "policy", sample(t, p, "kms_key_policy"), nil},
	} {
		require.Empty(t, cmp.Diff(c.want, all.policy(t, c.resource, c.property)), c.resource)
		if c.optional != nil {
			require.Empty(t, cmp.Diff(without(c.want, c.optional...), plain.policy(t, c.resource, c.property)), c.resource)
		}
	}
	for _, m := range all.made {
		require.NotContains(t, fmt.Sprint(m.inputs), "\x00", m.name)
	}
}

// EventBridge tells neither a topic nor its key where an event comes from
// (eventbridge/latest/userguide/eb-use-resource-based.html, sns/latest/dg/sns-key-management.html);
// alarms do (sns/latest/dg/sns-access-policy-use-cases.html).
func TestWhereWhatIsPublishedComesFrom(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"events": "push", "kmsMode": "customer", "notify.email": []string{"ops@example.com"}})
	r := execute(t, p, tmpl, testEnv)
	asked := map[string]bool{}
	for resource, sids := range map[string][]string{"events-policy": {"EventBridgePublish"}, "key": {"Events", "Alarms"}, "notices-policy": {"Alarms"}} {
		for _, s := range r.policy(t, resource, "policy").(map[string]any)["Statement"].([]any) {
			m := s.(map[string]any)
			if sid := m["Sid"].(string); slices.Contains(sids, sid) {
				_, asked[resource+" "+sid] = m["Condition"]
			}
		}
	}
	require.Equal(t, map[string]bool{"events-policy EventBridgePublish": false, "key Events": false, "key Alarms": true, "notices-policy Alarms": true}, asked)
}

func TestPrefixOfModels(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"modelDataUrl": "s3://models/churn/"})
	r := execute(t, p, tmpl, testEnv)
	want := without(sample(t, p, "sagemaker_base", "sagemaker_prefix_addon", "sagemaker_prefixkey_addon"), "ModelArtifact", "DataCapture", "PipelineKey", "PipelineKeyVolumeGrants")
	require.Empty(t, cmp.Diff(want, r.policy(t, "sagemaker-policy", "policy")))
	container := r.inputs(t, testBase+"-m")["primaryContainer"].(map[string]any)
	require.NotContains(t, container, "modelDataUrl")
	require.Equal(t, map[string]any{"s3DataSources": []any{map[string]any{
		"s3Uri": "s3://models/churn/", "s3DataType": "S3Prefix", "compressionType": "None",
	}}}, container["modelDataSource"])
}

// An image that isn't in ECR needs no right to pull.
func TestOtherImage(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"image": "sandbox/linear"})
	r := execute(t, p, tmpl, testEnv)
	require.Equal(t, "sandbox/linear", r.inputs(t, testBase+"-m")["primaryContainer"].(map[string]any)["image"])
	require.NotContains(t, r.inputs(t, "sagemaker-policy")["policy"], "ecr:")
}

// Over plain HTTP the policy that demands TLS would lock everybody out.
func TestBucketPolicyWithoutTLS(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	env := testEnv
	env.PlainHTTP = true
	got := execute(t, p, tmpl, env).policy(t, "data-policy", "policy")
	require.Empty(t, cmp.Diff(without(sample(t, p, "bucket_policy"), "DenyInsecureTransport", "DenyOldTls"), got))
}

// A distributed Map starts executions of its own machine.
func TestPolicyOfDistributedMap(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, everything)
	definition, err := os.ReadFile(filepath.Join("testdata", "asl", "batch-jsonl-express.asl.json"))
	require.NoError(t, err)
	tmpl.Definition, tmpl.Substitutions = definition, nil
	want := without(sample(t, p, "states_batch", "states_realtime"), "PipelineKey")
	m := want.(map[string]any)
	seen := map[string]bool{}
	var once []any
	for _, s := range m["Statement"].([]any) {
		if !seen[sortKey(s)] {
			once = append(once, s)
		}
		seen[sortKey(s)] = true
	}
	m["Statement"] = once
	require.Empty(t, cmp.Diff(want, execute(t, p, tmpl, testEnv).policy(t, "states-policy", "policy")))
}

func TestPolicyFitsTheRole(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, everything)
	p.ID = spec.ID{Tenant: "abcdefghijklmnop", Model: "abcdefghijklmnopqrst", Env: "abcdefgh"}
	pl, err := newPlan(p, tmpl, testEnv)
	require.NoError(t, err)
	for r, statements := range pl.grants {
		text, err := document(withKey(statements, testKey))
		require.NoError(t, err)
		require.LessOrEqual(t, len(text), 10240, r) // IAM's limit of all inline policies of a role
	}
}
