package tui_test

import (
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"time"
)

type blank struct {
	*ui.Host
	keys []string
}

func (b *blank) Init() tea.Cmd { return nil }
func (b *blank) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyMsg); ok {
		b.keys = append(b.keys, k.String())
	}
	return nil
}
func (b *blank) View(w, h int) string { return "hello" }
func (b *blank) Keys() keys.Map {
	return keys.Map{{Title: "Page", Bindings: []keys.Binding{keys.New("do", "do it", "d"), keys.New("never", "never", "x").Unless("it cannot be")}}}
}
func (b *blank) Capturing() bool { return false }
func (b *blank) Title() string   { return "blank" }
func (b *blank) Age() time.Time  { return tuitest.Start.Add(-3 * time.Second) }

func TestTheShell(t *testing.T) {
	t.Parallel()
	s := tuitest.Open(t, datatest.New(t), func(h *ui.Host) ui.Page { return &blank{Host: h} })
	s.Until("sandbox")
	t.Log("\n" + s.Screen())
	s.Press("?")
	t.Log("\n" + s.Screen())
	s.Press("esc", "x", ":")
	s.Until("acme/iris")
	t.Log("\n" + s.Screen())
	s.Press("esc")
	s.Resize(50, 10)
	t.Log("\n" + s.Screen())
}
