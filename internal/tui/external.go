package tui

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Programs are those of the user's that the terminal may begin, as command lines for
// the shell. What is empty is found in the environment: $VISUAL and $EDITOR, $PAGER,
// $BROWSER, and what the system has.
type Programs struct {
	Editor, Pager, Browser string
	// In and Out are the files of the terminal, which the program is given as they are:
	// a reader or writer around one would reach it as a pipe, and no editor or pager
	// works on a pipe. nil are the terminal's own, if Run was given files.
	In, Out *os.File
	// Run lets a program have the terminal and tells how it ended; nil is Bubble Tea's.
	Run func(c *exec.Cmd, done tea.ExecCallback) tea.Cmd
}

// firstOf is the first of several that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			return t
		}
	}
	return ""
}

// installed is the first of several programs that there is, "" if none is.
func installed(names ...string) string {
	for _, n := range names {
		if _, err := exec.LookPath(n); err == nil {
			return n
		}
	}
	return ""
}

func (p *Programs) editor() string {
	if e := firstOf(p.Editor, os.Getenv("VISUAL"), os.Getenv("EDITOR")); e != "" {
		return e
	}
	return installed("vi", "nano")
}

func (p *Programs) pager() string {
	if e := firstOf(p.Pager, os.Getenv("PAGER")); e != "" {
		return e
	}
	return installed("less", "more")
}

// browser is what opens links, "" where there is no screen for one.
func (p *Programs) browser() string {
	list, _, _ := strings.Cut(os.Getenv("BROWSER"), string(os.PathListSeparator))
	if b := firstOf(p.Browser, list); b != "" {
		return b
	}
	switch {
	case runtime.GOOS == "darwin":
		return installed("open")
	case os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "":
		return installed("xdg-open")
	}
	return ""
}

// shell runs a command line with an argument after it, which the shell does not read. The
// end of ctx asks it to end.
func shell(ctx context.Context, line string, argument ...string) *exec.Cmd {
	if runtime.GOOS == "windows" {
		words := append(strings.Fields(line), argument...)
		return exec.CommandContext(ctx, words[0], words[1:]...) // the user has named it
	}
	// As git runs an editor: the line may have arguments and quotes of its own.
	c := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", line + ` "$@"`, line}, argument...)...) // see above
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = evictAfter
	return c
}

// evictAfter is how long a program that has the terminal may take to end once it was
// asked to; then it is killed.
const evictAfter = 5 * time.Second

// loan is the terminal's being lent to a program. It is safe for concurrent use: signals
// come while the program's own loop waits for the end of it.
type loan struct {
	mu  sync.Mutex
	end context.CancelFunc
}

func (l *loan) set(end context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = end
}

// evict asks the program that has the terminal to end, if one has it.
func (l *loan) evict() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		l.end()
	}
}

// externalMsg is how a program has ended that had the terminal.
type externalMsg struct {
	err  error
	then tea.Msg
}

// onTerminal has a program read from and write to the terminal itself, but where it was
// given something else.
func (p *Programs) onTerminal(c *exec.Cmd) {
	if c.Stdin == nil && p.In != nil {
		c.Stdin = p.In
	}
	if c.Stdout == nil && p.Out != nil {
		c.Stdout = p.Out
	}
}

// lend lets a program have the terminal. begin makes it in the background, and then
// what is to be told of its end.
func (a *App) lend(begin func(context.Context) (c *exec.Cmd, end func(error) externalMsg, err error)) tea.Cmd {
	run := a.programs.Run
	if run == nil {
		run = tea.ExecProcess
	}
	a.lent = true
	ctx, cancel := context.WithCancel(a.env.Ctx)
	a.loan.set(cancel)
	return func() tea.Msg {
		return ui.Guard(func() tea.Msg {
			c, end, err := begin(ctx)
			if err != nil {
				return externalMsg{err: err}
			}
			a.programs.onTerminal(c)
			return run(c, func(err error) tea.Msg { return end(err) })()
		})
	}
}

// returned goes on after a program has ended.
func (a *App) returned(m externalMsg) tea.Cmd {
	a.lent = false
	a.loan.evict() // it has ended: this frees what stands for it
	if m.err != nil {
		return a.toast(ui.Failed(m.err))
	}
	if m.then == nil {
		return nil
	}
	return a.update(m.then)
}

// edit lets the user's editor have a text.
func (a *App) edit(m ui.Edit) tea.Cmd {
	line := a.programs.editor()
	if line == "" {
		return a.noEditor()
	}
	return a.lend(func(ctx context.Context) (*exec.Cmd, func(error) externalMsg, error) {
		file, err := temporary(m.Name, m.Text)
		if err != nil {
			return nil, nil, err
		}
		return shell(ctx, line, file), func(err error) externalMsg {
			defer func() { _ = os.RemoveAll(filepath.Dir(file)) }() // what stays is in the system's own folder
			if err != nil {
				return externalMsg{then: ui.Edited{Err: fault.New(fault.Invalid, "%s has failed: %s; the text is as it was", line, err).Because(err)}}
			}
			text, err := os.ReadFile(file) // its own
			if err != nil {
				return externalMsg{then: ui.Edited{Err: fault.New(fault.Invalid, "what was edited can't be read: %s", err).Because(err)}}
			}
			return externalMsg{then: ui.Edited{Text: strings.TrimSuffix(string(text), "\n")}}
		}, nil
	})
}

func (a *App) noEditor() tea.Cmd {
	return a.toast(ui.Toast{Text: "no editor is known: set VISUAL or EDITOR", Bad: true})
}

// editFiles lets the user's editor have files that stay where they are.
func (a *App) editFiles(m ui.EditFiles) tea.Cmd {
	line := a.programs.editor()
	if line == "" {
		return a.noEditor()
	}
	return a.lend(func(ctx context.Context) (*exec.Cmd, func(error) externalMsg, error) {
		return shell(ctx, line, m.Files...), func(err error) externalMsg {
			if err != nil {
				return externalMsg{err: fault.New(fault.Invalid, "%s has failed: %s", line, err).Because(err)}
			}
			return externalMsg{then: ui.Toast{Text: m.Done}}
		}, nil
	})
}

// temporary writes a file that nobody else can read.
func temporary(name, text string) (file string, err error) {
	fail := func(err error) (string, error) {
		return "", fault.New(fault.Invalid, "no file for the editor can be written: %s", err).Because(err).WithHint("Set TMPDIR to a folder that can be written.")
	}
	dir, err := os.MkdirTemp("", "pipelinetui-")
	if err != nil {
		return fail(err)
	}
	file = filepath.Join(dir, filepath.Base(name))
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		_ = os.RemoveAll(dir) // the error matters more
		return fail(err)
	}
	return file, nil
}

// page lets the user's pager show a text.
func (a *App) page(m ui.Pager) tea.Cmd {
	line := a.programs.pager()
	if line == "" {
		return a.toast(ui.Toast{Text: "no pager is known: set PAGER", Bad: true})
	}
	return a.lend(func(ctx context.Context) (*exec.Cmd, func(error) externalMsg, error) {
		c := shell(ctx, line)
		c.Stdin = strings.NewReader(render.Safe(m.Text) + "\n")
		return c, func(error) externalMsg { return externalMsg{} }, nil // a pager that is left early has not failed
	})
}

// browse opens a link. Where no browser can be, it is copied.
func (a *App) browse(m ui.Browse) tea.Cmd {
	line := a.programs.browser()
	if line == "" || !strings.HasPrefix(m.URL, "https://") && !strings.HasPrefix(m.URL, "http://") {
		a.clip(m.URL)
		return a.toast(ui.Toast{Text: "no browser is known here: copied the link to " + m.What})
	}
	ctx := context.Background() // it stays when this program ends
	c := shell(ctx, line, m.URL)
	if head, tail, ok := strings.Cut(line, "%s"); ok {
		c = shell(ctx, head+`"$1"`+tail+` #`, m.URL)
	}
	return func() tea.Msg {
		return ui.Guard(func() tea.Msg {
			if err := c.Start(); err != nil {
				return ui.Failed(fault.New(fault.Invalid, "%s does not start: %s", line, err).Because(err))
			}
			go func() { _ = c.Wait() }() // a browser may stay open: how it ends says nothing
			return ui.Toast{Text: "opened " + m.What + " in the browser"}
		})
	}
}
