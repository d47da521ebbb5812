package states_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	update = flag.Bool("update", false, "write testdata/misses.txt, keeping the reasons")
	only   = flag.String("case", "", "run only the cases whose name contains this, and show why they miss")
)

// recorded is a case that was recorded against AWS; see testdata/asl-cases/README.md.
type recorded struct {
	Name, Category, Kind string
	Placeholders         []string
	Lambda               json.RawMessage
	Setup                []apiCall
	Machines             []struct {
		Name, Type string
		Definition json.RawMessage
	}
	Executions []struct {
		Machine int
		Input   json.RawMessage
		Expect  struct {
			Status string
			Output json.RawMessage
			Error  *string
			Cause  any
		}
		Events []any
	}
	DescribeExecution map[string]any
	Calls             []apiCall
	Expected          map[string]any

	machineParams []map[string]any
}

type apiCall struct {
	Service, Operation string
	Params             map[string]any
	Labels             []string
	Await              string
}

type lambdaSpec struct {
	FunctionName string
	Behaviour    struct {
		Returns string
		Raises  *struct{ ErrorType, ErrorMessage string }
		Literal *string `json:"returnsPythonLiteral"`
		Sleeps  float64 `json:"sleepsSeconds"`
	}
}

func loadCases(t *testing.T) []recorded {
	t.Helper()
	files, err := filepath.Glob("testdata/asl-cases/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var out []recorded
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		var cs []recorded
		require.NoError(t, json.Unmarshal(raw, &cs), f)
		var rawCases []struct{ Machines []map[string]any }
		require.NoError(t, json.Unmarshal(raw, &rawCases))
		for i := range cs {
			cs[i].machineParams = rawCases[i].Machines
		}
		out = append(out, cs...)
	}
	return out
}

// verdict is what came of a case.
type verdict struct{ outcome, history []string } // reasons of misses

// TestRecordedCases plays every recorded case and compares the outcome and the
// history with AWS's. The cases that miss are listed in testdata/misses.txt: one
// that is not listed and misses fails the test, and so does one that is listed
// and does not miss.
func TestRecordedCases(t *testing.T) {
	t.Parallel()
	cases := loadCases(t)
	verdicts := make([]verdict, len(cases))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range cases {
		if *only != "" && !strings.Contains(cases[i].Name, *only) {
			continue
		}
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer func() { <-slots; wg.Done() }()
			t.Run(strconv.Itoa(i), func(t *testing.T) { verdicts[i] = play(t, &cases[i]) })
		}()
	}
	wg.Wait()
	report(t, cases, verdicts)
}

func report(t *testing.T, cases []recorded, verdicts []verdict) {
	t.Helper()
	type row struct{ all, outcome, history int }
	rows := map[string]*row{}
	total := &row{}
	var misses []string
	for i, c := range cases {
		if *only != "" && !strings.Contains(c.Name, *only) {
			continue
		}
		if rows[c.Category] == nil {
			rows[c.Category] = &row{}
		}
		v := verdicts[i]
		for _, r := range []*row{rows[c.Category], total} {
			r.all++
			if len(v.outcome) == 0 {
				r.outcome++
			}
			if len(v.history) == 0 && len(v.outcome) == 0 {
				r.history++
			}
		}
		for _, reason := range v.outcome {
			misses = append(misses, "outcome "+c.Name)
			if *only != "" {
				t.Logf("%s\n   outcome: %s", c.Name, reason)
			}
			break
		}
		if len(v.outcome) == 0 && len(v.history) > 0 {
			misses = append(misses, "history "+c.Name)
		}
		if *only != "" && len(v.history) > 0 {
			t.Logf("%s\n   history: %s", c.Name, strings.Join(v.history[:min(3, len(v.history))], "\n   "))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-24s %6s %8s %8s\n", "category", "cases", "outcome", "history")
	names := make([]string, 0, len(rows))
	for n := range rows {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range append(names, "all") {
		r := rows[n]
		if n == "all" {
			r = total
		}
		fmt.Fprintf(&b, "%-24s %6d %8d %8d\n", n, r.all, r.outcome, r.history)
	}
	t.Log(b.String())
	if *only != "" {
		return
	}
	checkMisses(t, misses)
}

// checkMisses keeps testdata/misses.txt in step: a line for each case that misses,
// with the reason after " | ". With -update, new ones get the reason "?", which
// fails until somebody finds it out.
func checkMisses(t *testing.T, misses []string) {
	t.Helper()
	const file, unknown = "testdata/misses.txt", "?"
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	reasons := map[string]string{}
	var listed []string
	for line := range strings.Lines(string(raw)) {
		miss, reason, _ := strings.Cut(strings.TrimSpace(line), " | ")
		reasons[miss] = reason
		listed = append(listed, miss)
	}
	if *update {
		var b strings.Builder
		for _, miss := range misses {
			if reasons[miss] == "" {
				reasons[miss] = unknown
			}
			fmt.Fprintf(&b, "%s | %s\n", miss, reasons[miss])
		}
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
		listed = misses
	}
	require.Equal(t, listed, misses, "the cases that miss have changed; run with -update if that is right")
	for _, miss := range misses {
		require.NotContains(t, []string{"", unknown}, reasons[miss], "the reason of %s", miss)
	}
}

func play(t *testing.T, c *recorded) (v verdict) {
	w := newWorld(t)
	var specs []lambdaSpec
	if len(c.Lambda) > 0 {
		if c.Lambda[0] == '[' {
			require.NoError(t, json.Unmarshal(c.Lambda, &specs))
		} else {
			specs = make([]lambdaSpec, 1)
			require.NoError(t, json.Unmarshal(c.Lambda, &specs[0]))
		}
	}
	for _, s := range specs {
		w.lambda.all[s.FunctionName] = playedFunction(s)
	}
	for _, k := range c.Setup {
		w.setup(k)
	}
	if c.Kind == "calls" {
		return playCalls(t, w, c)
	}
	return playExecutions(t, w, c)
}

// playedFunction plays the behaviour; "see the source" returns a large text.
func playedFunction(s lambdaSpec) function {
	b := s.Behaviour
	f := function{sleep: time.Duration(b.Sleeps * float64(time.Second))}
	switch {
	case b.Raises != nil:
		f.errorType, f.errorMessage = b.Raises.ErrorType, b.Raises.ErrorMessage
	case b.Literal != nil:
		text := pythonLiteral(*b.Literal)
		f.literal = &text
	case b.Returns == "see the source":
		text := `"` + strings.Repeat("\u00e9", 140_000) + `"`
		f.literal = &text
	}
	return f
}

// pythonLiteral turns the literal into the payload's text.
func pythonLiteral(s string) string {
	if strings.HasPrefix(s, "b'") {
		return s[2 : len(s)-1]
	}
	s = strings.NewReplacer("None", "null", "True", "true", "False", "false", "'", `"`).Replace(s)
	return s
}

func (w *world) setup(k apiCall) {
	w.t.Helper()
	switch k.Service + "." + k.Operation {
	case "s3.CreateBucket":
		w.s3.mu.Lock()
		w.s3.all[k.Params["Bucket"].(string)] = map[string][]byte{}
		w.s3.mu.Unlock()
	case "s3.PutObject":
		body, ok := k.Params["Body"].(string)
		if !ok {
			m, _ := k.Params["Body"].(map[string]any)
			raw, err := json.Marshal(m["jsonText"])
			require.NoError(w.t, err)
			body = string(raw)
		}
		w.s3.store(k.Params["Bucket"].(string), k.Params["Key"].(string), []byte(body))
	case "logs.CreateLogGroup":
		w.logs.create(k.Params["logGroupName"].(string))
	default:
		w.t.Errorf("setup: %s.%s", k.Service, k.Operation)
	}
}

func playExecutions(t *testing.T, w *world, c *recorded) (v verdict) {
	role := "arn:aws:iam::" + account + ":role/snf_role"
	for i, m := range c.Machines {
		params := map[string]any{}
		for k, x := range c.machineParams[i] {
			params[k] = texts(x)
		}
		params["definition"], params["roleArn"] = string(m.Definition), role
		r := w.call("CreateStateMachine", params)
		if r.status != 200 {
			return verdict{outcome: []string{fmt.Sprintf("create: %v", r.body)}}
		}
	}
	d := differ{c: c}
	for i, e := range c.Executions {
		arn := "arn:aws:states:" + region + ":" + account + ":stateMachine:" + c.Machines[e.Machine].Name
		started := w.must("StartExecution", map[string]any{"stateMachineArn": arn, "input": pythonJSON(t, e.Input)})
		exec := started["executionArn"].(string)
		got := w.await(exec)
		where := fmt.Sprintf("execution %d", i)
		want := map[string]any{"status": e.Expect.Status}
		if e.Expect.Output != nil {
			want["output"] = embedded(t, e.Expect.Output)
		}
		if e.Expect.Error != nil {
			want["error"] = *e.Expect.Error
		}
		if e.Expect.Cause != nil {
			want["cause"] = e.Expect.Cause
		}
		have := map[string]any{}
		for _, k := range []string{"status", "output", "error", "cause"} {
			if x, ok := got[k]; ok {
				have[k] = x
			}
		}
		if text, ok := have["output"].(string); ok {
			have["output"] = embedded(t, json.RawMessage(text))
		}
		v.outcome = append(v.outcome, d.diff(where, want, have)...)
		if e.Events != nil {
			v.history = append(v.history, d.history(where, e.Events, w.history(exec))...)
		}
		if c.DescribeExecution != nil && i == len(c.Executions)-1 {
			v.outcome = append(v.outcome, d.diff("describeExecution", c.DescribeExecution, withMeta(reply{200, got}))...)
		}
	}
	return v
}

func embedded(t *testing.T, raw json.RawMessage) any {
	var x any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&x))
	return x
}

// pythonJSON writes JSON with Python's spaces, as the recorder sent it.
func pythonJSON(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	return string(raw)
}

// texts replaces {"jsonText": X} by X as JSON text.
func texts(x any) any {
	switch v := x.(type) {
	case map[string]any:
		if inner, ok := v["jsonText"]; ok && len(v) == 1 {
			raw, err := json.Marshal(inner)
			if err != nil {
				return x
			}
			return string(raw)
		}
		out := map[string]any{}
		for k, e := range v {
			out[k] = texts(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = texts(e)
		}
		return out
	}
	return x
}

func withMeta(r reply) map[string]any {
	out := map[string]any{}
	for k, x := range r.body {
		out[k] = x
	}
	out["ResponseMetadata"] = map[string]any{"HTTPHeaders": map[string]any{}, "HTTPStatusCode": json.Number(strconv.Itoa(r.status))}
	return out
}

func playCalls(t *testing.T, w *world, c *recorded) (v verdict) {
	d := differ{c: c}
	names := map[string]string{} // execution-N -> what the service called it
	latest := ""
	var next any
	for i, k := range c.Calls {
		if k.Await != "" {
			if latest != "" && strings.Contains(latest, ":execution:") {
				w.await(latest)
			}
			continue
		}
		switch k.Service {
		case "logs":
			v.outcome = append(v.outcome, d.logs(w, k)...)
			continue
		case "s3":
			w.setup(k)
			continue
		}
		params := rename(texts(k.Params), names).(map[string]any)
		if token, ok := params["nextToken"]; ok && token == nil {
			params["nextToken"] = next
		}
		r := w.call(k.Operation, params)
		if arn, ok := r.body["executionArn"].(string); ok && strings.HasPrefix(k.Operation, "Start") {
			latest = arn
			if params["name"] == nil {
				names["execution-"+strconv.Itoa(len(names)+1)] = arn[strings.LastIndex(arn, ":")+1:]
			} else {
				names["execution-"+strconv.Itoa(len(names)+1)] = params["name"].(string)
			}
		}
		if token := r.body["nextToken"]; token != nil {
			next = token
		}
		for _, label := range k.Labels {
			want, ok := c.Expected[label]
			if !ok {
				continue
			}
			if text, ok := want.(string); ok && strings.HasPrefix(text, "Parameter validation failed") {
				continue // the recorder's own client refused to send it
			}
			if m, ok := want.(map[string]any); ok && strings.HasPrefix(fmt.Sprint(m["exception_value"]), "Parameter validation failed") {
				continue
			}
			v.outcome = append(v.outcome, d.reply(fmt.Sprintf("call %d %s (%s)", i, k.Operation, label), k.Operation, want, r)...)
		}
	}
	return v
}

// logs plays a call of CloudWatch Logs; reading compares the delivered lines.
func (d *differ) logs(w *world, k apiCall) []string {
	group, _ := k.Params["logGroupName"].(string)
	switch k.Operation {
	case "CreateLogGroup":
		w.logs.create(group)
	case "DeleteLogGroup":
		w.logs.mu.Lock()
		delete(w.logs.all, group)
		w.logs.mu.Unlock()
	case "GetLogEvents":
		for _, label := range append(k.Labels, "logged_execution_events", "end_event") {
			want, ok := d.c.Expected[label]
			if !ok {
				continue
			}
			if one, isObject := want.(map[string]any); isObject && one["type"] != nil {
				return d.lines(w, group, label, []any{want}, true)
			}
			if list, isList := want.([]any); isList {
				return d.lines(w, group, label, list, false)
			}
		}
	}
	return nil
}

func (d *differ) lines(w *world, group, label string, want []any, last bool) []string {
	var have []any
	read := func() bool {
		have = nil
		for _, line := range w.logs.lines(group) {
			have = append(have, parsed(line))
		}
		if last {
			have = have[max(0, len(have)-1):]
		}
		return len(have) == len(want) && len(d.diff(label, want, have)) == 0
	}
	for tick, end := time.NewTicker(time.Millisecond), time.After(time.Minute); !read(); {
		select {
		case <-tick.C:
			continue
		case <-end:
		}
		break
	}
	return d.diff(label, want, have)
}

func rename(x any, names map[string]string) any {
	switch v := x.(type) {
	case string:
		keys := make([]string, 0, len(names))
		for k := range names {
			keys = append(keys, k)
		}
		sort.Slice(keys, func(i, j int) bool { return len(keys[i]) > len(keys[j]) })
		for _, k := range keys {
			if strings.HasSuffix(v, ":"+k) || v == k {
				v = strings.TrimSuffix(v, k) + names[k]
				break
			}
		}
		return v
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = rename(e, names)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = rename(e, names)
		}
		return out
	}
	return x
}
