//go:build unix

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pipelinetui/pipelinetui/e2e/terminal"
)

// screenLimit bounds the wait for a screen; only a broken build waits that long.
const screenLimit = waitLimit

// cmdTUI runs a program in a terminal and plays a list of steps: tui STEPS CODE
// PROGRAM [ARG...]. A step is a line:
//
//	until REGEXP      wait until the screen matches
//	gone REGEXP       wait until it does not
//	press KEY...      press keys by name: enter, esc, down, ctrl+c, j
//	type TEXT         type a text
//	click X Y         press the left button on a cell
//	resize W H        change the size
//	shot FILE         write the screen to a file
//	exec PROGRAM ...  run a program meanwhile, which must succeed
//	keep FILE PROGRAM ...  the same, and write what it prints to a file
//	ptui ARG ...      the same of pipelinetui, in this process
//	waitfor REGEXP PROGRAM ...  wait until what a program prints matches
//	signal NAME       send the program a signal: HUP, TERM
//	hangup            close the terminal, as a window is closed
//
// The last screen is written to the file screen, all that was written to the file
// output. The variable TERM makes it a terminal of that kind, SILENT=1 one that answers
// no question, MONOCHROME=1 sets NO_COLOR.
func cmdTUI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: tui STEPS CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	path, err := lookPath(ts, args[2])
	ts.Check(err)
	cmd := exec.Command(path, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, kv := range os.Environ() {
		// The script's own environment wins; CI would rule the terminal out.
		name, _, _ := strings.Cut(kv, "=")
		if v := ts.Getenv(name); v != "" && name != "CI" && name != "NO_COLOR" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	for _, name := range []string{"PIPELINETUI_HOME", "PIPELINETUI_PULUMI", "PIPELINETUI_SANDBOX_ENDPOINT_DELAY", "PIPELINETUI_READ_ONLY", "PIPELINETUI_TEMPLATES", "PATH", "HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	for _, name := range []string{"PULUMI_CONFIG_PASSPHRASE", "PIPELINETUI_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} {
		if v := ts.Getenv(name); v != "" { // an empty passphrase is one
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, "LANG=C.UTF-8")
	if ts.Getenv("MONOCHROME") != "" {
		cmd.Env = append(cmd.Env, "NO_COLOR=1")
	}
	t, err := terminal.StartAs(cmd, 120, 40, terminal.Kind{Term: ts.Getenv("TERM"), Silent: ts.Getenv("SILENT") != ""})
	ts.Check(err)
	defer t.Close()
	for i, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n") {
		if err := step(ts, t, line); err != nil {
			ts.Fatalf("step %d, %q: %v", i+1, line, err)
		}
	}
	got, err := t.Wait(waitLimit)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(t.Screen()+"\n"), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("output"), []byte(t.Output()), 0o600))
	if got != want {
		ts.Fatalf("exit code %d, want %d; the screen:\n%s", got, want, t.Screen())
	}
}

func step(ts *testscript.TestScript, t *terminal.Terminal, line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "", "#":
		return nil
	case "until":
		return t.Until(regexp.MustCompile("(?m)"+rest), screenLimit)
	case "gone":
		return t.UntilGone(regexp.MustCompile("(?m)"+rest), screenLimit)
	case "press":
		return t.Press(strings.Fields(rest)...)
	case "type":
		return t.Send(os.Expand(rest, ts.Getenv))
	case "click", "resize":
		var x, y int
		if _, err := fmt.Sscan(rest, &x, &y); err != nil {
			return err
		}
		if verb == "click" {
			return t.Click(x, y)
		}
		return t.Resize(x, y)
	case "signal":
		return t.Signal(map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}[rest])
	case "hangup":
		t.HangUp()
		return nil
	case "exec":
		args := strings.Fields(rest)
		return ts.Exec(args[0], args[1:]...)
	case "ptui":
		cmdPtui(ts, false, strings.Fields(rest))
		return nil
	case "waitfor":
		cmdWaitFor(ts, false, strings.Fields(rest))
		return nil
	case "keep":
		args := strings.Fields(rest)
		if err := ts.Exec(args[1], args[2:]...); err != nil {
			return err
		}
		return os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile("stdout")), 0o600)
	case "shot":
		return os.WriteFile(ts.MkAbs(rest), []byte(t.Screen()+"\n"), 0o600)
	default:
		return fmt.Errorf("unknown step %q", verb)
	}
}
