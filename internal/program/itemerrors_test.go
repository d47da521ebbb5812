package program

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// batchState is a state of the batch template, with the expressions that the
// tests evaluate.
type batchState struct {
	Assign        map[string]any
	ItemProcessor struct{ States map[string]batchState }
}

// batchExpression is an expression in a state of the definition of template batch.
func batchExpression(t *testing.T, state, variable string) *jsonata.Expr {
	t.Helper()
	p, tmpl := pipelineOfTemplate(t, "batch", nil)
	var d struct{ States map[string]batchState }
	require.NoError(t, json.Unmarshal([]byte(execute(t, p, tmpl, testEnv).inputs(t, "machine")["definitionString"].(string)), &d))
	s, ok := d.States[state]
	if !ok {
		s = d.States["ScoreDataset"].ItemProcessor.States[state]
	}
	text, ok := s.Assign[variable].(string)
	require.True(t, ok, "%s.%s", state, variable)
	x, err := jsonata.Compile(strings.TrimSuffix(strings.TrimPrefix(text, "{%"), "%}"))
	require.NoError(t, err)
	return x
}

func evaluated(t *testing.T, x *jsonata.Expr, variables map[string]string) (string, error) {
	t.Helper()
	bound := map[string]jsonata.Bound{}
	for name, text := range variables {
		v, err := value.Parse(text)
		require.NoError(t, err)
		bound[name] = jsonata.Bind(v)
	}
	v, err := jsonata.NewEngine(jsonata.Env{}).Eval(t.Context(), x, bound)
	if err != nil {
		return "", err
	}
	return value.String(v), nil
}

// What a batch function returns beside records and ids: the items that it could
// not take, grouped by error, each with the item; or what is wrong with them.
func TestBatchItemErrors(t *testing.T) {
	t.Parallel()
	x := batchExpression(t, "PreprocessBatch", "failed")
	const items = `[{"id": 1}, {"id": "b", "x": [1]}, {"id": 3}, 7]`
	for name, c := range map[string]struct{ payload, want string }{
		"none given":    {`{"records": [1, 2, 3, 4]}`, `[]`},
		"no object":     {`null`, `[]`},
		"an empty list": {`{"records": [1], "ids": [1], "errors": []}`, `[]`},
		"empty, no ids": {`{"records": [1], "errors": []}`, `[]`},
		"one": {
			`{"records": [1], "ids": [1], "errors": [{"id": "b", "error": "Bad", "cause": "b is bad"}]}`,
			`[{"error":"Bad","count":1,"items":[{"id":"b","error":"Bad","cause":"b is bad","item":{"id":"b","x":[1]}}]}]`,
		},
		"all of them": {
			`{"records": [], "ids": [], "errors": [{"id": 1, "error": "Bad"}, {"id": 3, "error": "Worse"}, {"id": "b", "error": "Bad"}]}`,
			`[{"error":"Bad","count":2,"items":[{"id":1,"error":"Bad","cause":"","item":{"id":1}},{"id":"b","error":"Bad","cause":"","item":{"id":"b",` +
				`"x":[1]}}]},{"error":"Worse","count":1,"items":[{"id":3,"error":"Worse","cause":"","item":{"id":3}}]}]`,
		},
		"by position": {
			`{"records": [1], "ids": [1], "errors": [{"id": "seven", "index": 3, "error": "Bad"}]}`,
			`[{"error":"Bad","count":1,"items":[{"id":"seven","error":"Bad","cause":"","item":7}]}]`,
		},
		"id of other type": {
			`{"records": [1], "ids": [1], "errors": [{"id": "3", "error": "Bad"}]}`,
			`[{"error":"Bad","count":1,"items":[{"id":"3","error":"Bad","cause":"","item":{"id":3}}]}]`,
		},
	} {
		got, err := evaluated(t, x, map[string]string{"states": `{"input": {"Items": ` + items + `}, "result": {"Payload": ` + c.payload + `}}`})
		require.NoError(t, err, name)
		require.JSONEq(t, c.want, got, name)
	}
	with := func(errors string) string { return `{"records": [1], "ids": [1], "errors": ` + errors + `}` }
	for name, c := range map[string]struct{ payload, want string }{
		"no list":        {with(`{"id": 3}`), "they must be a list, not object"},
		"null":           {with(`null`), "they must be a list, not null"},
		"a text":         {with(`["b"]`), "errors[0] must be an object with id"},
		"no id":          {with(`[{"error": "Bad"}]`), "errors[0] must be an object with id"},
		"a null id":      {with(`[{"id": null, "error": "Bad"}]`), "errors[0] must be an object with id"},
		"no error":       {with(`[{"id": 3}]`), "errors[0], of item 3, must have error, a name"},
		"a long error":   {with(`[{"id": 3, "error": "it is bad/"}]`), "errors[0], of item 3, must have error, a name"},
		"cause":          {with(`[{"id": 3, "error": "Bad", "cause": {}}]`), "errors[0], of item 3: cause must be a text"},
		"unknown":        {with(`[{"id": 3, "error": "Bad"}, {"id": 99, "error": "Bad"}]`), "errors[1]: 99 is the id of no item"},
		"index too high": {with(`[{"id": 3, "error": "Bad", "index": 4}]`), "errors[0], of item 3: index must be the position"},
		"index negative": {with(`[{"id": 3, "error": "Bad", "index": -1}]`), "errors[0], of item 3: index must be the position"},
		"index broken":   {with(`[{"id": 3, "error": "Bad", "index": 0.5}]`), "errors[0], of item 3: index must be the position"},
		"in both":        {with(`[{"id": 1, "error": "Bad"}]`), "item 1 is both in ids and in errors"},
		"twice":          {with(`[{"id": 3, "error": "Bad"}, {"id": 3, "error": "Worse"}]`), "item 3 is there twice"},
		"no ids":         {`{"records": [1], "errors": [{"id": 3, "error": "Bad"}]}`, "beside them there must be ids, one for each record"},
		"too few ids":    {`{"records": [1, 2], "ids": [1], "errors": [{"id": 3, "error": "Bad"}]}`, "beside them there are 1 ids for 2 records"},
	} {
		_, err := evaluated(t, x, map[string]string{"states": `{"input": {"Items": ` + items + `}, "result": {"Payload": ` + c.payload + `}}`})
		require.ErrorContains(t, err, "the preprocess function returned wrong errors: "+c.want, name)
	}
}

// The errors of all children are counted by the names of their objects, over any
// number of pages.
func TestBatchItemErrorsCounted(t *testing.T) {
	t.Parallel()
	count, last := batchExpression(t, "CountItemErrors", "itemErrors"), batchExpression(t, "CountItemErrors", "lastKey")
	so, key := "[]", "batch/x/errors/"
	for _, page := range []struct{ contents, counts, last string }{
		{`[{"Key": "batch/x/errors/Bad/2-c1.json"}, {"Key": "batch/x/errors/Bad/10-c2.json"}]`, `[{"error":"Bad","count":12}]`, "batch/x/errors/Bad/10-c2.json"},
		{`[{"Key": "batch/x/errors/Worse.Still/1-c1.json"}]`, `[{"error":"Bad","count":12},{"error":"Worse.Still","count":1}]`, "batch/x/errors/Worse.Still/1-c1.json"},
		{``, `[{"error":"Bad","count":12},{"error":"Worse.Still","count":1}]`, "batch/x/errors/Worse.Still/1-c1.json"},
		{`[]`, `[{"error":"Bad","count":12},{"error":"Worse.Still","count":1}]`, "batch/x/errors/Worse.Still/1-c1.json"},
	} {
		result := `{"IsTruncated": true}`
		if page.contents != "" {
			result = `{"Contents": ` + page.contents + `}`
		}
		variables := map[string]string{"states": `{"result": ` + result + `}`, "itemErrors": so, "lastKey": `"` + key + `"`}
		got, err := evaluated(t, count, variables)
		require.NoError(t, err)
		require.JSONEq(t, page.counts, got)
		at, err := evaluated(t, last, variables)
		require.NoError(t, err)
		require.Equal(t, `"`+page.last+`"`, at)
		so, key = got, page.last
	}
	// No child wrote any.
	got, err := evaluated(t, count, map[string]string{"states": `{"result": {"IsTruncated": false}}`, "itemErrors": "[]"})
	require.NoError(t, err)
	require.JSONEq(t, `[]`, got)
}
