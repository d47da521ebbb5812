package wizard

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// picker is a list of choices that is filtered by typing.
type picker struct {
	th    *theme.Screen
	field form.Field
	grid  *widget.Grid
}

func newPicker(th *theme.Screen, f form.Field) *picker {
	p := &picker{th: th, field: f, grid: widget.NewGrid(th, widget.Column{Min: 20, Flex: 1}, widget.Column{Min: 8, Drop: 1})}
	p.grid.NoHeader = true
	p.grid.SetRows(choiceRows{f})
	p.grid.Select(f.Value)
	p.grid.Update(keys.Msg(keys.Search.Keys[0]))
	return p
}

func (p *picker) view(w, h int) string {
	title := p.field.Label
	if p.field.Unit != "" {
		title += " (" + p.field.Unit + ")"
	}
	return widget.Box(widget.Rule(p.th, title+": type to filter", w)+"\n"+p.grid.View(w, max(1, h-1)), w, h)
}

// choiceRows are the choices of a field.
type choiceRows struct{ f form.Field }

func (r choiceRows) Len() int           { return len(r.f.Choices) }
func (r choiceRows) Key(row int) string { return r.f.Choices[row] }
func (r choiceRows) Cell(row, column int) widget.Cell {
	if column == 0 {
		return widget.Cell{Text: r.f.Choices[row]}
	}
	if r.f.Choices[row] == r.f.Default {
		return widget.Cell{Text: "default"}
	}
	return widget.Cell{}
}

func (p *Page) pickKey(m tea.KeyMsg) tea.Cmd {
	g := p.pick.grid
	switch {
	case keys.Back.Is(m) && g.Filter() == "":
		p.pick = nil
	case keys.TakeOne.Is(m):
		if row, ok := g.Selected(); ok {
			choice := p.pick.field.Choices[row]
			if choice == p.pick.field.Default {
				choice = ""
			}
			p.form.Set(p.pick.field.Name, choice)
			p.pick = nil
			return p.move(1)
		}
	default:
		filterKey(g, m)
	}
	return nil
}

// filterKey gives a key to a grid that is filtered by typing at any time.
func filterKey(g *widget.Grid, m tea.KeyMsg) {
	if !g.Capturing() && (m.Type == tea.KeyRunes || m.Type == tea.KeySpace || m.Type == tea.KeyBackspace) {
		g.Update(keys.Msg(keys.Search.Keys[0]))
	}
	g.Update(m)
}

// browser chooses a file or a folder for a path field.
type browser struct {
	host    *ui.Host
	field   form.Field
	base    string // relative answers are relative to this
	dir     string
	gen     int
	entries []fs.DirEntry
	err     error
	grid    *widget.Grid
	reading bool
}

type dirMsg struct {
	gen     int
	dir     string
	entries []fs.DirEntry
	err     error
}

// browse opens the browser where the answer points to.
func (p *Page) browse(f form.Field) tea.Cmd {
	th := &p.Env.Theme
	b := &browser{host: p.Host, field: f, base: p.opts.Dir, grid: widget.NewGrid(th, widget.Column{Min: 20, Flex: 1}, widget.Column{Min: 10, Right: true, Drop: 1})}
	b.grid.NoHeader = true
	b.grid.Empty = "nothing here that would fit"
	p.browser = b
	at := p.opts.Dir
	if f.Text != "" && !strings.Contains(f.Text, "://") {
		at = f.Text
		if !filepath.IsAbs(at) {
			at = filepath.Join(p.opts.Dir, at)
		}
		at = filepath.Dir(at)
	}
	return b.read(at)
}

// read lists a folder.
func (b *browser) read(dir string) tea.Cmd {
	b.gen++
	b.reading = true
	gen := b.gen
	return b.host.Do(func(context.Context) tea.Msg {
		entries, err := os.ReadDir(dir)
		return dirMsg{gen, dir, entries, err}
	})
}

func (b *browser) take(m dirMsg) {
	if m.gen != b.gen {
		return
	}
	b.reading = false
	if b.err = m.err; m.err != nil {
		return
	}
	b.dir, b.entries = m.dir, nil
	for _, e := range m.entries {
		if !strings.HasPrefix(e.Name(), ".") && (e.IsDir() || b.fits(e.Name())) {
			b.entries = append(b.entries, e)
		}
	}
	slices.SortStableFunc(b.entries, func(x, y fs.DirEntry) int {
		switch {
		case x.IsDir() == y.IsDir():
			return strings.Compare(x.Name(), y.Name())
		case x.IsDir():
			return -1
		}
		return 1
	})
	b.grid.SetFilter("")
	b.grid.SetRows(dirRows{b})
}

// fits tells the files that the field may name.
func (b *browser) fits(name string) bool {
	a := b.field.Artifact
	if a == nil {
		return true
	}
	low := strings.ToLower(name)
	if slices.Contains(a.Kinds, "zip") && strings.HasSuffix(low, ".zip") {
		return true
	}
	return slices.Contains(a.Kinds, "file") && (len(a.Extensions) == 0 || slices.ContainsFunc(a.Extensions, func(ext string) bool { return strings.HasSuffix(low, ext) }))
}

func (b *browser) folders() bool {
	return b.field.Artifact == nil || slices.Contains(b.field.Artifact.Kinds, "dir")
}

func (b *browser) keys() keys.Map {
	off := ""
	if !b.folders() {
		off = "it has to be a file"
	}
	return keys.Map{{Title: "Files", Bindings: []keys.Binding{keys.TakeOne, keys.TakeDir.Unless(off), keys.UpDir, keys.Back}}}
}

func (b *browser) view(w, h int) string {
	th := &b.host.Env.Theme
	title := b.field.Label + ": " + render.Line(b.dir, 0)
	foot := th.Muted.Render("type to filter  ") + th.Key.Render(keys.TakeOne.Label(th.Glyphs.Unicode)) + th.Hint.Render(" open or take") + "  " +
		th.Key.Render(keys.UpDir.Label(th.Glyphs.Unicode)) + th.Hint.Render(" parent")
	if b.folders() {
		foot += "  " + th.Key.Render(keys.TakeDir.Label(th.Glyphs.Unicode)) + th.Hint.Render(" take this folder")
	}
	body := b.grid.View(w, max(1, h-2))
	switch {
	case b.err != nil:
		body = "  " + th.Bad.Render(render.Line(b.err.Error(), 0))
	case b.reading && b.dir == "":
		body = "  " + th.Muted.Render("reading ...")
	}
	return widget.Box(widget.Rule(th, title, w)+"\n"+widget.Box(body, w, max(1, h-2))+"\n"+widget.Fit(foot, w, th.Glyphs.Ellipsis), w, h)
}

func (b *browser) mouse(m tea.MouseMsg) {
	m.Y--
	b.grid.Update(m)
}

// answer is a path as it goes into the field: short where it lies below the base.
func (b *browser) answer(file string) string {
	rel, err := filepath.Rel(b.base, file)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return file
	}
	return "./" + filepath.ToSlash(rel)
}

func (p *Page) browserKey(m tea.KeyMsg) tea.Cmd {
	b := p.browser
	done := func(file string) tea.Cmd {
		p.form.Set(b.field.Name, b.answer(file))
		p.browser = nil
		return tea.Batch(p.focusField(), p.look())
	}
	switch {
	case keys.Back.Is(m) && b.grid.Filter() == "":
		p.browser = nil
	case keys.TakeDir.Is(m):
		if b.folders() && b.dir != "" {
			return done(b.dir)
		}
	case keys.UpDir.Is(m), m.Type == tea.KeyBackspace && b.grid.Filter() == "":
		if b.dir != "" {
			return b.read(filepath.Dir(b.dir))
		}
	case keys.TakeOne.Is(m):
		row, ok := b.grid.Selected()
		switch {
		case !ok:
		case b.entries[row].IsDir():
			return b.read(filepath.Join(b.dir, b.entries[row].Name()))
		default:
			return done(filepath.Join(b.dir, b.entries[row].Name()))
		}
	default:
		filterKey(b.grid, m)
	}
	return nil
}

// dirRows are the entries of a folder.
type dirRows struct{ b *browser }

func (r dirRows) Len() int           { return len(r.b.entries) }
func (r dirRows) Key(row int) string { return r.b.entries[row].Name() }
func (r dirRows) Cell(row, column int) widget.Cell {
	e := r.b.entries[row]
	switch {
	case column == 0 && e.IsDir():
		return widget.Cell{Text: e.Name() + "/", Style: r.b.host.Env.Theme.Key}
	case column == 0:
		return widget.Cell{Text: e.Name()}
	case e.IsDir():
		return widget.Cell{}
	}
	return widget.Cell{Text: filepath.Ext(e.Name()), Style: r.b.host.Env.Theme.Muted}
}
