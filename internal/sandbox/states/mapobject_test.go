package states_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// A Map iterates over the members of an object as it does over the elements of an
// array, in every form of its items and in both modes: the item is {"Key","Value"}
// and the context object has Map.Item.Key, Value and Index. Source: the Developer
// Guide's pages "ItemsPath (Map, JSONPath only)" and "Accessing execution data from
// the Context object".
func TestMapOverAnObject(t *testing.T) {
	t.Parallel()
	const inline, distributed = ``, `"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},`
	const jsonata = `"QueryLanguage":"JSONata",`
	const reader = `"ItemReader":{"Resource":"arn:aws:states:::s3:getObject",%s:{"Bucket":"b","Key":"o.json"},"ReaderConfig":{"InputType":"JSON"}},`
	const pairs = `[{"Key":"a","Value":1},{"Key":"b","Value":{"c":2}}]`
	for name, c := range map[string]struct{ language, items, mode, input, want string }{
		"ItemsPath":               {"", `"ItemsPath":"$.o",`, inline, `{"o":{"a":1,"b":{"c":2}}}`, pairs},
		"the input":               {"", ``, inline, `{"a":1,"b":{"c":2}}`, pairs},
		"ItemsPath, distributed":  {"", `"ItemsPath":"$.o",`, distributed, `{"o":{"a":1,"b":{"c":2}}}`, pairs},
		"Items":                   {jsonata, `"Items":"{% $states.input.o %}",`, inline, `{"o":{"a":1,"b":{"c":2}}}`, pairs},
		"Items, distributed":      {jsonata, `"Items":"{% $states.input.o %}",`, distributed, `{"o":{"a":1,"b":{"c":2}}}`, pairs},
		"a literal":               {jsonata, `"Items":{"a":"{% 0+1 %}","b":{"c":2}},`, inline, `{}`, pairs},
		"a constant":              {jsonata, `"Items":{"a":1,"b":{"c":2}},`, inline, `{}`, pairs},
		"a constant, distributed": {jsonata, `"Items":{"a":1,"b":{"c":2}},`, distributed, `{}`, pairs},
		"a reader":                {"", fmt.Sprintf(reader, `"Parameters"`), distributed, `{}`, pairs},
		"a reader, JSONata":       {jsonata, fmt.Sprintf(reader, `"Arguments"`), distributed, `{}`, pairs},
		"no members":              {"", ``, inline, `{}`, `[]`},
		"no members, distributed": {"", ``, distributed, `{}`, `[]`},
		"selected by the context": {
			"", `"ItemsPath":"$.o","ItemSelector":{"k.$":"$$.Map.Item.Key","v.$":"$$.Map.Item.Value","i.$":"$$.Map.Item.Index"},`, inline,
			`{"o":{"a":1,"b":2}}`, `[{"k":"a","v":1,"i":0},{"k":"b","v":2,"i":1}]`,
		},
		"selected by the context, distributed": {
			jsonata, `"Items":"{% $states.input.o %}","ItemSelector":{"k":"{% $states.context.Map.Item.Key %}","v":"{% $states.context.Map.Item.Value %}"},`, distributed,
			`{"o":{"a":1,"b":2}}`, `[{"k":"a","v":1},{"k":"b","v":2}]`,
		},
		"batches": {
			"", `"ItemsPath":"$.o","ItemBatcher":{"MaxItemsPerBatch":2},`, distributed,
			`{"o":{"a":1,"b":2,"c":3}}`, `[{"Items":[{"Key":"a","Value":1},{"Key":"b","Value":2}]},{"Items":[{"Key":"c","Value":3}]}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) { w.s3.all["b"] = map[string][]byte{"o.json": []byte(`{"a":1,"b":{"c":2}}`)} })
			m := w.machine("m", fmt.Sprintf(`{%s"StartAt":"M","States":{"M":{"Type":"Map","End":true,%s"ItemProcessor":{%s"StartAt":"P",`+
				`"States":{"P":{"Type":"Pass","End":true}}}}}}`, c.language, c.items, c.mode))
			got := w.await(w.start(m, "e", c.input))
			require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
			require.JSONEq(t, c.want, got["output"].(string))
		})
	}
}

// What is neither an array nor an object is an error in every form, never an empty
// list.
func TestMapOverNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ definition, cause string }{
		"ItemsPath":   {`"Type":"Map","ItemsPath":"$.o",`, `Reference path "$.o" must point to array.`},
		"Items":       {`"Type":"Map","QueryLanguage":"JSONata","Items":"{% $states.input.o %}",`, "Expected 'array', but was 'number' for value: 5"},
		"no Items":    {`"Type":"Map","QueryLanguage":"JSONata",`, `Map state input must be an array but was: {"o":5}`},
		"distributed": {`"Type":"Map","ItemsPath":"$.o",`, `Reference path "$.o" must point to array.`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			mode := ""
			if name == "distributed" {
				mode = `"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},`
			}
			m := w.machine("m", fmt.Sprintf(`{"StartAt":"M","States":{"M":{%s"End":true,"ItemProcessor":{%s"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}}}`, c.definition, mode))
			got := w.await(w.start(m, "e", `{"o":5}`))
			require.Equal(t, "FAILED", got["status"])
			require.Contains(t, got["cause"], c.cause)
		})
	}
	r := newWorld(t).call("CreateStateMachine", map[string]any{
		"name": "m", "roleArn": roleARN,
		"definition": `{"QueryLanguage":"JSONata","StartAt":"M","States":{"M":{"Type":"Map","End":true,"Items":"abc","ItemProcessor":{"StartAt":"P",` +
			`"States":{"P":{"Type":"Pass","End":true}}}}}}`,
	})
	require.Equal(t, 400, r.status)
	require.Contains(t, r.body["message"], "/States/M/Items")
}

// What a failing branch cuts short is recorded after the event at which it failed,
// the failed Task itself included; a Fail state is not cut short. Source:
// recordings of AWS of 2024 (a callback that fails inside a Parallel state, a Map
// of Tasks that time out).
func TestFailedBranchAbortsItsTask(t *testing.T) {
	t.Parallel()
	const task = `{"StartAt":"%[1]s","States":{"%[1]s":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"none"},"End":true}}}`
	for name, c := range map[string]struct {
		definition string
		want       []string
	}{
		"parallel": {
			`{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[` + fmt.Sprintf(task, "T") + `],"End":true}}}`,
			[]string{
				"ExecutionStarted", "ParallelStateEntered", "ParallelStateStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed",
				"TaskStateAborted", "ParallelStateFailed", "ExecutionFailed",
			},
		},
		"fail": {
			`{"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"F","States":{"F":{"Type":"Fail"}}}],"End":true}}}`,
			[]string{"ExecutionStarted", "ParallelStateEntered", "ParallelStateStarted", "FailStateEntered", "ParallelStateFailed", "ExecutionFailed"},
		},
		"map": {
			`{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":1,"ItemProcessor":` + fmt.Sprintf(task, "T") + `,"End":true}}}`,
			[]string{
				"ExecutionStarted", "MapStateEntered", "MapStateStarted", "MapIterationStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskFailed",
				"MapIterationFailed", "TaskStateAborted", "MapStateFailed", "ExecutionFailed",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			arn := w.start(w.machine("m", c.definition), "e", `[1]`)
			w.await(arn)
			require.Equal(t, c.want, w.eventTypes(arn))
			byType := map[string]map[string]any{}
			for _, e := range w.history(arn) {
				m := e.(map[string]any)
				byType[m["type"].(string)] = m
			}
			if aborted := byType["TaskStateAborted"]; aborted != nil {
				require.Equal(t, byType["TaskFailed"]["id"], aborted["previousEventId"])
			}
		})
	}
}

// The others of a Parallel state are cut short in the order of the branches, down
// to the innermost state.
func TestFailedBranchAbortsTheOthers(t *testing.T) {
	t.Parallel()
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	w := newWorld(t, func(w *world) { w.clock = fake })
	arn := w.start(w.machine("m", `{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[
		{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9999999,"End":true}}},
		{"StartAt":"I","States":{"I":{"Type":"Map","ItemsPath":"$.l","End":true,"ItemProcessor":{"StartAt":"W2","States":{"W2":{"Type":"Wait","Seconds":9999999,"End":true}}}}}},
		{"StartAt":"S","States":{"S":{"Type":"Wait","Seconds":5,"Next":"F"},"F":{"Type":"Fail","Error":"E"}}}]}}}`), "e", `{"l":[1]}`)
	require.Eventually(t, func() bool {
		return strings.Count(strings.Join(w.eventTypes(arn), " "), "WaitStateEntered") == 3
	}, time.Minute, time.Millisecond, "each branch is where it waits")
	require.Equal(t, "FAILED", w.pass(fake, arn)["status"])
	types := w.eventTypes(arn)
	require.Equal(t, []string{
		"FailStateEntered", "WaitStateAborted", "MapIterationAborted", "WaitStateAborted", "MapStateAborted",
		"ParallelStateFailed", "ExecutionFailed",
	}, types[len(types)-7:])
}

// A Wait state waits 2^31-1 seconds at most. Source: a recording of AWS of December 2023.
func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct{ field, cause string }{
		"path":    {`"TimestampPath":"$.t"`, "An error occurred while executing the state 'W' (entered at the event id #2). Wait state delay is too long."},
		"literal": {`"Timestamp":"2999-01-01T00:00:00Z"`, "Wait state delay is too long."},
		"jsonata": {`"QueryLanguage":"JSONata","Timestamp":"{% $states.input.t %}"`, "Wait state delay is too long."},
	} {
		got := w.await(w.start(w.machine(name, `{"StartAt":"W","States":{"W":{"Type":"Wait",`+c.field+`,"End":true}}}`), "e", `{"t":"2999-01-01T00:00:00Z"}`))
		require.Equal(t, "States.Runtime", got["error"], name)
		require.Contains(t, got["cause"], c.cause)
	}
}

// What an expression yields in place of a text is an error, not an empty text: an
// empty role would have been the machine's own.
func TestWrongTypesAreErrors(t *testing.T) {
	t.Parallel()
	const processor = `"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`
	const reader = `"Type":"Map","ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"JSON"},%s},` + processor
	const writer = `"Type":"Map","Items":[1],"ResultWriter":{"Resource":"arn:aws:states:::s3:putObject",%s},` + processor
	for name, c := range map[string]struct{ state, says string }{
		"credentials": {
			`"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f"},"Credentials":{"RoleArn":"{% 5 %}"}`,
			"'Credentials/RoleArn' must be of type 'string', but was 'number' for value: 5",
		},
		"reader":         {fmt.Sprintf(reader, `"Arguments":"{% 'text' %}"`), "'ItemReader' must be of type 'object', but was 'string'"},
		"reader's key":   {fmt.Sprintf(reader, `"Arguments":{"Bucket":"b","Key":"{% 1 %}"}`), "'ItemReader/Key' must be of type 'string', but was 'number'"},
		"writer":         {fmt.Sprintf(writer, `"Arguments":{"Prefix":"x"}`), "'ResultWriter/Bucket' must be of type 'string', but was 'null'"},
		"writer's place": {fmt.Sprintf(writer, `"Arguments":{"Bucket":"b","Prefix":"{% [1,2] %}"}`), "'ResultWriter/Prefix' must be of type 'string', but was 'array'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) { w.s3.all["b"] = map[string][]byte{} })
			got := w.await(w.start(w.machine("m", `{"QueryLanguage":"JSONata","StartAt":"S","States":{"S":{`+c.state+`,"End":true}}}`), "e", `{}`))
			require.Equal(t, "States.QueryEvaluationError", got["error"], "%v", got)
			require.Contains(t, got["cause"], c.says)
		})
	}
}
