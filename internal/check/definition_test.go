package check

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// inDefinitions are mistakes in state machines of other kinds than the template
// realtime: distributed Maps, and JSONPath.
var inDefinitions = []struct {
	of string
	mutation
}{
	{"batch-csv", mutation{"inline map with a reader", "", `"Mode": "DISTRIBUTED",
          "ExecutionType": "EXPRESS"`, `"Mode": "INLINE"`, "inline-map", `<{
        "Resource": "arn:aws:states:::s3:getObject"`, Error, "DISTRIBUTED"}},
	{"batch-csv", mutation{"label too long", "", `"Label": "Batch"`, `"Label": "` + strings.Repeat("x", 41) + `"`, "label", `"x`, Error, "Shorten"}},
	{"batch-csv", mutation{"character of a label", "", `"Label": "Batch"`, `"Label": "Batch 1"`, "label", `"Batch 1"`, Error, "letters"}},
	{"batch-csv", mutation{"batcher without a limit", "", `"MaxItemsPerBatch": 100,
        "MaxInputBytesPerBatch": 131072,`, ``, "batcher-limit", "-", Error, "MaxItemsPerBatch"}},
	{"batch-csv", mutation{"delimiter", "", `"COMMA"`, `"COMA"`, "reader-config", `"COMA"`, Error, "Did you mean COMMA?"}},
	{"batch-csv", mutation{"no header location", "", `"CSVHeaderLocation": "FIRST_ROW",`, ``, "reader-config", "-", Error, "FIRST_ROW"}},
	{"batch-csv", mutation{"headers not given", "", `"FIRST_ROW"`, `"GIVEN"`, "reader-config", "-", Error, "CSVHeaders"}},
	{"batch-csv", mutation{"no type of input", "", `"InputType": "CSV",`, ``, "reader-config", "-", Error, "InputType"}},
	{"batch-s3list", mutation{
		"type of a listing", "", `"ItemReader": {`, `"ItemReader": {"ReaderConfig": {"InputType": "JSON"},`, "reader-config",
		`"JSON"`, Error, "Remove InputType",
	}},
	{"batch-csv", mutation{"reader without a bucket", "", `"Bucket": "ptui-acme-churn-dev-123456789012-use1",
          "Key"`, `"Key"`, "missing-argument", "-", Error, "Bucket"}},
	{"batch-csv", mutation{"reader of another service", "", `:::s3:getObject"`, `:::s3:headObject"`, "schema-validation-failed", `<"arn:`, Error, ""}},
	{"batch-csv", mutation{"variable of the parent", "", `"Label": "Batch",`, `"Label": "Batch", "Assign": {"a": 1},`, "", "", "", ""}},
	{"realtime-jsonpath", mutation{"undefined variable in a path", "", `"Body.$": "$.pre.body"`, `"Body.$": "$pre.body"`, "undefined-variable", `$pre.body`, Error, "$.pre"}},
	{"realtime-jsonpath", mutation{
		"undefined variable in an intrinsic", "", `"Body.$": "$.pre.body"`, `"Body.$": "States.StringToJson($body)"`,
		"undefined-variable", `$body`, Error, "",
	}},
	{"realtime-jsonpath", mutation{
		"intrinsic that is none", "", `"Body.$": "$.pre.body"`, `"Body.$": "States.ToJson($.pre.body)"`,
		"schema-validation-failed", `"States.`, Error, "",
	}},
	{"realtime-jsonpath", mutation{"broken path", "", `"Body.$": "$.pre.body"`, `"Body.$": "$.pre[body"`, "schema-validation-failed", `"$.pre`, Error, ""}},
	{"realtime-jsonpath", mutation{"path without .$", "", `"Body.$": "$.pre.body"`, `"Body": "$.pre.body"`, "no-dollar", `"$.pre`, Warning, ".$"}},
	{"realtime-jsonpath", mutation{"JSONata in JSONPath", "", `"Body.$": "$.pre.body"`, `"Body": "{% $states.input %}"`, "wrong-language", `"{%`, Warning, "QueryLanguage"}},
	{"realtime-jsonpath", mutation{"JSONata field in JSONPath", "", `"ResultPath": "$.pre"`, `"Output": {}`, "schema-validation-failed", "-", Error, ""}},
	{"transform", mutation{"pattern", "", `createTransformJob.sync"`, `createTransformJob.waitForTaskToken"`, "unknown-integration", `<"arn:`, Error, ".sync"}},
	{"transform", mutation{"no limit of time", "", `"TimeoutSeconds"`, `"Comment2"`, "schema-validation-failed", "-", Error, ""}},
	{"async-callback", mutation{"token for nobody", "", `Task.Token`, `Execution.Id`, "no-task-token", "-", Warning, "Task.Token"}},
}

func TestMutatedDefinitions(t *testing.T) {
	t.Parallel()
	for _, m := range inDefinitions {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(strings.Replace(valid, "*", m.of, 1))
			require.NoError(t, err)
			require.Contains(t, string(raw), m.old, "the mutation fits the definition no more")
			text := strings.Replace(string(raw), m.old, m.now, 1)
			findings := Definition(text, m.of)
			if m.code == "" {
				require.Empty(t, lines(findings))
				return
			}
			require.Contains(t, wanted(t, findings, m.mutation, text).Hint, m.hint)
		})
	}
}

const nested = `{
  "QueryLanguage": "JSONata", "StartAt": "Set", "TimeoutSeconds": 60,
  "States": {
    "Set": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "Each"},
    "Each": {
      "Type": "Map", "Label": "L",
      "ItemProcessor": {
        "ProcessorConfig": MODE, "StartAt": "In",
        "States": {
          "In": {"Type": "Pass", "Output": "{% $outer %}", "Assign": {"inner": 1}, "End": true}
        }
      },
      "Next": "After"
    },
    "After": {"Type": "Pass", "Output": "{% OUT %}", "End": true}
  }
}`

// Variables are seen inside inline Maps, not in distributed ones, and never come
// out again.
func TestScopes(t *testing.T) {
	t.Parallel()
	const inline, distributed = `{"Mode": "INLINE"}`, `{"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}`
	check := func(mode, out string, edits ...string) []string {
		text := strings.NewReplacer("MODE", mode, "OUT", out).Replace(nested)
		if mode == inline {
			text = strings.Replace(text, `"Label": "L",`, "", 1)
		}
		return lines(Definition(strings.NewReplacer(edits...).Replace(text), "x"))
	}
	require.Empty(t, check(inline, "$outer"))
	require.Equal(t, []string{`x:10:48: error: state "In" reads the variable $outer, which nothing before it has assigned (undefined-variable)`}, check(distributed, "$outer"))
	require.Equal(t, []string{`x:15:45: error: state "After" reads the variable $inner, which nothing before it has assigned (undefined-variable)`}, check(inline, "$inner"))
	require.Equal(t, []string{`x:10:80: error: The variable name 'outer' was already defined in a parent scope. (schema-validation-failed)`},
		check(inline, "$outer", `{"inner": 1}`, `{"outer": 2}`))
	require.Empty(t, check(inline, "$exists($outer) ? $map([1], function($v) { $v + $outer }) : $string"))
}

// Two Maps of one label would name their children alike.
func TestEqualLabels(t *testing.T) {
	t.Parallel()
	one := `{"Type": "Map", "Label": "L", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
 "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}, "Next": "B"}`
	two := strings.NewReplacer(`"A"`, `"C"`, `"Next": "B"`, `"End": true`).Replace(one)
	text := `{"StartAt": "M", "States": {"M": ` + one + `, "B": ` + two + `}}`
	require.Equal(t, []string{`x:2:111: error: Map states "M" and "B" have the same label (label)`}, lines(Definition(text, "x")))
}

func TestNotUTF8(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"x:1:14: error: the text is not UTF-8 (not-utf8)"}, lines(Definition("{\"Comment\": \"\x8b\"}", "x")))
}

func TestSize(t *testing.T) {
	t.Parallel()
	text := `{"Comment": "` + strings.Repeat("x", maxDefinition) + `"}`
	require.Equal(t, []string{"x: error: the definition has 1,048,591 bytes; Step Functions takes at most 1,048,576 (too-large)"}, lines(Definition(text, "x")))
}
