package tui_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/tui"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// withPrograms is a session whose programs run without a terminal.
func withPrograms(t *testing.T, p tui.Programs) (*tuitest.Session, *page) {
	t.Helper()
	p.Run = func(c *exec.Cmd, done tea.ExecCallback) tea.Cmd { return func() tea.Msg { return done(c.Run()) } }
	first := &page{title: "first"}
	s := tuitest.Open(t, datatest.New(t), func(h *ui.Host) ui.Page {
		first.Host = h
		return first
	}, tuitest.Programs(p))
	return s, first
}

func editor(p *page, value string) ui.Ask {
	return ui.Ask{From: p.Host, Dialog: dialog.NewEditor(&p.Env.Theme, "Input", "", value,
		func(string) error { return nil }, func(s string) tea.Msg { return s })}
}

func TestTheEditorOfTheUserEditsTheText(t *testing.T) {
	t.Parallel()
	s, p := withPrograms(t, tui.Programs{Editor: `sed -i 's/before/after it/'`})
	s.Send(editor(p, "{\n  \"is\": \"before\"\n}"))
	s.Press("ctrl+e")
	s.Until("after it")
	s.Press("ctrl+s")
	require.Equal(t, []string{"{\n  \"is\": \"after it\"\n}"}, told[string](p))
}

// Files that were written are edited where they are.
func TestTheEditorOfTheUserEditsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "one of two.jsonl"), filepath.Join(dir, "two.jsonl")}
	for _, f := range files {
		require.NoError(t, os.WriteFile(f, []byte("before\n"), 0o600))
	}
	s, _ := withPrograms(t, tui.Programs{Editor: `sed -i 's/before/after it/'`})
	s.Send(ui.EditFiles{Files: files, Done: "all of them are edited"})
	s.Until("all of them are edited")
	for _, f := range files {
		require.Equal(t, "after it\n", written(t, f))
	}
	s, _ = withPrograms(t, tui.Programs{Editor: "false"})
	s.Send(ui.EditFiles{Files: files, Done: "all of them are edited"})
	s.Until("has failed")
}

func TestAnEditorThatFailsLosesNothing(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"false", "no-such-editor-anywhere"} {
		s, p := withPrograms(t, tui.Programs{Editor: line})
		s.Send(editor(p, "the text"))
		s.Press("ctrl+e")
		s.Until("has failed")
		s.Press("ctrl+s")
		require.Equal(t, []string{"the text"}, told[string](p))
	}
}

func TestThePagerGetsTheTextWithoutEscapes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "seen by the pager")
	s, p := withPrograms(t, tui.Programs{Pager: `cat > '` + file + `'`})
	s.Send(ui.Ask{From: p.Host, Dialog: dialog.NewReader(&p.Env.Theme, "A text", "the text", "one\x1b[31m\ntwo")})
	s.Press("|")
	s.Wait("the pager has it", func() bool { b, _ := os.ReadFile(file); return len(b) > 0 })
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(b), "two\n")
	require.NotContains(t, string(b), "\x1b")
}

func TestTheBrowserGetsTheLinkAndNoOtherWords(t *testing.T) {
	t.Parallel()
	const link = "https://console.example/a?b=$(c)&d='e'"
	file := filepath.Join(t.TempDir(), "opened")
	open := filepath.Join(t.TempDir(), "my browser")
	require.NoError(t, wholefile.WriteProgram(open, []byte("#!/bin/sh\nprintf %s \"$*\" > '"+file+"'\n")))
	for _, line := range []string{"'" + open + "'", "'" + open + "' %s"} {
		require.NoError(t, os.RemoveAll(file))
		s, _ := withPrograms(t, tui.Programs{Browser: line})
		s.Send(ui.Browse{URL: link, What: "the console"})
		s.Until("opened the console in the browser")
		s.Wait("the browser has it", func() bool { b, _ := os.ReadFile(file); return string(b) == link })
	}
	s, _ := withPrograms(t, tui.Programs{Browser: "false"})
	s.Send(ui.Browse{URL: "file:///etc/passwd", What: "a file"})
	s.Until("copied the link to a file")
	require.Equal(t, []string{"file:///etc/passwd"}, s.Copied())
}

// runOnTerminal runs the terminal on a pseudo terminal. Its first page begins with a request.
func runOnTerminal(t *testing.T, p tui.Programs, signals <-chan os.Signal, request tea.Msg) chan error {
	t.Helper()
	keyboard, tty, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() {
		keyboard.Close()
		tty.Close()
	})
	go func() { _, _ = io.Copy(io.Discard, keyboard) }() // until it is closed
	done := make(chan error, 1)
	go func() {
		_, err := tui.Run(t.Context(), tui.Config{Source: datatest.New(t), Theme: plainTheme(), Programs: p, Start: func(h *ui.Host) ui.Page {
			return &page{Host: h, title: "first", init: ui.Send(request)}
		}}, tui.Terminal{In: tty, Out: tty, Signals: signals, AskBackground: true, Size: &tea.WindowSizeMsg{Width: 80, Height: 24}})
		done <- err
	}()
	return done
}

func written(t *testing.T, file string) string {
	t.Helper()
	require.Eventually(t, func() bool { b, _ := os.ReadFile(file); return strings.HasSuffix(string(b), "\n") }, time.Minute, time.Millisecond)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b)
}

// An editor or pager that finds a pipe where the terminal should be does nothing of use.
func TestProgramsHaveTheTerminalItself(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "found")
	check := func(name, fds string) string {
		return `found=; for f in ` + fds + `; do if [ -t $f ]; then found="$found $f"; fi; done; echo "$found" > '` + file + name + `' #`
	}
	signals := make(chan os.Signal, 1)
	done := runOnTerminal(t, tui.Programs{Editor: check("edit", "0 1")}, signals, ui.Edit{Name: "a.json", Text: "x"})
	require.Equal(t, " 0 1\n", written(t, file+"edit"))
	signals <- syscall.SIGTERM
	require.NoError(t, <-done)
	done = runOnTerminal(t, tui.Programs{Pager: check("page", "1")}, signals, ui.Pager{Text: "x"})
	require.Equal(t, " 1\n", written(t, file+"page"))
	signals <- syscall.SIGTERM
	require.NoError(t, <-done)
}

// Who ends the program from outside ends what it has lent the terminal to, too.
func TestATermSignalEndsTheProgramBehindAnEditor(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "begun")
	signals := make(chan os.Signal, 2)
	done := runOnTerminal(t, tui.Programs{Editor: `echo begun > '` + file + `'; exec sleep 600 #`}, signals, ui.Edit{Name: "a.json", Text: "x"})
	written(t, file)
	signals <- syscall.SIGTERM
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		t.Fatal("the signal was swallowed")
	}
}
