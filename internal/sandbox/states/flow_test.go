package states_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDataFlowFailures lists what each kind of bad data leads to.
func TestDataFlowFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lambda.all["echo"] = function{}
	at := func(state string, id int) string {
		return fmt.Sprintf("An error occurred while executing the state '%s' (entered at the event id #%d). ", state, id)
	}
	task := `"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","End":true`
	for name, c := range map[string]struct {
		state, input, errorName, cause string
		events                         []string
	}{
		"wait too long": {`"Type":"Wait","SecondsPath":"$.s","End":true`, `{"s":100000000}`, "States.Runtime", at("A", 2) +
			"The SecondsPath field refers to value \"100000000\" which is not between 0 and 99999999", []string{"WaitStateEntered", "ExecutionFailed"}},
		"wait negative": {`"Type":"Wait","SecondsPath":"$.s","End":true`, `{"s":-1}`, "States.Runtime", at("A", 2) +
			"The SecondsPath parameter references a negative value: $.s == -1", []string{"WaitStateEntered", "ExecutionFailed"}},
		"wait text": {`"Type":"Wait","SecondsPath":"$.s","End":true`, `{"s":[]}`, "States.Runtime", at("A", 2) +
			"The SecondsPath parameter cannot be parsed as a long value: $.s == []", nil},
		"choice path": {`"Type":"Choice","Choices":[{"Variable":"$.x","IsNull":true,"Next":"Z"}]`, `{}`, "States.Runtime", at("A", 2) +
			"Invalid path '$.x': The choice state's condition path references an invalid value.", nil},
		"choice no match": {`"Type":"Choice","Choices":[{"Variable":"$.x","NumericEquals":2,"Next":"Z"}]`, `{"x":1}`, "States.NoChoiceMatched", at("A", 2) +
			"Failed to transition out of the state. No choice rule matched and the state has no Default.", nil},
		"choice type": {
			`"Type":"Choice","QueryLanguage":"JSONata","Choices":[{"Condition":"{% $states.input.x %}","Next":"Z"}]`, `{"x":1}`,
			"States.QueryEvaluationError", at("A", 2) + "The JSONata expression '$states.input.x' specified for the field 'Choices[0]/Condition' returned an " +
				"unexpected result type. Expected 'boolean', but was 'number' for value: 1",
			[]string{"ChoiceStateEntered", "EvaluationFailed", "ExecutionFailed"},
		},
		"result path": {`"Type":"Pass","ResultPath":"$.a.b","End":true`, `{"a":1}`, "States.ResultPathMatchFailure", at("A", 2) +
			`Unable to apply step "$.a.b" to input {"a":1}`, nil},
		"map items": {
			`"Type":"Map","ItemsPath":"$.l","ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Succeed"}}},"End":true`, `{"l":1}`,
			"States.Runtime", at("A", 2) + `Reference path "$.l" must point to array.`, nil,
		},
		"intrinsic": {`"Type":"Pass","Parameters":{"x.$":"States.ArrayGetItem($.l, 4)"},"End":true`, `{"l":[1]}`, "States.Runtime", at("A", 2) +
			"There was an error while evaluating the intrinsic function: States.ArrayGetItem($.l, 4). Invalid arguments in States.ArrayGetItem", nil},
		"task arguments": {
			task + `,"QueryLanguage":"JSONata","Arguments":{"FunctionName":"{% $states.input.nope %}"}`, `{}`,
			"States.QueryEvaluationError", at("A", 2) + "The JSONata expression '$states.input.nope' specified for the field 'Arguments/FunctionName' returned " +
				"nothing (undefined).",
			[]string{"TaskStateEntered", "EvaluationFailed", "ExecutionFailed"},
		},
		"task output": {
			task + `,"QueryLanguage":"JSONata","Arguments":{"FunctionName":"echo"},"Output":"{% $states.result.nope %}"`, `{}`,
			"States.QueryEvaluationError", at("A", 2) + "The JSONata expression '$states.result.nope' specified for the field 'Output' returned " +
				"nothing (undefined).",
			[]string{"TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskSucceeded", "EvaluationFailed", "ExecutionFailed"},
		},
		"no function": {
			task + `,"Parameters":{"FunctionName":"nope"}`, `{}`, "Lambda.ResourceNotFoundException",
			"Function not found: nope (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: ",
			[]string{"TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed", "ExecutionFailed"},
		},
		"parallel": {`"Type":"Parallel","End":true,"Branches":[{"StartAt":"F","States":{"F":{"Type":"Fail","Error":"E","Cause":"C"}}},{"StartAt":"W",` +
			`"States":{"W":{"Type":"Wait","Seconds":1000,"End":true}}}]`, `{}`, "E", "C", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			def := `{"StartAt":"A","States":{"A":{` + c.state + `}`
			if name[:3] == "cho" {
				def += `,"Z":{"Type":"Succeed"}`
			}
			arn := w.start(w.machine(fmt.Sprintf("m-%x", name), def+`}}`), "e", c.input)
			got := w.await(arn)
			require.Equal(t, "FAILED", got["status"])
			require.Equal(t, c.errorName, got["error"], "%v", got["cause"])
			require.Contains(t, got["cause"], c.cause)
			if c.events != nil {
				require.Equal(t, c.events, w.eventTypes(arn)[1:])
			}
		})
	}
}

func TestParallelSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arn := w.start(w.machine("m", `{"StartAt":"P","States":{"P":{"Type":"Parallel","Parameters":{"v.$":"$.x"},"ResultSelector":{"all.$":"$"},"ResultPath":"$.r","End":true,"Branches":[
		{"StartAt":"A","States":{"A":{"Type":"Pass","Parameters":{"a.$":"$.v"},"End":true}}},
		{"StartAt":"B","States":{"B":{"Type":"Pass","Result":"b","End":true}}}]}}}`), "e", `{"x":1}`)
	got := w.await(arn)
	require.JSONEq(t, `{"x":1,"r":{"all":[{"a":1},"b"]}}`, got["output"].(string))
	types := w.eventTypes(arn)
	require.Equal(t, []string{"ParallelStateEntered", "ParallelStateStarted"}, types[1:3])
	require.Equal(t, []string{"ParallelStateSucceeded", "ParallelStateExited", "ExecutionSucceeded"}, types[len(types)-3:])
}
