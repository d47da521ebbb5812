package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// maxLines is how many lines of a log are read.
const maxLines = 2000

// logs are the lines of the function that the selected state called, or, of a
// state that calls none, what the state machine logged.
type logs struct {
	viewer *widget.Viewer
	// key tells of what lines were asked for.
	key     string
	query   pipelines.LogQuery
	request string // id of the request, "" if it is not known
	all     bool   // show what others logged at the same time too
	lines   []pipelines.LogLine
	err     error
	reading bool
}

type logsMsg struct {
	key   string
	lines []pipelines.LogLine
	err   error
}

// queryOf is what to ask for about a visit, and the id of the request.
func queryOf(v *executions.Visit, arn string, now time.Time) (q pipelines.LogQuery, request string) {
	q = pipelines.LogQuery{Group: "states", Since: v.Entered.Add(-time.Second), Until: v.Exited, Limit: maxLines}
	if q.Until.IsZero() {
		q.Until = now
	}
	// The lines of a call come a little after it.
	q.Until = q.Until.Add(5 * time.Second)
	n := len(v.Attempts)
	if n > 0 && strings.Contains(v.Attempts[n-1].Service, "sagemakerruntime") {
		q.Group = "endpoint"
		return q, ""
	}
	if n == 0 || !lambda(&v.Attempts[n-1]) {
		// The name stands in lines of others, too. (step-functions/latest/dg/cw-logs.html)
		q.Filter = `{ $.execution_arn = "` + arn + `" }`
		return q, ""
	}
	a := &v.Attempts[n-1]
	q.Group = a.Resource
	if !strings.HasPrefix(a.Resource, "arn:") {
		var in struct{ FunctionName string }
		_ = json.Unmarshal([]byte(a.Input), &in) // an empty name is "function" below
		q.Group = in.FunctionName
	}
	if q.Group == "" {
		q.Group = "function"
	}
	return q, requestOf(a)
}

// requestOf is the id of the request that an attempt made, as its answer or its
// error tells it; without one all lines of the time are shown.
func requestOf(a *executions.Attempt) string {
	var out struct {
		SdkResponseMetadata struct{ RequestId string } // AWS's name
	}
	if json.Unmarshal([]byte(a.Output), &out) == nil && out.SdkResponseMetadata.RequestId != "" {
		return out.SdkResponseMetadata.RequestId
	}
	var cause struct {
		RequestID string `json:"requestId"`
	}
	if json.Unmarshal([]byte(a.Cause), &cause) == nil {
		return cause.RequestID
	}
	return ""
}

// lambda tells whether an attempt called a Lambda function.
func lambda(a *executions.Attempt) bool {
	return a.Service == "lambda" || strings.HasPrefix(a.Resource, "arn:") && strings.Contains(a.Resource, ":lambda:")
}

// read asks for the lines about the selected visit, unless that was done already.
func (l *logs) read(p *Page, again bool) tea.Cmd {
	v := p.selected()
	if v == nil || p.machine == nil {
		return nil
	}
	key := fmt.Sprintf("%d/%d/%s", p.gen, p.visit, v.Status)
	if key == l.key && !again {
		return nil
	}
	l.query, l.request = queryOf(v, p.arn, p.Env.Now())
	l.key, l.lines, l.err, l.reading = key, nil, nil, true
	l.fill(p)
	source, id, q := p.Env.Source, p.id, l.query
	return p.Do(func(ctx context.Context) tea.Msg {
		lines, err := source.Logs(ctx, id, q)
		return logsMsg{key, lines, err}
	})
}

func (l *logs) loaded(p *Page, msg tea.Msg) (tea.Cmd, bool) {
	m, ok := msg.(logsMsg)
	if !ok {
		return nil, false
	}
	if m.key == l.key {
		l.lines, l.err, l.reading = m.lines, m.err, false
		l.fill(p)
		l.viewer.Top()
	}
	return nil, true
}

// own are the lines of the request: between its START and its REPORT, in the same
// stream. Without an id, or if there are none, all.
func (l *logs) own() []pipelines.LogLine {
	if l.request == "" || l.all {
		return l.lines
	}
	var out []pipelines.LogLine
	inside := map[string]bool{}
	for _, x := range l.lines {
		mine := strings.Contains(x.Message, l.request)
		if mine && strings.HasPrefix(x.Message, "START ") {
			inside[x.Stream] = true
		}
		if mine || inside[x.Stream] {
			out = append(out, x)
		}
		if mine && (strings.HasPrefix(x.Message, "REPORT ") || strings.HasPrefix(x.Message, "END ")) {
			inside[x.Stream] = false
		}
	}
	if len(out) == 0 {
		return l.lines
	}
	return out
}

func (l *logs) fill(p *Page) {
	switch {
	case l.reading:
		l.viewer.SetText("reading the log")
		return
	case l.err != nil:
		l.viewer.SetText(explain(l.err))
		return
	case len(l.lines) == 0:
		l.viewer.SetText("No lines of that time. New ones may take some seconds to appear: L reads again.")
		return
	}
	var out []string
	for _, x := range l.own() {
		at := p.th.Muted.Render(x.Time.UTC().Format("15:04:05.000"))
		parsed := logstream.Parse(x.Message)
		style := p.th.Renderer.NewStyle()
		if parsed.Level >= logstream.Warn {
			style = widget.LevelStyle(p.th, parsed.Level)
		}
		fields := ""
		for _, f := range parsed.Fields {
			fields += " " + p.th.Muted.Render(render.Line(f.Name, 60)+"=") + render.Line(f.Value, 0)
		}
		lines := strings.Split(strings.TrimRight(render.Safe(parsed.Message), "\n"), "\n")
		for i, line := range lines {
			if i > 0 {
				at = strings.Repeat(" ", 12)
			}
			line = style.Render(strings.ReplaceAll(line, "\t", "  "))
			if i == len(lines)-1 {
				line += fields
			}
			out = append(out, at+" "+line)
		}
	}
	l.viewer.SetLines(out)
}

// text is what is shown, for copying and saving.
func (l *logs) text() string {
	var b strings.Builder
	for _, x := range l.own() {
		fmt.Fprintf(&b, "%s %s\n", x.Time.UTC().Format(time.RFC3339Nano), strings.TrimRight(x.Message, "\n"))
	}
	return b.String()
}

func (l *logs) view(p *Page, width, height int) string {
	v := p.selected()
	if v == nil {
		return p.say("Select a state in the graph (1) or the timeline (2) first: its log is shown here.", width)
	}
	th := p.th
	head := th.Title.Render(render.Line(p.shortSubject(), 0)) + "  "
	switch l.query.Group {
	case "states":
		head += th.Muted.Render("calls no function; what the state machine logged")
	case "endpoint":
		head += th.Muted.Render("what the endpoint logged at that time")
	default:
		name := l.query.Group
		if i := strings.LastIndex(name, ":function:"); i >= 0 {
			name = name[i+len(":function:"):]
		}
		head += th.Muted.Render("log of " + render.Line(name, 0))
	}
	if l.request != "" {
		scope := "this request"
		if l.all {
			scope = "all requests of that time"
		}
		head += "  " + th.Key.Render("f") + " " + th.Hint.Render(scope)
	}
	head += th.Muted.Render("  " + l.viewer.Place())
	return widget.Lines(widget.Fit(head, width, th.Glyphs.Ellipsis), l.viewer.View(width, height-1))
}
