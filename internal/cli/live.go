package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// board draws several pipelines in place, below what scrolls by: a line for each
// that is worked on and one for all. It is only used on a terminal.
type board struct {
	w      io.Writer
	st     theme.Styles
	size   func() (width, height int)
	now    func() time.Time
	ticker *time.Ticker

	live   render.Live
	order  []spec.ID // those that run
	drawn  []string  // what is on the screen now
	paused bool
}

// newBoard returns nil where a live view has no place: off a terminal, for a
// single pipeline, in machine output.
func newBoard(deps *Deps, total int, planning bool) *board {
	f, ok := deps.Raw.Err.(*os.File)
	if !ok || !deps.ErrTTY || total < 2 || deps.Machine() || deps.Dumb || deps.CI {
		return nil
	}
	return &board{
		w: console.Lasting(f), st: deps.ErrStyle, now: deps.now, ticker: time.NewTicker(frame),
		size: func() (int, int) {
			w, h, err := term.GetSize(int(f.Fd()))
			if err != nil {
				return 80, 24
			}
			return w, h
		},
		live: render.Live{Total: total, Planning: planning, Started: deps.now()},
	}
}

// event takes note of an event, which p has taken in.
func (b *board) event(id spec.ID, p *stack.Progress, ev stack.Event) {
	if !slices.Contains(b.order, id) {
		b.order = append(b.order, id)
		b.live.Running = append(b.live.Running, render.Working{Name: id.String(), Progress: p})
	}
	if ev.Type != stack.EventEnd {
		return
	}
	i := slices.Index(b.order, id)
	b.order = slices.Delete(b.order, i, i+1)
	b.live.Running = slices.Delete(b.live.Running, i, i+1)
	b.live.Done++
	mark, text := b.st.Good.Render("✔"), render.Changes(p.Changes(), !b.live.Planning)
	if ev.End != nil && ev.End.Outcome != stack.Succeeded {
		b.live.Failed++
		mark, text = b.st.Bad.Render("✘"), b.st.Bad.Render(string(ev.End.Outcome))+", "+text
	}
	b.say(fmt.Sprintf("%s %s  %s %s", mark, id, text, b.st.Muted.Render("("+render.Duration(p.Elapsed(b.now()))+")")))
}

// say writes a line that stays, above the board.
func (b *board) say(line string) {
	b.erase()
	fmt.Fprintln(b.w, line)
	b.draw()
}

// erase takes the board off the screen. The terminal may be narrower now than
// when it was drawn: then its lines have been wrapped.
func (b *board) erase() {
	if len(b.drawn) == 0 {
		return
	}
	width, height := b.size()
	rows := 0
	for _, line := range b.drawn {
		rows++
		if width > 0 {
			rows += max(0, ansi.StringWidth(line)-1) / width
		}
	}
	fmt.Fprintf(b.w, "\r\x1b[%dA\x1b[J", min(rows, max(1, height-1)))
	b.drawn = nil
}

func (b *board) draw() {
	if b.paused {
		return
	}
	b.live.Now = b.now()
	b.live.Width, b.live.Height = b.size()
	lines := b.live.Lines(b.st)
	if slices.Equal(lines, b.drawn) {
		return
	}
	b.erase()
	fmt.Fprint(b.w, strings.Join(lines, "\n")+"\n")
	b.drawn = lines
}
