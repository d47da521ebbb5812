package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// storing gives a pipeline of the world a machine that writes what it is told into its
// bucket, or says what its output is to be.
const storing = `{"StartAt":"Say","States":{"Say":{"Type":"Choice","Choices":[{"Variable":"$.fail","IsPresent":true,"Next":"Broken"}],"Default":"Out"},
	"Out":{"Type":"Pass","InputPath":"$.output","End":true},"Broken":{"Type":"Fail","Error":"ItemsFailed","Cause":"2 of 4"}}}`

func TestResults(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "results/flowers")
	bucket := id.BaseName() + "-data"
	c := sfn.NewFromConfig(w.aws())
	outputs := w.machineArn(t, c, id.BaseName()+"-storing")
	outputs["bucketName"] = bucket
	w.plant(t, id, outputs, nil)
	run := func(name string, input any) {
		t.Helper()
		raw, err := json.Marshal(input)
		require.NoError(t, err)
		w.run(t, "run", id.String(), "--input", string(raw), "--name", name, "--wait")
	}

	// One prediction, of a model that means harm.
	w.put(t, bucket, "results/dt=2026-01-31/one.json", `{"executionArn":"arn","endpoint":"e","prediction":{"label":"se\u001b[31mtosa","score":0.5}}`)
	w.run(t, "run", id.String(), "--input", `{"output":{"resultUri":"s3://`+bucket+`/results/dt=2026-01-31/one.json"}}`, "--name", "one", "--wait").
		ends(t, ExitOK, "Prediction", "tosa")
	shown := w.run(t, "results", "show", id.String(), "one").ends(t, ExitOK, `"score": 0.5`, "Input")
	require.NotContains(t, shown.out.String(), "\x1b")
	doc := w.run(t, "results", "show", id.String(), "one", "-o", "json").ends(t, ExitOK).doc(t, "Result")
	require.InDelta(t, 0.5, doc["prediction"].(map[string]any)["score"], 0)

	// A data set, with children that failed and items that failed alone.
	lines := func(score string) string {
		var b strings.Builder
		for i := range 3000 {
			fmt.Fprintf(&b, `{"id":%d,"prediction":{"label":"%c","score":%s}}`+"\n", i, 'a'+rune(i%3), strings.ReplaceAll(score, "N", fmt.Sprint(i%10)))
		}
		return b.String()
	}
	for name, text := range map[string]string{"first": lines("0.N"), "second": lines("0.N5")} {
		prefix := "batch/" + name + "/run/"
		w.put(t, bucket, prefix+"S_0.jsonl", text)
		failed := `{"ExecutionArn":"arn","Name":"child","Status":"FAILED","Error":"Bad","Cause":"told so","Input":"{\"Items\":[{\"id\":7001},{\"id\":7002}]}"}` + "\n"
		w.put(t, bucket, prefix+"F_0.jsonl", failed)
		w.put(t, bucket, prefix+"manifest.json", fmt.Sprintf(`{"DestinationBucket":%q,"ResultFiles":{"SUCCEEDED":[{"Key":%q,"Size":%d}],"FAILED":[{"Key":%q,"Size":%d}],"PENDING":[]}}`,
			bucket, prefix+"S_0.jsonl", len(text), prefix+"F_0.jsonl", len(failed)))
		w.put(t, bucket, "batch/"+name+"/errors/Odd/1-child.json", `[{"id":7003,"error":"Odd","cause":"odd","item":{"id":7003}}]`)
	}
	run("first", map[string]any{"output": map[string]string{"manifestUri": "s3://" + bucket + "/batch/first/run/manifest.json"}})
	run("second", map[string]any{"fail": true}) // its manifest is found all the same

	page := w.run(t, "results", "list", id.String(), "first", "--at", "50%", "--limit", "2", "-o", "json").ends(t, ExitOK).doc(t, "ResultList")
	list := page["results"].([]any)
	require.Len(t, list, 2)
	first := int(list[0].(map[string]any)["id"].(float64))
	require.InDelta(t, 1500, first, 20)
	next := w.run(t, "results", "list", id.String(), "first", "--at", page["next"].(string), "--limit", "1", "-o", "json").ends(t, ExitOK).doc(t, "ResultList")
	require.InDelta(t, first+2, next["results"].([]any)[0].(map[string]any)["id"], 0)
	last := w.run(t, "results", "list", id.String(), "first", "--before", "--limit", "1", "-o", "json").ends(t, ExitOK).doc(t, "ResultList")
	require.InDelta(t, 2999, last["results"].([]any)[0].(map[string]any)["id"], 0)
	require.NotContains(t, last, "next")
	w.run(t, "results", "list", id.String(), "first", "--search", "nothing so").ends(t, ExitOK, "no results")
	w.run(t, "results", "show", id.String(), "first", "1234").ends(t, ExitOK, `"label": "b"`)
	w.run(t, "results", "show", id.String(), "first", "99999").ends(t, ExitNotFound, "no result of execution first has the id 99999")
	w.run(t, "results", "show", id.String(), "first").ends(t, ExitOK, "3,000 predictions", "p50", "1,000")
	stats := w.run(t, "results", "show", id.String(), "second", "-o", "json").ends(t, ExitOK).doc(t, "ResultStatistics")
	require.InDelta(t, 3000, stats["count"], 0)
	require.Equal(t, "FAILED", stats["status"])

	diff := w.run(t, "results", "diff", id.String(), "first", "second", "-o", "json").ends(t, ExitOK).doc(t, "ResultDiff")
	require.InDelta(t, 3000, diff["dataSets"].(map[string]any)["different"], 0)
	w.run(t, "results", "diff", id.String(), "first", "second", "--tolerance", "0.06").ends(t, ExitOK, "equal")
	w.run(t, "results", "diff", id.String(), "first", "one").ends(t, ExitUsage, "one prediction")

	// As files.
	dir := t.TempDir()
	for _, form := range []string{"jsonl", "csv", "parquet"} {
		file := filepath.Join(dir, "all."+form)
		doc := w.run(t, "results", "get", id.String(), "first", "--out", file, "-o", "json").ends(t, ExitOK).doc(t, "ResultFile")
		require.InDelta(t, 3000, doc["predictions"], 0)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		if form == "parquet" {
			require.Equal(t, "PAR1PAR1", string(raw[:4])+string(raw[len(raw)-4:]))
			continue
		}
		require.GreaterOrEqual(t, strings.Count(string(raw), "\n"), 3000)
		piped := w.run(t, "results", "get", id.String(), "first", "--format", form).ends(t, ExitOK)
		require.Equal(t, string(raw), piped.out.String())
	}
	w.run(t, "results", "get", id.String(), "first", "--out", filepath.Join(dir, "all.csv")).ends(t, ExitUsage, "exists already")
	w.run(t, "results", "get", id.String(), "first", "-o", "json").ends(t, ExitUsage, "--out FILE")

	// A link that works without credentials.
	link := w.run(t, "results", "get", id.String(), "one", "--link", "--expires", "10m", "-o", "json").ends(t, ExitOK).doc(t, "ResultLinks")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link["links"].([]any)[0].(map[string]any)["url"].(string), nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "prediction")

	// What failed, as the next input.
	again := filepath.Join(dir, "again.jsonl")
	failed := w.run(t, "results", "failed", id.String(), "second", "--as-input", again, "-o", "json").ends(t, ExitOK).doc(t, "FailedResults")
	require.InDelta(t, 3, failed["count"], 0)
	raw, err := os.ReadFile(again)
	require.NoError(t, err)
	require.Equal(t, "{\"id\":7001}\n{\"id\":7002}\n{\"id\":7003}\n", string(raw))
	whole := filepath.Join(dir, "whole.jsonl")
	w.run(t, "results", "failed", id.String(), "--as-input", whole).ends(t, ExitOK, "second", "ItemsFailed", "2 of 4")
	raw, err = os.ReadFile(whole)
	require.NoError(t, err)
	require.Equal(t, "{\"fail\":true}\n", string(raw))
	w.run(t, "results", "failed", id.String(), "one").ends(t, ExitOK, "nothing failed")
	w.run(t, "results", "list", id.String()).ends(t, ExitOK, "one", "ItemsFailed: 2 of 4", "manifestUri")

	// A manifest that has expired does not say that nothing failed.
	run("expired", map[string]any{"output": map[string]string{"manifestUri": "s3://" + bucket + "/batch/expired/run/manifest.json"}})
	gone := w.run(t, "results", "failed", id.String(), "expired").ends(t, ExitNotFound, "there is no s3://", "retention.resultsDays")
	require.NotContains(t, gone.out.String(), "nothing failed")
}

// machineArn makes a state machine with an alias, and returns the outputs that tell of it.
func (w *world) machineArn(t *testing.T, c *sfn.Client, name string) map[string]any {
	t.Helper()
	ctx := t.Context()
	m, err := c.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: &name, Definition: aws.String(storing),
		RoleArn: aws.String("arn:aws:iam::" + sandbox.Account + ":role/machines"), Publish: true,
	})
	require.NoError(t, err)
	return map[string]any{"stateMachineArn": *m.StateMachineArn, "stateMachineAliasArn": *m.StateMachineVersionArn}
}
