package stack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

// pipeGrace is how long the output pipes of a CLI process that has ended may
// stay open in the hands of its children. It never cuts short a process.
const pipeGrace = 5 * time.Second

// command is our auto.PulumiCommand. The SDK's own kills the CLI 10 s after its
// context ends, shares our process group (so that a terminal's ctrl-C counts
// twice, and twice means "terminate") and starts processes whose answer nobody
// needs. This one puts the CLI in a group of its own, leaves every signal to
// the Run it belongs to, and answers for itself what the operation knows.
type command struct {
	engine *Engine
	run    *Run   // nil outside of operations
	hurry  *hurry // of Engine.finish, or nil
}

var _ auto.PulumiCommand = (*command)(nil)

// Version is the CLI's version, probed when the Engine was opened.
func (c *command) Version() semver.Version { return c.engine.version }

// Run starts one CLI process and waits for it. Outside of an operation, the end
// of ctx kills the process: such processes only read, or write once. During an
// operation ctx is not looked at, see Run.Cancel and Run.Kill.
func (c *command) Run(
	ctx context.Context, workdir string, stdin io.Reader,
	stdoutTo, stderrTo []io.Writer, env []string, args ...string,
) (stdout, stderr string, code int, err error) {
	if answer, ok := c.answer(args); ok {
		return answer, "", 0, nil
	}
	if c.run != nil {
		args = c.run.rewrite(args)
	}
	env, err = c.engine.withSecrets(ctx, env)
	if err != nil {
		return "", "", unknownCode, err
	}
	var out, errs bytes.Buffer
	cmd := c.engine.command(workdir, env, args)
	cmd.Stdin = stdin
	cmd.Stdout = io.MultiWriter(append(slices.Clone(stdoutTo), &out)...)
	cmd.Stderr = io.MultiWriter(append(slices.Clone(stderrTo), &errs)...)

	p := &cliProcess{cmd: cmd, done: make(chan struct{})}
	if c.run != nil {
		err = c.run.start(p)
	} else {
		err = p.start(ctx)
	}
	if err != nil {
		return "", "", unknownCode, err
	}
	c.engine.noteSpawn(args)
	began := time.Now()
	if c.hurry != nil {
		err = p.waitAnd(c.hurry.watch)
	} else {
		err = p.wait()
	}
	code = cmd.ProcessState.ExitCode()
	if c.run != nil {
		c.run.ended(out.String(), errs.String(), code)
	}
	c.engine.log.Debug("pulumi process ended", "args", withoutValues(args), "exit_code", code, "took", time.Since(began))
	return out.String(), errs.String(), code, err
}

// signalledCode is the exit code of a process that a signal ended (os.ProcessState.ExitCode).
const signalledCode = -1

// unknownCode is the exit code of a process that never ran; the SDK's choice.
const unknownCode = -2

// answer replies to the questions that the SDK asks around an operation and
// that need no process: `stack select` (every command carries --stack), and the
// outputs and history after an update (the event stream told them).
func (c *command) answer(args []string) (string, bool) {
	if c.run == nil {
		return "", false
	}
	switch subcommand(args) {
	case "stack select":
		return "", true
	case "stack output":
		return "{}", true
	case "stack history":
		return "[]", true
	}
	return "", false
}

// subcommand names a CLI call for people: its leading words up to the first flag.
func subcommand(args []string) string {
	var words []string
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			if len(words) == 0 {
				continue
			}
			break
		}
		words = append(words, a)
		if len(words) == 2 || len(words) == 1 && a != "stack" && a != "config" && a != "plugin" {
			break
		}
	}
	return strings.Join(words, " ")
}

// withoutValues is args for a log: config values may be secret.
func withoutValues(args []string) []string {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i]
	}
	return args
}

// command prepares a CLI process: in its own process group, with nothing of our
// standard streams, never interactive.
func (e *Engine) command(workdir string, env, args []string) *exec.Cmd {
	full := args
	if !slices.Contains(args, "--non-interactive") {
		full = append([]string{"--non-interactive"}, args...)
	}
	cmd := exec.Command(e.opts.PulumiPath, full...) //nolint:noctx // the user's CLI; a context would kill it
	cmd.Dir = workdir
	cmd.Env = e.environ(env)
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = pipeGrace
	return cmd
}

// environ is the whole environment of a CLI process; later entries win.
func (e *Engine) environ(extra []string) []string {
	env := make([]string, 0, 64)
	for _, kv := range os.Environ() {
		key, _, _ := strings.Cut(kv, "=")
		// An own passphrase must not be overruled by an inherited one of the
		// other form: the CLI prefers PULUMI_CONFIG_PASSPHRASE to the file.
		if e.ownPassphrase && (key == envPassphrase || key == envPassphraseFile) {
			continue
		}
		env = append(env, kv)
	}
	env = append(env,
		"PULUMI_AUTOMATION_API=true",
		"PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK=true", // checked by Open
		// A machine without the stack's settings file must go on with the keys
		// that the state names, not make new ones.
		"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=true",
		"PATH="+filepath.Dir(e.opts.PulumiPath)+string(os.PathListSeparator)+os.Getenv("PATH"),
	)
	return append(env, extra...)
}

// cliProcess is one CLI process that may be signalled while it runs.
type cliProcess struct {
	cmd  *exec.Cmd
	done chan struct{}
	stop func() // ends the watch on a context

	mu    sync.Mutex
	ended bool
}

// start launches the process and, if ctx can end, kills its group when it does.
func (p *cliProcess) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	started := make(chan error, 1)
	go func() {
		// The kernel takes the end of the thread that started it for ours, see
		// ownGroup: so that thread is kept as long as the process runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			<-p.done
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { p.signal(syscall.SIGKILL) })
	p.stop = func() { stop() }
	return nil
}

func (p *cliProcess) wait() error {
	defer close(p.done)
	err := p.cmd.Wait()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	if p.stop != nil {
		p.stop()
	}
	if errors.Is(err, exec.ErrWaitDelay) && p.cmd.ProcessState.Success() {
		return nil // a child kept a pipe open, the CLI itself did well
	}
	return err
}

// waitAnd waits beside what watches the process until it is done.
func (p *cliProcess) waitAnd(watch func(*cliProcess)) error {
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watch(p)
	}()
	err := p.wait()
	<-watched
	return err
}

// signal sends one unless the CLI has ended.
func (p *cliProcess) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.cmd.Process == nil {
		return
	}
	send(p.cmd.Process, sig)
}
