// Package tuitest drives the terminal in tests without a terminal: keys in, the
// visible screen out. Commands run for real; nothing sleeps: a test waits for what
// it wants to see. Every screen is checked to fit the size. It may be imported by
// tests only.
package tuitest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui"
	"github.com/pipelinetui/pipelinetui/internal/tui/custom"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// patience bounds every wait; only a broken build waits that long.
const patience = 2 * time.Minute

// Start is what the clock says when a session begins, unless Now was given: shortly
// after the recordings of datatest.
var Start = time.Date(2026, 11, 25, 23, 25, 0, 0, time.UTC)

// Session is one run of the terminal.
type Session struct {
	t     testing.TB
	App   *tui.App
	Clock *clock.Fake

	width, height int
	msgs          chan tea.Msg
	running       atomic.Int64
	requests      []tea.Msg
	copied        []string
	quit          bool
}

type options struct {
	width, height int
	theme         theme.ScreenOptions
	now           time.Time
	routed        bool
	route         func(h *ui.Host, request tea.Msg) ui.Page
	hurried       bool
	programs      tui.Programs
	custom        custom.Custom
	wrong         []error
}

// Option changes a session.
type Option func(*options)

// Size sets the screen's size; 80 x 24 without.
func Size(width, height int) Option {
	return func(o *options) { o.width, o.height = width, height }
}

// Color draws with colours, on a "dark" or "light" background. Screen is plain
// text all the same; Styled is not.
func Color(background string) Option {
	return func(o *options) { o.theme.Colors, o.theme.Light = theme.Colors256, background == "light" }
}

// ASCII draws without Unicode.
func ASCII() Option { return func(o *options) { o.theme.Unicode = false } }

// Now sets the clock.
func Now(t time.Time) Option { return func(o *options) { o.now = t } }

// Routed opens the pages that are asked for; without it such requests are only
// recorded.
func Routed() Option { return func(o *options) { o.routed = true } }

// Routes opens the pages that a function makes.
func Routes(route func(h *ui.Host, request tea.Msg) ui.Page) Option {
	return func(o *options) { o.routed, o.route = true, route }
}

// Programs are those that the session begins.
func Programs(p tui.Programs) Option { return func(o *options) { o.programs = p } }

// Custom is what the user has made their own, wrong what is wrong with the files of it.
func Custom(c custom.Custom, wrong ...error) Option {
	return func(o *options) { o.custom, o.wrong = c, wrong }
}

// Hurried does not wait for the first page to come to rest: its source may hang.
func Hurried() Option { return func(o *options) { o.hurried = true } }

// Open begins a session whose first page start makes; nil is the list of
// pipelines.
func Open(t testing.TB, source data.Source, start func(h *ui.Host) ui.Page, opts ...Option) *Session {
	t.Helper()
	o := options{width: 80, height: 24, theme: theme.ScreenOptions{Unicode: true}, now: Start}
	for _, opt := range opts {
		opt(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Session{t: t, Clock: clock.NewFake(o.now), width: o.width, height: o.height, msgs: make(chan tea.Msg, 4096)}
	cfg := tui.Config{
		Source: source, Theme: theme.NewScreen(os.Stderr, o.theme), Clock: s.Clock, Start: start,
		Clipboard: func(text string) { s.copied = append(s.copied, text) }, Programs: o.programs, Custom: o.custom, Wrong: o.wrong,
	}
	cfg.Route = o.route
	if !o.routed {
		cfg.Route = func(_ *ui.Host, request tea.Msg) ui.Page {
			s.requests = append(s.requests, request)
			return nil
		}
		if start == nil {
			t.Fatal("tuitest: give a page, or Routed")
		}
	}
	s.App = tui.New(ctx, cfg)
	t.Cleanup(func() {
		cancel()
		s.drain()
	})
	s.send(tea.WindowSizeMsg{Width: o.width, Height: o.height})
	s.run(s.App.Init())
	if !o.hurried {
		s.Idle()
	}
	return s
}

// drain lets the commands end that the end of the context ends.
func (s *Session) drain() {
	limit := time.After(patience)
	for s.running.Load() > 0 {
		select {
		case <-s.msgs:
		case <-limit:
			s.t.Errorf("tuitest: %d commands did not end with the context", s.running.Load())
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// run starts a command in the background.
func (s *Session) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	s.running.Add(1)
	go func() {
		defer s.running.Add(-1)
		if msg := cmd(); msg != nil {
			s.msgs <- msg
		}
	}()
}

// send gives a message to the program, and checks the screen.
func (s *Session) send(msg tea.Msg) {
	s.t.Helper()
	switch m := msg.(type) {
	case tea.BatchMsg:
		for _, cmd := range m {
			s.run(cmd)
		}
		return
	case tea.QuitMsg:
		s.quit = true
		return
	}
	_, cmd := s.App.Update(msg)
	s.run(cmd)
	if c := s.App.Crash(); c != nil {
		s.t.Fatalf("tuitest: panic: %v\n%s", c.Value, c.Stack)
	}
}

// Send gives any message to the program.
func (s *Session) Send(msg tea.Msg) {
	s.t.Helper()
	s.send(msg)
	s.settle()
}

// Press presses keys by their names: "j", "enter", "ctrl+s".
func (s *Session) Press(names ...string) {
	s.t.Helper()
	for _, k := range names {
		s.send(keys.Msg(k))
		s.Idle()
	}
}

// Hit presses keys without waiting for what they begin.
func (s *Session) Hit(names ...string) {
	s.t.Helper()
	for _, k := range names {
		s.send(keys.Msg(k))
		s.settle()
	}
}

// Run runs a command as if Update had returned it.
func (s *Session) Run(cmd tea.Cmd) { s.run(cmd) }

// Type types a text.
func (s *Session) Type(text string) {
	s.t.Helper()
	for _, r := range text {
		if r == ' ' {
			s.send(keys.Msg(" "))
		} else {
			s.send(keys.Msg(string(r)))
		}
	}
	s.Idle()
}

// Click presses the left button of the mouse on a cell of the screen.
func (s *Session) Click(x, y int) {
	s.t.Helper()
	s.send(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	s.Idle()
}

// Wheel turns the wheel over a cell: up if by is negative.
func (s *Session) Wheel(x, y, by int) {
	s.t.Helper()
	b := tea.MouseButtonWheelDown
	if by < 0 {
		b, by = tea.MouseButtonWheelUp, -by
	}
	for range by {
		s.send(tea.MouseMsg{X: x, Y: y, Button: b, Action: tea.MouseActionPress})
	}
	s.Idle()
}

// Resize changes the screen's size.
func (s *Session) Resize(width, height int) {
	s.t.Helper()
	s.width, s.height = width, height
	s.send(tea.WindowSizeMsg{Width: width, Height: height})
	s.Idle()
}

// Advance moves the clock and lets what waited for it happen.
func (s *Session) Advance(d time.Duration) {
	s.t.Helper()
	s.Clock.Advance(d)
	s.Idle()
}

// settle takes in what is there already.
func (s *Session) settle() {
	s.t.Helper()
	for {
		select {
		case m := <-s.msgs:
			s.send(m)
		default:
			return
		}
	}
}

// player is a source that plays what a stream tells.
type player interface{ Playing() int }

// resting tells that no command is under way but those that wait for the clock
// or a stream.
func (s *Session) resting() bool {
	if p, ok := s.App.Env().Source.(player); ok && p.Playing() > 0 {
		return false
	}
	return s.App.Env().Busy() == 0 && s.running.Load() <= int64(s.App.Env().Waiting()) && len(s.msgs) == 0
}

// Idle waits until nothing is under way.
func (s *Session) Idle() {
	s.t.Helper()
	s.wait("to come to rest", s.resting)
}

// Until waits until the screen shows a text.
func (s *Session) Until(text string) {
	s.t.Helper()
	s.wait(fmt.Sprintf("to show %q", text), func() bool { return strings.Contains(s.Screen(), text) })
}

// UntilGone waits until the screen does not show a text.
func (s *Session) UntilGone(text string) {
	s.t.Helper()
	s.wait(fmt.Sprintf("not to show %q", text), func() bool { return !strings.Contains(s.Screen(), text) })
}

// Wait waits for any condition.
func (s *Session) Wait(what string, ok func() bool) {
	s.t.Helper()
	s.wait(what, ok)
}

func (s *Session) wait(what string, ok func() bool) {
	s.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		s.settle()
		if ok() {
			return
		}
		select {
		case m := <-s.msgs:
			s.send(m)
		case <-limit.C:
			s.t.Fatalf("tuitest: waited in vain for the terminal %s; %d commands run, %d wait; the screen:\n%s", what, s.running.Load(), s.App.Env().Waiting(), s.Screen())
		case <-time.After(time.Millisecond):
			// A command may have ended without a message.
		}
	}
}

// Styled is the visible screen with its escape sequences.
func (s *Session) Styled() string { return s.App.View() }

// Screen is the visible screen as plain text without blanks at the ends of lines.
func (s *Session) Screen() string {
	s.t.Helper()
	view := s.App.View()
	if c := s.App.Crash(); c != nil {
		s.t.Fatalf("tuitest: panic while drawing: %v\n%s", c.Value, c.Stack)
	}
	if view == "" {
		return ""
	}
	lines := strings.Split(view, "\n")
	if len(lines) != s.height {
		s.t.Errorf("tuitest: the screen has %d lines, not %d", len(lines), s.height)
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w > s.width {
			s.t.Errorf("tuitest: line %d is %d cells wide, the screen %d: %q", i, w, s.width, ansi.Strip(l))
		}
		lines[i] = strings.TrimRight(ansi.Strip(l), " ")
	}
	return strings.Join(lines, "\n")
}

// Golden compares the screen with testdata/NAME.golden; -update writes it.
func (s *Session) Golden(name string) {
	s.t.Helper()
	s.Idle()
	got := s.Screen() + "\n"
	file := filepath.Join("testdata", name+".golden")
	if updating() {
		require.NoError(s.t, os.MkdirAll("testdata", 0o755))
		require.NoError(s.t, os.WriteFile(file, []byte(got), 0o644)) // a file of the repository
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(s.t, err, "run the test with -update to make it")
	if string(want) != got {
		s.t.Errorf("the screen differs from %s\n--- want\n%s--- got\n%s", file, want, got)
	}
}

// Requests are what pages asked of the root that it could not serve here, in
// order: pages to be opened.
func (s *Session) Requests() []tea.Msg { return s.requests }

// Copied are the texts that went to the clipboard.
func (s *Session) Copied() []string { return s.copied }

// Quit tells whether the program wants to end.
func (s *Session) Quit() bool { return s.quit || s.App.Quitting() }
