package pipeline

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// resources are those of the state, as the tree sees them.
type resources struct {
	page   *Page
	list   []stack.Resource
	parent []int
}

func newTree(th *theme.Screen) *widget.Tree {
	t := widget.NewTree(th,
		widget.Column{Title: "RESOURCE", Min: 24, Max: 40, Flex: 2},
		widget.Column{Title: "TYPE", Min: 22, Max: 36, Flex: 1, Drop: 3},
		widget.Column{Title: "ID", Min: 14, Flex: 5, Drop: 2},
		widget.Column{Title: "NOTE", Min: 9, Drop: 5},
		widget.Column{Title: "CREATED", Min: 7, Right: true, Drop: 6},
		widget.Column{Title: "CHANGED", Min: 7, Right: true, Drop: 1},
	)
	t.Empty = "the stack holds no resources"
	return t
}

func (r *resources) set(p pipelines.Pipeline) {
	r.list, r.parent = nil, nil
	if p.State == nil {
		return
	}
	for _, x := range p.State.Resources {
		if stack.Counted(x.Type) {
			r.list = append(r.list, x)
		}
	}
	at := make(map[string]int, len(r.list))
	for i, x := range r.list {
		if !x.PendingDelete {
			at[x.URN] = i
		}
	}
	r.parent = make([]int, len(r.list))
	for i, x := range r.list {
		r.parent[i] = -1
		if up, ok := at[x.Parent]; ok && x.Parent != "" && up != i {
			r.parent[i] = up
		}
	}
}

func (r *resources) Len() int           { return len(r.list) }
func (r *resources) Parent(row int) int { return r.parent[row] }
func (r *resources) Shut(int) bool      { return false }

func (r *resources) Key(row int) string {
	key := r.list[row].URN
	if r.list[row].PendingDelete {
		key += " " + r.list[row].ID // its successor has the same URN
	}
	return key
}

func (r *resources) Cell(row, column int) widget.Cell {
	th, x, now := &r.page.Env.Theme, r.list[row], r.page.Env.Now()
	switch column {
	case 0:
		c := widget.Cell{Text: x.Name}
		switch {
		case len(x.InitErrors) > 0:
			c.Signs = th.Bad.Render(th.Glyphs.Bad) + " "
		case x.PendingDelete:
			c.Signs = th.Warn.Render(th.Glyphs.Warn) + " "
		}
		return c
	case 1:
		return widget.Cell{Signs: th.Muted.Render(render.Icon(x.Type, th.Glyphs.Unicode)) + " ", Text: render.ShortType(x.Type), Style: th.Muted}
	case 2:
		return widget.Cell{Text: x.ID}
	case 3:
		return widget.Cell{Text: note(x), Style: th.Warn}
	case 4:
		return widget.Cell{Text: render.ShortAge(x.Created, now), Style: th.Muted}
	default:
		return widget.Cell{Text: render.ShortAge(x.Modified, now), Style: th.Muted}
	}
}

func note(x stack.Resource) string {
	switch {
	case len(x.InitErrors) > 0:
		return "not ready"
	case x.PendingDelete:
		return "to delete"
	case x.Protect:
		return "protected"
	case x.External:
		return "external"
	}
	return ""
}

// resource is the one under the cursor, nil if there is none.
func (p *Page) resource() *stack.Resource {
	if i, ok := p.tree.Selected(); ok && i < len(p.parts.list) {
		return &p.parts.list[i]
	}
	return nil
}

// resourceText is everything about a resource.
func (p *Page) resourceText(x *stack.Resource) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + strings.Repeat(" ", max(1, 10-len(name))) + value + "\n")
		}
	}
	line("type", x.Type)
	line("name", x.Name)
	line("id", x.ID)
	line("urn", x.URN)
	line("under", x.Parent)
	line("created", render.Stamp(x.Created))
	line("changed", render.Stamp(x.Modified))
	line("note", note(*x))
	line("console", p.Env.Source.ConsoleURL(*x))
	for _, e := range x.InitErrors {
		b.WriteString("\n" + e + "\n")
	}
	if len(x.Inputs) > 0 {
		b.WriteString("\ninputs: what was asked for\n" + pretty(plain(x.Inputs)) + "\n")
	}
	if len(x.Outputs) > 0 {
		b.WriteString("\noutputs: what came of it\n" + pretty(plain(x.Outputs)) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// plain leaves out what the engine keeps for itself: "__defaults".
func plain(props map[string]any) map[string]any {
	out := make(map[string]any, len(props))
	for k, v := range props {
		if !strings.HasPrefix(k, "__") {
			out[k] = v
		}
	}
	return out
}
