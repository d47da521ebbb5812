package lambda

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// patience is how long an invocation waits for an execution environment when
// the machine runs as many as it may.
const patience = 60 * time.Second

// pool owns the execution environments: starts them on demand, gives idle ones
// work again, ends them when they were idle for long, when their function
// changed, and when the service stops.
type pool struct {
	s      *Service
	ctx    context.Context //nolint:containedctx // the life of the service
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	all      map[*environment]struct{}
	idle     []*environment // least recently used first
	starting int
	running  map[string]int // invocations by function
	changed  chan struct{}  // closed and replaced when something became free
}

func newPool(s *Service) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &pool{s: s, ctx: ctx, cancel: cancel, all: map[*environment]struct{}{}, running: map[string]int{}, changed: make(chan struct{})}
}

// spawn runs fn in the service's life; false if that is over.
func (p *pool) spawn(fn func(context.Context)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Go(func() { fn(p.ctx) })
	return true
}

// admit counts an invocation against the function's reserved concurrency and
// the account's.
func (p *pool) admit(f function) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.Reserved != nil && p.running[f.Name] >= int(*f.Reserved) {
		return nil, errThrottled("ReservedFunctionConcurrentInvocationLimitExceeded")
	}
	total := 0
	for _, n := range p.running {
		total += n
	}
	if total >= accountLimit {
		return nil, errThrottled("ConcurrentInvocationLimitExceeded")
	}
	p.running[f.Name]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.running[f.Name]--; p.running[f.Name] == 0 {
			delete(p.running, f.Name)
		}
	}), nil
}

// run executes an invocation. An error is one of the service, not of the function.
func (p *pool) run(ctx context.Context, v version, inv *invocation) (result, error) {
	for {
		e, err := p.acquire(ctx, v)
		if err != nil {
			return result{}, err
		}
		res := e.invoke(ctx, inv)
		p.release(e)
		switch {
		case res.undelivered:
			continue
		case res.aborted:
			return res, errStopping()
		}
		return res, nil
	}
}

// acquire returns an environment for the version: an idle one, or a new one.
func (p *pool) acquire(ctx context.Context, v version) (*environment, error) {
	limit := p.s.Clock.NewTimer(patience)
	defer limit.Stop()
	for {
		e, victim, start, wait := p.choose(environmentKey(v))
		switch {
		case e != nil:
			return e, nil
		case victim != nil:
			victim.stop()
			p.forget(victim)
			continue
		case start:
			return p.start(ctx, v)
		}
		select {
		case <-wait:
		case <-limit.C():
			return nil, errThrottled("ConcurrentInvocationLimitExceeded")
		case <-ctx.Done():
			return nil, errStopping()
		}
	}
}

// choose decides what acquire does next: use e, end victim to make room, start
// an environment, or wait.
func (p *pool) choose(key string) (e, victim *environment, start bool, wait <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.s.Clock.Now()
	for i := len(p.idle) - 1; i >= 0; i-- {
		c := p.idle[i]
		if c.key != key && c.alive() {
			continue
		}
		p.idle = slices.Delete(p.idle, i, i+1)
		if c.alive() && now.Before(c.expires) {
			return c, nil, false, nil
		}
		return nil, c, false, nil
	}
	if len(p.all)+p.starting < p.s.MaxEnvironments {
		p.starting++
		return nil, nil, true, nil
	}
	if len(p.idle) > 0 {
		c := p.idle[0]
		p.idle = p.idle[1:]
		return nil, c, false, nil
	}
	return nil, nil, false, p.changed
}

func (p *pool) start(ctx context.Context, v version) (*environment, error) {
	e, err := p.s.newEnvironment(ctx, v)
	p.mu.Lock()
	p.starting--
	closed := p.closed
	if err == nil && !closed {
		p.all[e] = struct{}{}
	}
	p.wake()
	p.mu.Unlock()
	if err == nil && closed {
		e.stop()
		err = errStopping()
	}
	return e, err
}

// wake tells those who wait; the caller holds mu.
func (p *pool) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pool) forget(e *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, e)
	p.wake()
}

func (p *pool) release(e *environment) {
	e.used = p.s.Clock.Now()
	p.mu.Lock()
	keep := e.alive() && !e.spent && !e.retired && !p.closed
	if keep {
		p.idle = append(p.idle, e)
		p.wake()
	}
	p.mu.Unlock()
	if !keep {
		e.stop()
		p.forget(e)
	}
}

// retire ends the environments of a version, or of all of a function's for "";
// those at work end after it.
func (p *pool) retire(name, version string) {
	p.mu.Lock()
	var stop []*environment
	for e := range p.all {
		if *e.version.Config.FunctionName == name && (version == "" || *e.version.Config.Version == version) {
			e.retired = true
		}
	}
	p.idle = slices.DeleteFunc(p.idle, func(e *environment) bool {
		if e.retired {
			stop = append(stop, e)
		}
		return e.retired
	})
	p.mu.Unlock()
	for _, e := range stop {
		e.stop()
		p.forget(e)
	}
}

// reap ends idle environments until the service stops.
func (p *pool) reap(ctx context.Context) {
	for clock.Sleep(ctx, p.s.Clock, p.s.IdleTimeout/4) == nil {
		oldest := p.s.Clock.Now().Add(-p.s.IdleTimeout)
		p.mu.Lock()
		var stop []*environment
		p.idle = slices.DeleteFunc(p.idle, func(e *environment) bool {
			if e.used.After(oldest) && e.alive() {
				return false
			}
			stop = append(stop, e)
			return true
		})
		p.mu.Unlock()
		for _, e := range stop {
			e.stop()
			p.forget(e)
		}
	}
}

// close ends everything and waits for it.
func (p *pool) close() error {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	p.cancel() // ends those at work
	for _, e := range idle {
		e.stop()
		p.forget(e)
	}
	p.wg.Wait()
	return nil
}

// environmentKey is equal for invocations that may share an environment.
func environmentKey(v version) string {
	return *v.Config.FunctionArn + " " + *v.Config.Version + " " + str(v.Config.RevisionId)
}

// errAssume is the reply when the execution role cannot be used any more.
func errAssume() error {
	return wire.Errorf(http.StatusForbidden, "AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.")
}
