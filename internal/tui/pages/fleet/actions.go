package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Answers of dialogs and of work.
type (
	// queryMsg is another choice.
	queryMsg struct{ query fleet.Query }
	// askSinceMsg wants a time typed.
	askSinceMsg struct{}
	causeMsg    struct {
		list  []*fleet.Execution
		ended int
		cause string
	}
	stopMsg struct {
		list  []*fleet.Execution
		cause string
	}
	redriveMsg   struct{ list []*fleet.Execution }
	exportAskMsg struct {
		list   []*fleet.Execution
		inputs bool
	}
	exportMsg struct {
		list   []*fleet.Execution
		inputs bool
		out    string
		force  bool
	}
	doneMsg struct {
		verb, past string
		done       int
		failed     []fleet.Failed
		cut        bool
	}
	exportedMsg struct {
		exportMsg
		done  *fleet.Exported
		notes []string
		err   error
	}
	// mendMsg is that files of inputs are to be edited.
	mendMsg struct{ files []string }
	cutMsg  struct{}
)

// work is something that is done with many executions.
type work struct {
	title string
	// cut says what is there if it is cut off.
	cut  string
	far  *progress
	stop context.CancelFunc
}

// What an export of inputs leaves is other than what all else leaves.
const (
	goesOn     = "What was done stays done; it can be gone on with."
	beginsAnew = "Nothing is written then: another export of inputs begins anew."
	wroteNone  = "stopped: no inputs were written, w begins anew"
	wroteSome  = "stopped before the rest: w goes on with it"
)

func (p *Page) ask(d ui.Dialog) tea.Cmd { return ui.Send(ui.Ask{From: p.Host, Dialog: d}) }

// Keys are what can be done now.
func (p *Page) Keys() keys.Map {
	none := ""
	if _, ok := p.table().Selected(); !ok {
		none = "there is no execution"
		if !p.look.Known {
			none = "the executions were not read yet"
		}
	}
	busy := none
	if p.work != nil {
		busy = "something is being done: esc stops it"
	}
	write := first(p.Env.ReadOnly(), busy)
	start := p.Env.ReadOnly()
	if start == "" && p.work != nil {
		start = busy
	}
	if start == "" && p.starting() {
		start = "executions are being started"
	}
	alone := none
	if none == "" && p.grouped() {
		alone = "a group is selected: enter shows its executions"
	}
	older := ""
	if !p.look.Known || !p.look.Value.More {
		older = "there are no more"
	}
	open := keys.Open.Unless(none)
	if x := p.selected(); x != nil {
		open = open.As(func() string { return p.Env.CommandLine("executions", "show", x.Pipeline, x.Name) })
	}
	return keys.Map{
		{Title: "Executions", Bindings: []keys.Binding{
			open, keys.Alike.As(p.listLine(true)), keys.OnlyFailed.As(p.listLine(false)),
			keys.StopMarked.Unless(write).As(p.manyLine("stop")), keys.RedriveAll.Unless(write).As(p.manyLine("redrive")),
			keys.ExportMarked.Unless(busy).As(p.manyLine("export", "--out", "FOLDER")),
			keys.RunFolder.Unless(start).As(func() string { return p.Env.CommandLine("run", "--inputs", cmp.Or(p.place, "FOLDER")) }), keys.Copy.Unless(alone),
		}},
		{Title: "Which", Bindings: []keys.Binding{
			keys.ByPipeline, keys.ByStatus, keys.BySince, keys.ByError, keys.ByInput, keys.ByName, keys.AllOfThem, keys.MoreOfThem.Unless(older),
			keys.Search, keys.Sort, keys.Reverse, keys.Mark, keys.MarkAll,
		}},
		keys.Moving(),
	}
}

// first is the first reason that there is.
func first(reasons ...string) string {
	i := slices.IndexFunc(reasons, func(r string) bool { return r != "" })
	if i < 0 {
		return ""
	}
	return reasons[i]
}

// listLine makes the command line that lists what is shown.
func (p *Page) listLine(group bool) func() string {
	return func() string {
		q := p.query
		if group && len(q.Statuses) == 0 {
			q.Failed = true
		}
		args := append([]string{"executions", "list"}, q.Args()...)
		if group {
			args = append(args, "--group")
		}
		return p.Env.CommandLine(append(args, "--limit", fmt.Sprint(q.Limit))...)
	}
}

// linesShown bounds the executions that a command line names one by one.
const linesShown = 20

// manyLine makes the command line that does with what is marked what a key does: "" if there
// is none short of naming very many.
func (p *Page) manyLine(verb string, more ...string) func() string {
	return func() string {
		list, _ := p.targets()
		if args, ok := p.chooses(verb, list); ok {
			return p.Env.CommandLine(slices.Concat([]string{"executions", verb}, args, more)...)
		}
		if len(list) == 0 || len(list) > linesShown {
			return ""
		}
		out := make([]string, len(list))
		for i, x := range list {
			words := []string{"executions", verb, x.Pipeline, x.Name}
			if verb == "export" {
				words = append(words, "--out", x.Name+".json")
			}
			out[i] = p.Env.CommandLine(words...)
		}
		return strings.Join(out, " && ")
	}
}

// chooses are arguments by which a command chooses what is in list and nothing else of what
// was found: all of it, or all that have one error.
func (p *Page) chooses(verb string, list []*fleet.Execution) (args []string, ok bool) {
	if verb == "stop" || len(list) < 2 || !p.look.Known || p.look.Value.More {
		return nil, false
	}
	q := p.look.Value.query // what is chosen now may not have been found
	if verb == "redrive" && len(q.Statuses) > 0 {
		if q, ok = redrivableBy(q); !ok {
			return nil, false
		}
	}
	if len(list) == len(p.look.Value.List) {
		return q.Args(), true
	}
	name := list[0].Error
	if name == "" || q.Error != "" {
		return nil, false
	}
	n := 0
	for _, x := range p.look.Value.List {
		if x.Error == name || strings.Contains(reason(x), name) {
			n++
		}
	}
	if n != len(list) || slices.ContainsFunc(list, func(x *fleet.Execution) bool { return x.Error != name }) {
		return nil, false
	}
	q.Error = fleet.ErrorPattern(name)
	return q.Args(), true
}

// redrivableBy is a query of statuses in the words of "redrive", which means all that can be
// redriven, or by --failed those that failed or timed out; there are none for others.
func redrivableBy(q fleet.Query) (fleet.Query, bool) {
	chosen, err := fleet.ParseStatuses(q.Statuses)
	if err != nil {
		return q, false
	}
	slices.Sort(chosen)
	chosen = slices.Compact(chosen)
	is := func(all []executions.Status) bool { return slices.Equal(chosen, slices.Sorted(slices.Values(all))) }
	q.Statuses, q.Failed = nil, is(fleet.Failures())
	return q, q.Failed || is(fleet.Redrivable())
}

// key takes a key.
func (p *Page) key(m tea.KeyMsg) tea.Cmd {
	t := p.table()
	if t.Capturing() {
		t.Update(m)
		return nil
	}
	if cmd, ok := p.which(m); ok {
		return cmd
	}
	if cmd, ok := p.act(m); ok {
		return cmd
	}
	if keys.Back.Is(m) {
		return p.back(m)
	}
	t.Update(m)
	return nil
}

// back takes away the filter, marks, the group that is open, and the page, in this order.
func (p *Page) back(m tea.KeyMsg) tea.Cmd {
	t := p.table()
	switch {
	case p.work != nil:
		return p.ask(dialog.NewConfirm(p.th, "Stop working?", "Nothing more is begun of: "+p.work.title+". "+p.work.cut, cutMsg{}))
	case t.Update(m): // a filter was set
	case t.Marks() > 0:
		t.ClearMarks()
	case p.inside != "":
		p.inside = ""
		p.grid.ClearMarks()
		p.grid.SetFilter("")
		p.show()
	default:
		return ui.Send(ui.Back{})
	}
	return nil
}

// choose reads what another query chooses.
func (p *Page) choose(q fleet.Query) tea.Cmd {
	p.query, p.inside = q, ""
	p.groupsChoose()
	p.grid.ClearMarks()
	p.heap.ClearMarks()
	return p.load()
}

// which takes the keys that choose what is listed.
func (p *Page) which(m tea.KeyMsg) (tea.Cmd, bool) {
	q := p.query
	switch {
	case keys.Alike.Is(m):
		return p.toggleGroups(), true
	case keys.OnlyFailed.Is(m):
		if q.Failed = !q.Failed; !q.Failed {
			q.Group = false
		}
		q.Statuses = nil
		return p.choose(q), true
	case keys.ByStatus.Is(m):
		return p.askStatus(), true
	case keys.BySince.Is(m):
		since := func(text string) queryMsg { q := q; q.Since = text; return queryMsg{q} }
		return p.ask(dialog.NewChoose(p.th, "Started since when?", "", false,
			dialog.Choice{Key: "a", Label: "any time", Answer: since("")}, dialog.Choice{Key: "1", Label: "15 minutes", Answer: since("15m")},
			dialog.Choice{Key: "2", Label: "1 hour", Answer: since("1h")}, dialog.Choice{Key: "3", Label: "24 hours", Answer: since("24h")},
			dialog.Choice{Key: "4", Label: "7 days", Answer: since("168h")}, dialog.Choice{Key: "o", Label: "another time ...", Answer: askSinceMsg{}})), true
	case keys.ByName.Is(m):
		return p.prompt("By name", "The beginning of the name, or a pattern with * and ?. Empty shows all.", q.Name, func(q *fleet.Query, s string) { q.Name = s }), true
	case keys.ByError.Is(m):
		return p.prompt("By error", "The name of an error, a pattern with * and ?, or a part of its cause. Empty shows all.", q.Error, func(q *fleet.Query, s string) { q.Error = s }), true
	case keys.ByInput.Is(m):
		return p.prompt("By input", "A JSONata condition on $input, such as $input.amount > 100. Empty shows all. It costs a call for each execution.", q.Input,
			func(q *fleet.Query, s string) { q.Input = s }), true
	case keys.ByPipeline.Is(m):
		return p.ask(dialog.NewPrompt(p.th, "Of which pipelines?", "Names and patterns such as acme/*, with blanks between them. Empty is all.", strings.Join(q.Patterns, " "),
			func(s string) (tea.Msg, error) { return p.patterns(s) })), true
	case keys.AllOfThem.Is(m):
		p.table().SetFilter("")
		return p.choose(fleet.Query{Patterns: q.Patterns, Limit: pageSize}), true
	case keys.MoreOfThem.Is(m):
		q.Limit += moreOfThem
		return p.choose(q), true
	}
	return nil, false
}

// toggleGroups shows those that failed alike as one, or each by itself. What was read with
// its errors is not read again for that.
func (p *Page) toggleGroups() tea.Cmd {
	q := p.query
	if q.Group = !q.Group; p.look.Known && !p.look.Asking() && p.look.Value.choice.Described {
		p.query, p.inside = q, ""
		p.show()
		return nil
	}
	return p.choose(q)
}

func (p *Page) askStatus() tea.Cmd {
	of := func(failed bool, statuses ...string) queryMsg {
		q := p.query
		q.Failed, q.Statuses, q.Group = failed, statuses, q.Group && (failed || len(statuses) > 0)
		return queryMsg{q}
	}
	one := func(key string, s executions.Status) dialog.Choice {
		return dialog.Choice{Key: key, Label: strings.ToLower(strings.ReplaceAll(string(s), "_", " ")), Answer: of(false, string(s))}
	}
	return p.ask(dialog.NewChoose(p.th, "Which executions?", "", false,
		dialog.Choice{Key: "a", Label: "all", Answer: of(false)}, one("r", executions.Running), one("s", executions.Succeeded), one("f", executions.Failed),
		one("t", executions.TimedOut), one("b", executions.Aborted), dialog.Choice{Key: "e", Label: "failed or timed out", Answer: of(true)},
		dialog.Choice{Key: "x", Label: "all that did not succeed", Answer: of(false, string(executions.Failed), string(executions.TimedOut), string(executions.Aborted))}))
}

// patterns reads names of pipelines.
func (p *Page) patterns(text string) (tea.Msg, error) {
	words, err := fleet.Words(text)
	if err != nil {
		return nil, err
	}
	for _, w := range words {
		if _, err := spec.Match(w, spec.ID{Tenant: "a", Model: "a", Env: "a"}); err != nil {
			return nil, err
		}
	}
	q := p.query
	q.Patterns = words
	return queryMsg{q}, nil
}

// prompt asks for a field of the query; what cannot be meant is told where it is typed.
func (p *Page) prompt(title, text, value string, set func(*fleet.Query, string)) tea.Cmd {
	q, now := p.query, p.Env.Now()
	return p.ask(dialog.NewPrompt(p.th, title, text, value, func(s string) (tea.Msg, error) {
		set(&q, strings.TrimSpace(s))
		_, err := q.Choice(now)
		var option *fleet.OptionError
		if errors.As(err, &option) {
			err = option.Err
		}
		return queryMsg{q}, err
	}))
}

// act takes the keys that do something.
func (p *Page) act(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.Open.Is(m):
		return p.open(), true
	case keys.StopMarked.Is(m):
		return p.askStop(), true
	case keys.RedriveAll.Is(m):
		return p.askRedrive(), true
	case keys.ExportMarked.Is(m):
		return p.askExport(), true
	case keys.RunFolder.Is(m):
		return p.askFolder(cmp.Or(p.place, "inputs")), true
	case keys.Copy.Is(m):
		if x := p.selected(); x != nil {
			return ui.Send(ui.Copy{Text: x.ARN, What: "the ARN"}), true
		}
		return nil, true
	}
	return nil, false
}

// open opens the selected execution, or shows those of the selected group.
func (p *Page) open() tea.Cmd {
	if g := p.group(); g != nil {
		p.inside = groupKey(g)
		p.heap.ClearMarks()
		p.show()
		return nil
	}
	if x := p.selected(); x != nil {
		return ui.Send(ui.OpenExecution{ID: idOf(x), ARN: x.ARN})
	}
	return nil
}

// these names executions: the name of one, the number of several and of their pipelines.
func these(list []*fleet.Execution) string {
	if len(list) == 1 {
		return render.Line(list[0].Name, 40) + " of " + render.Line(list[0].Pipeline, 40)
	}
	return render.Count(len(list), "execution", "executions") + " of " + render.Count(len(byPipeline(list)), "pipeline", "pipelines")
}

type counted struct {
	name string
	n    int
}

// byPipeline counts executions, the pipeline with the most first.
func byPipeline(list []*fleet.Execution) []counted {
	var out []counted
	at := map[string]int{}
	for _, x := range list {
		i, ok := at[x.Pipeline]
		if !ok {
			i = len(out)
			at[x.Pipeline], out = i, append(out, counted{name: x.Pipeline})
		}
		out[i].n++
	}
	slices.SortStableFunc(out, func(a, b counted) int { return b.n - a.n })
	return out
}

// shownPipelines bounds the pipelines that a question names.
const shownPipelines = 6

// whose says of which pipelines they are, for a question.
func (p *Page) whose(list []*fleet.Execution) string {
	var b strings.Builder
	b.WriteString(dialog.Where(p.Env, list[0].ARN))
	of := byPipeline(list)
	for i, c := range of {
		if i == shownPipelines && len(of) > i+1 {
			fmt.Fprintf(&b, "  and %s more\n", render.Count(len(of)-i, "pipeline", "pipelines"))
			break
		}
		fmt.Fprintf(&b, "  %s  %s\n", render.Line(c.name, 50), render.Count(c.n, "execution", "executions"))
	}
	return b.String() + "\n"
}

func (p *Page) askStop() tea.Cmd {
	list, ended := p.targets(executions.Running)
	if len(list) == 0 {
		return ui.Send(ui.Toast{Text: "stop: none of them is running", Bad: true})
	}
	return p.ask(dialog.NewPrompt(p.th, "Stop "+these(list), p.whose(list)+"Why? The cause is recorded with each execution; it may be empty.", "",
		func(s string) (tea.Msg, error) { return causeMsg{list, ended, strings.TrimSpace(s)}, nil }))
}

func (p *Page) sureStop(m causeMsg) tea.Cmd {
	text := render.Count(len(m.list), "execution ends", "executions end") + " as ABORTED"
	if m.cause != "" {
		text += ", with the cause: " + render.Line(m.cause, 0)
	}
	if m.ended > 0 {
		text += fmt.Sprintf(".\n%d of those marked have ended already", m.ended)
	}
	return p.ask(dialog.NewConfirm(p.th, "Stop "+these(m.list)+"?", p.whose(m.list)+text+".", stopMsg{m.list, m.cause}))
}

func (p *Page) askRedrive() tea.Cmd {
	list, others := p.targets(fleet.Redrivable()...)
	if len(list) == 0 {
		return ui.Send(ui.Toast{Text: "redrive: none of them has failed", Bad: true})
	}
	text := "They go on from where they failed, with the definition and the input that they had. AWS may refuse some: the reasons are told."
	if others > 0 {
		text += fmt.Sprintf("\n%d of those marked run or have succeeded and are left alone.", others)
	}
	return p.ask(dialog.NewConfirm(p.th, "Redrive "+these(list)+"?", p.whose(list)+text, redriveMsg{list}))
}

func (p *Page) askExport() tea.Cmd {
	list, _ := p.targets()
	if len(list) == 0 {
		return nil
	}
	return p.ask(dialog.NewChoose(p.th, "Export "+these(list), p.whose(list), false,
		dialog.Choice{Key: "e", Label: "everything: input, output, events, Map Runs", Help: "A file for each execution in a folder, or FILE.jsonl with a line for each.", Answer: exportAskMsg{list, false}},
		dialog.Choice{Key: "i", Label: "their inputs alone", Help: "A file for each pipeline, which `run --inputs` and b on a pipeline's executions read.", Answer: exportAskMsg{list, true}}))
}

// askPlace asks where an export goes; wrong says why it could not go where it was to.
func (p *Page) askPlace(m exportMsg, wrong string) tea.Cmd {
	text := "A folder, which is made if it is not there, or a FILE.jsonl for all of them. An export that was cut off is gone on with."
	if m.inputs {
		text = "A folder: it gets a file for each pipeline."
	}
	if wrong != "" {
		text = wrong + "\n\n" + text
	}
	return p.ask(dialog.NewPrompt(p.th, "Export to", text, m.out, func(s string) (tea.Msg, error) {
		if m.out = data.HomePath(strings.TrimSpace(s)); m.out == "" {
			return nil, fault.New(fault.Invalid, "a path is needed")
		}
		return m, nil
	}))
}

// begin notes that something is done with many, until it is done or stopped.
func (p *Page) begin(title string) (context.Context, *work) {
	ctx, stop := context.WithCancel(p.Context())
	p.work = &work{title: title, cut: goesOn, far: &progress{}, stop: stop}
	return ctx, p.work
}

// each does something with each of the executions, at the pace of the quotas.
func (p *Page) each(verb, past string, list []*fleet.Execution, do func(context.Context, *fleet.Execution) error) tea.Cmd {
	ctx, w := p.begin(verb + " " + these(list))
	return p.Do(func(context.Context) tea.Msg {
		defer w.stop()
		done, failed := fleet.Do(ctx, list, verb, w.far.tell, do)
		return doneMsg{verb, past, done, failed, ctx.Err() != nil}
	})
}

func (p *Page) export(m exportMsg) tea.Cmd {
	ctx, w := p.begin("export " + these(m.list))
	if m.inputs {
		w.cut = beginsAnew
	}
	return p.Do(func(context.Context) tea.Msg {
		defer w.stop()
		var notes []string
		note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
		e := &fleet.Export{Out: m.out, Inputs: m.inputs, Force: m.force, Note: note, Far: w.far.tell}
		done, err := e.Write(ctx, m.list)
		return exportedMsg{m, done, notes, err}
	})
}

// acted takes answers.
func (p *Page) acted(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case queryMsg:
		return p.choose(m.query)
	case askSinceMsg:
		return p.prompt("Started since", "A duration like 90m or 48h, or a time like 2026-01-31 or 2026-01-31T08:00:00Z.", p.query.Since, func(q *fleet.Query, s string) { q.Since = s })
	case causeMsg:
		return p.sureStop(m)
	case stopMsg:
		return p.each("stop", "stopped", m.list, func(ctx context.Context, x *fleet.Execution) error { return x.Client.Stop(ctx, x.ARN, "", m.cause) })
	case redriveMsg:
		return p.each("redrive", "redriven", m.list, func(ctx context.Context, x *fleet.Execution) error { return x.Client.Redrive(ctx, x.ARN) })
	case exportAskMsg:
		place := "executions"
		if m.inputs {
			place = "inputs"
		}
		return p.askPlace(exportMsg{list: m.list, inputs: m.inputs, out: place}, "")
	case exportMsg:
		return p.export(m)
	case cutMsg:
		if p.work != nil {
			p.work.stop()
		}
		return nil
	case doneMsg:
		return p.did(m)
	case mendMsg:
		return ui.Send(ui.EditFiles{Files: m.files, Done: "edited: " + keys.RunFolder.Label(false) + " starts executions with these inputs"})
	case exportedMsg:
		return p.exported(m)
	}
	return p.launched(msg)
}

// did tells what has become of what was done with many.
func (p *Page) did(m doneMsg) tea.Cmd {
	p.work = nil
	p.grid.ClearMarks()
	p.heap.ClearMarks()
	text := render.Count(m.done, "execution", "executions") + " " + m.past
	if m.cut {
		text += "; stopped before the rest"
	}
	cmds := []tea.Cmd{p.load()}
	if len(m.failed) > 0 {
		return tea.Batch(append(cmds, p.failures("Not all were "+m.past, text, m.failed))...)
	}
	return tea.Batch(append(cmds, ui.Send(ui.Toast{Text: text}))...)
}

// shownFailures bounds the refusals that are told one by one.
const shownFailures = 200

// failures lists what could not be done, and why.
func (p *Page) failures(title, text string, failed []fleet.Failed) tea.Cmd {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s not:\n", text, render.Number(int64(len(failed))))
	for i, f := range failed {
		if i == shownFailures {
			fmt.Fprintf(&b, "\nand %s more\n", render.Number(int64(len(failed)-i)))
			break
		}
		fmt.Fprintf(&b, "\n%s %s\n  %s\n", render.Line(f.Execution.Pipeline, 0), render.Line(f.Execution.Name, 0), strings.ReplaceAll(dialog.ErrorText(f.Err), "\n", "\n  "))
	}
	return p.ask(dialog.NewReader(p.th, title, "the errors", b.String()))
}

// exported tells what has become of an export.
func (p *Page) exported(m exportedMsg) tea.Cmd {
	p.work = nil
	switch {
	case errors.Is(m.err, fault.Conflict):
		over := m.exportMsg
		over.force = true
		return p.ask(dialog.NewChoose(p.th, "Write over it?", render.Line(m.err.Error(), 0)+".", false,
			dialog.Choice{Key: "o", Label: "another place ...", Answer: exportAskMsg{m.list, m.inputs}},
			dialog.Choice{Key: "w", Label: "write over it", Danger: true, Answer: over}))
	case m.err != nil && fault.KindOf(m.err) == fault.Invalid:
		return p.askPlace(m.exportMsg, dialog.ErrorText(m.err))
	}
	text := fmt.Sprintf("%s written to %s", render.Count(m.done.Written, "execution", "executions"), render.Line(m.out, 0))
	if m.done.Existed > 0 {
		text += fmt.Sprintf(", %s were there already", render.Number(int64(m.done.Existed)))
	}
	if len(m.notes) > 0 {
		text += "; " + render.Line(m.notes[0], 0)
	}
	switch {
	case len(m.done.Failed) > 0:
		return p.failures("Not all were exported", text, m.done.Failed)
	case m.err != nil && m.inputs:
		return ui.Send(ui.Toast{Text: wroteNone, Bad: true})
	case m.err != nil:
		return ui.Send(ui.Toast{Text: text + "; " + wroteSome, Bad: true})
	case len(m.done.Files) > 0:
		p.place = m.out
		files := make([]string, 0, len(m.done.Files))
		for _, file := range m.done.Files {
			files = append(files, file)
		}
		slices.Sort(files)
		return p.ask(dialog.NewReader(p.th, "Inputs", "the command", p.runs(m),
			dialog.Choice{Key: "e", Label: "edit them", Help: "open the files in $EDITOR", Answer: mendMsg{files}}))
	}
	return ui.Send(ui.Toast{Text: text})
}

// runs says how executions are started with inputs that were exported: by one command for all
// pipelines, or by the key.
func (p *Page) runs(m exportedMsg) string {
	line := p.Env.CommandLine("run", "--inputs", m.out)
	for name, file := range m.done.Files {
		if file == m.out { // a file, of one pipeline
			line = p.Env.CommandLine("run", name, "--inputs", file)
		}
	}
	return render.Count(m.done.Written, "input was", "inputs were") + " written, for " + render.Count(len(m.done.Files), "pipeline", "pipelines") +
		". To start executions with them, mended where they have to be: " + keys.RunFolder.Label(false) + " on this page, or\n\n" + line
}
