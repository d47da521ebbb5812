package states_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"
)

// A Map Run that fails writes the results that there are: of children that
// succeeded, of those that failed, and of those that never began.
func TestResultsOfFailedMapRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.s3.all["b"] = map[string][]byte{} })
	m := w.machine("m", `{"QueryLanguage":"JSONata","StartAt":"M","States":{"M":{"Type":"Map","Label":"L","MaxConcurrency":1,"ToleratedFailureCount":1,
		"Items":"{% $states.input %}","ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Arguments":{"Bucket":"b","Prefix":"out"},
		"WriterConfig":{"Transformation":"FLATTEN","OutputType":"JSONL"}},
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"C","States":{
			"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input < 0 %}","Next":"F"}],"Default":"P"},
			"P":{"Type":"Pass","Output":["{% $states.input %}"],"End":true},
			"F":{"Type":"Fail","Error":"Negative"}}},"End":true}}}`)
	arn := w.start(m, "e", `[1,2,-3,4,-5,6,7]`)
	got := w.await(arn)
	require.Equal(t, "States.ExceedToleratedFailureThreshold", got["error"], "%v", got)

	runs, err := w.client().ListMapRuns(t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &arn})
	require.NoError(t, err)
	run, err := w.client().DescribeMapRun(t.Context(), &sfn.DescribeMapRunInput{MapRunArn: runs.MapRuns[0].MapRunArn})
	require.NoError(t, err)
	require.EqualValues(t, 3, run.ItemCounts.Succeeded)
	require.EqualValues(t, 2, run.ItemCounts.Failed)
	require.EqualValues(t, 5, run.ItemCounts.ResultsWritten)

	prefix := "out/" + (*run.MapRunArn)[strings.LastIndexByte(*run.MapRunArn, ':')+1:] + "/"
	w.s3.mu.Lock()
	defer w.s3.mu.Unlock()
	files := w.s3.all["b"]
	require.Len(t, files, 4)
	require.Equal(t, "1\n2\n4\n", string(files[prefix+"SUCCEEDED_0.jsonl"]))
	inputs := func(file, status string) (all []string) {
		for _, line := range strings.Split(strings.TrimSpace(string(files[prefix+file])), "\n") {
			var x struct{ Input, Status string }
			require.NoError(t, json.Unmarshal([]byte(line), &x), file)
			require.Equal(t, status, x.Status)
			all = append(all, x.Input)
		}
		return all
	}
	require.Equal(t, []string{"-3", "-5"}, inputs("FAILED_0.jsonl", "FAILED"))
	require.Equal(t, []string{"6", "7"}, inputs("PENDING_0.jsonl", "PENDING"))
	require.Contains(t, string(files[prefix+"manifest.json"]), "PENDING_0.jsonl")
}
