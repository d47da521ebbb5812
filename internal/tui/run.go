package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Terminal is what Run takes over for a while. In and Out must be a terminal.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	// Signals are SIGINT, SIGTERM and SIGHUP from outside; ctrl+c is a key.
	Signals <-chan os.Signal
	// Notices are what takes time before an operation begins ("installing the
	// plugin aws"), to be shown for a moment; may be nil.
	Notices <-chan string
	// Size is that of an Out which is no terminal and can't tell; nil asks Out.
	Size *tea.WindowSizeMsg
	// AskBackground asks the terminal whether its background is light or dark. The
	// first page does not wait for the answer, which may never come.
	AskBackground bool
}

// Run shows the terminal until the user leaves. It returns what is to stay in the
// scrollback. The terminal is itself again when Run returns, also after a panic,
// which is written to the source's log file and returned as an error that names
// it. Nothing else may write to the terminal meanwhile.
func Run(ctx context.Context, c Config, t Terminal) (notes []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &lockedWriter{w: t.Out}
	if c.Clipboard == nil {
		c.Clipboard = func(text string) { out.control(ansi.SetSystemClipboard(text)) }
	}
	c.Programs.In, c.Programs.Out = fileOf(c.Programs.In, t.In), fileOf(c.Programs.Out, t.Out)
	a := New(ctx, c)
	in := t.In
	if t.AskBackground {
		in = answersIn(t.In, func(dark bool) {
			c.Theme.Renderer.SetHasDarkBackground(dark)
			a.wake()
		})
	}
	program := tea.NewProgram(a, tea.WithInput(in), tea.WithOutput(out.file(t.Out)), tea.WithAltScreen(),
		tea.WithMouseCellMotion(), tea.WithoutSignalHandler())
	a.wake = func() { go program.Send(repaintMsg{}) }
	go pass(ctx, t, program, &a.loan)
	if t.AskBackground {
		out.control(askBackground)
	}
	if t.Size != nil {
		go program.Send(*t.Size)
	}
	_, err = program.Run()
	notes = a.Notes()
	if lines := a.past.lines; len(lines) > 0 {
		if err := c.Custom.SaveHistory(lines); err != nil {
			notes = append(notes, "the palette's history was not kept: "+err.Error())
		}
	}
	crash := a.Crash()
	if errors.Is(err, tea.ErrProgramPanic) && crash == nil {
		crash = &ui.Crash{Value: "panic in a command (see above)"}
	}
	if running := a.env.Jobs.Running(); len(running) > 0 {
		fmt.Fprintln(t.Out, "waiting for "+render.Count(len(running), "operation", "operations")+" to end in good order")
		a.env.Jobs.Finish()
	}
	if crash != nil {
		return notes, crashError(crash, c.Source.LogFile())
	}
	if errors.Is(err, syscall.EIO) {
		return notes, nil // the terminal was closed, which is a way to leave
	}
	if err != nil && !errors.Is(err, tea.ErrInterrupted) {
		return notes, fault.New(fault.Internal, "the terminal broke").Because(err)
	}
	return notes, nil
}

// fileOf is what v is if that is a file, and was not given otherwise.
func fileOf(given *os.File, v any) *os.File {
	if f, ok := v.(*os.File); ok && given == nil {
		return f
	}
	return given
}

// pass takes to the program what comes from outside of it.
func pass(ctx context.Context, t Terminal, p *tea.Program, l *loan) {
	for {
		select {
		case sig := <-t.Signals:
			if sig != os.Interrupt { // which is meant for the program that has the terminal
				l.evict() // only after its end the message arrives
			}
			p.Send(interruptMsg{sig})
		case text := <-t.Notices:
			p.Send(ui.Toast{Text: text})
		case <-ctx.Done():
			return
		}
	}
}

// crashError writes the panic to the log file and says where that is.
func crashError(c *ui.Crash, file string) error {
	e := fault.New(fault.Internal, "the terminal has crashed: %s", c.Error())
	text := fmt.Sprintf("%s panic: %v\n%s\n", time.Now().UTC().Format(time.RFC3339), c.Value, c.Stack)
	if err := appendTo(file, text); err != nil {
		return e.WithHint("Please report this: %s", text)
	}
	return e.WithHint("What the program was doing is in %s; please report it. Operations that were running were cancelled in good order: see `pipelinetui list`.", file)
}

func appendTo(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := wholefile.Open(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// lockedWriter lets an escape sequence go out between two frames.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (l *lockedWriter) control(sequence string) {
	// A clipboard that can't be written is no reason to stop.
	_, _ = l.Write([]byte(sequence))
}

// file keeps what Bubble Tea needs of a terminal's file: its descriptor, for the
// size and the raw mode.
func (l *lockedWriter) file(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		return &lockedFile{l, f, f.Fd()}
	}
	return l
}

type lockedFile struct {
	*lockedWriter
	f  *os.File
	fd uintptr // asked for once: Bubble Tea's last look at the size may come when the file is closed
}

func (l *lockedFile) Read(p []byte) (int, error) { return l.f.Read(p) }
func (l *lockedFile) Close() error               { return nil }
func (l *lockedFile) Fd() uintptr                { return l.fd }
