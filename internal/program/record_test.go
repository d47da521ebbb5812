package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// TestRecordIsWhatTheEngineIsAsked compares a recording with what the same program
// asks the mock engine for: the same resources, each after those it waits for.
func TestRecordIsWhatTheEngineIsAsked(t *testing.T) {
	t.Parallel()
	for _, template := range []string{"realtime", "batch"} {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			p, tmpl := pipelineOfTemplate(t, template, map[string]any{"kmsMode": "customer", "deadLetter": true, "alarms": true, "maxInstances": 3})
			rec, err := Record(t.Context(), p, tmpl, testEnv)
			require.NoError(t, err)
			asked := execute(t, p, tmpl, testEnv)
			require.Len(t, rec.Resources, len(asked.made))
			before := map[string]bool{}
			for _, r := range rec.Resources {
				m := asked.made[r.Name]
				require.Equal(t, m.token, r.Type, r.Name)
				require.Equal(t, m.protect, r.Protect, r.Name)
				require.Equal(t, m.retain, r.RetainOnDelete, r.Name)
				require.Equal(t, m.timeouts, r.Create, r.Name)
				require.Equal(t, len(m.inputs), len(r.Inputs), r.Name)
				require.ElementsMatch(t, m.deps, r.DependsOn, r.Name)
				for _, name := range r.DependsOn {
					require.True(t, before[name], "%s comes before %s", r.Name, name)
				}
				before[r.Name] = true
			}
			for name := range asked.exports {
				require.True(t, rec.Outputs.HasValue(resource.PropertyKey(name)), name)
			}
		})
	}
}

// TestRecordTellsReferences finds outputs of resources in plain texts, inside JSON
// and among the stack's outputs.
func TestRecordTellsReferences(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	rec, err := Record(t.Context(), p, tmpl, testEnv)
	require.NoError(t, err)
	texts := map[string]string{}
	for _, r := range rec.Resources {
		for k, v := range r.Inputs {
			if v.IsString() {
				texts[r.Name+"."+string(k)] = v.StringValue()
			}
		}
	}
	refs := func(s string) []Reference {
		var out []Reference
		for _, part := range rec.Parts(s) {
			if part.Ref != nil {
				out = append(out, *part.Ref)
			}
		}
		return out
	}
	require.Equal(t, []Reference{{"data", "bucket"}}, refs(texts["data-policy.bucket"]))
	require.Equal(t, []Reference{{"states-role", "arn"}}, refs(texts["machine.roleArn"]))
	require.Subset(t, refs(texts["machine.definitionString"]), []Reference{{"pre-live", "arn"}, {"endpoint", "endpointName"}, {"data", "bucket"}})
	require.Equal(t, []Part{{Text: "s3://"}, {Ref: &Reference{"data", "bucket"}}, {Text: "/results/"}},
		rec.Parts(rec.Outputs["resultsPrefixUri"].StringValue()))
	require.Empty(t, refs(texts["data.bucket"]), "the name of the bucket is its own")
	// Put together again, the definition is the one that was planned.
	pl, err := newPlan(p, tmpl, testEnv)
	require.NoError(t, err)
	var whole strings.Builder
	for _, part := range rec.Parts(texts["machine.definitionString"]) {
		whole.WriteString(part.Text)
		if part.Ref != nil {
			whole.WriteString(map[Reference]string{
				{"pre-live", "arn"}: pl.names.FunctionAliasARN, {"endpoint", "endpointName"}: pl.names.Endpoint, {"data", "bucket"}: pl.names.Bucket,
			}[*part.Ref])
		}
	}
	require.Equal(t, pl.definition.json, whole.String())
}

func TestRecordRefusesWhatPipelineRefuses(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	p.Files["preprocess.code"] = filepath.Join(t.TempDir(), "gone")
	_, err := Record(t.Context(), p, tmpl, testEnv)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestRecordLosesNothing: what can't be written down is an error.
func TestRecordLosesNothing(t *testing.T) {
	t.Parallel()
	for name, rpc := range map[string]*pulumirpc.RegisterResourceRequest{
		"parent":   {Custom: true, Parent: "urn:pulumi:s::p::a:b:C::parent"},
		"provider": {Custom: true, Provider: "urn:pulumi:s::p::pulumi:providers:aws::mine::id"},
		"import":   {Custom: true, ImportId: "i-1"},
		"not made": {},
	} {
		tape := newTape()
		_, _, err := tape.NewResource(pulumi.MockResourceArgs{Name: "x", TypeToken: "a:b:C", RegisterRPC: rpc})
		require.ErrorIs(t, err, fault.Unsupported, name)
		require.ErrorIs(t, tape.bad, fault.Unsupported, name)
	}
	tape := newTape()
	ok := &pulumirpc.RegisterResourceRequest{Custom: true, Parent: "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s"}
	_, _, err := tape.NewResource(pulumi.MockResourceArgs{Name: "x", TypeToken: "a:b:C", RegisterRPC: ok})
	require.NoError(t, err)
	_, _, err = tape.NewResource(pulumi.MockResourceArgs{Name: "x", TypeToken: "a:b:D", RegisterRPC: ok})
	require.ErrorContains(t, err, "two resources are named x")
	_, err = tape.Call(pulumi.MockCallArgs{Token: "aws:index/getRegion:getRegion"})
	require.Error(t, err)
}
