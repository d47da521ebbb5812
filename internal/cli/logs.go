package cli

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// logsOptions are those of logs.
type logsOptions struct {
	pipeline                   string
	function, endpoint, states bool
	execution                  string
	follow                     bool
	since, grep, level         string
	limit                      int
}

func newLogs(deps *Deps, do action[logsOptions]) *cobra.Command {
	o := &logsOptions{}
	cmd := &cobra.Command{
		Use:   "logs PIPELINE",
		Short: "the logs of function, endpoint and state machine as one stream",
		Long: `Shows what a pipeline has logged: its function, its endpoint and its state machine, in the
order of time. Lines that are JSON are taken apart into level, message and fields.

With --execution the lines of the state machine are that execution's own; of function and
endpoint, whose lines do not say whose they are, all of the time in which it ran are shown.

At most a third of the account's FilterLogEvents is taken. With --follow new lines are
shown as they come, some seconds late.`,
		Example: `  pipelinetui logs acme/fraud --since 10m --level warn
  pipelinetui logs acme/fraud --function --follow
  pipelinetui logs acme/fraud --execution @latest`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.function, "function", false, "those of the function")
	f.BoolVar(&o.endpoint, "endpoint", false, "those of the endpoint")
	f.BoolVar(&o.states, "states", false, "those of the state machine")
	f.StringVar(&o.execution, "execution", "", "those of an execution: a name, or @latest")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what is logged from now on")
	f.StringVar(&o.since, "since", "", "from when on: a duration (24h) or a time; without, 1h, or the execution's start")
	f.StringVar(&o.grep, "grep", "", "only lines that match a regular expression")
	f.StringVar(&o.level, "level", "", "only lines of this level or worse: debug, info, warn, error; lines without one are left out")
	countFlag(f, &o.limit, "limit", 1000, 1, noLimit, "how many at most, the newest")
	cmd.ValidArgsFunction = deps.completes(onePipeline)
	deps.flag(cmd, "execution", executionNames)
	deps.flag(cmd, "level", fixed("debug", "info", "warn", "error"))
	return reads(cmd)
}

// logDoc is a line in machine output.
type logDoc struct {
	Time    time.Time         `json:"time"`
	Source  string            `json:"source"`
	Stream  string            `json:"stream"`
	Level   string            `json:"level,omitempty"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

func newLogFilter(o *logsOptions) (f logstream.Filter, err error) {
	if o.grep != "" {
		if f.Grep, err = regexp.Compile(o.grep); err != nil {
			return f, wrongFlag("grep", o.grep, "%q is no regular expression: %s", o.grep, err).Because(err).WithHint(`Write \[ for a bracket.`)
		}
	}
	if o.level != "" {
		var ok bool
		if f.Level, ok = logstream.ParseLevel(o.level); !ok {
			return f, wrongFlag("level", o.level, "%q is none", o.level).WithHint("Use debug, info, warn or error.")
		}
	}
	return f, nil
}

func takeLine(f logstream.Filter, l *logstream.Line) (logDoc, bool) {
	p, ok := f.Take(l)
	if !ok {
		return logDoc{}, false
	}
	d := logDoc{Time: l.Time, Source: l.Source, Stream: l.Stream, Level: p.Level.String(), Message: p.Message}
	if len(p.Fields) > 0 {
		d.Fields = map[string]string{}
		for _, x := range p.Fields {
			d.Fields[x.Name] = x.Value
		}
	}
	return d, true
}

// sources are the groups that were asked for.
func (o *logsOptions) sources() (out []string) {
	for name, asked := range map[string]bool{pipelines.LogsFunction: o.function, pipelines.LogsEndpoint: o.endpoint, pipelines.LogsStates: o.states} {
		if asked {
			out = append(out, name)
		}
	}
	return out
}

// endless refuses to write what goes on until it is interrupted as one document.
func (deps *Deps) endless() error {
	if form := deps.Form(); form != console.JSON && form != console.YAML {
		return nil
	}
	return fault.New(fault.Invalid, "what is followed has no end, so that it is no document").WithHint("Use -o jsonl: a line each.")
}

func runLogs(ctx context.Context, deps *Deps, o *logsOptions) error {
	filter, err := newLogFilter(o)
	if err != nil {
		return err
	}
	if o.follow {
		if err := deps.endless(); err != nil {
			return err
		}
	}
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	since, err := executions.ParseSince(o.since, deps.now())
	if err != nil {
		return aboutFlag("since", o.since, err)
	}
	var until time.Time
	of := ""
	if o.execution != "" {
		arn, err := m.Client.Resolve(ctx, m.ARN, o.execution)
		if err != nil {
			return err
		}
		d, err := m.Client.Describe(ctx, arn)
		if err != nil {
			return err
		}
		if of = d.ARN; since.IsZero() {
			since = d.Start.Add(-time.Second)
		}
		if !d.Stop.IsZero() && !o.follow {
			until = d.Stop.Add(time.Minute) // lines come late
		}
	}
	if since.IsZero() {
		since = deps.now().Add(-time.Hour)
	}
	r, err := deps.app().LogStream(ctx, m, o.sources(), of)
	if err != nil {
		return err
	}
	r.Take = func(l *logstream.Line) bool {
		_, ok := filter.Take(l)
		return ok
	}
	if o.follow {
		return followLogs(ctx, deps, r, filter, since)
	}
	say := deps.nowAndThen()
	r.Passed = func(lines int64) { say(func() string { return render.Number(lines) + " lines looked at" }) }
	lines, left, err := r.Read(ctx, since, until, o.limit)
	if err != nil {
		return err
	}
	for _, group := range r.Missing() {
		deps.Note("there is no log group %s: nothing was written to it, or it is switched off", render.Line(group, 0))
	}
	return writeLogs(deps, id, filter, lines, left)
}

func writeLogs(deps *Deps, id spec.ID, filter logstream.Filter, lines []logstream.Line, left int) error {
	doc := struct {
		console.Header
		Pipeline string   `json:"pipeline"`
		LeftOut  int      `json:"leftOut,omitempty"`
		Lines    []logDoc `json:"lines"`
	}{Header: console.NewHeader("Logs"), Pipeline: id.String(), LeftOut: left, Lines: []logDoc{}}
	for i := range lines {
		if d, ok := takeLine(filter, &lines[i]); ok {
			doc.Lines = append(doc.Lines, d)
		}
	}
	if left > 0 {
		deps.Note("%s older lines are left out: raise --limit", render.Number(int64(left)))
	}
	return deps.Write(doc, func() string {
		var b strings.Builder
		for i := range doc.Lines {
			b.WriteString(logText(deps, &doc.Lines[i]))
		}
		return b.String()
	})
}

// followLogs shows lines as they come. Interrupting it is how it ends.
func followLogs(ctx context.Context, deps *Deps, r *logstream.Reader, filter logstream.Filter, since time.Time) error {
	l, err := deps.Stream()
	if err != nil {
		return err
	}
	err = r.Follow(ctx, since, func(lines []logstream.Line) error {
		for i := range lines {
			d, ok := takeLine(filter, &lines[i])
			if !ok {
				continue
			}
			if l == nil {
				fmt.Fprint(deps.Out, logText(deps, &d))
				continue
			}
			if err := l.Emit(struct {
				Type string `json:"type"`
				logDoc
			}{"line", d}); err != nil {
				return err
			}
		}
		return nil
	}, away(deps))
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "stopped following")
	}
	return err
}

// away says once that nobody answers.
func away(deps *Deps) func(error) {
	told := false
	return func(err error) {
		if !told {
			deps.Note("nobody answers, trying again: %v", err)
		}
		told = true
	}
}

// logText is a line for people: time, source, level and message, and the fields behind it.
func logText(deps *Deps, d *logDoc) string {
	st := deps.OutStyle
	level := map[string]string{
		"ERROR": st.Bad.Render("ERROR"), "WARN": st.Warn.Render("WARN "), "INFO": st.Good.Render("INFO "),
		"DEBUG": st.Muted.Render("DEBUG"), "": "     ",
	}[d.Level]
	var b strings.Builder
	for i, text := range strings.Split(strings.TrimRight(render.Safe(d.Message), "\n"), "\n") {
		if i == 0 {
			fmt.Fprintf(&b, "%s %s %s %s", st.Muted.Render(d.Time.Format("15:04:05.000")), st.Key.Render(fmt.Sprintf("%-8s", d.Source)), level, text)
			continue
		}
		fmt.Fprintf(&b, "\n%s%s", strings.Repeat(" ", 28), text)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Fields)) {
		b.WriteString(" " + st.Muted.Render(render.Line(name, 60)+"=") + render.Line(d.Fields[name], 200))
	}
	return b.String() + "\n"
}
