package deploy

import (
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// View draws the page.
func (p *Page) View(w, h int) string {
	p.size = [2]int{w, h}
	if p.detail != nil {
		return p.detail.view(&p.Env.Theme, w, h)
	}
	th := &p.Env.Theme
	at := p.parts(w, h)
	var blocks []string
	add := func(text string, r rect) {
		if r.h > 0 && r.w > 0 {
			blocks = append(blocks, widget.Box(text, r.w, r.h))
		}
	}
	add(strings.Join(p.head(w, h), "\n"), at.head)
	p.list.Focused, p.tree.Focused = p.focus == listPane, p.focus == treePane
	tree := widget.Box(p.tree.View(at.tree.w, at.tree.h), at.tree.w, at.tree.h)
	switch {
	case at.list.h > 0 && at.list.y == at.tree.y:
		bar := strings.TrimRight(strings.Repeat(th.Border.Render(th.Glyphs.Border.Left)+"\n", at.tree.h), "\n")
		if at.tree.h > 0 {
			blocks = append(blocks, widget.Beside(widget.Box(p.list.View(at.list.w, at.list.h), at.list.w, at.list.h), bar, tree))
		}
	default:
		add(p.list.View(at.list.w, at.list.h), at.list)
		if at.tree.h > 0 {
			blocks = append(blocks, tree)
		}
	}
	if at.below.h > 0 {
		add(p.belowView(at.below.w, at.below.h), at.below)
	}
	add(strings.Join(p.foot(w), "\n"), at.foot)
	return widget.Box(strings.Join(blocks, "\n"), w, h)
}

// foot asks, or says what to do next.
func (p *Page) foot(w int) []string {
	th := &p.Env.Theme
	key := func(b keys.Binding, word string) string {
		if p.against(b) != "" {
			return th.KeyOff.Render(b.Keys[0] + " " + word)
		}
		return th.Key.Render(b.Keys[0]) + " " + th.Hint.Render(word)
	}
	var text string
	switch p.phase {
	case asking:
		text = th.Title.Render(p.question()) + "  " + key(keys.Apply, "yes") + "  " + key(keys.Decline, "no") + "  " + key(keys.Details, "details")
		if off := p.against(keys.Apply); off != "" {
			text = th.Muted.Render(strings.ToUpper(off[:1])+off[1:]+".") + "  " + key(keys.Decline, "back") + "  " + key(keys.Details, "details")
		}
	case finished:
		text = p.next(key)
	default:
		return nil
	}
	return []string{widget.Fit(text, w, th.Glyphs.Ellipsis)}
}

func (p *Page) question() string {
	todo := p.applicable()
	switch p.req.Operation {
	case stack.OperationDestroy:
		return "Delete " + p.names(todo) + " in " + p.where() + "?"
	case stack.OperationRefresh:
		return "Correct the record of " + p.names(todo) + "?"
	}
	if p.req.Back != nil {
		return "Roll " + p.names(todo) + " back" + p.to() + " in " + p.where() + "?"
	}
	left := ""
	if n := len(p.req.Pipelines) - len(todo); n > 0 {
		left = fmt.Sprintf(" (%d left alone)", n)
	}
	return "Apply to " + p.names(todo) + left + " in " + p.where() + "?"
}

func (p *Page) next(key func(keys.Binding, string) string) string {
	var parts []string
	if p.drifted() {
		parts = append(parts, key(keys.Reapply, "put it back"))
	}
	if p.selectedExists() {
		parts = append(parts, key(keys.Visit, "open "+p.selected.String()))
		if p.req.Operation == stack.OperationUp && p.figure(p.selected).state == succeeded {
			parts = append(parts, key(keys.Execute, "start an execution"))
		}
	}
	if _, bad := p.problem(); bad {
		first := []string{key(keys.Problem, "the whole error")}
		if p.req.Operation == stack.OperationUp {
			first = append(first, key(keys.Anew, "preview again"))
		}
		parts = append(first, parts...)
	} else if p.figure(p.selected).state == cancelled && p.req.Operation == stack.OperationUp {
		parts = append([]string{key(keys.Anew, "preview what is left")}, parts...)
	}
	parts = append(parts, p.Env.Theme.Key.Render("esc")+" "+p.Env.Theme.Hint.Render("back"))
	return "Next: " + strings.Join(parts, "   ")
}
