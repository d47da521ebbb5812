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

// nested is JSON of so many arrays inside each other.
func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

// What is nested more deeply than JSON may be fails the state that makes it, however it
// is made: it could be recorded, but not be read by what goes on after a restart.
func TestNestedTooDeeply(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.lambda.all["deep"] = function{handle: func(json.RawMessage) (string, error) { return nested(1000), nil }}
	})
	const item = `{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}`
	for name, c := range map[string]struct{ state, input, failure string }{
		"ResultPath":     {`{"Type":"Pass","Result":1,"ResultPath":"$` + strings.Repeat(".a", 20000) + `"`, `{}`, "States.ResultPathMatchFailure"},
		"ResultPath-one": {`{"Type":"Pass","Result":` + nested(600) + `,"ResultPath":"$` + strings.Repeat(".a", 600) + `"`, `{}`, "States.ResultPathMatchFailure"},
		"Catch": {`{"Type":"Map","ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Fail","Error":"E"}}},"Catch":[{"ErrorEquals":["E"],"ResultPath":"$` +
			strings.Repeat(".a", 2000) + `","Next":"G"}]`, `{"a":{}}`, "States.ResultPathMatchFailure"},
		"Parameters":    {`{"Type":"Pass","Parameters":{"a":{"b.$":"$"}}`, nested(1000), "States.Runtime"},
		"context":       {`{"Type":"Pass","InputPath":"$$"`, nested(1000), "States.Runtime"},
		"StringToJson":  {`{"Type":"Pass","Parameters":{"a.$":"States.Array(States.StringToJson($))"}`, `"` + nested(1000) + `"`, "States.Runtime"},
		"JsonMerge":     {`{"Type":"Pass","Parameters":{"a.$":"States.JsonMerge($, $, false)"}`, `{"a":` + nested(1000) + `}`, "States.Runtime"},
		"Parallel":      {`{"Type":"Parallel","Branches":[` + item + `]`, nested(1001), "States.Runtime"},
		"Map":           {`{"Type":"Map","ItemSelector":{"a.$":"$$.Map.Item.Value"},"ItemProcessor":` + item, nested(1001), "States.Runtime"},
		"MapOutputs":    {`{"Type":"Map","ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","Parameters":{"a.$":"$"},"End":true}}}`, nested(1001), "States.Runtime"},
		"Task":          {`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"deep"}`, `{}`, ""},
		"TaskArguments": {`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"deep","Payload.$":"$"}`, nested(1001), "States.Runtime"},
		"JSONata": {
			`{"Type":"Pass","QueryLanguage":"JSONata","Output":"{% $reduce([1..1100], function($a,$b){ {'a': $a} }) %}"`, `{}`,
			"States.QueryEvaluationError",
		},
		"JSONataAssign": {`{"Type":"Pass","QueryLanguage":"JSONata","Assign":{"v":{"w":"{% $states.input %}"}}`, nested(1000), "States.QueryEvaluationError"},
		"JSONataItems": {
			`{"Type":"Map","QueryLanguage":"JSONata","Items":"{% [$reduce([1..1100], function($a,$b){ {'a': $a} })] %}","ItemProcessor":` + item, `{}`,
			"States.QueryEvaluationError",
		},
	} {
		definition := `{"StartAt":"S","States":{"S":` + c.state + `,"Next":"G"},"G":{"Type":"Pass","Result":"good","End":true}}}`
		got := w.await(w.start(w.machine(name, definition), "e", c.input))
		if c.failure == "" {
			require.Equal(t, "SUCCEEDED", got["status"], "%s: %.300v", name, got)
			continue
		}
		require.Equal(t, "FAILED", got["status"], name)
		require.Equal(t, c.failure, got["error"], "%s: %.300s", name, got["cause"])
		if name == "JSONata" || name == "JSONataItems" { // the evaluator has this bound of its own
			require.Contains(t, got["cause"], "Stack overflow error", name)
			continue
		}
		require.Contains(t, got["cause"], "nested more deeply than the 1000 levels", name)
	}
}

// What is nested just as deeply as JSON may be is there after a restart, in each place
// that a record has for it, and no state is entered twice.
func TestNestedAsDeeplyAsCanBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.clock = clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) })
	const wait = `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":3600,"End":true}}}`
	m := w.machine("m", `{"StartAt":"A","States":{"A":{"Type":"Pass","Assign":{"v.$":"$[0]"},"Next":"P"},"P":{"Type":"Parallel","Branches":[`+wait+`],"ResultPath":null,"Next":"L"},
		"L":{"Type":"Pass","End":true}}}`)
	arn := w.start(m, "e", nested(1001))
	entered := func() []string { return w.eventTypes(arn) }
	require.Eventually(t, func() bool { return len(entered()) == 6 }, time.Minute, 2*time.Millisecond)
	before := entered()
	w.close()
	w.open()
	require.Equal(t, before, entered())
	w.clock.(*clock.Fake).Advance(2 * time.Hour)
	got := w.await(arn)
	require.Equal(t, "FAILED", got["status"], "%.300v", got) // the list of the branches' results is one level more
	require.Equal(t, "States.Runtime", got["error"])
	require.Equal(t, 1, strings.Count(fmt.Sprint(entered()), "PassStateEntered"))
}
