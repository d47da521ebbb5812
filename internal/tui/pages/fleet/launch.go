package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// batch is what is started in one pipeline.
type batch struct {
	id   spec.ID
	file *executions.InputFile
	n    int // inputs
	m    *pipelines.Machine
	use  *costs.Use // what running them costs, nil if that is not known
	err  error
}

type (
	folderMsg  struct{ path string }
	checkedMsg struct {
		path string
		list []*batch
		err  error
	}
	launchMsg struct {
		name string
		list []*batch
	}
)

// launched takes the answers about folders of inputs.
func (p *Page) launched(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case folderMsg:
		return p.checkFolder(m.path)
	case checkedMsg:
		return p.checked(m)
	case launchMsg:
		return p.launch(m)
	}
	return nil
}

func (p *Page) askFolder(value string) tea.Cmd {
	return p.ask(dialog.NewPrompt(p.th, "Run the inputs of a folder", "A folder with a file of inputs for each pipeline, named after its stack (acme.fraud.dev.jsonl), as w writes them. "+
		"All of it is checked before anything is started.", value, func(s string) (tea.Msg, error) {
		if s = data.HomePath(strings.TrimSpace(s)); s == "" {
			return nil, fault.New(fault.Invalid, "a path is needed")
		}
		return folderMsg{s}, nil
	}))
}

// checkFolder reads the files of a folder and asks for the machines of their pipelines.
func (p *Page) checkFolder(path string) tea.Cmd {
	ctx, w := p.begin("check the inputs of " + render.Line(path, 40))
	w.cut = "Nothing was started."
	source := p.Env.Source
	return p.Do(func(context.Context) tea.Msg {
		defer w.stop()
		files, err := fleet.InputFolder(ctx, path)
		if err == nil && files == nil {
			err = fault.New(fault.Invalid, "%s is no folder", path).WithHint("Name a folder with a file of inputs for each pipeline.")
		}
		if err != nil {
			return checkedMsg{path, nil, err}
		}
		list := make([]*batch, 0, len(files))
		for id, file := range files {
			list = append(list, &batch{id: id, file: file})
		}
		slices.SortFunc(list, func(a, b *batch) int { return a.id.Compare(b.id) })
		var g errgroup.Group
		g.SetLimit(fleet.Askers)
		var mu sync.Mutex
		done := 0
		for _, b := range list {
			g.Go(func() error {
				if b.n, b.err = b.file.Check(ctx); b.err == nil {
					b.m, b.err = source.Machine(ctx, b.id)
				}
				if b.err == nil { // that it can't be told holds nothing up
					b.use, _ = source.BatchCosts(ctx, b.m, int64(b.n))
				}
				mu.Lock()
				defer mu.Unlock()
				done++
				w.far.tell(func() string { return fmt.Sprintf("%d of %s checked", done, render.Count(len(list), "file", "files")) })
				return nil
			})
		}
		_ = g.Wait() // none returns an error
		return checkedMsg{path, list, ctx.Err()}
	})
}

// checked asks for the name of the batch, once it is known that all of it can be started.
func (p *Page) checked(m checkedMsg) tea.Cmd {
	p.work = nil
	if errors.Is(m.err, context.Canceled) {
		return ui.Send(ui.Toast{Text: "stopped: nothing was started", Bad: true})
	}
	if m.err != nil {
		return p.ask(dialog.NewReader(p.th, "These inputs can't be used", "the error", dialog.ErrorText(m.err)))
	}
	var wrong strings.Builder
	total, first := 0, (*batch)(nil)
	for _, b := range m.list {
		if total += b.n; b.err != nil {
			fmt.Fprintf(&wrong, "%s\n  %s\n\n", b.id, strings.ReplaceAll(dialog.ErrorText(b.err), "\n", "\n  "))
		} else if first == nil {
			first = b
		}
	}
	if wrong.Len() > 0 {
		return p.ask(dialog.NewReader(p.th, "These inputs can't be used", "the errors", "Nothing was started.\n\n"+wrong.String()))
	}
	var text strings.Builder
	text.WriteString(dialog.Where(p.Env, first.m.ARN))
	wide := 0
	for _, b := range m.list[:min(len(m.list), shownPipelines+1)] {
		wide = max(wide, len(render.Line(b.id.String(), 50)))
	}
	for i, b := range m.list {
		if i == shownPipelines && len(m.list) > i+1 {
			fmt.Fprintf(&text, "  and %s more\n", render.Count(len(m.list)-i, "pipeline", "pipelines"))
			break
		}
		fmt.Fprintf(&text, "  %-*s  %s\n", wide, render.Line(b.id.String(), 50), render.Count(b.n, "input", "inputs"))
	}
	uses := make([]*costs.Use, 0, len(m.list))
	for _, b := range m.list {
		uses = append(uses, b.use)
	}
	if sum := costs.Together(uses); sum != nil {
		fmt.Fprintf(&text, "\nThey will cost %s by being run, by an estimate.\n", sum.About())
	}
	text.WriteString("\nThe name of the batch: one that was cut off goes on if it is started again with the same name and files.")
	title := "Start " + render.Count(total, "execution", "executions") + " of " + render.Count(len(m.list), "pipeline", "pipelines")
	return p.ask(dialog.NewPrompt(p.th, title, text.String(), executions.NewBatch(p.Env.Now()), func(s string) (tea.Msg, error) {
		s = strings.TrimSpace(s)
		return launchMsg{s, m.list}, executions.ValidateBatch(s)
	}))
}

// launch starts the batches. They go on when the page is left.
func (p *Page) launch(m launchMsg) tea.Cmd {
	for _, b := range m.list {
		if l := p.Env.Launches.Of(b.id); l != nil && !l.Done() {
			return ui.Send(ui.Toast{Text: fmt.Sprintf("batch %s of %s is still being started", l.Name, b.id), Bad: true})
		}
	}
	p.begun = nil
	var cmds []tea.Cmd
	for _, b := range m.list {
		l, cmd := p.Env.Launches.Start(b.id, b.n, b.m.Client, executions.LaunchInput{
			Machine: b.m.Alias, Made: b.m.Made, Batch: m.name, Items: b.file.Items(), Journal: p.Env.Source.Journal(b.id, m.name),
		})
		p.begun, cmds = append(p.begun, l), append(cmds, cmd)
	}
	ui.Together(p.begun)
	return tea.Batch(cmds...)
}

// starting tells that executions of this page are being started.
func (p *Page) starting() bool {
	return slices.ContainsFunc(p.begun, func(l *ui.Launch) bool { return !l.Done() })
}

func (p *Page) startingText() string {
	dealt, total, failed := 0, 0, 0
	for _, l := range p.begun {
		dealt, total, failed = dealt+l.Dealt(), total+l.Total, failed+l.Result.Failed
	}
	text := fmt.Sprintf("batch %s: %s of %s started", p.begun[0].Name, render.Number(int64(dealt)), render.Number(int64(total)))
	if failed > 0 {
		text += fmt.Sprintf(", %s could not be", render.Number(int64(failed)))
	}
	return text
}

// launchMoved reads the list when all that was begun here has been started.
func (p *Page) launchMoved(l *ui.Launch) tea.Cmd {
	if !slices.Contains(p.begun, l) || p.starting() {
		return nil
	}
	return p.load()
}
