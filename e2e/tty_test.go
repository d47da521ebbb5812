//go:build unix

package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdTTY runs a command on a pseudo-terminal: tty KEYS CODE PROGRAM [ARG...].
// Each line of KEYS is REGEXP => TEXT: when the screen's output so far matches,
// beyond the place of the last match, the text is typed with a return, or ctrl-C
// for ^C. Nothing is typed for !COMMAND: it is run, as by another user, and has to
// succeed. All output goes to the file screen.
func cmdTTY(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: tty KEYS CODE PROGRAM [ARG...]")
	}
	path, err := lookPath(ts, args[2])
	ts.Check(err)
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, kv := range os.Environ() {
		// The script's own environment wins; CI would rule questions out.
		name, _, _ := strings.Cut(kv, "=")
		if v := ts.Getenv(name); v != "" && name != "CI" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	for _, name := range []string{
		"PIPELINETUI_HOME", "PIPELINETUI_PULUMI", "PIPELINETUI_SANDBOX_ENDPOINT_DELAY", "PIPELINETUI_TEMPLATES",
		"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "TMPDIR", "PATH", "NO_COLOR", "HOME",
	} {
		if v := ts.Getenv(name); v != "" { // an empty passphrase is one
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 120})
	ts.Check(err)
	defer terminal.Close()
	defer func() { _ = cmd.Process.Kill() }() // in vain, unless the script ends here
	s := &screen{grown: make(chan struct{}, 1)}
	go s.read(terminal)
	from := 0
	for _, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n") {
		want, text, ok := strings.Cut(line, " => ")
		if !ok {
			ts.Fatalf("%q is not REGEXP => TEXT", line)
		}
		if from = s.await(regexp.MustCompile(want), from); from < 0 {
			_ = cmd.Process.Kill()
			ts.Fatalf("%q never came; the screen:\n%s", want, s.text())
		}
		if other, ok := strings.CutPrefix(text, "!"); ok {
			fields := strings.Fields(other)
			ts.Check(ts.Exec(fields[0], fields[1:]...))
			continue
		}
		typed := text + "\r"
		if text == "^C" {
			typed = "\x03"
		}
		_, err := terminal.WriteString(typed)
		ts.Check(err)
	}
	got := 0
	limit := time.AfterFunc(waitLimit, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	limit.Stop()
	if err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	s.drain()
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(s.text()), 0o600))
	if want, err := strconv.Atoi(args[1]); err != nil || got != want {
		ts.Fatalf("exit code %d, want %s; the screen:\n%s", got, args[1], s.text())
	}
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if info, err := os.Stat(dir + "/" + name); err == nil && info.Mode()&0o111 != 0 {
			return dir + "/" + name, nil
		}
	}
	return exec.LookPath(name)
}

// screen collects what a terminal shows.
type screen struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	grown chan struct{}
	ended bool
}

func (s *screen) read(f *os.File) {
	chunk := make([]byte, 4096)
	for {
		n, err := f.Read(chunk)
		s.mu.Lock()
		s.buf.Write(chunk[:n])
		s.ended = err != nil
		s.mu.Unlock()
		select {
		case s.grown <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.buf.String(), "\r\n", "\n")
}

// drain waits until all output has been read; what the command has left running
// may keep the terminal open.
func (s *screen) drain() {
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return
		}
		select {
		case <-s.grown:
		case <-limit.C:
			return
		}
	}
}

// await waits until the text from an offset matches, and returns the offset
// behind the match, or -1.
func (s *screen) await(re *regexp.Regexp, from int) int {
	limit := time.NewTimer(waitLimit)
	defer limit.Stop()
	for {
		text := s.text()
		if m := re.FindStringIndex(text[from:]); m != nil {
			return from + m[1]
		}
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended {
			return -1
		}
		select {
		case <-s.grown:
		case <-limit.C:
			return -1
		}
	}
}
