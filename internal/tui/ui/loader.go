package ui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// Loader reads one thing for a page in the background and remembers how that went.
// The zero value has read nothing. Like the page it belongs to the program's
// goroutine; a page holds it by value and does not copy it.
type Loader[T any] struct {
	// Value is the newest good answer: it stays when a later question fails. Known
	// says that there was one, At when.
	Value T
	Known bool
	At    time.Time
	// Took is how long the newest answer was waited for.
	Took time.Duration
	// Err is why the newest answer was none, nil if it was one.
	Err error

	// gen is that of the newest question, 0 if no answer is awaited. No two questions of a
	// program have the same: a loader begun anew at the same place takes no older answer.
	gen    int64
	cancel context.CancelFunc // of the newest question; nil if there was none
	soon   bool
	asked  time.Time
}

// loaded is the answer to the question gen of a loader.
type loaded[T any] struct {
	of    *Loader[T]
	gen   int64
	value T
	at    time.Time
	err   error
}

// Ask asks now. What is still under way is ended. f runs in the background and must not
// touch the page; it must end soon after its ctx.
func (l *Loader[T]) Ask(h *Host, f func(ctx context.Context) (T, error)) tea.Cmd {
	l.Drop()
	ctx, cancel := context.WithCancel(h.ctx)
	gen, clock := h.Env.questions.Add(1), h.Env.Clock
	l.gen, l.cancel, l.soon, l.asked = gen, cancel, false, h.Env.Now()
	return h.Do(func(context.Context) tea.Msg {
		defer cancel()
		value, err := f(ctx)
		return loaded[T]{l, gen, value, clock.Now(), err}
	})
}

// Take takes the answer to the newest question in, and reports whether the message
// is that.
func (l *Loader[T]) Take(msg tea.Msg) bool {
	m, ok := msg.(loaded[T])
	if !ok || m.of != l || m.gen != l.gen {
		return false
	}
	l.Drop()
	l.Took = m.at.Sub(l.asked)
	if l.Err = m.err; m.err == nil {
		l.Value, l.Known, l.At = m.value, true, m.at
	}
	return true
}

// Asking tells that an answer is awaited.
func (l *Loader[T]) Asking() bool { return l.gen != 0 }

// Soon has the question asked again as soon as no answer is awaited.
func (l *Loader[T]) Soon() { l.soon = true }

// Drop waits for no answer any more, and ends the work for it: what was asked for is not
// wanted now.
func (l *Loader[T]) Drop() {
	if l.cancel != nil {
		l.cancel()
	}
	l.gen, l.cancel = 0, nil
}

// Reset drops what is awaited and forgets what was read: something else is wanted.
func (l *Loader[T]) Reset() {
	l.Drop()
	*l = Loader[T]{}
}

// Due tells that it is time to ask: for the first time, or every so often after
// that (Once: never again), or since it was wanted Soon.
func (l *Loader[T]) Due(now time.Time, every time.Duration) bool {
	switch {
	case l.Asking():
		return false
	case l.soon || l.asked.IsZero():
		return true
	}
	return every > 0 && now.Sub(l.asked) >= every
}
