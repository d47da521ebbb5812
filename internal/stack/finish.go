package stack

import (
	"context"
	"io"
	"syscall"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Some processes beside an operation's own write, and hold the stack's lock while they do: they
// are not to be killed half-way as soon as somebody wants to stop. But a backend that says
// nothing holds them for ever. So they are interrupted a while after that, or when they
// have had their time; and killed if that does not help, or if the operation is.

// lifeKey is under which a context has the one that Run.Kill ends.
type lifeKey struct{}

// withLife is a context that kill ends, at once with all of finish below it.
func withLife(ctx context.Context) (life context.Context, kill context.CancelFunc) {
	life, kill = context.WithCancel(ctx)
	return context.WithValue(life, lifeKey{}, life), kill
}

// finish runs a CLI process that writes. The end of ctx does not end it at once, see above.
func (e *Engine) finish(ctx context.Context, p place, patience time.Duration, op string, stdin io.Reader, args ...string) (stderr string, err error) {
	if err := ctx.Err(); err != nil {
		return "", canceledBefore(op, err)
	}
	hurry := &hurry{ctx: ctx, patience: patience, grace: e.interruptGrace}
	cmd := &command{engine: e, hurry: hurry}
	stdout, stderr, code, err := cmd.Run(context.WithoutCancel(ctx), p.dir, stdin, nil, nil, e.envList(p.env), args...)
	switch {
	case err == nil:
		return stderr, nil
	case ctx.Err() != nil:
		return stderr, &fault.Error{Kind: fault.KindOf(ctx.Err()), Op: op, Msg: "stopped", Err: &cliError{Err: err, Code: code, Stdout: stdout, Stderr: stderr}}
	case hurry.late:
		return stderr, fault.New(fault.Timeout, "%s: it has not ended within %s, and was stopped", op, patience).
			WithHint("Check that the state backend answers. Then run the command again; if it finds a lock, `pipelinetui cancel %s` clears it.", pipelineName(p.stack)).
			Because(&cliError{Err: err, Code: code, Stdout: stdout, Stderr: stderr})
	}
	said := stderr
	if subcommand(args) == string(OperationRefresh) {
		said += stdout // there is what the engine says of resources
	}
	return stderr, e.classifyText(op, stdout, said, code, err)
}

// hurry ends a process that takes too long.
type hurry struct {
	ctx             context.Context // of who waits for the process, and is given it for as long
	patience, grace time.Duration
	late            bool // it has had its time; to be read when watch has returned
}

// watch returns when the process has ended, or has been killed.
func (h *hurry) watch(p *cliProcess) {
	life, ok := h.ctx.Value(lifeKey{}).(context.Context)
	if !ok {
		life = context.Background()
	}
	limit := time.NewTimer(h.patience)
	defer limit.Stop()
	asked := h.ctx.Done()
	for signal := syscall.SIGINT; ; {
		select {
		case <-p.done:
			return
		case <-life.Done():
			p.signal(syscall.SIGKILL)
			return
		case <-asked:
			asked = nil
			limit.Reset(h.grace)
		case <-limit.C:
			h.late = h.ctx.Err() == nil
			p.signal(signal)
			if signal == syscall.SIGKILL {
				return
			}
			signal = syscall.SIGKILL
			limit.Reset(h.grace)
		}
	}
}
