package lambda

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// pool owns the execution environments: starts them on demand, gives idle ones
// work again, ends them when they were idle for long, when their function
// changed, and when the service stops.
type pool struct {
	s      *Service
	ctx    context.Context // the life of the service
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	all      map[*environment]struct{}
	idle     []*environment // least recently used first
	starting int
	running  map[string]int // invocations by the function's key
	queue
}

func newPool(s *Service) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &pool{s: s, ctx: ctx, cancel: cancel, all: map[*environment]struct{}{}, running: map[string]int{}}
}

// spawn runs fn in the service's life; false if that is over.
func (p *pool) spawn(fn func(context.Context)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Go(guard.Func(p.s.Log, "work of Lambda", func() { fn(p.ctx) }))
	return true
}

// admit counts an invocation against the function's reserved concurrency and
// the account's.
func (p *pool) admit(f function) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := f.ref().key()
	if f.Reserved != nil && p.running[key] >= int(*f.Reserved) {
		return nil, errThrottled("ReservedFunctionConcurrentInvocationLimitExceeded")
	}
	total := 0
	for other, n := range p.running {
		if strings.HasPrefix(other, f.Scope.Prefix()) {
			total += n
		}
	}
	if total >= int(p.s.concurrency(f.Scope)) {
		return nil, errThrottled("ConcurrentInvocationLimitExceeded")
	}
	p.running[key]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.running[key]--; p.running[key] == 0 {
			delete(p.running, key)
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

// acquire returns an environment for the version: an idle one, a new one, or,
// when the machine runs as many as it may, the next that is free in its turn.
func (p *pool) acquire(ctx context.Context, v version) (*environment, error) {
	g, w, err := p.line(environmentKey(v))
	if err != nil {
		return nil, err
	}
	if w != nil {
		if g, err = p.await(ctx, w); err != nil {
			return nil, err
		}
	}
	if g.victim != nil {
		g.victim.stop()
	}
	if g.env != nil {
		return g.env, nil
	}
	return p.start(ctx, v)
}

// choose finds what an invocation can have now: nothing if it has to wait. The
// caller holds mu.
func (p *pool) choose(key string) (g grant, ok bool) {
	for i := len(p.idle) - 1; i >= 0; i-- {
		c := p.idle[i]
		if c.key != key && c.alive() {
			continue
		}
		p.idle = slices.Delete(p.idle, i, i+1)
		if c.alive() && p.s.Clock.Now().Before(c.expires) {
			return grant{env: c}, true
		}
		return p.replace(c), true
	}
	if len(p.all)+p.starting < p.s.MaxEnvironments {
		p.starting++
		return grant{}, true
	}
	if len(p.idle) > 0 {
		c := p.idle[0]
		p.idle = p.idle[1:]
		return p.replace(c), true
	}
	return grant{}, false
}

// replace gives the place of an idle environment to a new one.
func (p *pool) replace(victim *environment) grant {
	delete(p.all, victim)
	p.starting++
	return grant{victim: victim}
}

func (p *pool) start(ctx context.Context, v version) (*environment, error) {
	e, err := p.s.newEnvironment(ctx, v)
	p.mu.Lock()
	p.starting--
	closed := p.closed
	if err == nil && !closed {
		p.all[e] = struct{}{}
	}
	p.serve()
	p.mu.Unlock()
	if err == nil && closed {
		e.stop()
		err = errStopping()
	}
	return e, err
}

func (p *pool) forget(e *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, e)
	p.serve()
}

func (p *pool) release(e *environment) {
	e.used = p.s.Clock.Now()
	if e.first.IsZero() {
		e.first = e.used
	}
	p.mu.Lock()
	keep := e.alive() && !e.spent && !e.retired && !p.closed
	if keep {
		p.idle = append(p.idle, e)
		p.serve()
	}
	p.mu.Unlock()
	if !keep {
		e.stop()
		p.forget(e)
	}
}

// retire ends the environments of a version, or of all of a function's for "";
// those at work end after it.
func (p *pool) retire(ref reference, version string) {
	p.mu.Lock()
	var stop []*environment
	for e := range p.all {
		if e.version.ref() == ref.with("") && (version == "" || *e.version.Config.Version == version) {
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
	return *v.Config.FunctionArn + " " + *v.Config.Version + " " + aws.ToString(v.Config.RevisionId)
}

// errAssume is the reply when the execution role cannot be used any more.
func errAssume() error {
	return wire.Errorf(http.StatusForbidden, "AccessDeniedException", "The role defined for the function cannot be assumed by Lambda.")
}
