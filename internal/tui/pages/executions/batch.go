package executions

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

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
		use  *costs.Use // what running them costs, nil if that is not known
		err  error
	}
	launchMsg struct {
		path, name string
		n          int
	}
)

// launched takes the answers about files.
func (p *Panel) launched(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case askDataMsg:
		return p.askPath("A data set", "A file, or a folder where the pipeline takes one.", "", func(path string) tea.Msg { return dataMsg{path} })
	case dataMsg:
		return p.send(m.path)
	case uploadMsg:
		p.upload = nil
		if m.err != nil {
			return ui.Send(ui.Failed(m.err))
		}
		return p.start(m.input)
	case askManyMsg:
		return p.askPath("Many inputs", "A .jsonl file with one JSON document a line, or a .csv or .tsv file with a header.", "", func(path string) tea.Msg { return manyMsg{path} })
	case manyMsg:
		p.busy = "checking the file"
		source, machine := p.Env.Source, p.machine
		return p.Do(func(ctx context.Context) tea.Msg {
			c := checkedMsg{path: m.path}
			if c.n, c.err = executions.CheckInputs(ctx, m.path); c.err == nil && machine != nil {
				c.use, _ = source.BatchCosts(ctx, machine, int64(c.n)) // that it can't be told holds nothing up
			}
			return c
		})
	case checkedMsg:
		return p.checked(m)
	case launchMsg:
		return p.begin(m)
	}
	return nil
}

// send puts a data set into the pipeline's bucket.
func (p *Panel) send(path string) tea.Cmd {
	u := &upload{path: path}
	p.upload = u
	source, id := p.Env.Source, p.id
	return p.Do(func(ctx context.Context) tea.Msg {
		input, err := source.Upload(ctx, id, path, func(done, total int64) {
			u.done.Store(done)
			u.total.Store(total)
		})
		return uploadMsg{input, err}
	})
}

// checked asks for the batch's name once the file is known to be good.
func (p *Panel) checked(m checkedMsg) tea.Cmd {
	p.busy = ""
	if m.err != nil {
		return p.ask(dialog.NewReader(p.th, "This file can't be used", "the errors", explain(m.err)))
	}
	text := fmt.Sprintf("%s in %s. The executions are called NAME-000001 and so on. A batch that was cut off goes on if it is started again with the "+
		"same name and file: nothing is started twice.",
		render.Count(m.n, "input", "inputs"), render.Line(m.path, 0))
	if m.use != nil {
		text += fmt.Sprintf("\n\nThey will cost %s by being run, by an estimate.", m.use.About())
	}
	return p.ask(dialog.NewPrompt(p.th, "Start "+render.Count(m.n, "execution", "executions"), text, executions.NewBatch(p.Env.Now()), func(s string) (tea.Msg, error) {
		s = strings.TrimSpace(s)
		return launchMsg{m.path, s, m.n}, executions.ValidateBatch(s)
	}))
}

// batch is the launch to tell of: the newest one of the pipeline, or nil.
func (p *Panel) batch() *ui.Launch { return p.Env.Launches.Of(p.id) }

func (p *Panel) launching() bool {
	b := p.batch()
	return b != nil && !b.Done()
}

func (p *Panel) begin(m launchMsg) tea.Cmd {
	if p.launching() {
		return ui.Send(ui.Toast{Text: "batch " + p.batch().Name + " is still being started", Bad: true})
	}
	_, cmd := p.Env.Launches.Start(p.id, m.n, p.machine.Client, executions.LaunchInput{
		Machine: p.machine.Alias, Made: p.machine.Made, Batch: m.name, Items: executions.Inputs(m.path), Journal: p.Env.Source.Journal(p.id, m.name),
	})
	return cmd
}

// launchMoved looks at the list when a batch has been started.
func (p *Panel) launchMoved(l *ui.Launch) tea.Cmd {
	if l.ID != p.id || !l.Done() || p.hidden || p.loading() {
		return nil
	}
	return p.load(false)
}

// problems are the inputs that could not be started.
func problems(b *ui.Launch) string {
	var out strings.Builder
	for _, e := range b.Errs {
		fmt.Fprintf(&out, "%s\n  %s\n", e.Name, strings.ReplaceAll(explain(e.Err), "\n", "\n  "))
	}
	if rest := b.Result.Failed - len(b.Errs); rest > 0 {
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
	if b := p.batch(); p.launching() {
		text := fmt.Sprintf("%s of %s", render.Number(int64(b.Dealt())), render.Number(int64(b.Total)))
		if r := b.Pace.Rate(); r > 0 {
			text += "  " + render.Rate(r) + "/s"
			if left := b.Pace.Left(int64(b.Total - b.Dealt())); left > 0 {
				text += "  " + render.Duration(left.Round(time.Second)) + " left"
			}
		}
		if b.Result.Failed > 0 {
			text += fmt.Sprintf("  %d failed", b.Result.Failed)
		}
		out = append(out, p.barLine("start "+render.Line(b.Name, 30), int64(b.Dealt()), int64(b.Result.Failed), int64(b.Total),
			text+"  "+th.Key.Render("c")+" "+th.Hint.Render("cancel"), width))
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
