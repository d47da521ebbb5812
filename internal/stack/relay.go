package stack

import "sync"

// relay carries events from a producer that must never wait to a consumer that
// may be slow: its buffer has no bound. It keeps all events, so that a reader
// who comes late sees them too.
type relay struct {
	out  chan Event
	once sync.Once
	wake chan struct{} // capacity 1: there is something new

	mu     sync.Mutex
	events []Event
	closed bool
}

func newRelay() *relay {
	return &relay{out: make(chan Event), wake: make(chan struct{}, 1)}
}

// push adds an event; it never blocks.
func (r *relay) push(e Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	r.notify()
}

// close ends the stream once all that was pushed is read.
func (r *relay) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.notify()
}

func (r *relay) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// channel starts the delivery at the first call; without one there is no
// goroutine that could be left behind.
func (r *relay) channel() <-chan Event {
	r.once.Do(func() { go r.deliver() })
	return r.out
}

func (r *relay) deliver() {
	defer close(r.out)
	for next := 0; ; {
		r.mu.Lock()
		batch, closed := r.events[next:], r.closed
		r.mu.Unlock()
		for _, e := range batch {
			r.out <- e
		}
		next += len(batch)
		if closed {
			return // nothing is pushed after close
		}
		<-r.wake
	}
}

// log is a copy of all events so far.
func (r *relay) log() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}
