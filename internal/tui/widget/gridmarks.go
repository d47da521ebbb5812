package widget

import "slices"

// The marks of a Grid: rows, by their keys, that an action is meant for.

// prune takes the marks off rows that are gone.
func (g *Grid) prune() {
	if len(g.marks) == 0 {
		return
	}
	there := make(map[string]bool, len(g.marks))
	for i := range g.Total() {
		if key := g.rows.Key(i); g.marks[key] {
			there[key] = true
		}
	}
	g.marks = there
}

// Marked returns the numbers of the marked rows that are shown, or that of the
// selected one if none is marked.
func (g *Grid) Marked() []int {
	var out []int
	if len(g.marks) > 0 {
		for _, r := range g.order {
			if g.marks[g.rows.Key(r)] {
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 {
		if r, ok := g.Selected(); ok {
			return []int{r}
		}
	}
	return out
}

// Marks is how many rows are marked.
func (g *Grid) Marks() int { return len(g.marks) }

// MarksShown is how many of the rows that are shown are marked: actions take these.
func (g *Grid) MarksShown() int {
	if len(g.marks) == 0 {
		return 0
	}
	n := 0
	for _, r := range g.order {
		if g.marks[g.rows.Key(r)] {
			n++
		}
	}
	return n
}

// Unmark takes the mark off a row.
func (g *Grid) Unmark(key string) { delete(g.marks, key) }

// ClearMarks takes all marks off.
func (g *Grid) ClearMarks() { clear(g.marks) }

func (g *Grid) toggle() {
	if g.key == "" {
		return
	}
	if g.marks[g.key] {
		delete(g.marks, g.key)
	} else {
		g.marks[g.key] = true
	}
}

func (g *Grid) toggleAll() {
	all := !slices.ContainsFunc(g.order, func(r int) bool { return !g.marks[g.rows.Key(r)] })
	for _, r := range g.order {
		if all {
			delete(g.marks, g.rows.Key(r))
		} else {
			g.marks[g.rows.Key(r)] = true
		}
	}
}
