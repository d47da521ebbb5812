// Package ui is the contract between the terminal's root and its pages: what a
// page and a dialog are, what they are given, and what they may ask of the root.
// Pages never import each other or the root: they ask by message. It may import
// data, keys, pump and theme, no page and no widget.
package ui

import (
	"context"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
)

// Page is one full screen. Its methods are called by the program's own goroutine
// only. Update must not block, do IO or read the clock: what takes time is a
// command made by the page's Host, whose message comes back to this page wherever
// it lies in the stack, and never after the page was closed.
type Page interface {
	// Base returns the page's host; a page that embeds *Host has it.
	Base() *Host
	// Init begins what the page needs; called once, when it is opened.
	Init() tea.Cmd
	// Update takes keys and mouse events while the page is on top (positions are
	// relative to the page) and Beat, the answers to its own commands and dialogs at any
	// time, and broadcasts (Shown, Changed, Resized) at any time.
	Update(msg tea.Msg) tea.Cmd
	// View draws exactly height lines of at most width cells. Both may be as small
	// as 1. It changes nothing but the sizes of widgets that scroll.
	View(width, height int) string
	// Keys are what can be done now.
	Keys() keys.Map
	// Capturing tells that a text is being typed: only ctrl+c is global then.
	Capturing() bool
	// Title is the page's part of the path at the top: "acme/fraud".
	Title() string
	// Age is when what is shown was read; zero where that means nothing.
	Age() time.Time
	// Pace is how often the page wants to be drawn while nothing happens; a page that
	// embeds *Host is Still unless it says otherwise.
	Pace() Pace
}

// Dialog is a box over a page. While it is open it gets all keys.
type Dialog interface {
	// Update takes a key or the answer of a command; done closes the dialog, and
	// answer, if not nil, is then delivered to the page that opened it.
	Update(msg tea.Msg) (answer tea.Msg, done bool, cmd tea.Cmd)
	// View draws the inside of the box, at most width cells wide and height high.
	View(width, height int) string
	Title() string
	Keys() keys.Map
	// Grave dialogs ignore keys for a moment after they have opened, so that one
	// that appears under one's fingers is not answered by accident.
	Grave() bool
}

// Env is what the root gives to every page. It does not change.
type Env struct {
	// Ctx ends with the program.
	Ctx    context.Context
	Source data.Source
	Theme  theme.Screen
	Clock  clock.Clock
	// Place is where things run; the zero value until it is known.
	Place func() data.Place
	// Flags are the global flags to be given to a command that is to work where this
	// session does: those that it was started with; may be nil.
	Flags func() []string
	// Views are the looks at the list of pipelines that were saved.
	Views []View
	// Unsaved names what would be lost if all pages were closed, "" if nothing would.
	Unsaved func() string
	// Jobs are the operations of this session.
	Jobs *Jobs
	// Launches are the batches of executions that this session starts.
	Launches *Launches

	// busy counts commands that were made and not answered yet, without timers and
	// streams; tests wait for 0.
	busy  atomic.Int64
	asked []Ask
	hosts atomic.Int64
	// questions numbers what loaders ask.
	questions atomic.Int64
	// waiting counts commands that wait for a clock or a stream.
	waiting atomic.Int64
}

// Waiting is how many commands wait for a clock or a stream: they may end long
// after the program has come to rest.
func (e *Env) Waiting() int { return int(e.waiting.Load()) }

// After is a command that yields msg after d, or nothing if ctx ends before.
func (e *Env) After(ctx context.Context, d time.Duration, msg tea.Msg) tea.Cmd {
	// It waits from when the command runs until its timer fires, which is before the command
	// is scheduled again.
	const waits, over = 1, 2
	var state atomic.Int32
	waitsNot := func() {
		if state.Swap(over) == waits {
			e.waiting.Add(-1)
		}
	}
	t := clock.NewTimerNoted(e.Clock, d, waitsNot)
	return func() tea.Msg {
		if state.CompareAndSwap(0, waits) {
			e.waiting.Add(1)
		}
		defer waitsNot()
		defer t.Stop()
		select {
		case <-t.C():
			return msg
		case <-ctx.Done():
			return nil
		}
	}
}

// waitsNot says that one of the commands that wait has got what it waited for.
func (e *Env) waitsNot() { e.waiting.Add(-1) }

// Busy is how many answers are awaited.
func (e *Env) Busy() int { return int(e.busy.Load()) }

// Now is the clock's time.
func (e *Env) Now() time.Time { return e.Clock.Now() }

// ReadOnly is the reason why nothing may be changed, "" if it may.
func (e *Env) ReadOnly() string {
	if e.Place().ReadOnly {
		return "the session is read-only"
	}
	return ""
}

// Host makes the commands of one page or dialog and ends them with it.
type Host struct {
	Env *Env
	// ID names the page for deliveries.
	ID     int64
	ctx    context.Context
	cancel context.CancelFunc
}

// NewHost returns a host for one page.
func NewHost(e *Env) *Host {
	ctx, cancel := context.WithCancel(e.Ctx)
	return &Host{Env: e, ID: e.hosts.Add(1), ctx: ctx, cancel: cancel}
}

// Base returns the host itself. It is not called Host: in a page that embeds *Host
// the field would hide it.
func (h *Host) Base() *Host { return h }

// Context ends when the page is closed.
func (h *Host) Context() context.Context { return h.ctx }

// Close ends what the page has begun. The root calls it.
func (h *Host) Close() { h.cancel() }

// Deliver carries the answer of a command to the page that asked.
type Deliver struct {
	To  int64
	Msg tea.Msg
	// counted says that the command was counted as busy.
	counted *atomic.Int64
}

// Arrived ends the wait for it; the root calls it for each one, once.
func (d Deliver) Arrived() {
	if d.counted != nil {
		d.counted.Add(-1)
	}
}

// Do runs f in the background and delivers what it returns to the page. f must
// end soon after its ctx, and must not touch the page: copy what it needs before.
func (h *Host) Do(f func(ctx context.Context) tea.Msg) tea.Cmd {
	ctx, id, busy := h.ctx, h.ID, &h.Env.busy
	busy.Add(1)
	return func() tea.Msg {
		return Deliver{To: id, Msg: Guard(func() tea.Msg { return f(ctx) }), counted: busy}
	}
}

// After delivers msg after d by the environment's clock, unless the page is
// closed before.
func (h *Host) After(d time.Duration, msg tea.Msg) tea.Cmd {
	return h.Env.After(h.ctx, d, Deliver{To: h.ID, Msg: msg})
}

// Next delivers the next batch of a channel to the page as the message that wrap
// makes of it. Call it again for each batch until one is Closed.
func Next[T any](h *Host, ch <-chan T, wrap func(pump.Batch[T]) tea.Msg) tea.Cmd {
	ctx, id, e := h.ctx, h.ID, h.Env
	return func() tea.Msg {
		e.waiting.Add(1)
		return Deliver{To: id, Msg: Guard(func() tea.Msg { return wrap(pump.Next(ctx, ch, e.waitsNot)) })}
	}
}

// Send is a command that does nothing but ask the root. A dialog is opened before the
// next message is looked at, so that keys that are typed meanwhile are the dialog's. It is
// called by the program's goroutine only.
func Send(msg tea.Msg) tea.Cmd {
	if a, ok := msg.(Ask); ok && a.From != nil {
		e := a.From.Env
		e.asked = append(e.asked, a)
		return nil
	}
	return func() tea.Msg { return msg }
}

// Asked takes the dialogs that pages have asked for since; the root opens them.
func (e *Env) Asked() []Ask {
	out := e.asked
	e.asked = nil
	return out
}
