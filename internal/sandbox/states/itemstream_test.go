package states_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An item of a distributed Map tells where it is from: from the state's data, from an
// object, or, where it is an object, from a bucket. In an inline Map it does not
// (measured on AWS: github.com/gabrielmoreira/tiny-asl-machine, Observation.ItemReader.ts
// 002 and 003, and Feature.JsonataScopeSource-003 of its snapshots).
func TestItemSource(t *testing.T) {
	t.Parallel()
	const distributed = `"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},`
	reader := func(op, where, config string) string {
		return `"ItemReader":{"Resource":"arn:aws:states:::s3:` + op + `","Parameters":{"Bucket":"b",` + where + `},"ReaderConfig":` + config + `},`
	}
	for name, c := range map[string]struct{ items, mode, want string }{
		"state":   {"", distributed, `["STATE_DATA","STATE_DATA"]`},
		"object":  {reader("getObject", `"Key":"d/1.jsonl"`, `{"InputType":"JSONL"}`), distributed, `["s3://b/d/1.jsonl","s3://b/d/1.jsonl"]`},
		"listing": {reader("listObjectsV2", `"Prefix":"d/"`, `{}`), distributed, `["s3://b","s3://b"]`},
		"flatten": {
			reader("listObjectsV2", `"Prefix":"d/"`, `{"InputType":"JSONL","Transformation":"LOAD_AND_FLATTEN"}`), distributed,
			`["s3://b/d/1.jsonl","s3://b/d/1.jsonl","s3://b/d/2.jsonl"]`,
		},
		"inline": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) {
				w.s3.all["b"] = map[string][]byte{"d/1.jsonl": []byte("1\n2\n"), "d/2.jsonl": []byte("3\n")}
			})
			m := w.machine("m", `{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":1,"End":true,`+c.items+`"ItemSelector":{"s.$":"$$.Map.Item.Source"},
				"ItemProcessor":{`+c.mode+`"StartAt":"P","States":{"P":{"Type":"Pass","OutputPath":"$.s","End":true}}}}}}`)
			got := w.await(w.start(m, "e", `[1,2]`))
			if c.want == "" {
				require.Equal(t, "States.Runtime", got["error"])
				require.Contains(t, got["cause"], "$$.Map.Item.Source")
				return
			}
			require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
			require.JSONEq(t, c.want, got["output"].(string))
		})
	}
}

// What follows the items of a JSON document must be the rest of the document, and
// what precedes them is passed over, however deep it is.
func TestItemsInsideADocument(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, pointer, want, cause string }{
		"before and after":  {`{"x":[[{"a":1}],2],"a":{"y":"]","items":[1,{"b":[2]}]},"z":{"q":[]}}`, "/a/items", `[1,{"b":[2]}]`, ""},
		"an object":         {`{"a":{"k":1,"l":[2]},"z":1}`, "/a", `[{"Key":"k","Value":1},{"Key":"l","Value":[2]}]`, ""},
		"nothing":           {`{"a":[]}`, "/a", `[]`, ""},
		"no such member":    {`{"a":[]}`, "/b", "", "The ItemsPointer '/b' does not lead to an array."},
		"through an array":  {`{"a":[{"b":[1]}]}`, "/a/0/b", "", "The ItemsPointer '/a/0/b' does not lead to an array."},
		"a number":          {`{"a":1}`, "/a", "", "Attempting to map over non-iterable node."},
		"broken afterwards": {`{"a":[1],"z":}`, "/a", "", "Attempting to map over invalid JSON"},
		"cut":               {`{"a":[1,2`, "/a", "", "Attempting to map over invalid JSON"},
		"two documents":     {`[1][2]`, "", "", "Attempting to map over invalid JSON"},
		"numbers":           {`[1.0,1e2,12345678901234567890]`, "", `[1.0,100.0,12345678901234567890]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) {
				w.s3.all["b"] = map[string][]byte{"o.json": []byte(c.text)}
				w.lambda.all["echo"] = function{}
			})
			config := `{"InputType":"JSON"}`
			if c.pointer != "" {
				config = fmt.Sprintf(`{"InputType":"JSON","ItemsPointer":%q}`, c.pointer)
			}
			m := w.machine("m", `{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":1,"End":true,
				"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"o.json"},"ReaderConfig":`+config+`},
				"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{
					"P":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:echo","End":true}}}}}}`)
			got := w.await(w.start(m, "e", `{}`))
			if c.cause != "" {
				require.Equal(t, "States.ItemReaderFailed", got["error"], "%v", got)
				require.Contains(t, got["cause"], c.cause)
				require.Zero(t, w.lambda.calls("echo"), "a child began")
				return
			}
			require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
			require.Equal(t, c.want, got["output"].(string))
		})
	}
}

// A Map Run that goes on after a restart reads its object again. If it is another one
// by then, the run fails: its children would get the items of others.
func TestObjectChangesBetweenReadings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.s3.all["b"] = map[string][]byte{"in.jsonl": []byte("1\n2\n")}
		w.lambda.all["f"] = function{sleep: 100_000 * time.Hour}
	})
	m := w.machine("m", `{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":1,"End":true,
		"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"in.jsonl"},"ReaderConfig":{"InputType":"JSONL"}},
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{
			"P":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","End":true}}}}}}`)
	arn := w.start(m, "e", `{}`)
	require.Eventually(t, func() bool { return w.lambda.calls("f") > 0 }, time.Minute, time.Millisecond)
	w.close()
	w.s3.store("b", "in.jsonl", []byte("0\n1\n2\n"))
	w.open()
	got := w.await(arn)
	require.Equal(t, "States.ItemReaderFailed", got["error"], "%v", got)
	require.Contains(t, got["cause"], "in.jsonl has changed since the Map Run began to read it")
}

// The results of a Map Run are written while they are read from the store, into
// files of a bounded size, each child's into one.
func TestManyResults(t *testing.T) {
	t.Parallel()
	const n = 300
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "%d\n", i)
	}
	w := newWorld(t, func(w *world) { w.s3.all["b"] = map[string][]byte{"in.jsonl": []byte(lines.String())} })
	m := w.machine("m", `{"StartAt":"M","States":{"M":{"Type":"Map","End":true,
		"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","Parameters":{"Bucket":"b","Key":"in.jsonl"},"ReaderConfig":{"InputType":"JSONL"}},
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"EXPRESS"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},
		"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject","Parameters":{"Bucket":"b","Prefix":"out"},"WriterConfig":{"Transformation":"COMPACT","OutputType":"JSON"}}}}}`)
	got := w.await(w.start(m, "e", `{}`))
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	w.s3.mu.Lock()
	defer w.s3.mu.Unlock()
	var results []int
	for key, body := range w.s3.all["b"] {
		if strings.HasSuffix(key, "/SUCCEEDED_0.json") {
			require.NoError(t, json.Unmarshal(body, &results), key)
		}
		if strings.HasSuffix(key, "/manifest.json") {
			require.Contains(t, string(body), `"FAILED":[],"PENDING":[]`)
		}
	}
	require.Len(t, results, n)
	for i, r := range results {
		require.Equal(t, i, r, "results are in the order of their items")
	}
}
