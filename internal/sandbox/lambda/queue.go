package lambda

import (
	"context"
	"slices"
	"time"
)

const (
	// patience is how long an invocation waits for an execution environment when
	// the machine runs as many as it may. One that would wait longer, by the pace of
	// those before it, is throttled at once: a caller that retries does better later
	// than one that was held up for nothing.
	patience = 60 * time.Second
	// turn is how long the first in the queue waits for an environment of its own
	// function before another function's is ended for it, and how long that one has
	// worked by then. Starting one costs more than waiting a little.
	turn = 2 * time.Second
)

// grant is what an invocation may have: an environment, or the room to start
// one, for which victim has to end first.
type grant struct{ env, victim *environment }

// waiter is an invocation in the queue.
type waiter struct {
	key   string
	since time.Time
	given chan grant // buffered, one grant
}

// queue holds the invocations that wait, in the order in which they came. It is
// guarded by the pool's lock.
type queue struct {
	waiters []*waiter
	served  time.Time     // when the last waiter got its turn
	pace    time.Duration // from one turn to the next, a moving average
}

// line gives an invocation what is free now, or a place at the end of the queue:
// nobody who comes later is served before one who waits.
func (p *pool) line(key string) (grant, *waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return grant{}, nil, errStopping()
	}
	if len(p.waiters) == 0 {
		if g, ok := p.choose(key); ok {
			return g, nil, nil
		}
		p.served, p.pace = p.s.Clock.Now(), 0
	}
	if p.expected() > patience {
		return grant{}, nil, errThrottled("ConcurrentInvocationLimitExceeded")
	}
	w := &waiter{key: key, since: p.s.Clock.Now(), given: make(chan grant, 1)}
	p.waiters = append(p.waiters, w)
	return grant{}, w, nil
}

// expected is how long the next in the queue will wait, as far as the pace tells.
func (q *queue) expected() time.Duration { return q.pace * time.Duration(len(q.waiters)+1) }

// await waits for w's turn.
func (p *pool) await(ctx context.Context, w *waiter) (grant, error) {
	limit := p.s.Clock.NewTimer(patience)
	defer limit.Stop()
	var err error
	select {
	case g := <-w.given:
		return g, nil
	case <-limit.C():
		err = errThrottled("ConcurrentInvocationLimitExceeded")
	case <-ctx.Done():
		err = errStopping()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
		return grant{}, err
	}
	return <-w.given, nil // its turn came in the same moment
}

// serve gives out what became free. The caller holds mu.
func (p *pool) serve() {
	for len(p.waiters) > 0 {
		i := p.next()
		g, ok := p.choose(p.waiters[i].key)
		if !ok {
			return
		}
		now := p.s.Clock.Now()
		since := now.Sub(p.served)
		if p.pace == 0 {
			p.pace = since
		}
		p.pace += (since - p.pace) / 8
		p.served = now
		p.waiters[i].given <- g
		p.waiters = slices.Delete(p.waiters, i, i+1)
	}
}

// next is whose turn it is: the first, unless all that is free is an environment of another
// function, for which somebody waits too, and either the first has not waited for long or the
// environment has not worked for long. Without the second, where many more functions are asked
// than there are environments, everybody has waited for long, and each invocation would end an
// environment and start another.
func (p *pool) next() int {
	if len(p.all)+p.starting < p.s.MaxEnvironments {
		return 0
	}
	now := p.s.Clock.Now()
	waited := now.Sub(p.waiters[0].since) >= turn
	for i, w := range p.waiters {
		if slices.ContainsFunc(p.idle, func(e *environment) bool { return e.key == w.key && (!waited || now.Sub(e.first) < turn) }) {
			return i
		}
	}
	return 0
}
