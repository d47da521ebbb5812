package widget

import (
	"fmt"
	"io"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// branches are rows of "key parent text"; shut names what begins shut.
type branches struct {
	keys, texts []string
	parents     []int
	shut, wide  map[string]bool
}

func (b *branches) Len() int           { return len(b.keys) }
func (b *branches) Key(row int) string { return b.keys[row] }
func (b *branches) Parent(row int) int { return b.parents[row] }
func (b *branches) Shut(row int) bool  { return b.shut[b.keys[row]] }
func (b *branches) Cell(row, column int) Cell {
	if column == 1 {
		return Cell{Text: "c" + b.keys[row]}
	}
	return Cell{Text: b.texts[row], Span: b.wide[b.keys[row]]}
}

func smallTree() *branches {
	return &branches{
		keys:    []string{"r", "a", "a1", "a2", "b", "b1"},
		texts:   []string{"root", "alpha", "memory 1 to 2", "image", "beta", "under beta"},
		parents: []int{-1, 0, 1, 1, 0, 4},
		shut:    map[string]bool{"b": true},
		wide:    map[string]bool{"a1": true, "a2": true},
	}
}

func testTree(b Branches) *Tree {
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true})
	t := NewTree(&th, Column{Title: "NAME", Min: 10, Flex: 1}, Column{Title: "C", Min: 4})
	t.SetRows(b)
	return t
}

func press(t *testing.T, tree *Tree, names ...string) {
	t.Helper()
	types := map[string]tea.KeyType{"down": tea.KeyDown, "up": tea.KeyUp, "left": tea.KeyLeft, "right": tea.KeyRight, "enter": tea.KeyEnter, "esc": tea.KeyEsc}
	for _, n := range names {
		m := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(n)}
		if k, ok := types[n]; ok {
			m = tea.KeyMsg{Type: k}
		}
		tree.Update(m)
	}
}

func shown(tree *Tree, height int) string {
	lines := strings.Split(ansi.Strip(tree.View(30, height)), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func TestTree(t *testing.T) {
	t.Parallel()
	tree := testTree(smallTree())
	require.Equal(t, strings.TrimPrefix(`
  NAME                    C
▌ ▾ root                  cr
  ├╴▾ alpha               ca
  │     memory 1 to 2
  │     image
  └╴▸ beta                cb`, "\n"), shown(tree, 8))

	// Right opens, then goes inside; left goes up, then shuts.
	press(t, tree, "G", "right", "right")
	row, ok := tree.Selected()
	require.True(t, ok)
	require.Equal(t, 5, row)
	require.Contains(t, shown(tree, 9), "└╴  under beta")
	press(t, tree, "left", "left")
	row, _ = tree.Selected()
	require.Equal(t, 4, row)
	require.NotContains(t, shown(tree, 9), "under beta")

	// What the user chose stays when the rows come anew.
	press(t, tree, "right")
	tree.SetRows(smallTree())
	require.Contains(t, shown(tree, 9), "under beta")
	tree.SetAll(false)
	require.Equal(t, 3, tree.Len())
	tree.Select("b1")
	row, _ = tree.Selected()
	require.Equal(t, 5, row)
	tree.Reset()
	require.Equal(t, 5, tree.Len())
}

// What hangs under a row that is revealed is in sight, wherever the tree was scrolled to.
func TestTreeReveal(t *testing.T) {
	b := &branches{shut: map[string]bool{}, wide: map[string]bool{}}
	for i := range 20 {
		b.keys, b.texts, b.parents = append(b.keys, fmt.Sprint(i)), append(b.texts, fmt.Sprint("row ", i)), append(b.parents, -1)
	}
	for i := range 3 {
		b.keys, b.texts, b.parents = append(b.keys, fmt.Sprint("n", i)), append(b.texts, fmt.Sprint("note ", i)), append(b.parents, 9)
	}
	var views []string
	for _, seen := range []int{0, 9, 19} {
		tree := testTree(b)
		tree.SelectRow(seen)
		tree.View(40, 9)
		tree.Reveal(9)
		tree.SetRows(b) // the cursor stays, and what is to be seen
		views = append(views, ansi.Strip(tree.View(40, 9)))
		row, _ := tree.Selected()
		require.Equal(t, 9, row)
	}
	for _, v := range views {
		require.Contains(t, v, "row 9")
		require.Contains(t, v, "note 2")
		require.NotContains(t, v, "row 10")
		require.Equal(t, views[0], v, "it matters where the tree was before")
	}
	tree := testTree(b)
	tree.Reveal(9)
	require.Contains(t, ansi.Strip(tree.View(40, 3)), "row 9", "no room for what hangs under it")
}

func TestTreeFilter(t *testing.T) {
	t.Parallel()
	tree := testTree(smallTree())
	press(t, tree, "/", "u", "n", "d", "e", "r", "enter")
	require.Equal(t, strings.TrimPrefix(`
  NAME                    C
  ▾ root                  cr
  └╴▾ beta                cb
▌   └╴  under beta        cb1

/under                  3 of 6`, "\n"), shown(tree, 6), "a filter looks into shut branches and shows the way")
	press(t, tree, "esc")
	require.Equal(t, 5, tree.Len())

	// A match shows what it consists of.
	tree.SetFilter("alpha")
	require.Equal(t, 4, tree.Len())
	require.Contains(t, shown(tree, 6), "└╴▾ alpha", "the last one that is shown ends the line")
	tree.SetFilter("")
	require.Contains(t, shown(tree, 8), "├╴▾ alpha")
}

func TestTreeMouse(t *testing.T) {
	t.Parallel()
	tree := testTree(smallTree())
	tree.View(30, 8)
	require.True(t, tree.Update(tea.MouseMsg{X: 4, Y: 2, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress}))
	require.Equal(t, 3, tree.Len(), "a click on the sign shuts the branch")
	tree.Update(tea.MouseMsg{X: 12, Y: 2, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	require.Equal(t, 3, tree.Len(), "a click on the name selects only")
}

func TestTreeSizes(t *testing.T) {
	t.Parallel()
	tree := testTree(smallTree())
	for w := range 40 {
		for h := range 10 {
			for _, l := range strings.Split(tree.View(w, h), "\n") {
				require.LessOrEqual(t, ansi.StringWidth(l), w)
			}
		}
	}
	tree.SetRows(nil)
	require.Contains(t, shown(tree, 5), "nothing here")
}

// A frame after a change of 2,000 rows: the rows are hung anew and drawn.
func BenchmarkTree(b *testing.B) {
	rows := &branches{keys: []string{"root"}, texts: []string{"root"}, parents: []int{-1}}
	for i := range 500 {
		at := len(rows.keys)
		rows.keys, rows.texts, rows.parents = append(rows.keys, fmt.Sprint("n", i)), append(rows.texts, fmt.Sprint("resource ", i)), append(rows.parents, 0)
		for j := range 3 {
			rows.keys = append(rows.keys, fmt.Sprint("n", i, "p", j))
			rows.texts, rows.parents = append(rows.texts, fmt.Sprint("property ", j)), append(rows.parents, at)
		}
	}
	tree := testTree(rows)
	down := tea.KeyMsg{Type: tea.KeyDown}
	b.Run("Change", func(b *testing.B) {
		for b.Loop() {
			tree.SetRows(rows)
			tree.View(120, 40)
		}
	})
	b.Run("Move", func(b *testing.B) {
		for b.Loop() {
			tree.Update(down)
			tree.View(120, 40)
		}
	})
	b.Run("Filter", func(b *testing.B) {
		for b.Loop() {
			tree.SetFilter("property 2")
			tree.View(120, 40)
		}
	})
}

func TestANewFilterOfATreeSelectsTheFirstRowWithTheText(t *testing.T) {
	t.Parallel()
	tree := testTree(smallTree())
	press(t, tree, "down", "down", "down")
	press(t, tree, "/", "b", "e", "t", "a")
	row, ok := tree.Selected()
	require.True(t, ok)
	require.Equal(t, "b", smallTree().keys[row], "not the root above it, nor what was selected")
	press(t, tree, "esc")
	row, _ = tree.Selected()
	require.Equal(t, "b", smallTree().keys[row])
}
