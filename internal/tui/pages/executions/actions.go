package executions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Answers of dialogs and of what they ask for.
type (
	statusMsg struct {
		words    string
		statuses []executions.Status
	}
	sinceMsg    struct{ text string }
	askSinceMsg struct{}
	nameMsg     struct{ text string }
	askFileMsg  struct{}
	lastMsg     struct{ arn string }
	fileMsg     struct{ path string }
	inputMsg    struct {
		path  string
		input []byte
		err   error
	}
	startMsg   struct{ input []byte }
	startedMsg struct {
		input   []byte
		started executions.Started
		err     error
	}
	stopCauseMsg struct {
		targets []target
		ended   int
		cause   string
	}
	stopSureMsg struct {
		targets []target
		cause   string
	}
	redriveSureMsg struct{ targets []target }
	bulkMsg        struct {
		what   string
		done   int
		failed []failure
	}
)

// target is an execution that something is done with.
type target struct{ arn, name string }

// failure is one that it could not be done with.
type failure struct {
	name string
	err  error
}

// workers is with how many executions something is done at a time.
const workers = 8

func explain(err error) string {
	text := err.Error()
	var f *fault.Error
	if errors.As(err, &f) && f.Hint != "" {
		text += "\n" + f.Hint
	}
	return render.Safe(text)
}

func (p *Panel) ask(d ui.Dialog) tea.Cmd { return ui.Send(ui.Ask{From: p.Host, Dialog: d}) }

// key takes a key. esc is the page's, unless a filter is set.
func (p *Panel) key(m tea.KeyMsg) tea.Cmd {
	if p.grid.Capturing() {
		p.grid.Update(m)
		return nil
	}
	if cmd, ok := p.which(m); ok {
		return cmd
	}
	if cmd, ok := p.act(m); ok {
		return cmd
	}
	if p.grid.Update(m) {
		return nil
	}
	if keys.Back.Is(m) {
		if p.grid.Marks() > 0 {
			p.grid.ClearMarks()
			return nil
		}
		return ui.Send(ui.Back{})
	}
	return nil
}

// which takes the keys that choose what is listed.
func (p *Panel) which(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.ByStatus.Is(m):
		bad := []executions.Status{executions.Failed, executions.TimedOut, executions.Aborted}
		one := func(key string, s executions.Status) dialog.Choice {
			word := strings.ToLower(strings.ReplaceAll(string(s), "_", " "))
			return dialog.Choice{Key: key, Label: word, Answer: statusMsg{word, []executions.Status{s}}}
		}
		return p.ask(dialog.NewChoose(p.th, "Which executions?", "", false,
			dialog.Choice{Key: "a", Label: "all", Answer: statusMsg{}}, one("r", executions.Running), one("s", executions.Succeeded), one("f", executions.Failed),
			one("t", executions.TimedOut), one("b", executions.Aborted), dialog.Choice{Key: "x", Label: "all that did not succeed", Answer: statusMsg{"not succeeded", bad}})), true
	case keys.BySince.Is(m):
		return p.ask(dialog.NewChoose(p.th, "Started since when?", "", false,
			dialog.Choice{Key: "a", Label: "any time", Answer: sinceMsg{}}, dialog.Choice{Key: "1", Label: "15 minutes", Answer: sinceMsg{"15m"}},
			dialog.Choice{Key: "2", Label: "1 hour", Answer: sinceMsg{"1h"}}, dialog.Choice{Key: "3", Label: "24 hours", Answer: sinceMsg{"24h"}},
			dialog.Choice{Key: "4", Label: "7 days", Answer: sinceMsg{"168h"}}, dialog.Choice{Key: "o", Label: "another time ...", Answer: askSinceMsg{}})), true
	case keys.ByName.Is(m):
		return p.ask(dialog.NewPrompt(p.th, "By name", "The beginning of the name, or a pattern with * and ?. Empty shows all.", p.query.name,
			func(s string) (tea.Msg, error) { return nameMsg{strings.TrimSpace(s)}, nil })), true
	case keys.AllOfThem.Is(m):
		p.query = query{limit: pageSize}
		p.grid.SetFilter("")
		return p.reload(), true
	case keys.MoreOfThem.Is(m):
		p.query.limit += pageSize
		return p.reload(), true
	}
	return nil, false
}

// act takes the keys that do something.
func (p *Panel) act(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.Open.Is(m):
		if i, ok := p.grid.Selected(); ok {
			return p.open(p.list[i].ARN), true
		}
		return nil, true
	case keys.OpenLatest.Is(m):
		if len(p.list) > 0 {
			return p.open(p.list[0].ARN), true
		}
		return nil, true
	case keys.StartOne.Is(m):
		return p.Start(), true
	case keys.StartMany.Is(m):
		return p.askFrom(), true
	case keys.StopMarked.Is(m):
		return p.askStop(), true
	case keys.RedriveAll.Is(m):
		return p.askRedrive(), true
	case keys.Copy.Is(m):
		if i, ok := p.grid.Selected(); ok {
			return ui.Send(ui.Copy{Text: p.list[i].ARN, What: "the ARN"}), true
		}
		return nil, true
	case keys.CancelBatch.Is(m) && p.launching():
		p.batch().Cancel()
		return nil, true
	case keys.BatchErrors.Is(m) && p.batch() != nil && len(p.batch().Errs) > 0:
		return p.ask(dialog.NewReader(p.th, "Inputs that were not started", "the errors", problems(p.batch()))), true
	}
	return nil, false
}

func (p *Panel) open(arn string) tea.Cmd { return ui.Send(ui.OpenExecution{ID: p.id, ARN: arn}) }

// Start asks for the input of an execution and starts it; the page may call it
// before the state machine is known.
func (p *Panel) Start() tea.Cmd {
	if p.machine == nil {
		p.pending = p.Start
		return nil
	}
	if why := p.Env.ReadOnly(); why != "" {
		return ui.Send(ui.Toast{Text: why, Bad: true})
	}
	return p.edit(p.example(), "")
}

// StartWith is Start with an input to begin with: JSON, or the path of a file behind an @;
// "" is the template's example.
func (p *Panel) StartWith(input string) tea.Cmd {
	file, isFile := strings.CutPrefix(input, "@")
	switch {
	case input == "":
		return p.Start()
	case p.machine == nil:
		p.pending = func() tea.Cmd { return p.StartWith(input) }
		return nil
	case p.Env.ReadOnly() != "":
		return p.Start() // which says why not
	case isFile:
		return p.readInput(data.HomePath(file))
	}
	return p.edit(input, "")
}

// example is an input to begin with: the template's.
func (p *Panel) example() string {
	if t := p.machine.Template; t != nil && len(t.Example) > 0 {
		return render.JSON(string(t.Example), "")
	}
	return "{}"
}

// edit asks for the input of an execution; wrong says why none was started with this one.
func (p *Panel) edit(input, wrong string) tea.Cmd {
	text := "The input of the new execution, as JSON."
	if wrong != "" {
		text = "It was not started: " + wrong
	}
	extra := []dialog.Choice{{Key: "ctrl+o", Label: "from a file", Help: "take the input from a file", Answer: askFileMsg{}}}
	if len(p.list) > 0 {
		extra = append(extra, dialog.Choice{Key: "ctrl+l", Label: "as the last one", Help: "take the input of the newest execution", Answer: lastMsg{p.list[0].ARN}})
	}
	return p.ask(dialog.NewEditor(p.th, "Run "+p.id.String(), text, input,
		func(s string) error { return executions.ValidateInput([]byte(s)) },
		func(s string) tea.Msg { return startMsg{[]byte(s)} }, extra...))
}

// lastInput reads the input of an execution into the editor.
func (p *Panel) lastInput(arn string) tea.Cmd {
	client := p.machine.Client
	return p.Do(func(ctx context.Context) tea.Msg {
		d, err := client.Describe(ctx, arn)
		if err != nil {
			return inputMsg{err: err}
		}
		return inputMsg{input: []byte(d.Input), path: d.Name}
	})
}

// askFrom offers the ways to start from a file.
func (p *Panel) askFrom() tea.Cmd {
	noData := "its template takes no data set"
	if t := p.machine.Template; t != nil {
		if _, ok := t.InputFor(p.machine.Parameters, "in/any"); ok {
			noData = ""
		}
	}
	return p.ask(dialog.NewChoose(p.th, "Start from a file", "", false,
		dialog.Choice{Key: "f", Label: "one input from a JSON file", Help: "The input is shown before it is used.", Answer: askFileMsg{}},
		dialog.Choice{
			Key: "d", Label: "one execution over a data set",
			Help: "The file, or the files of a folder, are put into the pipeline's bucket; the execution works through them.", Off: noData, Answer: askDataMsg{},
		},
		dialog.Choice{Key: "m", Label: "many executions, an input each", Help: "JSON Lines (.jsonl), or CSV with a header (.csv).", Answer: askManyMsg{}}))
}

// targets are the marked executions that fit, or the selected one, and how many do
// not fit.
func (p *Panel) targets(fits func(executions.Status) bool) (out []target, others int) {
	for _, i := range p.grid.Marked() {
		e := &p.list[i]
		if !fits(e.Status) {
			others++
			continue
		}
		out = append(out, target{e.ARN, e.Name})
	}
	return out, others
}

// these names the targets: the name of one, the number of several.
func these(targets []target) string {
	if len(targets) == 1 {
		return render.Line(targets[0].name, 40)
	}
	return render.Count(len(targets), "execution", "executions")
}

func (p *Panel) askStop() tea.Cmd {
	targets, ended := p.targets(func(s executions.Status) bool { return s == executions.Running })
	if len(targets) == 0 {
		return ui.Send(ui.Toast{Text: "stop: none of them is running", Bad: true})
	}
	return p.ask(dialog.NewPrompt(p.th, "Stop "+these(targets), dialog.Where(p.Env, targets[0].arn)+"Why? The cause is recorded with each execution; it may be empty.", "",
		func(s string) (tea.Msg, error) { return stopCauseMsg{targets, ended, strings.TrimSpace(s)}, nil }))
}

func (p *Panel) askRedrive() tea.Cmd {
	targets, others := p.targets(func(s executions.Status) bool {
		return s == executions.Failed || s == executions.TimedOut || s == executions.Aborted
	})
	if len(targets) == 0 {
		return ui.Send(ui.Toast{Text: "redrive: none of them has failed", Bad: true})
	}
	text := "They go on from where they failed, with the definition and the input that they had. AWS may refuse some: the reasons are told."
	if others > 0 {
		text += fmt.Sprintf("\n%d of those marked run or have succeeded and are left alone.", others)
	}
	return p.ask(dialog.NewConfirm(p.th, "Redrive "+these(targets)+"?", dialog.Where(p.Env, targets[0].arn)+text, redriveSureMsg{targets}))
}

// acted takes answers.
func (p *Panel) acted(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case statusMsg:
		p.query.words, p.query.statuses = m.words, m.statuses
		return p.reload()
	case sinceMsg:
		p.query.since = m.text
		return p.reload()
	case askSinceMsg:
		now := p.Env.Now()
		return p.ask(dialog.NewPrompt(p.th, "Started since", "A duration like 90m or 48h, or a time like 2026-01-31 or 2026-01-31T08:00:00Z.",
			p.query.since, func(s string) (tea.Msg, error) {
				_, err := executions.ParseSince(strings.TrimSpace(s), now)
				return sinceMsg{strings.TrimSpace(s)}, err
			}))
	case nameMsg:
		p.query.name = m.text
		return p.reload()
	case stopCauseMsg:
		text := render.Count(len(m.targets), "execution ends", "executions end") + " as ABORTED"
		if m.cause != "" {
			text += ", with the cause: " + render.Line(m.cause, 0)
		}
		if m.ended > 0 {
			text += fmt.Sprintf(".\n%d of those marked have ended already", m.ended)
		}
		return p.ask(dialog.NewConfirm(p.th, "Stop "+these(m.targets)+"?", dialog.Where(p.Env, m.targets[0].arn)+text+".", stopSureMsg{m.targets, m.cause}))
	case stopSureMsg:
		return p.each("stopped", m.targets, func(ctx context.Context, c *executions.Client, t target) error {
			return c.Stop(ctx, t.arn, "", m.cause)
		})
	case redriveSureMsg:
		return p.each("redriven", m.targets, func(ctx context.Context, c *executions.Client, t target) error { return c.Redrive(ctx, t.arn) })
	case bulkMsg:
		return p.bulkDone(m)
	case lastMsg:
		return p.lastInput(m.arn)
	case askFileMsg:
		return p.askFile("", "")
	case fileMsg:
		return p.readInput(m.path)
	case inputMsg:
		return p.gotInput(m)
	case startMsg:
		return p.start(m.input)
	case startedMsg:
		return p.started(m)
	}
	return p.launched(msg)
}

// each does something with each of the executions, a few at a time.
func (p *Panel) each(what string, targets []target, f func(context.Context, *executions.Client, target) error) tea.Cmd {
	client := p.machine.Client
	p.busy = "working"
	return p.Do(func(ctx context.Context) tea.Msg {
		out := bulkMsg{what: what}
		var mu sync.Mutex
		var wait sync.WaitGroup
		jobs := make(chan target)
		for range min(workers, len(targets)) {
			wait.Go(func() {
				for t := range jobs {
					err := f(ctx, client, t)
					mu.Lock()
					if err != nil {
						out.failed = append(out.failed, failure{t.name, err})
					} else {
						out.done++
					}
					mu.Unlock()
				}
			})
		}
		for _, t := range targets {
			jobs <- t
		}
		close(jobs)
		wait.Wait()
		return out
	})
}

func (p *Panel) bulkDone(m bulkMsg) tea.Cmd {
	p.busy = ""
	p.grid.ClearMarks()
	cmds := []tea.Cmd{p.reload()}
	switch n := len(m.failed); {
	case n == 1 && m.done == 0:
		cmds = append(cmds, ui.Send(ui.Failed(m.failed[0].err)))
	case n > 0:
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s, %d not:\n", render.Count(m.done, "execution", "executions"), m.what, n)
		for _, f := range m.failed {
			fmt.Fprintf(&b, "\n%s\n  %s\n", f.name, strings.ReplaceAll(explain(f.err), "\n", "\n  "))
		}
		cmds = append(cmds, p.ask(dialog.NewReader(p.th, "Not all were "+m.what, "the errors", b.String())))
	default:
		cmds = append(cmds, ui.Send(ui.Toast{Text: render.Count(m.done, "execution", "executions") + " " + m.what}))
	}
	return tea.Batch(cmds...)
}

// askPath asks for the path of a file that can be read.
func (p *Panel) askPath(title, text, path string, answer func(path string) tea.Msg) tea.Cmd {
	return p.ask(dialog.NewPrompt(p.th, title, text, path, func(s string) (tea.Msg, error) {
		if s = strings.TrimSpace(s); s == "" {
			return nil, fault.New(fault.Invalid, "a path is needed")
		}
		return answer(data.HomePath(s)), nil
	}))
}

// askFile asks for a file with an input; wrong says why the one that was given is none.
func (p *Panel) askFile(path, wrong string) tea.Cmd {
	text := "A file with one JSON document."
	if wrong != "" {
		text = wrong + "\n\n" + text
	}
	return p.askPath("Input from a file", text, path, func(path string) tea.Msg { return fileMsg{path} })
}

// readInput reads a file that is to be an execution's input.
func (p *Panel) readInput(path string) tea.Cmd {
	return p.Do(func(ctx context.Context) tea.Msg {
		raw, err := outside.ReadFile(ctx, "the input", path, executions.MaxInput)
		if err == nil {
			raw, err = outside.Text(path, raw)
		}
		if err == nil {
			err = executions.ValidateInput(raw)
		}
		return inputMsg{path, raw, err}
	})
}

// editable is the largest input, in bytes, that is shown in the editor; larger ones
// are only asked about.
const editable = 32 << 10

func (p *Panel) gotInput(m inputMsg) tea.Cmd {
	switch {
	case m.err != nil && m.path != "":
		return p.askFile(m.path, explain(m.err))
	case m.err != nil:
		return ui.Send(ui.Failed(m.err))
	case len(m.input) > editable:
		return p.ask(dialog.NewConfirm(p.th, "Run with this input?", fmt.Sprintf("%s has %s.", render.Line(m.path, 0), render.Bytes(int64(len(m.input)))), startMsg{m.input}))
	}
	return p.edit(render.JSON(string(m.input), ""), "")
}

func (p *Panel) start(input []byte) tea.Cmd {
	m := p.machine
	p.busy = "starting"
	return p.Do(func(ctx context.Context) tea.Msg {
		s, err := m.Client.Start(ctx, executions.StartInput{Machine: m.Alias, Input: input})
		return startedMsg{input, s, err}
	})
}

// started shows the new execution on top at once: AWS's list may lag.
func (p *Panel) started(m startedMsg) tea.Cmd {
	p.busy = ""
	switch {
	case m.err != nil && len(m.input) <= editable:
		return p.edit(string(m.input), m.err.Error())
	case m.err != nil:
		return ui.Send(ui.Failed(m.err))
	}
	e := executions.Execution{ARN: m.started.ARN, Name: m.started.Name, Machine: startedHere, Status: executions.Running, Start: m.started.Start, Alias: p.machine.Alias}
	p.list = append([]executions.Execution{e}, p.list...)
	p.show()
	p.grid.Select(e.ARN)
	return p.open(e.ARN)
}
