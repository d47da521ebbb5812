package app

import (
	"context"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const (
	// feedAfter is how long somebody has to listen until a queue is made for it. What is over
	// by then was looked for often enough, and who only passes by costs nothing.
	feedAfter = 3 * time.Second
	// shutPatience is how long taking the queue of a watch away may take.
	shutPatience = 10 * time.Second
)

// feeds are what is heard of the ends of executions: of each topic by one queue, however many
// listen.
type feeds struct {
	mu       sync.Mutex
	stations map[string]*station // by topic
	closed   bool
	shutting sync.WaitGroup
}

// station is the reading of one topic, for all who listen to it.
type station struct {
	ears map[*ear]bool
	stop context.CancelFunc
}

// ear is one who listens, an executions.Feed.
type ear struct {
	mu   sync.Mutex
	ends []executions.Ended
	err  error
	wake chan struct{}
}

// Ends implements executions.Feed.
func (e *ear) Ends(ctx context.Context) ([]executions.Ended, error) {
	for {
		e.mu.Lock()
		ends, err := e.ends, e.err
		e.ends = nil
		e.mu.Unlock()
		switch {
		case len(ends) > 0:
			return ends, nil
		case err != nil:
			return nil, err
		}
		select {
		case <-e.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *ear) tell(ends []executions.Ended, err error) {
	e.mu.Lock()
	e.ends = append(e.ends, ends...)
	e.err = err
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Listen is a feed of the ends of a pipeline's executions, until ctx is done; nil if the
// pipeline has none (events: push). It asks nobody yet: the queue is made once somebody has
// listened for a while, and goes with the last one who does. That it cannot be made is what the
// feed fails with. What cannot be taken away is told by Options.Note.
func (a *App) Listen(ctx context.Context, x *Existing) executions.Feed {
	if !tells(x) {
		return nil
	}
	topic, f := x.Output(eventsTopic), &a.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	s := f.stations[topic]
	if s == nil {
		tuned, stop := context.WithCancel(context.WithoutCancel(ctx))
		s = &station{ears: map[*ear]bool{}, stop: stop}
		if f.stations == nil {
			f.stations = map[string]*station{}
		}
		f.stations[topic] = s
		f.shutting.Go(func() { a.tune(tuned, x, topic, s) })
	}
	e := &ear{wake: make(chan struct{}, 1)}
	s.ears[e] = true
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if delete(s.ears, e); len(s.ears) == 0 {
			f.leave(topic, s)
		}
	})
	return e
}

// leave ends a station; who listens next has another. The lock is held.
func (f *feeds) leave(topic string, s *station) {
	if f.stations[topic] == s {
		delete(f.stations, topic)
	}
	s.stop()
}

// tune reads a topic until nobody listens any more, or it fails.
func (a *App) tune(ctx context.Context, x *Existing, topic string, s *station) {
	err := a.relay(ctx, x, s)
	a.feeds.mu.Lock()
	defer a.feeds.mu.Unlock()
	for e := range s.ears {
		e.tell(nil, err)
	}
	a.feeds.leave(topic, s)
}

func (a *App) relay(ctx context.Context, x *Existing, s *station) error {
	if err := clock.Sleep(ctx, a.opts.Clock, feedAfter); err != nil {
		return err
	}
	push, err := a.Ends(ctx, x)
	if err != nil {
		return err
	}
	defer func() {
		// Who has given up leaves no queue behind either.
		ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), shutPatience)
		defer stop()
		if err := push.Close(ctx); err != nil {
			a.opts.Note("warning: the queue of this watch is left behind, for the next one to delete: %s", fault.Reason(err))
		}
	}()
	for {
		ends, err := push.Ends(ctx)
		if err != nil {
			return err
		}
		if len(ends) == 0 {
			continue
		}
		a.feeds.mu.Lock()
		for e := range s.ears {
			e.tell(ends, nil)
		}
		a.feeds.mu.Unlock()
	}
}

// end takes all queues away, and waits for that.
func (f *feeds) end() {
	f.mu.Lock()
	f.closed = true
	for topic, s := range f.stations {
		f.leave(topic, s)
	}
	f.mu.Unlock()
	f.shutting.Wait()
}
