package states_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

const payload = 256 * 1024 // AWS's limit of inputs and outputs, in bytes

// express runs a machine without a history and returns StartSyncExecution's answer.
func (w *world) express(name, definition, input string) map[string]any {
	w.t.Helper()
	m := w.must("CreateStateMachine", map[string]any{"name": name, "definition": definition, "roleArn": roleARN, "type": "EXPRESS"})["stateMachineArn"]
	return w.must("StartSyncExecution", map[string]any{"stateMachineArn": m, "input": input, "name": "one"})
}

// text is a JSON text of n bytes, of characters that take two.
func text(n int) string { return `"` + strings.Repeat("é", (n-2)/2) + `"` }

// Payloads are bounded in bytes of UTF-8: the API reference says that of every input
// and output, the service quotas speak of "256 KiB of data as a UTF-8 encoded string".
func TestPayloadLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const pass = `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`
	m := w.machine("pass", pass)
	require.Equal(t, 200, w.call("StartExecution", map[string]any{"stateMachineArn": m, "input": text(payload)}).status)
	r := w.call("StartExecution", map[string]any{"stateMachineArn": m, "input": text(payload + 2)})
	require.Equal(t, "ValidationException", r.body["__type"])
	require.Contains(t, r.body["message"], "Member must have length less than or equal to 262144")

	for name, c := range map[string]struct{ definition, cause string }{
		"result":          {`{"QueryLanguage":"JSONata","StartAt":"S","States":{"S":{"Type":"Pass","Output":"{% $states.input & 'é' %}","End":true}}}`, "returned a result"},
		"combined result": {`{"StartAt":"S","States":{"S":{"Type":"Pass","Parameters":{"a.$":"$","b":1},"End":true}}}`, "returned a result"},
		"arguments": {`{"QueryLanguage":"JSONata","StartAt":"S","States":{"S":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",` +
			`"Arguments":{"FunctionName":"f","Payload":"{% $states.input %}"},"End":true}}}`, "provided parameters"},
		"parameters": {`{"StartAt":"S","States":{"S":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f",` +
			`"Payload.$":"$"},"End":true}}}`, "provided parameters"},
		"parallel parameters": {`{"StartAt":"S","States":{"S":{"Type":"Parallel","Parameters":{"a.$":"$"},"Branches":[{"StartAt":"P",` +
			`"States":{"P":{"Type":"Pass","End":true}}}],"End":true}}}`, "provided parameters"},
	} {
		got := w.express(strings.ReplaceAll(name, " ", "-"), c.definition, text(payload))
		require.Equal(t, "States.DataLimitExceeded", got["error"], "%s: %v", name, got["cause"])
		require.Equal(t, "The state/task 'S' "+c.cause+" with a size exceeding the maximum number of bytes service limit.", got["cause"], name)
	}
	got := w.express("caught", `{"StartAt":"S","States":{"S":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"f","Payload.$":"$"},
		"Catch":[{"ErrorEquals":["States.DataLimitExceeded"],"Next":"C"}],"End":true},"C":{"Type":"Pass","Result":"caught","End":true}}}`, text(payload))
	require.Equal(t, `"caught"`, got["output"])
}

// What one Assign sets is bounded by 256 KiB, all variables of an execution by 10 MiB.
// Variables go out of scope with their workflow. Source: the Developer Guide, "Passing
// data between states with variables", sections "Limits" and "Variable scope".
func TestVariableLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	large := text(payload - 4)
	// chain is n Pass states that each set a variable to the input.
	chain := func(n int, name func(i int) string) string {
		var b strings.Builder
		for i := range n {
			next := `"End":true`
			if i < n-1 {
				next = fmt.Sprintf(`"Next":"S%d"`, i+1)
			}
			fmt.Fprintf(&b, `,"S%d":{"Type":"Pass","Assign":{%q:"{%% $states.input %%}"},%s}`, i, name(i), next)
		}
		return `{"QueryLanguage":"JSONata","StartAt":"S0","States":{` + b.String()[1:] + `}}`
	}
	for name, c := range map[string]struct{ definition, cause string }{
		"one": {chain(1, func(int) string { return "v" }), ""},
		"two at once": {`{"QueryLanguage":"JSONata","StartAt":"S","States":{"S":{"Type":"Pass","Assign":{"a":"{% $states.input %}","b":"{% $states.input ` +
			`%}"},"End":true}}}`, "The state/task 'S' assigned variables"},
		"the same":     {chain(45, func(int) string { return "v" }), ""},
		"forty":        {chain(40, func(i int) string { return fmt.Sprint("v", i) }), ""},
		"more than 10": {chain(41, func(i int) string { return fmt.Sprint("v", i) }), "The state/task 'S40' stored variables"},
		"out of scope": {`{"QueryLanguage":"JSONata","StartAt":"M","States":{"M":{"Type":"Map","Items":"{% [1..50] %}","MaxConcurrency":1,
			"ItemProcessor":{"StartAt":"S","States":{"S":{"Type":"Pass","Assign":{"v":"{% $pad('', 250000, 'x') %}"},"Output":1,"End":true}}},"Output":1,"End":true}}}`, ""},
	} {
		got := w.express(strings.ReplaceAll(name, " ", "-"), c.definition, large)
		if c.cause == "" {
			require.Equal(t, "SUCCEEDED", got["status"], "%s: %v", name, got["cause"])
			continue
		}
		require.Equal(t, "States.DataLimitExceeded", got["error"], name)
		require.Equal(t, c.cause+" with a size exceeding the maximum number of bytes service limit.", got["cause"], name)
	}
}

// Names are bounded in characters (service quotas: "must not exceed 80 characters";
// names may hold others than ASCII), errors and causes by the API's model.
func TestNameAndCauseLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const pass = `{"StartAt":"P","States":{"P":{"Type":"Wait","Seconds":99999,"End":true}}}`
	m := w.machine(strings.Repeat("ü", 80), pass)
	r := w.call("CreateStateMachine", map[string]any{"name": strings.Repeat("ü", 81), "definition": pass, "roleArn": roleARN})
	require.Contains(t, []any{"InvalidName", "ValidationException"}, r.body["__type"])
	arn := w.start(m, strings.Repeat("ö", 80), "{}")
	for field, most := range map[string]int{"error": 256, "cause": 32768} {
		r = w.call("StopExecution", map[string]any{"executionArn": arn, field: strings.Repeat("x", most+1)})
		require.Equal(t, "ValidationException", r.body["__type"], field)
		r = w.call("SendTaskFailure", map[string]any{"taskToken": "AQCIAAAA" + strings.Repeat("t", 200), field: strings.Repeat("x", most+1)})
		require.Equal(t, "ValidationException", r.body["__type"], field)
	}
	r = w.call("CreateStateMachine", map[string]any{"name": "long", "definition": pass + strings.Repeat(" ", 1<<20), "roleArn": roleARN})
	require.Equal(t, "ValidationException", r.body["__type"])
	require.Contains(t, r.body["message"], "less than or equal to 1048576")
	require.Equal(t, 200, w.call("StopExecution", map[string]any{"executionArn": arn, "error": strings.Repeat("x", 256), "cause": strings.Repeat("x", 32768)}).status)
}

// The context object of an Express execution has all that others have; its Id names the
// start too. Source: a recording of AWS of an Express machine that returns its context.
func TestExpressContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.express("ctx", `{"QueryLanguage":"JSONata","StartAt":"S","States":{"S":{"Type":"Pass","Output":"{% $states.context %}","End":true}}}`, `{"a":1}`)
	var c map[string]map[string]any
	require.NoError(t, json.Unmarshal([]byte(got["output"].(string)), &c), "%v", got)
	require.NotEmpty(t, c["Execution"]["StartTime"])
	require.NotEmpty(t, c["State"]["EnteredTime"])
	delete(c["Execution"], "StartTime")
	delete(c["State"], "EnteredTime")
	require.Equal(t, map[string]map[string]any{
		"Execution":    {"Id": got["executionArn"], "Input": map[string]any{"a": 1.0}, "Name": "one", "RoleArn": roleARN, "RedriveCount": 0.0},
		"StateMachine": {"Id": "arn:aws:states:us-east-1:000000000000:stateMachine:ctx", "Name": "ctx"},
		"State":        {"Name": "S"},
	}, c)
}

// A test has a context of its own, and tasks that others end, only with a mock. Source:
// the API reference of TestState.
func TestStateWithoutMock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.call("TestState", map[string]any{"definition": `{"Type":"Pass","End":true}`, "context": `{"Execution":{"Name":"n"}}`})
	require.Equal(t, "ValidationException", r.body["__type"])
	require.Equal(t, "TestState does not support Context when a mock is not specified.", r.body["message"])
	for _, resource := range []string{
		"arn:aws:states:us-east-1:000000000000:activity:a", "arn:aws:states:::states:startExecution.sync", "arn:aws:states:::states:startExecution.sync:2",
		"arn:aws:states:::sqs:sendMessage.waitForTaskToken",
	} {
		r = w.call("TestState", map[string]any{"definition": `{"Type":"Task","Resource":"` + resource + `","Parameters":{},"End":true}`, "roleArn": roleARN})
		require.Equal(t, "InvalidDefinition", r.body["__type"], "%s: %v", resource, r.body)
	}
}

// "The TestState API can run for up to five minutes. If the execution of a state exceeds
// this duration, it fails with the States.Timeout error." (API reference)
func TestStateTimeLimit(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) { w.clock = fake })
	go func() {
		if fake.WaitTimers(t.Context(), 2) == nil { // the limit and the wait
			fake.Advance(5 * time.Minute)
		}
	}()
	got := w.must("TestState", map[string]any{"definition": `{"Type":"Wait","Seconds":301,"End":true}`})
	require.Equal(t, "FAILED", got["status"])
	require.Equal(t, "States.Timeout", got["error"])
}

// What the API's model says of inputs is checked before an operation runs, in AWS's words.
func TestConstraints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const says = "1 validation error detected: Value"
	for _, c := range []struct {
		op     string
		params map[string]any
		want   string
	}{
		{"StartExecution", map[string]any{}, says + " null at 'stateMachineArn' failed to satisfy constraint: Member must not be null"},
		{"ListActivities", map[string]any{"maxResults": 1001}, says + " '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"ListMapRuns", map[string]any{"executionArn": "a", "nextToken": strings.Repeat("t", 1025)}, says + " '" + strings.Repeat("t", 1025) +
			"' at 'nextToken' failed to satisfy constraint: Member must have length less than or equal to 1024"},
		{"DescribeExecution", map[string]any{"executionArn": "a", "includedData": "NONE"}, says +
			" 'NONE' at 'includedData' failed to satisfy constraint: Member must satisfy enum value set: [ALL_DATA, METADATA_ONLY]"},
		{"UpdateMapRun", map[string]any{"mapRunArn": "a", "toleratedFailurePercentage": 101}, says +
			" '101' at 'toleratedFailurePercentage' failed to satisfy constraint: Member must have value less than or equal to 100"},
		{"CreateActivity", map[string]any{"name": "a", "encryptionConfiguration": map[string]any{
			"type":                         "CUSTOMER_MANAGED_KMS_KEY",
			"kmsDataKeyReusePeriodSeconds": 59,
		}}, says + " '59' at 'encryptionConfiguration.kmsDataKeyReusePeriodSeconds' failed to satisfy constraint: Member " +
			"must have value greater than or equal to 60"},
		{"TestState", map[string]any{"definition": `{"Type":"Pass","End":true}`, "inspectionLevel": "ALL"}, says +
			" 'ALL' at 'inspectionLevel' failed to satisfy constraint: Member must satisfy enum value set: [INFO, DEBUG, TRACE]"},
		{"SendTaskHeartbeat", map[string]any{"taskToken": ""}, says + " '' at 'taskToken' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"GetExecutionHistory", map[string]any{"executionArn": strings.Repeat("a", 257)}, says + " '" + strings.Repeat("a", 257) +
			"' at 'executionArn' failed to satisfy constraint: Member must have length less than or equal to 256"},
	} {
		r := w.call(c.op, c.params)
		require.Equal(t, "ValidationException", r.body["__type"], "%s: %v", c.op, r.body)
		require.Equal(t, c.want, r.body["message"], c.op)
	}
}

// AWS's API model says of InvalidEncryptionConfiguration: "For example, if type is set to
// CUSTOMER_MANAGED_KMS_KEY, but kmsKeyId is null" (service/sfn/types of its Go SDK).
func TestEncryptionWithoutAKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []map[string]any{
		{"type": "CUSTOMER_MANAGED_KMS_KEY"}, {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsDataKeyReusePeriodSeconds": 60},
	} {
		r := w.call("CreateActivity", map[string]any{"name": "sealed", "encryptionConfiguration": c})
		require.Equal(t, "InvalidEncryptionConfiguration", r.body["__type"], "%v", r.body)
	}
	r := w.call("CreateActivity", map[string]any{"name": "sealed", "encryptionConfiguration": map[string]any{"type": "AWS_OWNED_KEY"}})
	require.NotEmpty(t, r.body["activityArn"], "%v", r.body)
}
