package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/custom"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	where "github.com/pipelinetui/pipelinetui/internal/tui/pages/context"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/execution"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/fleet"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/home"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/wizard"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Messages of the user's own commands.
type (
	// commandMsg gives one, from the palette.
	commandMsg struct{ command custom.Command }
	// runMsg is the answer that it may be given.
	runMsg struct {
		command custom.Command
		line    []string
	}
	// ranMsg is how one ended that left the terminal alone.
	ranMsg struct {
		command custom.Command
		output  string
		err     error
	}
)

// nameOf is what keymaps and commands call a page, "" if it has no name there.
func nameOf(p ui.Page) string {
	switch p.(type) {
	case *home.Page:
		return "Pipelines"
	case *pipeline.Page:
		return "Pipeline"
	case *fleet.Page:
		return "Executions of the fleet"
	case *execution.Page:
		return "Execution"
	case *deploy.Page:
		return "Operation"
	case *wizard.Page:
		return "Form of a pipeline"
	case *where.Page:
		return "Context"
	}
	return ""
}

// commandsOf are the commands that can be given on a page, or might be.
func (a *App) commandsOf(p ui.Page) []custom.Command {
	name := nameOf(p)
	return slices.DeleteFunc(slices.Clone(a.custom.Commands), func(c custom.Command) bool {
		return len(c.Pages) > 0 && !slices.Contains(c.Pages, name)
	})
}

// values are what placeholders stand for on a page; what is not known there is missing.
func (a *App) values(p ui.Page) map[string]string {
	out := map[string]string{
		"TARGET": a.place.Target, "ACCOUNT": a.place.Account, "REGION": a.place.Region, "BACKEND": a.place.Backend,
		"PROFILE": a.profile(), "ENDPOINT_URL": a.place.Endpoint,
	}
	x, ok := p.(interface{ Subject() ui.Subject })
	if !ok {
		return out
	}
	s := x.Subject()
	set := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	if s.Pipeline.Tenant != "" {
		set("PIPELINE", s.Pipeline.String())
		set("TENANT", s.Pipeline.Tenant)
		set("MODEL", s.Pipeline.Model)
		set("ENV", s.Pipeline.Env)
		set("STACK", s.Pipeline.StackName())
	}
	set("REGION", s.Region)
	for name, output := range map[string]string{"STATE_MACHINE_ARN": "stateMachineAliasArn", "ENDPOINT": "endpointName", "BUCKET": "bucketName", "LOG_GROUP": "stateLogGroup"} {
		text, _ := s.Outputs[output].Value.(string)
		set(name, text)
	}
	set("EXECUTION_ARN", s.Execution)
	set("EXECUTION", s.Execution[strings.LastIndexByte(s.Execution, ':')+1:])
	return out
}

// profile is the AWS profile that the session was given by a flag, "" if none.
func (a *App) profile() string {
	if a.env.Flags == nil {
		return ""
	}
	for _, f := range a.env.Flags() {
		if name, ok := strings.CutPrefix(f, "--profile="); ok {
			return name
		}
	}
	return ""
}

// offCommand is why a command can't be given now, "" if it can.
func (a *App) offCommand(c custom.Command) string {
	if c.Changes && a.env.ReadOnly() != "" {
		return a.env.ReadOnly()
	}
	if _, missing := c.Fill(a.values(a.top())); missing != "" {
		return "nothing is selected that $" + missing + " could stand for"
	}
	return ""
}

// commandKey is the command that a key gives, ok if there is one.
func (a *App) commandKey(m tea.KeyMsg) (custom.Command, bool) {
	for _, c := range a.commandsOf(a.top()) {
		if c.Key != "" && !m.Paste && m.String() == c.Key {
			return c, true
		}
	}
	return custom.Command{}, false
}

// give gives a command, after asking if it wants that.
func (a *App) give(c custom.Command) tea.Cmd {
	if off := a.offCommand(c); off != "" {
		return a.toast(ui.Toast{Text: c.Name + ": " + off, Bad: true})
	}
	line, _ := c.Fill(a.values(a.top()))
	if !c.Confirm {
		return a.run(runMsg{c, line})
	}
	return a.ask(ui.Ask{Dialog: dialog.NewConfirm(&a.env.Theme, c.Name+"?", dialog.Where(a.env, "")+render.Line(strings.Join(line, " "), 0), runMsg{c, line})})
}

// run begins a command. It gets the variables with which AWS's own tools work where the
// session does.
func (a *App) run(m runMsg) tea.Cmd {
	source := a.env.Source
	begin := func(ctx context.Context) (*exec.Cmd, error) {
		set, without, err := source.Environ(ctx)
		if err != nil {
			return nil, err
		}
		c := exec.CommandContext(ctx, m.line[0], m.line[1:]...) // the user has written it
		c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
		c.WaitDelay = evictAfter
		c.Env = append(slices.DeleteFunc(os.Environ(), func(kv string) bool {
			name, _, _ := strings.Cut(kv, "=")
			return slices.Contains(without, name)
		}), set...)
		return c, nil
	}
	if !m.command.Background && !m.command.Output {
		return a.lend(func(ctx context.Context) (*exec.Cmd, func(error) externalMsg, error) {
			c, err := begin(ctx)
			return c, func(err error) externalMsg { return externalMsg{err: commandError(m.command, err)} }, err
		})
	}
	ctx := a.env.Ctx
	return func() tea.Msg {
		return ui.Guard(func() tea.Msg {
			c, err := begin(ctx)
			if err != nil {
				return ranMsg{m.command, "", err}
			}
			out := &bounded{most: mostOutput}
			c.Stdout, c.Stderr = out, out
			err = c.Run()
			return ranMsg{m.command, out.String(), commandError(m.command, err)}
		})
	}
}

// commandError is why a command of the user's failed, nil if it did not.
func commandError(c custom.Command, err error) error {
	if err == nil {
		return nil
	}
	hint := "See what it writes: set `output: true` in " + custom.CommandsFile + "."
	if errors.Is(err, exec.ErrNotFound) {
		hint = "Install it, or name the program with its path in " + custom.CommandsFile + "."
	}
	return fault.New(fault.Invalid, "%s has failed: %s", c.Name, err).Because(err).WithHint("%s", hint)
}

// ran tells how a command ended.
func (a *App) ran(m ranMsg) tea.Cmd {
	if m.command.Output {
		text := render.Safe(m.output)
		if m.err != nil {
			text = strings.TrimLeft(text+"\n\n"+m.err.Error(), "\n")
		}
		if text == "" {
			text = "It has written nothing."
		}
		return a.ask(ui.Ask{Dialog: dialog.NewReader(&a.env.Theme, m.command.Name, "what it has written", text)})
	}
	if m.err != nil {
		return a.toast(ui.Failed(m.err))
	}
	return a.toast(ui.Toast{Text: m.command.Name + ": done"})
}

// mostOutput bounds what is kept of what a command writes, in bytes.
const mostOutput = 1 << 20

// bounded keeps the beginning of what is written.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.most - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

var _ io.Writer = (*bounded)(nil)

// customCommands are the user's commands and views as entries of the palette.
func (a *App) customCommands() []command {
	var out []command
	for _, c := range a.commandsOf(a.top()) {
		help := c.Help
		if help == "" {
			help = strings.Join(c.Run, " ")
		}
		out = append(out, command{name: c.Name, help: render.Line(help, 0), key: keys.Label(c.Key, a.env.Theme.Glyphs.Unicode), off: a.offCommand(c), msg: commandMsg{c}})
	}
	for _, v := range a.custom.Views {
		out = append(out, command{name: "view " + v.Name, help: "the list of pipelines as it was saved", msg: ui.ShowView{View: v}})
	}
	return out
}

// showView goes to the list of pipelines and has it look so.
func (a *App) showView(v ui.View) tea.Cmd {
	cmd, asked := a.guard(false)
	if asked {
		return cmd
	}
	return tea.Batch(a.closeAll(), a.top().Update(ui.ShowView{View: v}))
}

// saveView keeps a view for this session and the next ones.
func (a *App) saveView(v ui.View) tea.Cmd {
	a.custom.Views = custom.With(a.custom.Views, v)
	a.env.Views = a.custom.Views
	own := a.custom
	return func() tea.Msg {
		return ui.Guard(func() tea.Msg {
			if err := own.SaveView(v); err != nil {
				return ui.Failed(err)
			}
			return ui.Toast{Text: "saved the view " + v.Name}
		})
	}
}
