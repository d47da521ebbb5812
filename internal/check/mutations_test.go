package check

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// scoring is a copy of the built-in template realtime in memory.
func scoring(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	src, err := fs.Sub(templates.FS, "realtime")
	require.NoError(t, err)
	require.NoError(t, fs.WalkDir(src, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(src, path)
		out[path] = &fstest.MapFile{Data: raw}
		return err
	}))
	return out
}

// mutation is one mistake in a good template: the text old, which is there,
// becomes now.
type mutation struct {
	name     string
	file     string // template.yaml if empty
	old, now string
	// want is the code of the finding, at the first place of mark in the
	// change. "<" looks backwards from the change, "@" means a state's value, "-"
	// that the place does not matter.
	code, mark string
	severity   Severity
	hint       string // part of it
}

// place is line:column of the first place of mark, behind the place of near.
func place(text, near, mark string) (line, column int) {
	from := max(strings.Index(text, near), 0)
	at := from + max(strings.Index(text[from:], mark), 0)
	return literal(text).place(at)
}

const (
	sm   = spec.DefinitionFile
	retr = `"ErrorEquals": [
            "States.TaskFailed",
            "States.Timeout"
          ]`
)

// mutations holds the kinds of mistakes that public validators find, and those
// that all of them miss.
var mutations = []mutation{
	// What every validator of the language should find.
	{"no comma", sm, `"StartAt": "Preprocess",`, `"StartAt": "Preprocess"`, "json-syntax", `"TimeoutSeconds"`, Error, ""},
	{"missing target", sm, `"Next": "CheckPayload"`, `"Next": "CheckPayloads"`, "missing-transition-target", `"CheckPayloads"`, Error, ""},
	{"missing start", sm, `"StartAt": "Preprocess"`, `"StartAt": "Pre"`, "missing-transition-target", `"Pre"`, Error, ""},
	{"missing default", sm, `"Default": "InvokeEndpoint"`, `"Default": "Invoke"`, "missing-transition-target", `"Invoke"`, Error, ""},
	{"unreachable", sm, `"Next": "NoBody"`, `"Next": "PayloadTooLarge"`, "missing-transition-target", "@NoBody", Error, ""},
	{"no end", sm, `"End": true`, `"Next": "StoreResult"`, "never-ends", "@StoreResult", Error, "Lead one"},
	{"next and end", sm, `"Next": "StoreResult"`, `"Next": "StoreResult", "End": true`, "schema-validation-failed", "@InvokeEndpoint", Error, ""},
	{"neither next nor end", sm, `,
      "End": true`, ``, "schema-validation-failed", "@StoreResult", Error, ""},
	{"unknown type", sm, `"Type": "Choice"`, `"Type": "Choise"`, "schema-validation-failed", `"Choise"`, Error, ""},
	{"unknown field", sm, `"TimeoutSeconds": 30`, `"TimeoutSecond": 30`, "schema-validation-failed", "30", Error, ""},
	{"field of the other language", sm, `"TimeoutSeconds": 30`, `"ResultPath": "$.x"`, "schema-validation-failed", `"$.x"`, Error, ""},
	{"wrong type of a field", sm, `"TimeoutSeconds": 30`, `"TimeoutSeconds": "30"`, "schema-validation-failed", `"30"`, Error, ""},
	{"string parameter for a number", sm, `"${executionTimeoutSec}"`, `"${logLevel}"`, "schema-validation-failed", `"${logLevel}"`, Error, ""},
	{"zero timeout", sm, `"TimeoutSeconds": 30`, `"TimeoutSeconds": 0`, "schema-validation-failed", `0`, Error, ""},
	{"backoff below one", sm, `"BackoffRate": 2,
          "MaxAttempts": 6`, `"BackoffRate": 0.5,
          "MaxAttempts": 6`, "schema-validation-failed", `0.5`, Error, ""},
	{"no choices", sm, `"Choices": [`, `"Choices": [], "Cs": [`, "schema-validation-failed", `[]`, Error, ""},
	{"retry without errors", sm, retr, `"ErrorEquals": []`, "schema-validation-failed", `[]`, Error, ""},
	{"bad jitter", sm, `"JitterStrategy": "FULL"`, `"JitterStrategy": "SOME"`, "schema-validation-failed", `"SOME"`, Error, ""},
	{"heartbeat above timeout", sm, `"TimeoutSeconds": 30`, `"TimeoutSeconds": 30, "HeartbeatSeconds": 60`, "schema-validation-failed", `60`, Error, ""},
	{"resource is no ARN", sm, `"arn:${partition}:states:::lambda:invoke"`, `"lambda:invoke"`, "unknown-resource", `"lambda:invoke"`, Error, ""},
	{"bad variable name", sm, `"prediction": "{%`, `"1st": "{%`, "schema-validation-failed", `"{%`, Error, ""},

	// What all of them miss.
	{
		"sagemaker:invokeEndpoint.sync", sm, `:::aws-sdk:sagemakerruntime:invokeEndpoint"`, `:::sagemaker:invokeEndpoint.sync"`, "unknown-integration",
		`<"arn:`, Error, "aws-sdk:sagemakerruntime:invokeEndpoint",
	},
	{"optimized that is none", sm, `:::aws-sdk:sagemakerruntime:invokeEndpoint"`, `:::s3:putObject2"`, "unknown-integration", `<"arn:`, Error, ""},
	{"pattern that is none", sm, `:::lambda:invoke"`, `:::lambda:invoke.sync"`, "unknown-integration", `<"arn:`, Error, "waitForTaskToken"},
	{"sync of an SDK call", sm, `:::aws-sdk:s3:putObject"`, `:::aws-sdk:s3:putObject.sync"`, "unknown-integration", `<"arn:`, Error, "Poll"},
	{"service under another name", sm, `:::aws-sdk:sagemakerruntime:`, `:::aws-sdk:sagemaker-runtime:`, "unknown-integration", `<"arn:`, Error, "sagemakerruntime"},
	{"operation of another service", sm, `:::aws-sdk:sagemakerruntime:`, `:::aws-sdk:sagemaker:`, "unknown-integration", `<"arn:`, Error, "sagemakerruntime"},
	{"misspelled operation", sm, `:::aws-sdk:s3:putObject"`, `:::aws-sdk:s3:putObjekt"`, "unknown-integration", `<"arn:`, Error, "Did you mean putObject?"},
	{"capital operation", sm, `:::aws-sdk:s3:putObject"`, `:::aws-sdk:s3:PutObject"`, "unknown-integration", `<"arn:`, Error, "putObject"},
	{"call without rights", sm, `:::aws-sdk:s3:putObject"`, `:::aws-sdk:s3:deleteObject"`, "no-rights", `<"arn:`, Error, "aws-sdk:s3:putObject"},
	{"argument in small letters", sm, `"Bucket": "${bucketName}"`, `"bucket": "${bucketName}"`, "missing-argument", `<{`, Error, "Bucket, not bucket"},
	{"token for nobody", sm, `:::lambda:invoke"`, `:::lambda:invoke.waitForTaskToken"`, "no-task-token", `<"arn:`, Warning, "Task.Token"},
	{"undefined variable", sm, `"variant": "{% $variant %}",
          "startedAt"`, `"variant": "{% $variants %}",
          "startedAt"`, "undefined-variable", `$variants`, Error, "Did you mean $variant?"},
	{"variable of the same state", sm, `"Output": {},`, `"Output": "{% $prediction %}",`, "undefined-variable", `$prediction`, Error, "later state"},
	{"variable of one way only", sm, `"Next": "NoBody"`, `"Next": "StoreResult"`, "maybe-undefined-variable", `-`, Warning, ""},
	{"result where there is none", sm, `"Body": "{% $states.input.body %}"`, `"Body": "{% $states.result.body %}"`, "no-result-here", `$states.result`, Error, "Output"},
	{"error where there is none", sm, `"etag": "{% $states.result.ETag %}"`, `"etag": "{% $states.errorOutput.Cause %}"`, "no-error-here", `$states.error`, Error, "Catch"},
	{"no such member of $states", sm, `$states.input.body))`, `$states.inputs.body))`, "unknown-states-member", `$states.inputs`, Error, "Did you mean input?"},
	{"States.ALL in company", sm, retr, strings.Replace(retr, "States.Timeout", "States.ALL", 1), "states-all", `"States.ALL"`, Error, "Remove the others"},
	{"States.ALL not last", sm, `"SageMakerRuntime.ValidationErrorException"`, `"States.ALL"`, "states-all", `"States.ALL"`, Error, "Move it behind"},
	{"transient error not retried", sm, `"Lambda.ServiceException",
            `, ``, "lambda-retry", "@Preprocess", Warning, "Retry"},
	{"unknown States error", sm, `"States.Timeout"`, `"States.TimeOut2"`, "unknown-error", `"States.TimeOut2"`, Warning, "States.Timeout"},
	{"JSONata syntax", sm, `$length($string($states.input.body)) > 200000`, `$length($string($states.input.body) > > 200000`, "jsonata-syntax", `> 200000`, Error, ""},
	{"JSONata cut off", sm, `"{% $prediction %}"`, `"{% $prediction & %}"`, "jsonata-syntax", ` %}`, Error, ""},
	{"JSONata behind an escape", sm, `'/' & $states.context.Execution.Name & '.json' %}",
        "ContentType"`, `\"/\" & & '.json' %}",
        "ContentType"`, "jsonata-syntax", `& '.json'`, Error, ""},
	{"unknown function", sm, `$type($states.result.Body)`, `$typ($states.result.Body)`, "unknown-function", `$typ(`, Error, "Did you mean $type?"},
	{"eval", sm, `$parse($states`, `$eval($states`, "unknown-function", `$eval(`, Error, "$parse"},
	{"path in a JSONata state", sm, `"Body": "{% $states.input.body %}"`, `"Body": "$.body"`, "wrong-language", `"$.body"`, Warning, "$states.input"},
	{"intrinsic in a JSONata state", sm, `"Body": "{% $states.input.body %}"`, `"Body": "States.Format('{}', $.body)"`, "wrong-language", `"States.`, Warning, "JSONata"},
	{"half an expression", sm, `"ContentType": "application/json",
        "ExpectedBucketOwner"`, `"ContentType": "{% 'a' %}/json",
        "ExpectedBucketOwner"`, "partial-expression", `"{%`, Warning, "whole string"},
	{
		"catch to fail", sm, `"TimeoutSeconds": 30,`, `"TimeoutSeconds": 30, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "NoBody"}],`,
		"catch-to-fail", `"NoBody"`, Warning, "redrive|retry",
	},
	{"choice without default", sm, `,
      "Default": "InvokeEndpoint"`, ``, "no-default", "@CheckPayload", Warning, "Default"},
	{"fixed partition", sm, `arn:${partition}:states:::lambda`, `arn:aws:states:::lambda`, "fixed-partition", `aws:states`, Warning, "${partition}"},
	{"fixed account", sm, `"${preprocessFunctionArn}"`, `"arn:${partition}:lambda:eu-west-1:123456789012:function:f"`, "fixed-account", `123456789012`, Warning, "${accountId}"},
	{"fixed region", sm, `"${preprocessFunctionArn}"`, `"arn:${partition}:lambda:eu-west-1:${accountId}:function:f"`, "fixed-region", `eu-west-1`, Warning, "${region}"},

	// The template around the definition.
	{"undeclared name", sm, `"${invokeTimeoutSec}"`, `"${invokeTimeoutSecs}"`, "undeclared-name", `${invoke`, Error, "${invokeTimeoutSec}"},
	{"provided but not declared", sm, `"${executionTimeoutSec}"`, `"${region}"`, "undeclared-name", `${region`, Error, "Declare it"},
	{"name of a field", sm, `"executionArn": "{%`, `"${bucketName}": "{%`, "substituted-key", `${bucketName}`, Error, "values only"},
	{"list in a text", sm, `"endpoint": "${endpointName}"`, `"endpoint": "in ${subnets}"`, "list-in-text", `${subnets}`, Error, "whole of a string"},
	{"maybe unset", sm, `"TimeoutSeconds": 30`, `"TimeoutSeconds": "${volumeGb}"`, "maybe-unset", `${volumeGb}`, Warning, "default"},
	{"unused parameter", "", `parameters:
`, `parameters:
  - {name: colour, type: string, group: model, default: red, help: Of the bikeshed.}
`, "unused-parameter", `name: colour`, Warning, "${colour}"},
	{"unused substitution", "", `substitutions:
`, `substitutions:
  - {name: modelName, help: The model.}
`, "unused-substitution", `name: modelName`, Error, "${modelName}"},
	{
		"nothing provides it", "", `blocks: [encryption, storage, deadletter, notices, push, preprocess,`,
		`blocks: [encryption, storage, deadletter, notices, push,`, "not-provided", `name: preprocessFunctionArn`, Error, "Add preprocess",
	},
	{"unknown block", "", `storage, deadletter`, `storage, deadleter`, "unknown-block", `deadleter`, Error, "deadletter"},
	{"repeated block", "", `storage, deadletter`, `storage, storage`, "repeated-block", `storage, notices`, Error, "Remove"},
	{"missing block", "", `preprocess, model, endpoint`, `preprocess, endpoint`, "missing-block", `endpoint, invoker`, Error, "model"},
	{"no workflow", "", `, workflow, alarms]`, `]`, "missing-block", `<blocks:`, Error, "workflow"},
	{"unknown output", "", `{name: dlqUrl,`, `{name: dlqURI,`, "unknown-output", `name: dlqURI`, Warning, "dlqUrl"},
	{"missing handler", "", `default: handler.handler`, `default: main.handler`, "no-handler", `default: main`, Error, "handler"},
	{"unknown key", "", `version: "1"`, "version: \"1\"\nvershun: 2", "template", `vershun`, Error, "version"},
	{"bad default", "", `default: python3.13`, `default: python2.7`, "template", `python2.7`, Error, ""},
	{"bad yaml", "", `title: Real-time`, `title: [Real-time`, "template", `-`, Error, ""},
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			folder := scoring(t)
			file := m.file
			if file == "" {
				file = spec.TemplateFile
			}
			before := string(folder[file].Data)
			require.Contains(t, before, m.old, "the mutation fits the template no more")
			after := strings.Replace(before, m.old, m.now, 1)
			folder[file].Data = []byte(after)
			r := Template(folder, "my/scoring", options())
			found := wanted(t, r.Findings, m, after)
			require.Equal(t, "my/scoring/"+file, found.File)
			ok := m.hint == ""
			for _, part := range strings.Split(m.hint, "|") {
				ok = ok || strings.Contains(found.Hint, part)
			}
			require.True(t, ok, "the hint is %q", found.Hint)
		})
	}
}

// wanted finds the finding of a mutation, at its place.
func wanted(t *testing.T, all []Finding, m mutation, text string) Finding {
	t.Helper()
	line, column := 0, 0
	switch name, isState := strings.CutPrefix(m.mark, "@"); {
	case isState: // the value of a state
		line, column = place(text, `"`+name+`": {`, "{")
	case m.mark != "-":
		mark := m.mark
		if back, ok := strings.CutPrefix(mark, "<"); ok { // the last one before the change
			line, column = literal(text).place(strings.LastIndex(strings.SplitN(text, m.now, 2)[0], back))
		} else {
			line, column = place(text, m.now, mark)
		}
	}
	for _, f := range all {
		if f.Code == m.code && f.Severity == m.severity && (line == 0 || f.Line == line && f.Column == column) {
			return f
		}
	}
	require.Fail(t, "not found", "want %s %s at %d:%d, found\n%s", m.severity, m.code, line, column, strings.Join(lines(all), "\n"))
	return Finding{}
}
