// Package guard owns what a panic may do in the sandbox: it ends the work that it
// happened in, is logged with its stack, and ends nothing else. Every goroutine
// below internal/sandbox is started here; a test of the architecture holds that.
// It imports nothing of this module.
package guard

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Panic is a panic as an error.
type Panic struct {
	Value any
	Stack []byte
}

// Error tells what the panic said; the stack is in the log.
func (p *Panic) Error() string { return fmt.Sprintf("internal error: %v", p.Value) }

// Run calls fn and returns its error, or a *Panic, which is logged: what says
// whose work it was, args are pairs for the log. log may be nil.
func Run(log *slog.Logger, what string, fn func() error, args ...any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p := &Panic{r, debug.Stack()}
			if log != nil {
				log.Error("panic in "+what, append(args, "panic", fmt.Sprint(r), "stack", string(p.Stack))...)
			}
			err = p
		}
	}()
	return fn()
}

// Go runs fn in a goroutine of its own. If it panics, that is logged and failed,
// if it is not nil, is called with the *Panic.
func Go(log *slog.Logger, what string, fn func(), failed func(error)) {
	go func() {
		if err := Run(log, what, func() error { fn(); return nil }); err != nil && failed != nil {
			_ = Run(log, what, func() error { failed(err); return nil })
		}
	}()
}

// Func returns fn as a function that a goroutine may run: for sync.WaitGroup.Go,
// context.AfterFunc and their like.
func Func(log *slog.Logger, what string, fn func()) func() {
	return func() { _ = Run(log, what, func() error { fn(); return nil }) }
}
