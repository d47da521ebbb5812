package deploy

import (
	"encoding/json"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// detail is a text that lies over the page until esc.
type detail struct {
	title  string
	viewer *widget.Viewer
}

func (d *detail) keys() keys.Map {
	return keys.Map{{Title: "Details", Bindings: []keys.Binding{keys.Back, keys.Copy}}, d.viewer.Keys()}
}

func (d *detail) view(th *theme.Screen, w, h int) string {
	title := d.title
	if at := d.viewer.Place(); at != "" {
		title += "  " + at
	}
	return widget.Box(widget.Rule(th, title, w)+"\n"+d.viewer.View(w, max(1, h-1)), w, h)
}

func (p *Page) open(title string, lines []string) {
	v := widget.NewViewer(&p.Env.Theme)
	v.SetLines(lines)
	p.detail = &detail{title: title, viewer: v}
}

func (p *Page) detailKey(m tea.KeyMsg) tea.Cmd {
	switch v := p.detail.viewer; {
	case v.Update(m):
	case keys.Copy.Is(m):
		return ui.Send(ui.Copy{Text: v.Text(), What: "the text"})
	case keys.Back.Is(m), keys.Inspect.Is(m):
		p.detail = nil
	}
	return nil
}

// inspect opens everything that is known of the selected line.
func (p *Page) inspect() {
	if p.focus == listPane {
		p.focus = treePane
		return
	}
	at, ok := p.tree.Selected()
	if !ok {
		return
	}
	e := p.rows.entries[at]
	row := p.rows.rows[e.row]
	if e.prop >= 0 {
		d := row.Diff[e.prop]
		p.open(render.Line(row.Name+" "+d.Path, 0), p.propertyLines(d, ""))
		return
	}
	p.open(render.Line(row.Name, 0), p.resourceLines(row))
}

func (p *Page) resourceLines(row stack.Row) []string {
	th := &p.Env.Theme
	var out []string
	field := func(name, value string) {
		if value != "" {
			out = append(out, th.Key.Render(widget.Fit(name, 10, ""))+" "+render.Line(value, 0))
		}
	}
	field("type", row.Type)
	field("urn", row.URN)
	field("id", row.ID)
	field("change", render.OpVerb(row.Op, false))
	if text, _ := meaning(row); text != "" && !p.rows.drift {
		field("means", text)
	}
	if p.rows.live {
		field("status", string(row.Status))
		field("took", took(row, p.Env.Now()))
	}
	field("message", row.Info)
	for _, d := range row.Diagnostics {
		style := th.Muted
		if d.Severity == stack.SeverityError {
			style = th.Bad
		}
		out = append(out, "")
		for _, l := range strings.Split(render.Safe(d.Message), "\n") {
			out = append(out, style.Render(l))
		}
	}
	if len(row.Diff) > 0 {
		out = append(out, "", th.Title.Render(render.Count(len(row.Diff), "property", "properties")))
	}
	for _, d := range row.Diff {
		out = append(out, p.propertyLines(d, "  ")...)
	}
	return out
}

// propertyLines are old and new value whole; documents line by line.
func (p *Page) propertyLines(d stack.PropertyDiff, indent string) []string {
	th := &p.Env.Theme
	head := render.Line(d.Path, 0)
	if d.Replace {
		head += " " + th.Replace.Render("(forces replacement)")
	}
	before, after := document(d.Old), document(d.New)
	switch d.Kind {
	case stack.DiffAdd:
		before = nil
	case stack.DiffDelete:
		after = nil
	}
	out := []string{indent + head}
	for _, c := range compare(before, after) {
		style := th.Muted
		switch c.mark {
		case "+":
			style = th.Create
		case "-":
			style = th.Delete
		}
		out = append(out, indent+"  "+style.Render(c.mark+" "+c.text))
	}
	return out
}

// document is a value as safe lines: JSON indented, also where it is the text of
// a string, as policies and definitions are.
func document(v any) []string {
	if s, ok := v.(string); ok {
		var inner any
		if t := strings.TrimSpace(s); t == "" || t[0] != '{' && t[0] != '[' || json.Unmarshal([]byte(t), &inner) != nil {
			return strings.Split(strings.ReplaceAll(render.Safe(s), "\t", "    "), "\n")
		}
		v = inner
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return []string{render.Line(fmt.Sprint(v), 0)}
	}
	return strings.Split(render.Safe(strings.TrimRight(b.String(), "\n")), "\n")
}

// change is a line of a comparison: mark is "-", "+" or " ".
type change struct{ mark, text string }

// compareLimit bounds the work of a comparison, in pairs of lines.
const compareLimit = 1 << 22

// compare finds the lines that two documents share: a longest common subsequence.
func compare(before, after []string) []change {
	var out, tail []change
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		out = append(out, change{" ", before[0]})
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		tail = append(tail, change{" ", before[len(before)-1]})
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	out = append(out, middle(before, after)...)
	for i := len(tail) - 1; i >= 0; i-- {
		out = append(out, tail[i])
	}
	return out
}

func middle(before, after []string) []change {
	n, m := len(before), len(after)
	out := make([]change, 0, n+m)
	i, j := 0, 0
	if n*m <= compareLimit {
		// common[i][j] is the length for before[i:] and after[j:].
		common := make([][]int32, n+1)
		for i := range common {
			common[i] = make([]int32, m+1)
		}
		for i := n - 1; i >= 0; i-- {
			for j := m - 1; j >= 0; j-- {
				if common[i][j] = max(common[i+1][j], common[i][j+1]); before[i] == after[j] {
					common[i][j] = common[i+1][j+1] + 1
				}
			}
		}
		for i < n && j < m {
			switch {
			case before[i] == after[j]:
				out = append(out, change{" ", before[i]})
				i, j = i+1, j+1
			case common[i+1][j] >= common[i][j+1]:
				out = append(out, change{"-", before[i]})
				i++
			default:
				out = append(out, change{"+", after[j]})
				j++
			}
		}
	}
	for ; i < n; i++ {
		out = append(out, change{"-", before[i]})
	}
	for ; j < m; j++ {
		out = append(out, change{"+", after[j]})
	}
	return out
}

// openProblem shows the first error whole, with all others of the pipeline.
func (p *Page) openProblem() {
	t, ok := p.problem()
	if !ok {
		return
	}
	th := &p.Env.Theme
	var out []string
	add := func(text string) {
		for _, l := range strings.Split(strings.TrimSpace(render.Safe(text)), "\n") {
			for _, part := range strings.Split(ansi.Wrap(l, max(20, p.size[0]), ""), "\n") {
				out = append(out, th.Bad.Render(part))
			}
		}
	}
	add(t.text)
	if hint := fault.HintOf(t.err); hint != "" {
		out = append(out, "", th.Hint.Render("hint: "+render.Line(hint, 0)))
	}
	said := t.text
	if _, rest, ok := strings.Cut(said, ": "); ok {
		said = rest // without the resource's name
	}
	if t.err != nil && !strings.Contains(t.err.Error(), said) {
		out = append(out, "", th.Muted.Render("the operation ended with:"))
		add(t.err.Error())
	}
	if job := p.shown(); job != nil && job.Progress[t.id] != nil {
		for _, m := range job.Progress[t.id].Messages {
			closing := strings.HasSuffix(m.Message, " failed") && !strings.Contains(m.Message, ": ")
			if !closing && m.Message != said && (m.Severity == stack.SeverityError || m.Severity == stack.SeverityWarning) {
				out = append(out, "")
				add(m.Message)
			}
		}
	}
	title := "Error"
	if t.id.Tenant != "" {
		title += " of " + t.id.String()
	}
	p.open(title, out)
}
