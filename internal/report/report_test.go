package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/report"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// definition has what a graph can have: a choice, a loop, a Map, branches, a Catch.
const definition = `{"StartAt":"Check","States":{
	"Check":{"Type":"Choice","Choices":[{"Variable":"$.rows","NumericGreaterThan":0,"Next":"Each"}],"Default":"Wait a while"},
	"Wait a while":{"Type":"Wait","Seconds":5,"Next":"Check"},
	"Each":{"Type":"Map","ItemsPath":"$.items","ItemProcessor":{"StartAt":"Predict","States":{"Predict":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint",
		"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":2}],"End":true}}},"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Tell"}],"Next":"Both"},
	"Both":{"Type":"Parallel","Branches":[{"StartAt":"Store","States":{"Store":{"Type":"Pass","End":true}}},{"StartAt":"Count","States":{"Count":{"Type":"Pass","End":true}}}],"End":true},
	"Tell":{"Type":"Fail","Error":"Flowers.Bad","Cause":"a petal is missing"}}}`

// failing is an execution that fails in a Map after retries, of which the Catch tells.
func failing() *report.Execution {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	index := 3
	list := []executions.Event{
		{ID: 1, Time: at(0), Type: "ExecutionStarted", Input: `{"items":[1,2],"rows":2}`},
		{ID: 2, Previous: 0, Time: at(0), Type: "ChoiceStateEntered", State: "Check", Input: `{"rows":2}`},
		{ID: 3, Previous: 2, Time: at(1), Type: "ChoiceStateExited", State: "Check"},
		{ID: 4, Previous: 3, Time: at(1), Type: "MapStateEntered", State: "Each", Input: `{"items":[1,2]}`},
		{ID: 5, Previous: 4, Time: at(1), Type: "MapStateStarted"},
		{ID: 6, Previous: 5, Time: at(1), Type: "MapIterationStarted", State: "Each", Iteration: &index},
		{ID: 7, Previous: 6, Time: at(2), Type: "TaskStateEntered", State: "Predict", Input: `1`},
		{ID: 8, Previous: 7, Time: at(2), Type: "TaskScheduled"},
		{ID: 9, Previous: 8, Time: at(20), Type: "TaskFailed", Error: "Model.Error", Cause: "request 17 of \"a\" was refused"},
		{ID: 10, Previous: 9, Time: at(25), Type: "TaskScheduled"},
		{ID: 11, Previous: 10, Time: at(40), Type: "TaskFailed", Error: "Model.Error", Cause: "request 18 of \"b\" was refused"},
		{ID: 12, Previous: 11, Time: at(40), Type: "MapIterationFailed", State: "Each", Iteration: &index},
		{ID: 13, Previous: 12, Time: at(40), Type: "MapStateFailed"},
		{ID: 14, Previous: 13, Time: at(41), Type: "MapStateExited", State: "Each", Output: `{"Error":"Model.Error"}`},
		{ID: 15, Previous: 14, Time: at(41), Type: "FailStateEntered", State: "Tell"},
		{ID: 16, Previous: 15, Time: at(42), Type: "ExecutionFailed", Error: "Flowers.Bad", Cause: "a petal is missing"},
	}
	var line executions.Timeline
	for _, ev := range list {
		line.Apply(ev)
	}
	return &report.Execution{
		Pipeline: "acme/iris", Timeline: &line, Definition: definition, Ran: "revision 3",
		Details: &executions.Details{
			Execution: executions.Execution{ARN: "arn:aws:states:us-east-1:111122223333:execution:iris:order-17", Name: "order-17", Status: executions.Failed, Start: at(0), Stop: at(42)},
			Input:     `{"items":[1,2],"rows":2}`, Error: "Flowers.Bad", Cause: "a petal is missing",
		},
		MapRuns: []report.MapRun{{
			MapRun: executions.MapRun{
				Label: "each", Status: executions.Failed, Items: executions.Counts{Total: 20_000, Succeeded: 19_000, Failed: 1000},
				Children: executions.Counts{Total: 200, Succeeded: 190, Failed: 10},
			},
			Failures: []executions.Failure{{
				Status: executions.Failed, Error: "Model.Error", Message: "no petal <n>", Count: 10,
				Example: "arn:aws:states:us-east-1:111122223333:execution:iris/each:child-1",
			}},
		}},
		Missing: []string{"the logs: they were deleted"},
	}
}

// fleet is n executions of 40 tenants, of which one in 20 failed for two reasons.
func fleet(n int) *report.Fleet {
	f := &report.Fleet{
		Title: "all pipelines", Chosen: []string{"since 2026-03-14 12:00:00 UTC"}, More: true, Undescribed: 3, Missing: []string{"initech/iris: no stack"},
		Groups: []report.Group{{
			Status: executions.Failed, Error: "Flowers.Bad", Message: "petal <n> is missing", Count: n / 40, First: noon, Last: noon.Add(time.Hour),
			Pipelines: []string{"tenant1/iris", "tenant2/iris"},
			Versions:  []string{"3"}, Example: "arn:aws:states:us-east-1:111122223333:execution:iris:order-20", Look: "pipelinetui executions show tenant1/iris order-20",
			Again: "pipelinetui executions redrive --all --error Flowers.Bad", Data: "pipelinetui executions export --all --error Flowers.Bad --inputs",
		}},
	}
	for i := range n {
		m := report.Member{Pipeline: fmt.Sprintf("tenant%d/iris", i%40)}
		m.Name, m.Status, m.Start, m.Stop = fmt.Sprintf("order-%d", i), executions.Succeeded, noon.Add(time.Duration(i)*time.Second), noon.Add(time.Duration(i+5)*time.Second)
		if i%20 == 0 {
			m.Status, m.Error, m.Cause = executions.Failed, "Flowers.Bad", "petal 3 is missing"
		}
		f.Members = append(f.Members, m)
	}
	return f
}

var made = report.Made{At: noon.Add(2 * time.Hour), By: "pipelinetui 1.0", Command: "pipelinetui executions report acme/iris order-17 --out order-17.html"}

func executionPage(t testing.TB, x *report.Execution) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.WriteExecution(&b, made, x))
	return b.String()
}

func fleetPage(t testing.TB, f *report.Fleet) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.WriteFleet(&b, made, f))
	return b.String()
}

// element is an element of a page.
type element struct {
	name   string
	attr   map[string]string
	said   strings.Builder
	parent *element
}

func (e *element) text() string { return e.said.String() }

// parse reads a page; whatever is not well formed fails the test.
func parse(t *testing.T, page string) (all []*element) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "br"}, xml.HTMLEntity
	var at *element
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			require.Nil(t, at, "an element is not closed")
			return all
		}
		require.NoError(t, err)
		switch x := tok.(type) {
		case xml.StartElement:
			e := &element{name: x.Name.Local, attr: map[string]string{}, parent: at}
			for _, a := range x.Attr {
				e.attr[a.Name.Local] = a.Value
			}
			all, at = append(all, e), e
		case xml.EndElement:
			require.NotNil(t, at)
			require.Equal(t, at.name, x.Name.Local)
			at = at.parent
		case xml.CharData:
			for e, up := at, 0; e != nil && up < 4; e, up = e.parent, up+1 { // a row knows what is in its cells
				e.said.Write(x)
			}
		}
	}
}

func of(all []*element, name string) (out []*element) {
	for _, e := range all {
		if e.name == name {
			out = append(out, e)
		}
	}
	return out
}

// accessible checks what can be checked without eyes (WCAG 2.2: 1.1.1, 1.3.1, 2.1.1, 2.4.1,
// 2.4.2, 3.1.1, 4.1.2) and that the page needs nothing from elsewhere.
func accessible(t *testing.T, all []*element) {
	t.Helper()
	ids := map[string]bool{}
	level := 0
	for _, e := range all {
		if id := e.attr["id"]; id != "" {
			require.False(t, ids[id], "two elements are %s", id)
			ids[id] = true
		}
		if len(e.name) == 2 && e.name[0] == 'h' && e.name[1] >= '1' && e.name[1] <= '6' {
			require.LessOrEqual(t, int(e.name[1]-'0'), level+1, "a heading skips a level: %s", e.text())
			level = int(e.name[1] - '0')
			require.NotEmpty(t, strings.TrimSpace(e.text()))
		}
	}
	require.Len(t, of(all, "h1"), 1)
	require.Len(t, of(all, "main"), 1)
	require.NotEmpty(t, of(all, "title")[0].text())
	require.Equal(t, "en", of(all, "html")[0].attr["lang"])
	for _, e := range all {
		for _, id := range strings.Fields(e.attr["aria-labelledby"]) {
			require.True(t, ids[id], "%s is labelled by %s, which is nowhere", e.name, id)
		}
		switch e.name {
		case "th":
			require.NotEmpty(t, e.attr["scope"], e.text())
		case "svg":
			require.True(t, e.attr["aria-hidden"] == "true" || e.attr["role"] == "img" && e.attr["aria-labelledby"] != "", "a picture without words")
		case "pre":
			require.Equal(t, "0", e.attr["tabindex"], "what scrolls can be reached by keys")
		case "a":
			require.Equal(t, "#main", e.attr["href"])
		case "script", "img", "link", "iframe", "object", "embed", "base", "form", "input", "video", "audio", "use", "image":
			t.Errorf("the page has <%s>", e.name)
		}
		if e.attr["class"] == "scroll" {
			require.Equal(t, "0", e.attr["tabindex"])
			require.NotEmpty(t, e.attr["aria-label"])
		}
		for name := range e.attr {
			require.False(t, strings.HasPrefix(name, "on") || name == "src" || name == "href" && e.name != "a", "%s has %s", e.name, name)
		}
	}
}

func TestExecutionPage(t *testing.T) {
	t.Parallel()
	page := executionPage(t, failing())
	all := parse(t, page)
	accessible(t, all)
	require.Equal(t, "acme/iris order-17", of(all, "title")[0].text())
	require.NotContains(t, page, "Of 10 children", "all were looked at")
	for _, want := range []string{
		"Why it did not succeed", "Flowers.Bad", "in state", "a petal is missing", "revision 3", "the logs: they were deleted", "42s, 16 events", "2026-03-14 12:00:00 UTC",
		"20,000", "no petal &lt;n&gt;", made.Command,
	} {
		require.True(t, strings.Contains(page, want), want) // the whole page says nothing to who reads the failure
	}
	// Two attempts failed alike though their numbers differ.
	row := slices.IndexFunc(of(all, "tr"), func(e *element) bool {
		return strings.HasPrefix(e.text(), "2") && strings.Contains(e.text(), "Model.Error")
	})
	require.GreaterOrEqual(t, row, 0, "the two failed attempts are one row")
	titles := map[string]bool{}
	lines := map[string]int{}
	for _, e := range all {
		if e.name == "title" && e.parent.name == "rect" {
			titles[e.text()] = true
		}
		if e.name == "g" {
			lines[e.attr["class"]]++
		}
	}
	require.Equal(t, map[string]bool{
		"Check: succeeded": true, "Wait a while: not reached": true, "Each: caught": true, "Predict: failed": true, "Both: not reached": true, "Store: not reached": true,
		"Count: not reached": true, "Tell: failed": true,
	}, titles)
	require.Equal(t, map[string]int{"next": 2, "next taken": 1, "back": 1, "catch taken": 1}, lines)
}

func TestFleetPage(t *testing.T) {
	t.Parallel()
	page := fleetPage(t, fleet(5000))
	all := parse(t, page)
	accessible(t, all)
	for _, want := range []string{
		"5,000 executions", "4,750", "95.0 %", "250", "There are more executions", "3 failed executions were not asked why", "initech/iris: no stack",
		"executions redrive --all --error Flowers.Bad", "By pipeline", "Begun when",
	} {
		require.True(t, strings.Contains(page, want), want) // the whole page says nothing to who reads the failure
	}
	rows := 0
	for _, e := range of(all, "tr") {
		if strings.HasPrefix(e.text(), "tenant") && strings.Contains(e.text(), "125") {
			rows++
		}
	}
	require.Equal(t, 40, rows)
	empty := parse(t, fleetPage(t, &report.Fleet{Title: "nothing"}))
	accessible(t, empty)
}

// TestPageIsBounded: what is megabytes large, thousandfold or in no form at all is cut, and
// the page says so.
func TestPageIsBounded(t *testing.T) {
	t.Parallel()
	x := failing()
	huge := `{"a":"` + strings.Repeat("é", 1<<20) + `"}`
	x.Details.Input, x.Details.Cause, x.Details.Error, x.Details.Name = huge, huge, huge, strings.Repeat("n", 1<<20)
	// These were cut before: the page tells how long they were, also where nothing is left.
	for _, v := range []executions.Visit{
		{State: "Cut", Input: strings.Repeat("x", 64<<10), InputBytes: 256 << 10}, {State: "Gone", OutputBytes: 200 << 10},
	} {
		v.Index, v.Type, v.Parent, v.Status, v.Error, v.Entered, v.Exited = len(x.Timeline.Visits), "Task", -1, executions.VisitFailed, "first", noon, noon
		x.Timeline.Visits = append(x.Timeline.Visits, v)
	}
	for i := range 25_000 {
		status := executions.VisitSucceeded
		if i%500 == 499 {
			status = executions.VisitFailed
		}
		x.Timeline.Visits = append(x.Timeline.Visits, executions.Visit{
			Index: i, State: "Check", Type: "Task", Parent: -1, Status: status, Entered: noon,
			Exited: noon, Input: huge, Error: fmt.Sprint(status, i),
		})
	}
	page := executionPage(t, x)
	require.Less(t, len(page), 4<<20)
	require.Contains(t, page, "the first 16 KiB of 256 KiB")
	require.Regexp(t, `(?s)Gone: output.{0,200}200 KiB`, page)
	all := parse(t, page)
	accessible(t, all)
	require.Contains(t, page, "the first 16 KiB of 2.0 MiB")
	require.Contains(t, page, "the page is large enough")
	require.Contains(t, page, "more visits of states are left out")
	require.Contains(t, page, "failed24999", "what failed is taken first")

	f := fleet(10_000)
	for i := range 800 {
		g := f.Groups[0]
		g.Message, g.Pipelines = huge, slices.Repeat([]string{huge}, 100)
		g.Count = i
		f.Groups = append(f.Groups, g)
	}
	fp := fleetPage(t, f)
	require.Less(t, len(fp), 6<<20)
	accessible(t, parse(t, fp))
	require.Contains(t, fp, "more are left out")

	many := failing()
	var states strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&states, `"S%d":{"Type":"Pass","Next":"S%d"},`, i, i+1)
	}
	many.Definition = `{"StartAt":"S0","States":{` + states.String() + `"S2000":{"Type":"Succeed"}}}`
	require.Contains(t, executionPage(t, many), "The graph is left out")
	many.Definition = "{"
	require.Contains(t, executionPage(t, many), "cannot be read")
}

// hostile are texts that have another meaning somewhere: in HTML, in SVG, in CSS, in a
// terminal, to the eye.
var hostile = []string{
	`</script><script>document.title='taken'</script>`, `"><img src=x onerror="document.title='taken'">`, `' onmouseover='document.title="taken"' x='`,
	`</style><style>body{display:none}`, `</title><h1>x`, `<!--`, `]]>`, `{{.}}`, `</pre></details>`, "\x1b[31mred\x1b]0;title\x07\x1b]8;;http://example.com", "\x1b]0;never ends",
	"invoice\u202egnp.exe", "\u2066hidden\u2069", "nul\x00", "\xff\xfe", "javascript:document.title='taken'", "&amp;&lt;",
}

// fill puts a text into every string that can be reached.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			fill(v.Elem(), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), text)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.String:
		v.SetString(text)
	default:
	}
}

// TestHostileTextIsInert puts each hostile text into every text of a page.
func TestHostileTextIsInert(t *testing.T) {
	t.Parallel()
	check := func(page, plain string) {
		all, usual := parse(t, page), parse(t, plain)
		accessible(t, all)
		names := func(list []*element) map[string]bool {
			out := map[string]bool{}
			for _, e := range list {
				out[e.name] = true
			}
			return out
		}
		for name := range names(all) {
			require.True(t, names(usual)[name], "an element that the page does not have: %s", name)
		}
		for _, r := range page {
			require.False(t, r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069, "%U is in the page", r)
		}
	}
	plainX, plainF := executionPage(t, failing()), fleetPage(t, fleet(40))
	for _, text := range append(hostile, strings.Join(hostile, " ")) {
		x := failing()
		keep := x.Definition
		fill(reflect.ValueOf(x), text)
		check(executionPage(t, x), plainX)
		x.Definition = strings.ReplaceAll(keep, "Check", strings.NewReplacer(`\`, ``, `"`, `\"`, "\x00", "", "\x1b", `\u001b`, "\x07", `\u0007`, "\xff\xfe", "").Replace(text))
		check(executionPage(t, x), plainX)
		f := fleet(40)
		fill(reflect.ValueOf(f), text)
		for i := range f.Members {
			if i%2 == 0 {
				f.Members[i].Status = executions.Failed
			}
		}
		check(fleetPage(t, f), plainF)
	}
}
