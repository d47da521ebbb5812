package deploy

import (
	tea "github.com/charmbracelet/bubbletea"
)

// rect is a part of the page.
type rect struct{ x, y, w, h int }

func (r rect) has(x, y int) bool { return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h }

// parts is where everything lies; a part without height is not drawn.
type parts struct{ head, list, tree, below, foot rect }

// split divides the page. list is how many pipelines are listed (0: no list),
// wide how many cells the list would like, below whether the lower part is wanted: 0 no,
// 1 if there is room, 2 yes.
func split(w, h, head, foot, list, wide, below int) parts {
	var p parts
	p.head = rect{0, 0, w, min(head, h)}
	foot = min(foot, max(0, h-head-3))
	p.foot = rect{0, h - foot, w, foot}
	body := rect{0, p.head.h, w, max(0, h-p.head.h-foot)}
	if want := max(4, min(12, body.h/3)); below == 2 && body.h >= 7 || below == 1 && body.h >= 17 {
		p.below = rect{0, body.y + body.h - want, w, want}
		body.h -= want
	}
	switch {
	case list == 0:
	case w >= 100:
		p.list = rect{0, body.y, max(min(54, w*2/5), min(wide, w/2)), body.h}
		body.x, body.w = p.list.w+1, w-p.list.w-1
	default:
		p.list = rect{0, body.y, w, min(list, max(2, body.h/3))}
		body.y, body.h = body.y+p.list.h, body.h-p.list.h
	}
	p.tree = body
	return p
}

// besideName is what a line of the list has besides the name: cursor, signs, a count.
const besideName = 26

func (p *Page) parts(w, h int) parts {
	list := len(p.req.Pipelines)
	if list == 1 {
		list = 0
	}
	below := 0
	switch p.belowNow() {
	case belowNothing:
	case p.below:
		below = 2
	default:
		below = 1
	}
	return split(w, h, len(p.head(w, h)), len(p.foot(w)), list, p.widestName()+besideName, below)
}

func (p *Page) mouse(m tea.MouseMsg) tea.Cmd {
	at := p.parts(p.size[0], p.size[1])
	if p.detail != nil {
		p.detail.viewer.Update(m)
		return nil
	}
	click := m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress
	switch {
	case at.list.has(m.X, m.Y):
		if click {
			p.focus = listPane
		}
		m.X, m.Y = m.X-at.list.x, m.Y-at.list.y
		p.list.Update(m)
		p.takeSelection()
	case at.tree.has(m.X, m.Y):
		if click {
			p.focus = treePane
		}
		m.X, m.Y = m.X-at.tree.x, m.Y-at.tree.y
		if p.tree.Update(m) {
			p.follow = false
		}
	case at.below.has(m.X, m.Y):
		if click {
			p.focus = logPane
		}
		p.openLog()
		p.log.Update(m)
	}
	return nil
}
