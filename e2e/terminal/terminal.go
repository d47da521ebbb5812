// Package terminal runs a program on a pseudo-terminal whose other end is a
// terminal emulator, so that tests and screenshots see what a person sees, and the
// program gets the answers that a terminal gives. It imports nothing of this
// module.
package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// Terminal is a running program with its screen. Its methods are safe for
// concurrent use.
type Terminal struct {
	cmd  *exec.Cmd
	file *os.File

	mu     sync.Mutex
	emu    *vt.Emulator
	width  int
	height int
	output bytes.Buffer // all that the program wrote

	changed chan struct{}
	ended   chan struct{} // the program's output is at its end
	waited  chan struct{}
	waitErr error
	closing sync.Once
}

// Start runs cmd on a terminal of a size. TERM is set to xterm-256color with true
// colours.
func Start(cmd *exec.Cmd, width, height int) (*Terminal, error) {
	return StartAs(cmd, width, height, Kind{})
}

// Kind is a sort of terminal.
type Kind struct {
	// Term is what TERM says, COLORTERM is not set then; "" is xterm-256color with true
	// colours.
	Term string
	// Silent says that it answers no question of the program.
	Silent bool
}

// StartAs is Start on a terminal of a kind.
func StartAs(cmd *exec.Cmd, width, height int, kind Kind) (*Terminal, error) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	if kind.Term == "" {
		cmd.Env = append(cmd.Env, "TERM=xterm-256color", "COLORTERM=truecolor")
	} else {
		cmd.Env = append(cmd.Env, "TERM="+kind.Term, "COLORTERM=")
	}
	t := &Terminal{
		cmd: cmd, emu: vt.NewEmulator(width, height), width: width, height: height,
		changed: make(chan struct{}, 1), ended: make(chan struct{}), waited: make(chan struct{}),
	}
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)}) // a screen's size
	if err != nil {
		return nil, fmt.Errorf("start %s on a terminal: %w", cmd.Path, err)
	}
	t.file = f
	go t.read()
	go t.answer(kind.Silent)
	go func() {
		t.waitErr = cmd.Wait()
		close(t.waited)
	}()
	return t, nil
}

// read feeds the emulator with what the program writes.
func (t *Terminal) read() {
	defer close(t.ended)
	buf := make([]byte, 32<<10)
	for {
		n, err := t.file.Read(buf)
		if n > 0 {
			t.mu.Lock()
			_, _ = t.emu.Write(buf[:n]) // an emulator takes everything
			t.output.Write(buf[:n])
			t.mu.Unlock()
			select {
			case t.changed <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// answer sends the emulator's answers (where the cursor is, which colours there
// are) to the program.
func (t *Terminal) answer(silent bool) {
	to := io.Writer(t.file)
	if silent {
		to = io.Discard
	}
	_, _ = io.Copy(to, t.emu) // ends when the emulator is closed
}

// Output is all that the program has written so far, escape sequences included.
func (t *Terminal) Output() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.output.String()
}

// HangUp closes the terminal as a window is closed: the kernel sends SIGHUP, and reads
// and writes fail from then on.
func (t *Terminal) HangUp() { t.file.Close() }

// Send writes to the program as if it was typed.
func (t *Terminal) Send(s string) error {
	_, err := t.file.WriteString(s)
	return err
}

// Press presses keys by their names: "enter", "ctrl+c", "down", "j".
func (t *Terminal) Press(names ...string) error {
	for _, n := range names {
		seq, err := sequence(n)
		if err != nil {
			return err
		}
		if err := t.Send(seq); err != nil {
			return err
		}
	}
	return nil
}

func sequence(name string) (string, error) {
	known := map[string]string{
		"enter": "\r", "esc": "\x1b", "tab": "\t", "shift+tab": "\x1b[Z", "space": " ", "backspace": "\x7f",
		"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
		"pgup": "\x1b[5~", "pgdown": "\x1b[6~", "delete": "\x1b[3~",
	}
	if s, ok := known[name]; ok {
		return s, nil
	}
	if rest, ok := strings.CutPrefix(name, "ctrl+"); ok && len(rest) == 1 && rest[0] >= 'a' && rest[0] <= 'z' {
		return string(rune(rest[0] - 'a' + 1)), nil
	}
	if len([]rune(name)) == 1 {
		return name, nil
	}
	return "", fmt.Errorf("no key is called %q", name)
}

// Click presses and releases the left button on a cell.
func (t *Terminal) Click(x, y int) error {
	return t.Send(fmt.Sprintf("\x1b[<0;%d;%dM\x1b[<0;%d;%dm", x+1, y+1, x+1, y+1))
}

// Resize changes the terminal's size.
func (t *Terminal) Resize(width, height int) error {
	t.mu.Lock()
	t.emu.Resize(width, height)
	t.width, t.height = width, height
	t.mu.Unlock()
	return pty.Setsize(t.file, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)}) // a screen's size
}

// Screen is what the screen shows, without blanks at the ends of lines.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := make([]string, t.height)
	for y := range lines {
		var b strings.Builder
		for x := 0; x < t.width; {
			c := t.emu.CellAt(x, y)
			if c == nil || c.Content == "" {
				b.WriteByte(' ')
				x++
				continue
			}
			b.WriteString(c.Content)
			x += max(1, c.Width)
		}
		lines[y] = strings.TrimRight(b.String(), " ")
	}
	return strings.Join(lines, "\n")
}

// Until waits until the screen matches.
func (t *Terminal) Until(re *regexp.Regexp, limit time.Duration) error {
	return t.until(limit, func(s string) bool { return re.MatchString(s) }, "show "+re.String())
}

// UntilGone waits until the screen does not match.
func (t *Terminal) UntilGone(re *regexp.Regexp, limit time.Duration) error {
	return t.until(limit, func(s string) bool { return !re.MatchString(s) }, "stop to show "+re.String())
}

func (t *Terminal) until(limit time.Duration, ok func(string) bool, what string) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		if ok(t.Screen()) {
			return nil
		}
		select {
		case <-t.changed:
		case <-t.ended:
			if ok(t.Screen()) {
				return nil
			}
			return fmt.Errorf("the program ended and did not %s; its screen:\n%s", what, t.Screen())
		case <-timer.C:
			return fmt.Errorf("the program did not %s within %s; its screen:\n%s", what, limit, t.Screen())
		}
	}
}

// Settle waits until nothing was written for a while: a frame may arrive in several
// pieces, and a picture wants all of it.
func (t *Terminal) Settle(quiet time.Duration) {
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		select {
		case <-t.changed:
			timer.Reset(quiet)
		case <-timer.C:
			return
		}
	}
}

// Signal sends a signal to the program.
func (t *Terminal) Signal(s syscall.Signal) error { return t.cmd.Process.Signal(s) }

// Wait waits for the program's end, and for the end of what it wrote, and returns its
// exit code.
func (t *Terminal) Wait(limit time.Duration) (int, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.waited:
	case <-timer.C:
		return 0, fmt.Errorf("the program did not end within %s; its screen:\n%s", limit, t.Screen())
	}
	select {
	case <-t.ended:
	case <-timer.C:
		return 0, fmt.Errorf("something holds the terminal %s after the program's end; its screen:\n%s", limit, t.Screen())
	}
	var exit *exec.ExitError
	switch {
	case t.waitErr == nil:
		return 0, nil
	case errors.As(t.waitErr, &exit):
		return exit.ExitCode(), nil
	default:
		return 0, t.waitErr
	}
}

// Close ends the program, if it still runs, and the terminal. It may be called more
// than once.
func (t *Terminal) Close() { t.closing.Do(t.close) }

func (t *Terminal) close() {
	select {
	case <-t.waited:
	default:
		_ = t.cmd.Process.Kill() // it may have just ended
		<-t.waited
	}
	t.file.Close()
	<-t.ended
	_ = t.emu.Close() // nothing is left to answer
}
