package widget

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

// Motion is how far a key or the mouse's wheel moves in a list, a text or a
// picture: by lines, by pages, or to an end (-1 the beginning, 1 the end). One of
// them is not 0.
type Motion struct{ Lines, Wheel, Pages, Ends int }

// MotionOf is the motion that a message asks for, ok if it asks for one.
func MotionOf(msg tea.Msg) (m Motion, ok bool) {
	switch {
	case keys.Up.Is(msg):
		m.Lines = -1
	case keys.Down.Is(msg):
		m.Lines = 1
	case keys.PageUp.Is(msg):
		m.Pages = -1
	case keys.PageDown.Is(msg):
		m.Pages = 1
	case keys.Top.Is(msg):
		m.Ends = -1
	case keys.Bottom.Is(msg):
		m.Ends = 1
	default:
		mouse, isMouse := msg.(tea.MouseMsg)
		switch {
		case !isMouse:
		case mouse.Button == tea.MouseButtonWheelUp:
			m.Wheel = -wheelLines
		case mouse.Button == tea.MouseButtonWheelDown:
			m.Wheel = wheelLines
		}
	}
	return m, m != Motion{}
}

// wheelLines is how many lines a notch of the wheel moves.
const wheelLines = 3

// Of is where the motion leads from a place among n, with height of them in sight.
// A page leaves one line of the one before in sight.
func (m Motion) Of(at, n, height int) int {
	switch m.Ends {
	case -1:
		at = 0
	case 1:
		at = n - 1
	}
	return max(0, min(at+m.Lines+m.Wheel+m.Pages*max(1, height-1), n-1))
}

// Cursor is a place in a list, of which some lines are in sight. Its zero value is
// at the beginning.
type Cursor struct {
	// At is the place under the cursor, Top the first in sight.
	At, Top int
	height  int
}

// Update takes a key or the wheel, in a list of n, and reports whether it moves.
func (c *Cursor) Update(msg tea.Msg, n int) bool {
	m, ok := MotionOf(msg)
	if ok {
		c.At = m.Of(c.At, n, c.height)
	}
	return ok
}

// Put goes to a place, or as near to it as there is one.
func (c *Cursor) Put(at, n int) { c.At = max(0, min(at, n-1)) }

// Sight makes height lines of n be in sight, among them the place under the
// cursor, and returns the first one and the one after the last one.
func (c *Cursor) Sight(n, height int) (from, to int) {
	c.height = height
	c.Put(c.At, n)
	c.Top = min(c.Top, c.At)
	if height > 0 {
		c.Top = max(c.Top, c.At-height+1)
	}
	c.Top = max(0, min(c.Top, n-height))
	return c.Top, min(n, c.Top+max(0, height))
}

// PlaceAt is the place that the last View drew on a line of the list, ok if there
// is one.
func (c *Cursor) PlaceAt(line, n int) (place int, ok bool) {
	place = c.Top + line
	return place, line >= 0 && line < c.height && place < n
}
