package asl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestTemplatesAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/valid/*.asl.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		m, err := Parse(string(raw), Options{})
		require.NoError(t, err, f)
		require.NotNil(t, m.State(m.StartAt))
	}
}

func TestDiagnostics(t *testing.T) {
	t.Parallel()
	state := func(s string) string { return `{"StartAt":"A","States":{"A":` + s + `}}` }
	for name, c := range map[string]struct{ def, want string }{
		"empty object": {`{}`, "SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /"},
		"empty text":   {``, "SCHEMA_VALIDATION_FAILED: Definition must be a valid JSON object"},
		"no JSON": {`nope`, "INVALID_JSON_DESCRIPTION: Unrecognized token 'nope': was expecting (JSON String, Number, Array, Object or token " +
			"'null', 'true' or 'false')\n at [Source: (String)\"nope\"; line: 1, column: 5]"},
		"missing target": {
			state(`{"Type":"Pass","Next":"B"}`),
			"MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next, MISSING_END_STATE: Workflow has no terminal state",
		},
		"missing start": {`{"StartAt":"X","States":{"A":{"Type":"Succeed"}}}`, "MISSING_TRANSITION_TARGET: Missing 'StartAt' target: X at /StartAt"},
		"loop":          {`{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","Next":"A"}}}`, "MISSING_END_STATE: Workflow has no terminal state"},
		"unreachable":   {`{"StartAt":"A","States":{"A":{"Type":"Succeed"},"B":{"Type":"Succeed"}}}`, `MISSING_TRANSITION_TARGET: State "B" is not reachable. at /States/B`},
		"duplicate": {
			state(`{"Type":"Parallel","End":true,"Branches":[{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}]}`),
			"DUPLICATE_STATE_NAME: Duplicate State name: A at /States/A/Branches[0]/States/A",
		},
		"field of type": {state(`{"Type":"Pass","Catch":[],"End":true}`), "SCHEMA_VALIDATION_FAILED: Field 'Catch' is not supported at /States/A"},
		"unknown field": {state(`{"Type":"Pass","Nope":1,"End":true}`), "SCHEMA_VALIDATION_FAILED: Field 'Nope' is not supported at /States/A"},
		"jsonata in path": {
			state(`{"Type":"Pass","Output":1,"End":true}`),
			"SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage at /States/A",
		},
		"path in jsonata": {
			state(`{"Type":"Pass","QueryLanguage":"JSONata","InputPath":"$","End":true}`),
			"SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONata', but field 'InputPath' is only supported for the 'JSONPath' QueryLanguage at /States/A",
		},
		"language back": {
			`{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Succeed","QueryLanguage":"JSONPath"}}}`,
			"SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/A",
		},
		"bad jsonata": {
			state(`{"Type":"Pass","QueryLanguage":"JSONata","Output":{"v":"{% 1 + %}"},"End":true}`),
			"INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/A/Output/v",
		},
		"top level name": {
			state(`{"Type":"Pass","QueryLanguage":"JSONata","Output":{"v":"{% phone %}"},"End":true}`),
			"UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported. at /States/A/Output/v",
		},
		"bad path": {state(`{"Type":"Pass","InputPath":"x","End":true}`), "SCHEMA_VALIDATION_FAILED: Value is not a valid JSONPath at /States/A/InputPath"},
		"bad payload": {
			state(`{"Type":"Pass","Parameters":{"x.$":"nope"},"End":true}`),
			"SCHEMA_VALIDATION_FAILED: The value for the field 'x.$' must be a valid JSONPath or a valid intrinsic function call at /States/A/Parameters",
		},
		"bad reference": {state(`{"Type":"Pass","ResultPath":"$.a[*]","End":true}`), "SCHEMA_VALIDATION_FAILED: Value is not a Reference Path at /States/A/ResultPath"},
		"bad resource":  {state(`{"Type":"Task","Resource":"nope","End":true}`), "SCHEMA_VALIDATION_FAILED: Value is not a valid resource ARN at /States/A/Resource"},
		"credentials": {
			state(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Credentials":{},"End":true}`),
			"SCHEMA_VALIDATION_FAILED: The field 'RoleArn' is required but was missing at /States/A/Credentials",
		},
		"bad time": {
			state(`{"Type":"Wait","Timestamp":"2016-13-05T21:29:29Z","End":true}`),
			"SCHEMA_VALIDATION_FAILED: String does not match RFC3339 timestamp at /States/A/Timestamp",
		},
		"two fields": {
			state(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","TimeoutSeconds":1,"TimeoutSecondsPath":"$.t","End":true}`),
			"SCHEMA_VALIDATION_FAILED: There should only be one of the following fields: [TimeoutSeconds, TimeoutSecondsPath] at /States/A",
		},
		"minimum": {state(`{"Type":"Wait","Seconds":-1,"End":true}`), "SCHEMA_VALIDATION_FAILED: Minimum value is 0 at /States/A/Seconds"},
		"error equals": {
			state(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Retry":[{"ErrorEquals":["States.ALL","X"]}],"End":true}`),
			"SCHEMA_VALIDATION_FAILED: States.ALL must appear alone at /States/A/Retry[0]/ErrorEquals",
		},
		"choice operator": {
			state(`{"Type":"Choice","Choices":[{"Variable":"$.a","Nope":1,"Next":"A"}],"Default":"A"}`),
			"SCHEMA_VALIDATION_FAILED: Field 'Nope' is not supported at /States/A/Choices[0]/Nope, SCHEMA_VALIDATION_FAILED: A comparison operator is required " +
				"at /States/A/Choices[0], MISSING_END_STATE: Workflow has no terminal state",
		},
		"label": {state(`{"Type":"Map","Label":"a?","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},` +
			`"StartAt":"B","States":{"B":{"Type":"Succeed"}}},"End":true}`), "INVALID_LABEL_NAME: Label contains invalid character: '?' at /States/A/Label"},
		"variable": {state(`{"Type":"Pass","Assign":{"states":1},"End":true}`), "SCHEMA_VALIDATION_FAILED: The variable name 'states' is not valid at /States/A/Assign/states"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(c.def, Options{})
			require.EqualError(t, err, c.want)
		})
	}
}

func TestDiagnosticPosition(t *testing.T) {
	t.Parallel()
	diags := Validate("{\n  \"StartAt\": \"A\",\n  \"States\": {\n    \"A\": {\"Type\": \"Pass\", \"Parameters\": {\"p\": \"$.x\"},\n      "+
		"\"InputPath\": 5, \"End\": true}\n  }\n}", Options{})
	require.Len(t, diags, 2)
	require.Equal(t, Diagnostic{SeverityError, CodeSchema, "Expected value of type String", "/States/A/InputPath", 5, 20}, diags[0])
	require.Equal(t, SeverityWarning, diags[1].Severity)
	require.Equal(t, CodeNoDollar, diags[1].Code)
}

func TestExpressRules(t *testing.T) {
	t.Parallel()
	def := `{"StartAt":"A","States":{"A":{"Type":"Task","Resource":"arn:aws:states:::states:startExecution.sync","End":true}}}`
	_, err := Parse(def, Options{})
	require.NoError(t, err)
	_, err = Parse(def, Options{Express: true})
	require.ErrorContains(t, err, "Express state machine does not support '.sync' service integration")
}

func TestGraph(t *testing.T) {
	t.Parallel()
	m, err := Parse(`{"StartAt":"A","States":{
		"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Retry":[{"ErrorEquals":["X"]}],"Catch":[{"ErrorEquals":["X","Y"],"Next":"F"}],"Next":"C"},
		"C":{"Type":"Choice","Choices":[{"Not":{"Variable":"$.a","IsNull":true},"Next":"M"}],"Default":"P"},
		"P":{"Type":"Parallel","End":true,"Branches":[{"StartAt":"B1","States":{"B1":{"Type":"Succeed"}}},{"StartAt":"B2","States":{"B2":{"Type":"Succeed"}}}]},
		"M":{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}},
		"F":{"Type":"Fail"}}}`, Options{})
	require.NoError(t, err)
	want := Graph{
		Nodes: []Node{
			{Name: "A", Type: Task, Detail: "arn:aws:states:::lambda:invoke", Start: true, Retries: true},
			{Name: "C", Type: Choice},
			{Name: "P", Type: Parallel, End: true},
			{Name: "B1", Type: Succeed, Parent: "P", Start: true, End: true},
			{Name: "B2", Type: Succeed, Parent: "P", Branch: 1, Start: true, End: true},
			{Name: "M", Type: Map, Detail: "inline", End: true},
			{Name: "I", Type: Pass, Parent: "M", Start: true, End: true},
			{Name: "F", Type: Fail, End: true},
		},
		Edges: []Edge{
			{"A", "C", EdgeNext, ""},
			{"A", "F", EdgeCatch, "X, Y"},
			{"C", "M", EdgeChoice, "not ($.a IsNull)"},
			{"C", "P", EdgeDefault, ""},
		},
	}
	require.Empty(t, cmp.Diff(want, m.Graph()))
}

// What AWS says to definitions that go wrong in what belongs together
// (github.com/gabrielmoreira/tiny-asl-machine, tests/conformance/cases/.snapshots/aws/:
// Validation.ItemReader-*, Feature.JSONataValidation-*, Feature.JsonataScopeSource-*).
func TestMeasuredDiagnostics(t *testing.T) {
	t.Parallel()
	reader := func(op, config string) string {
		return `{"StartAt":"R","States":{"R":{"Type":"Map","End":true,"ItemReader":{"Resource":"arn:aws:states:::s3:` + op +
			`","Parameters":{"Bucket":"b"},"ReaderConfig":` + config + `},
			"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"E","States":{"E":{"Type":"Pass","End":true}}}}}}`
	}
	one := func(state string) string {
		return `{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":` + state + `,"B":{"Type":"Pass","End":true}}}`
	}
	catch := func(own, caught string) string {
		return one(`{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":` + own + `,"Catch":[{"ErrorEquals":["States.ALL"],"Output":` +
			caught + `,"Next":"B"}],"Next":"B"}`)
	}
	scope := func(inner string) string {
		return `{"StartAt":"S","States":{"S":{"Type":"Pass","QueryLanguage":"JSONata","Assign":{"shared":1},"Next":"I"},"I":` + inner + `}}`
	}
	const shadow = `{"StartAt":"X","States":{"X":{"Type":"Pass","QueryLanguage":"JSONata","Assign":{"shared":1},"End":true}}}`
	for name, c := range map[string]struct {
		definition string
		want       []string
	}{
		"inventory with CSV":   {reader("getObject", `{"ManifestType":"S3_INVENTORY","InputType":"CSV"}`), []string{"'CSVHeaderLocation' is required"}},
		"inventory":            {reader("getObject", `{"ManifestType":"S3_INVENTORY"}`), nil},
		"flatten without type": {reader("listObjectsV2", `{"Transformation":"LOAD_AND_FLATTEN"}`), []string{"'InputType' is required"}},
		"pointer in CSV":       {reader("getObject", `{"InputType":"CSV","ItemsPointer":"/a"}`), []string{"'CSVHeaderLocation' is required"}},
		"bad pointer": {
			reader("getObject", `{"InputType":"JSON","ItemsPointer":"data/items"}`),
			[]string{`Invalid input: JSON Pointer expression must start with '/': "data/items"`},
		},
		"head of JSON": {reader("getObject", `{"InputType":"JSON","CSVHeaderLocation":"FIRST_ROW"}`), []string{"Field 'CSVHeaderLocation' is not supported"}},
		"heads of JSONL": {
			reader("getObject", `{"InputType":"JSONL","CSVHeaderLocation":"GIVEN","CSVHeaders":["id"]}`),
			[]string{"Field 'CSVHeaderLocation' is not supported", "Field 'CSVHeaders' is not supported"},
		},
		"athena of JSON":      {reader("getObject", `{"ManifestType":"ATHENA_DATA","InputType":"JSON"}`), []string{"Field 'ManifestType' is not supported"}},
		"given without heads": {reader("getObject", `{"InputType":"CSV","CSVHeaderLocation":"GIVEN"}`), []string{"These fields are required: [CSVHeaders]"}},
		"result of a Pass":    {one(`{"Type":"Pass","Output":"{% $states.result %}","Next":"B"}`), []string{"Field '$states.result' does not exist."}},
		"error of a Pass":     {one(`{"Type":"Pass","Output":"{% $states.errorOutput %}","Next":"B"}`), []string{"Field '$states.errorOutput' does not exist."}},
		"error of arguments": {
			catch(`{"FunctionName":"f","Payload":"{% $states.errorOutput %}"}`, `"{% $states.errorOutput.Error %}"`),
			[]string{"Field '$states.errorOutput' does not exist."},
		},
		"error of a catch":     {catch(`{"FunctionName":"f"}`, `"{% $states.errorOutput.Error %}"`), nil},
		"result of a catch":    {catch(`{"FunctionName":"f"}`, `"{% $states.result %}"`), []string{"Field '$states.result' does not exist."}},
		"a bound name":         {one(`{"Type":"Pass","Output":"{% ($states := {'result': 1}; $states.result) %}","Next":"B"}`), nil},
		"shadow in a Map":      {scope(`{"Type":"Map","End":true,"Iterator":` + shadow + `}`), []string{"The variable name 'shared' was already defined in a parent scope."}},
		"shadow in a Parallel": {scope(`{"Type":"Parallel","End":true,"Branches":[` + shadow + `]}`), []string{"The variable name 'shared' was already defined in a parent scope."}},
		"siblings":             {`{"StartAt":"P","States":{"P":{"Type":"Parallel","End":true,"Branches":[` + shadow + `,` + strings.ReplaceAll(shadow, `"X"`, `"Y"`) + `]}}}`, nil},
		"a child of a Map Run": {scope(`{"Type":"Map","End":true,"ItemProcessor":` +
			strings.Replace(shadow, "{", `{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},`, 1) + `}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(c.definition, Options{})
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestVariableReferences(t *testing.T) {
	t.Parallel()
	m, err := Parse(`{"StartAt":"A","States":{
		"A":{"Type":"Pass","Assign":{"x":1},"Next":"B"},
		"B":{"Type":"Pass","QueryLanguage":"JSONata","Output":"{% $y & $x & $states.input.z %}","Next":"C"},
		"C":{"Type":"Pass","Parameters":{"v.$":"States.Format('{}', $x.a)"},"End":true}}}`, Options{})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"B": {"x", "y"}, "C": {"x"}}, m.VariableReferences())
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/valid/*.asl.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(raw))
	}
	f.Add(`{"StartAt":"A","States":{"A":{"Type":"Choice","Choices":[{"And":[{"Variable":"$.a[?(@.b>1)]","StringMatches":"*"}],"Next":"A"}]}}}`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(s, Options{})
		if err != nil {
			if !strings.Contains(err.Error(), ":") {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		_ = m.Graph()
		_ = m.VariableReferences()
	})
}
