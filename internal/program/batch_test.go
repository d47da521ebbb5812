package program

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

// batchWith is everything switched on, for template batch.
func batchWith(change map[string]any) map[string]any {
	all := maps.Clone(everything)
	maps.Copy(all, change)
	return all
}

// The template's definition, filled in, is the sample that was proved against
// the States Language validators, for each format of the data set.
func TestDefinitionOfBatch(t *testing.T) {
	t.Parallel()
	for sample, change := range map[string]map[string]any{
		"jsonl-express":  {},
		"jsonl-standard": {"childType": "STANDARD"},
		"json":           {"inputFormat": "JSON"},
		"csv":            {"inputFormat": "CSV"},
		"s3list":         {"inputFormat": "S3LIST"},
		"s3flatten":      {"inputFormat": "S3FLATTEN"},
		"inventory":      {"inputFormat": "INVENTORY"},
	} {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			// The sample's function may run 90 seconds.
			change["preprocess.timeoutSec"] = 90
			p, tmpl := pipelineOfTemplate(t, "batch", change)
			text, ok := execute(t, p, tmpl, testEnv).inputs(t, "machine")["definitionString"].(string)
			require.True(t, ok)
			data := sampleDefinition(t, "batch-"+sample+".asl.json", p, tmpl)
			var want, got any
			require.NoError(t, json.Unmarshal(data, &want))
			require.NoError(t, json.Unmarshal([]byte(text), &got))
			require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreMapEntries(func(k string, v any) bool {
				// The samples know no ids.
				text, _ := v.(string)
				return k == "Comment" || k == "Output" && strings.Contains(text, "ids")
			})))
			require.NotContains(t, text, "${")
		})
	}
}

func TestBatchDefinitionFollowsParameters(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOfTemplate(t, "batch", map[string]any{
		"maxConcurrency": 7, "batchSize": 8, "batchBytes": 9000, "scoreConcurrency": 3, "toleratedFailurePercent": 0,
		"executionTimeoutSec": 3600, "invokeTimeoutSec": 11,
	})
	var d struct {
		TimeoutSeconds int
		States         struct {
			ScoreDataset struct {
				MaxConcurrency, ToleratedFailurePercentage int
				ItemBatcher                                struct{ MaxItemsPerBatch, MaxInputBytesPerBatch int }
				ItemProcessor                              struct {
					States struct {
						ScoreRecords struct {
							MaxConcurrency int
							ItemProcessor  struct {
								States struct{ InvokeEndpoint struct{ TimeoutSeconds int } }
							}
						}
					}
				}
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(execute(t, p, tmpl, testEnv).inputs(t, "machine")["definitionString"].(string)), &d))
	require.Equal(t, 3600, d.TimeoutSeconds)
	m := d.States.ScoreDataset
	require.Equal(t, []int{7, 0, 8, 9000}, []int{m.MaxConcurrency, m.ToleratedFailurePercentage, m.ItemBatcher.MaxItemsPerBatch, m.ItemBatcher.MaxInputBytesPerBatch})
	require.Equal(t, 3, m.ItemProcessor.States.ScoreRecords.MaxConcurrency)
	require.Equal(t, 11, m.ItemProcessor.States.ScoreRecords.ItemProcessor.States.InvokeEndpoint.TimeoutSeconds)
}

// With everything on, the state machine's policy is exactly the sample, whatever
// the format of the data set; what is optional goes when it is off.
func TestPoliciesOfBatch(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"JSONL", "JSON", "CSV", "S3LIST", "S3FLATTEN", "INVENTORY"} {
		p, tmpl := pipelineOfTemplate(t, "batch", batchWith(map[string]any{"inputFormat": format}))
		require.Empty(t, cmp.Diff(sample(t, p, "states_batch"), execute(t, p, tmpl, testEnv).policy(t, "states-policy", "policy")), format)
	}
	p, tmpl := pipelineOfTemplate(t, "batch", map[string]any{"tracing": false, "logLevel": "OFF"})
	require.Empty(t, cmp.Diff(without(sample(t, p, "states_batch"), "PipelineKeyMultipart", "LogDelivery", "XRay"),
		execute(t, p, tmpl, testEnv).policy(t, "states-policy", "policy")))
}

// A batch pipeline is made of the same resources as a realtime one, with the
// function of its own template.
func TestResourcesOfBatch(t *testing.T) {
	t.Parallel()
	realtime, tmpl := pipelineOf(t, nil)
	want := execute(t, realtime, tmpl, testEnv)
	p, tmpl := pipelineOfTemplate(t, "batch", nil)
	got := execute(t, p, tmpl, testEnv)
	require.Empty(t, cmp.Diff(want.list(), got.list()))
	hash := func(r *ran) string {
		archive := r.made["pre"].inputs["code"].ArchiveValue()
		archive.Hash = ""
		require.NoError(t, archive.EnsureHash())
		return archive.Hash
	}
	require.NotEqual(t, hash(want), hash(got))
	require.Equal(t, "batch", got.exports["template"])
}
