package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Answers of dialogs, and of what they ask for.
type (
	stopCauseMsg struct{ cause string }
	stopSureMsg  struct{ cause string }
	redriveMsg   struct{}
	againMsg     struct{ input string }
	saveMsg      struct {
		path, what, text string
		over             bool
	}
	savedMsg struct {
		of  saveMsg
		err error
	}
	// otherFileMsg says that a file that is there stays as it is.
	otherFileMsg struct{ of saveMsg }
	goToMsg      struct{ number int }
	actionMsg    struct {
		gen     int
		what    string
		restart bool
		err     error
	}
	startedMsg struct {
		input   string
		started executions.Started
		err     error
	}
	parentMsg struct {
		arn string
		err error
	}
)

// actionKeys are what can be done with the execution, each with the reason if it
// can't be done now.
func (p *Page) actionKeys() keys.Group {
	readOnly := p.Env.ReadOnly()
	first := func(reasons ...string) string {
		for _, r := range reasons {
			if r != "" {
				return r
			}
		}
		return ""
	}
	when := func(is bool, reason string) string {
		if is {
			return reason
		}
		return ""
	}
	unread := when(p.machine == nil, "the execution was not read yet")
	name, cause := p.failure()
	var own []keys.Binding
	if p.tab != tabLogs { // there the key reads again
		own = append(own, keys.StateLogs.Unless(unread))
	}
	return keys.Group{Title: "Execution", Bindings: append(own,
		keys.WholeError.Unless(when(p.tab != tabData && name == "" && cause == "", "the execution has met no error")).As(p.cmdLine("show")),
		keys.StopExecution.Unless(first(unread, readOnly, when(p.status() != "" && !p.running(), "it has ended already"),
			when(labelOf(p.arn) != "", "a child of a Map Run ends with its parent: stop that"))).As(p.cmdLine("stop")),
		keys.Redrive.Unless(first(unread, readOnly, p.noRedrive())).As(p.cmdLine("redrive")),
		keys.RunAgain.Unless(first(unread, readOnly, when(labelOf(p.arn) != "", "a child's input is made by its Map Run"),
			when(p.input() == "", "its input is not known"))).As(p.againLine),
		keys.Parent.Unless(first(unread, when(p.parent() == "", "no other execution has started it"))),
		keys.Definition.Unless(when(p.id.Tenant == "", "it belongs to no known pipeline")),
		keys.OpenRevisions.Unless(when(p.id.Tenant == "", "it belongs to no known pipeline")).As(p.historyLine),
		keys.CopyARN,
		keys.ConsoleLink.Unless(when(p.console() == "", "there is no console for it")),
		keys.InBrowser.Unless(when(p.console() == "", "there is no console for it")),
	)}
}

// cmdLine makes the command line that does with the execution what a key does.
func (p *Page) cmdLine(verb string) func() string {
	return func() string {
		return p.Env.CommandLine("executions", verb, p.arn)
	}
}

// againLine is the command line that starts another execution with the same input, "" if
// its pipeline is not known.
func (p *Page) againLine() string {
	if p.id.Tenant == "" || p.input() == "" {
		return ""
	}
	return p.Env.CommandLine("run", p.id.String(), "--input", p.input())
}

// childrenLine is the command line that lists the children of Map Runs.
func (p *Page) childrenLine() string {
	if p.id.Tenant == "" {
		return ""
	}
	return p.Env.CommandLine("executions", "list", p.id.String(), "--children-of", p.arn)
}

// noRedrive is AWS's reason why the execution cannot be redriven, "" if it can.
func (p *Page) noRedrive() string {
	d := p.details
	switch {
	case d == nil:
		return "the execution was not read yet"
	case p.running():
		return "it is running"
	case d.Redrivable() || d.RedriveStatus == "":
		return ""
	case d.RedriveStatus == "REDRIVABLE_BY_MAP_RUN":
		return "redrive the parent execution, which redrives its Map Run"
	case d.RedriveReason != "":
		return strings.TrimRight(render.Line(d.RedriveReason, 0), ".")
	}
	return "its redrive status is " + d.RedriveStatus
}

func (p *Page) input() string {
	if p.details != nil && p.details.Input != "" {
		return p.details.Input
	}
	return p.line.Input
}

// parent is a Map Run, or the execution that started this one.
func (p *Page) parent() string {
	if p.details != nil && p.details.MapRun != "" {
		return p.details.MapRun
	}
	var in struct {
		By string `json:"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"`
	}
	if json.Unmarshal([]byte(p.input()), &in) != nil {
		return ""
	}
	return in.By
}

func (p *Page) console() string {
	return p.Env.Source.ConsoleURL(stack.Resource{Type: kinds.Execution, ID: p.arn, Outputs: map[string]any{"arn": p.arn}})
}

// act takes the keys of actionKeys; those that are off were answered by the root.
func (p *Page) act(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.WholeError.Is(m) && p.tab != tabData:
		name, cause := p.failure()
		return p.ask(dialog.NewReader(p.th, "Error", "the error", errorText(name, cause))), true
	case keys.StateLogs.Is(m):
		return p.openTab(tabLogs), true
	case keys.StopExecution.Is(m):
		return p.ask(dialog.NewPrompt(p.th, "Stop "+p.name(), dialog.Where(p.Env, p.arn)+"Why is it stopped? The cause is recorded with the execution; it may be empty.", "",
			func(s string) (tea.Msg, error) { return stopCauseMsg{strings.TrimSpace(s)}, nil })), true
	case keys.Redrive.Is(m):
		return p.ask(dialog.NewConfirm(p.th, "Redrive "+p.name(), dialog.Where(p.Env, p.arn)+p.redriveText(), redriveMsg{})), true
	case keys.RunAgain.Is(m):
		return p.askAgain(render.JSON(p.input(), ""), ""), true
	case keys.Parent.Is(m):
		return p.openParent(), true
	case keys.Definition.Is(m):
		return ui.Send(ui.OpenPipeline{ID: p.id, Tab: "definition"}), true
	case keys.OpenRevisions.Is(m):
		return ui.Send(ui.OpenPipeline{ID: p.id, Tab: "revisions"}), true
	case keys.CopyARN.Is(m):
		return ui.Send(ui.Copy{Text: p.arn, What: "the ARN"}), true
	case keys.InBrowser.Is(m):
		return ui.Send(ui.Browse{URL: p.console(), What: "the console"}), true
	case keys.ConsoleLink.Is(m):
		return ui.Send(ui.Copy{Text: p.console(), What: "the link to the console"}), true
	}
	return nil, false
}

// askAgain asks for the input of another execution; wrong says why it was not started with
// this one.
func (p *Page) askAgain(input, wrong string) tea.Cmd {
	text := dialog.Where(p.Env, p.arn) + "A new execution with this input."
	if wrong != "" {
		text = "It was not started: " + wrong
	}
	return p.ask(dialog.NewEditor(p.th, "Run again", text, input, validInput, func(s string) tea.Msg { return againMsg{s} }))
}

func validInput(s string) error { return executions.ValidateInput([]byte(s)) }

func (p *Page) ask(d ui.Dialog) tea.Cmd { return ui.Send(ui.Ask{From: p.Host, Dialog: d}) }

func (p *Page) openParent() tea.Cmd {
	arn := p.parent()
	if !strings.Contains(arn, ":mapRun:") {
		return ui.Send(ui.OpenExecution{ID: p.id, ARN: arn})
	}
	client := p.machine.Client
	return p.Do(func(ctx context.Context) tea.Msg {
		r, err := client.DescribeMapRun(ctx, arn)
		if err != nil {
			return parentMsg{"", err}
		}
		return parentMsg{r.Execution, nil}
	})
}

// acted takes the answers of dialogs and of actions.
func (p *Page) acted(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case stopCauseMsg:
		text := "It ends as ABORTED"
		if m.cause != "" {
			text += ", with the cause: " + render.Line(m.cause, 0)
		}
		return p.ask(dialog.NewConfirm(p.th, "Stop "+p.name()+"?", dialog.Where(p.Env, p.arn)+text+".", stopSureMsg(m)))
	case stopSureMsg:
		arn := p.arn
		return p.doing("stopping", "stop "+p.name(), false, func(ctx context.Context, c *executions.Client) error { return c.Stop(ctx, arn, "", m.cause) })
	case redriveMsg:
		arn := p.arn
		return p.doing("redriving", "redrive "+p.name(), true, func(ctx context.Context, c *executions.Client) error { return c.Redrive(ctx, arn) })
	case actionMsg:
		return p.actionEnded(m)
	case againMsg:
		return p.again(m.input)
	case startedMsg:
		p.busy = ""
		if m.err != nil {
			return p.askAgain(m.input, m.err.Error())
		}
		return ui.Send(ui.OpenExecution{ID: p.id, ARN: m.started.ARN})
	case parentMsg:
		if m.err != nil {
			return ui.Send(ui.Failed(m.err))
		}
		return ui.Send(ui.OpenExecution{ID: p.id, ARN: m.arn})
	case goToMsg:
		if all := p.visitsOf(p.state); m.number >= 1 && m.number <= len(all) {
			p.choose(all[m.number-1])
		}
		return p.opened()
	case saveMsg:
		return p.save(m)
	case savedMsg:
		return p.saved(m)
	case otherFileMsg:
		return p.askFile(m.of, "To which file?")
	}
	return nil
}

// doing does something in the background and tells how it went.
func (p *Page) doing(busy, what string, restart bool, f func(context.Context, *executions.Client) error) tea.Cmd {
	client, gen := p.machine.Client, p.gen
	p.busy = busy
	return p.Do(func(ctx context.Context) tea.Msg { return actionMsg{gen, what, restart, f(ctx, client)} })
}

func (p *Page) actionEnded(m actionMsg) tea.Cmd {
	if m.err != nil {
		p.busy = ""
		return ui.Send(ui.Toast{Text: m.what + ": " + m.err.Error(), Bad: true})
	}
	toast := ui.Send(ui.Toast{Text: m.what + ": done"})
	if m.restart && m.gen == p.gen {
		p.busy, p.chosen = "", false
		return tea.Batch(toast, p.restart())
	}
	return toast
}

func (p *Page) again(input string) tea.Cmd {
	m := p.machine
	machine := m.Alias
	if machine == "" {
		machine = m.ARN
	}
	p.busy = "starting"
	return p.Do(func(ctx context.Context) tea.Msg {
		s, err := m.Client.Start(ctx, executions.StartInput{Machine: machine, Input: []byte(input)})
		return startedMsg{input, s, err}
	})
}

// shown is the text that the open tab shows, for copying and saving: what it is, a
// name for a file, and the text; "" if it shows none.
func (p *Page) shownText() (what, file, text string) {
	switch p.tab {
	case tabData:
		if p.doc.raw == "" {
			return "", "", ""
		}
		ext := "json"
		if p.doc.part == partError || p.doc.part == partAttempts {
			ext = "txt"
		}
		subject := "execution"
		if v := p.selected(); v != nil && !p.doc.whole {
			subject = v.State
		}
		return "the " + p.doc.part.String(), fmt.Sprintf("%s-%s-%s.%s", p.name(), subject, p.doc.part, ext), pretty(p.doc.raw)
	case tabEvents:
		if e := p.list.selected(); e != nil {
			return fmt.Sprintf("event %d", e.ID), fmt.Sprintf("%s-event-%d.txt", p.name(), e.ID), eventText(e) + "\n"
		}
	case tabLogs:
		return "the log", p.name() + "-" + p.state + ".log", p.logs.text()
	case tabGraph, tabTimeline, tabRuns, tabs:
	}
	return "", "", ""
}

// pretty is a JSON text on several lines, and any other as it is: a file and the
// clipboard get what was said, not what is safe to draw.
func pretty(raw string) string {
	var v json.RawMessage
	if json.Unmarshal([]byte(raw), &v) != nil {
		return raw
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return raw
	}
	return string(out) + "\n"
}

func (p *Page) copyShown() tea.Cmd {
	what, _, text := p.shownText()
	if text == "" {
		return ui.Send(ui.Copy{Text: p.arn, What: "the ARN"})
	}
	return ui.Send(ui.Copy{Text: text, What: what})
}

func (p *Page) askSave() tea.Cmd {
	what, file, text := p.shownText()
	if text == "" {
		return ui.Send(ui.Toast{Text: "there is nothing to save here", Bad: true})
	}
	file = strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r <= ' ' {
			return '-'
		}
		return r
	}, file)
	return p.askFile(saveMsg{path: file, what: what, text: text}, "To which file?")
}

// askFile asks where a text goes, beginning with the file that was thought of last.
func (p *Page) askFile(m saveMsg, help string) tea.Cmd {
	return p.ask(dialog.NewPrompt(p.th, "Save "+m.what, help, m.path, func(s string) (tea.Msg, error) {
		if s = strings.TrimSpace(s); s == "" {
			return nil, fault.New(fault.Invalid, "a file name is needed")
		}
		return saveMsg{path: s, what: m.what, text: m.text}, nil
	}))
}

// save writes the file in the background; one that exists is left alone unless the
// user has said otherwise.
func (p *Page) save(m saveMsg) tea.Cmd {
	return p.Do(func(context.Context) tea.Msg { return savedMsg{m, writeFile(m.path, m.text, m.over)} })
}

func (p *Page) saved(m savedMsg) tea.Cmd {
	switch {
	case m.err == nil:
		return ui.Send(ui.Toast{Text: "saved " + m.of.path})
	case errors.Is(m.err, fs.ErrExist):
		over := m.of
		over.over = true
		return p.ask(dialog.NewChoose(p.th, "Overwrite?", render.Line(m.of.path, 0)+" exists. Write over it?", true,
			dialog.Choice{Key: "n", Label: "no, to another file", Answer: otherFileMsg{m.of}},
			dialog.Choice{Key: "y", Label: "yes", Danger: true, Answer: over}))
	}
	return p.askFile(m.of, "It was not saved: "+render.Line(m.err.Error(), 0)+".")
}

// writeFile writes a file whole or not at all.
func writeFile(path, text string, over bool) error {
	path = data.HomePath(path)
	err := data.WriteFile(path, text, 0o600, over)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return fault.New(fault.Invalid, "%s cannot be written: %s", path, fault.Reason(err)).Because(err).WithHint("Choose another folder or file.")
}

func (p *Page) askVisit() tea.Cmd {
	all := p.visitsOf(p.state)
	if len(all) < 2 {
		return ui.Send(ui.Toast{Text: "there is one visit of this state at most", Bad: true})
	}
	return p.ask(dialog.NewPrompt(p.th, "Visit of "+p.state, fmt.Sprintf("A number from 1 to %d; the iteration of a Map is shown beside it.", len(all)),
		"", func(s string) (tea.Msg, error) {
			n, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil || n < 1 || n > len(all) {
				return nil, fault.New(fault.Invalid, "a number from 1 to %d is needed", len(all))
			}
			return goToMsg{n}, nil
		}))
}
