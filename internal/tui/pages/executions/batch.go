package executions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// maxErrs bounds how many errors of a batch are kept; the rest is counted.
const maxErrs = 100

// batch is a launch of many executions.
type batch struct {
	name   string
	launch *executions.Launch
	total  int
	result executions.LaunchResult
	errs   []executions.LaunchEvent
	pace   executions.Pace
	done   bool
	err    error
}

func (b *batch) running() bool { return b != nil && !b.done }

func (b *batch) ended() int { return b.result.Started + b.result.Existed + b.result.Failed }

// upload is a data set on its way.
type upload struct {
	path        string
	done, total atomic.Int64
}

type (
	askDataMsg struct{}
	askManyMsg struct{}
	dataMsg    struct{ path string }
	manyMsg    struct{ path string }
	uploadMsg  struct {
		input []byte
		err   error
	}
	checkedMsg struct {
		path string
		n    int
		err  error
	}
	launchMsg struct {
		path, name string
		n          int
	}
	launchedMsg struct {
		b     *batch
		batch pump.Batch[executions.LaunchEvent]
	}
	launchEndedMsg struct {
		b      *batch
		result executions.LaunchResult
		err    error
	}
)

// launched takes the answers about files.
func (p *Panel) launched(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case askDataMsg:
		return p.askPath("A data set", "A file, or a folder where the pipeline takes one.", func(path string) tea.Msg { return dataMsg{path} })
	case dataMsg:
		return p.send(m.path)
	case uploadMsg:
		p.upload = nil
		if m.err != nil {
			return ui.Send(ui.Failed(m.err))
		}
		return p.start(m.input)
	case askManyMsg:
		return p.askPath("Many inputs", "A .jsonl file with one JSON document a line, or a .csv file with a header.", func(path string) tea.Msg { return manyMsg{path} })
	case manyMsg:
		p.busy = "checking the file"
		return p.Do(func(context.Context) tea.Msg {
			n, err := executions.CheckInputs(m.path)
			return checkedMsg{m.path, n, err}
		})
	case checkedMsg:
		return p.checked(m)
	case launchMsg:
		return p.begin(m)
	case launchedMsg:
		return p.progressed(m)
	case launchEndedMsg:
		return p.launchEnded(m)
	}
	return nil
}

// send puts a data set into the pipeline's bucket.
func (p *Panel) send(path string) tea.Cmd {
	u := &upload{path: path}
	p.upload = u
	source, id := p.Env.Source, p.id
	return tea.Batch(p.tick(), p.Do(func(ctx context.Context) tea.Msg {
		input, err := source.Upload(ctx, id, path, func(done, total int64) {
			u.done.Store(done)
			u.total.Store(total)
		})
		return uploadMsg{input, err}
	}))
}

// checked asks for the batch's name once the file is known to be good.
func (p *Panel) checked(m checkedMsg) tea.Cmd {
	p.busy = ""
	if m.err != nil {
		return p.ask(dialog.NewReader(p.th, "This file can't be used", "the errors", explain(m.err)))
	}
	text := fmt.Sprintf("%s in %s. The executions are called NAME-000001 and so on. A batch that was cut off goes on if it is started again with the same name and file: nothing is started twice.",
		render.Count(m.n, "input", "inputs"), render.Line(m.path, 0))
	return p.ask(dialog.NewPrompt(p.th, "Start "+render.Count(m.n, "execution", "executions"), text, executions.NewBatch(p.Env.Now()), func(s string) (tea.Msg, error) {
		s = strings.TrimSpace(s)
		return launchMsg{m.path, s, m.n}, executions.ValidateBatch(s)
	}))
}

func (p *Panel) begin(m launchMsg) tea.Cmd {
	if p.batch.running() {
		return ui.Send(ui.Toast{Text: "batch " + p.batch.name + " is still being started", Bad: true})
	}
	// It goes on when this page is left; the end of the program ends it.
	l := p.machine.Client.Launch(p.Env.Ctx, executions.LaunchInput{
		Machine: p.machine.Alias, Batch: m.name, Items: executions.Inputs(m.path), Journal: p.Env.Source.Journal(p.id, m.name),
	})
	p.batch = &batch{name: m.name, launch: l, total: m.n}
	return tea.Batch(p.nextLaunched(), p.tick())
}

func (p *Panel) nextLaunched() tea.Cmd {
	b := p.batch
	return ui.Next(p.Host, b.launch.Events(), func(x pump.Batch[executions.LaunchEvent]) tea.Msg { return launchedMsg{b, x} })
}

func (p *Panel) progressed(m launchedMsg) tea.Cmd {
	b := m.b
	for _, e := range m.batch.Items {
		switch {
		case e.Err != nil:
			b.result.Failed++
			if len(b.errs) < maxErrs {
				b.errs = append(b.errs, e)
			}
		case e.Existed:
			b.result.Existed++
		default:
			b.result.Started++
		}
	}
	b.pace.Add(p.Env.Now(), int64(b.ended()))
	if !m.batch.Closed {
		return p.nextLaunched()
	}
	return p.Do(func(context.Context) tea.Msg {
		r, err := b.launch.Wait()
		return launchEndedMsg{b, r, err}
	})
}

func (p *Panel) launchEnded(m launchEndedMsg) tea.Cmd {
	m.b.done, m.b.result, m.b.err = true, m.result, m.err
	cmds := []tea.Cmd{p.load(false)}
	switch {
	case errors.Is(m.err, fault.Canceled):
		cmds = append(cmds, ui.Send(ui.Toast{Text: fmt.Sprintf("stopped after %d of %d; start it again with the name %s to go on", m.b.ended(), m.b.total, m.b.name), Bad: true}))
	case m.err != nil:
		cmds = append(cmds, ui.Send(ui.Failed(m.err)))
	case m.result.Failed > 0:
		cmds = append(cmds, ui.Send(ui.Toast{Text: fmt.Sprintf("batch %s: %d of %d could not be started; e tells why", m.b.name, m.result.Failed, m.b.total), Bad: true}))
	default:
		cmds = append(cmds, ui.Send(ui.Toast{Text: fmt.Sprintf("batch %s: %d started, %d were there already", m.b.name, m.result.Started, m.result.Existed)}))
	}
	return tea.Batch(cmds...)
}

// problems are the inputs that could not be started.
func (b *batch) problems() string {
	var out strings.Builder
	for _, e := range b.errs {
		fmt.Fprintf(&out, "%s\n  %s\n", e.Name, strings.ReplaceAll(explain(e.Err), "\n", "\n  "))
	}
	if rest := b.result.Failed - len(b.errs); rest > 0 {
		fmt.Fprintf(&out, "and %d more\n", rest)
	}
	return out.String()
}

// foot are the lines below the table: what is under way.
func (p *Panel) foot(width int) []string {
	th := p.th
	var out []string
	if u := p.upload; u != nil {
		done, total := u.done.Load(), u.total.Load()
		text := fmt.Sprintf("%s of %s", render.Bytes(done), render.Bytes(total))
		if total == 0 {
			text = "beginning"
		}
		out = append(out, p.barLine("upload", done, 0, total, text, width))
	}
	if b := p.batch; b.running() {
		text := fmt.Sprintf("%s of %s", render.Number(int64(b.ended())), render.Number(int64(b.total)))
		if r := b.pace.Rate(); r > 0 {
			text += "  " + render.Rate(r) + "/s"
			if left := b.pace.Left(int64(b.total - b.ended())); left > 0 {
				text += "  " + render.Duration(left.Round(time.Second)) + " left"
			}
		}
		if b.result.Failed > 0 {
			text += fmt.Sprintf("  %d failed", b.result.Failed)
		}
		out = append(out, p.barLine("start "+render.Line(b.name, 30), int64(b.ended()), int64(b.result.Failed), int64(b.total), text+"  "+th.Key.Render("c")+" "+th.Hint.Render("cancel"), width))
	}
	return out
}

func (p *Panel) barLine(name string, done, failed, total int64, text string, width int) string {
	head := " " + p.th.Busy.Render(name) + " "
	room := min(40, width-ansi.StringWidth(head)-ansi.StringWidth(text)-2)
	bar := ""
	if room >= 6 {
		bar = widget.Bar(p.th, done, failed, total, room) + " "
	}
	return widget.Fit(head+bar+text, width, p.th.Glyphs.Ellipsis)
}
