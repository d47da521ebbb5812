package console

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// SystemSignals are the process's signals that ask it to stop: ctrl-C, SIGTERM, and
// SIGHUP, which a terminal sends that is closed. One that was ignored when the
// program was started (nohup) stays ignored. release gives them back.
func SystemSignals() (signals <-chan os.Signal, release func()) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(ch, syscall.SIGHUP)
	}
	// A reader that goes away (up | head) must not end a deployment in the middle:
	// asked for like this, SIGPIPE becomes an error of the write.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return ch, func() { signal.Stop(ch) }
}

// grace is how long a command may take to end after it was told to. It bounds what
// no context reaches, such as a read from a mount that is dead.
const grace = 20 * time.Second

// Desk passes the user's signals to whoever attends to them: a command that works
// with something that has to end in good order holds them. If nobody does, the
// first signal ends the command's context and the second one, or a grace, gives
// the command up.
type Desk struct {
	givenUp chan struct{} // closed when nobody waits for the command any more

	mu     sync.Mutex
	holder chan os.Signal
	cancel context.CancelFunc
	asked  bool
	over   bool
}

// NewDesk returns a desk that nobody sends signals to yet.
func NewDesk() *Desk {
	return &Desk{givenUp: make(chan struct{}), cancel: func() {}}
}

// Open begins to pass signals on. The context that it returns ends with the first
// signal that nobody holds; stop ends all of it.
func (d *Desk) Open(ctx context.Context, signals <-chan os.Signal) (_ context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	d.cancel = cancel
	over := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-signals:
				d.deliver(sig)
			case <-over:
				return
			}
		}
	}()
	return ctx, sync.OnceFunc(func() { close(over); cancel() })
}

func (d *Desk) deliver(sig os.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.holder != nil:
		select {
		case d.holder <- sig:
		default: // it has enough to do
		}
	case !d.asked:
		d.asked = true
		d.cancel()
		time.AfterFunc(grace, d.giveUp)
	case sig != syscall.SIGHUP: // a shell and its terminal both send that one
		d.abandon()
	}
}

func (d *Desk) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.holder == nil {
		d.abandon()
	}
}

func (d *Desk) abandon() {
	if !d.over {
		d.over = true
		close(d.givenUp)
	}
}

// Hold takes the signals over until release. A signal that came before has ended
// the context.
func (d *Desk) Hold() (signals <-chan os.Signal, release func()) {
	ch := make(chan os.Signal, 4)
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.holder
	d.holder = ch
	return ch, sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.holder = before
	})
}

// GivenUp is closed when the command is not to be waited for any more.
func (d *Desk) GivenUp() <-chan struct{} { return d.givenUp }
