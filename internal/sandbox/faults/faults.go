// Package faults owns the troubles that the sandbox makes on purpose: AWS's own
// request quotas, throttling, latency and failing calls, for tests of what watches
// and retries, and for users who rehearse. It is off until it is configured. Of
// the sandbox it imports wire only.
package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Config says what goes wrong. The zero value is nothing.
type Config struct {
	// Quotas makes the token buckets count that AWS has for each API of an account
	// and region, as far as they are published (Step Functions, Lambda).
	Quotas bool `json:"quotas,omitempty"`
	// Rules are tried in order for each call. The delays of all that match add up;
	// the first that fails the call ends it.
	Rules []Rule `json:"rules,omitempty"`
}

// Rule is one kind of trouble.
type Rule struct {
	// Service and Operation say which calls: "sfn", "StartExecution". They may have
	// wildcards as in path.Match ("Describe*"); empty means all. Calls that Step
	// Functions makes for a state count too.
	Service   string `json:"service,omitempty"`
	Operation string `json:"operation,omitempty"`
	// Share is the part of the calls that are hit, from 0 to 1; 0 means all.
	Share float64 `json:"share,omitempty"`
	// Times is how many calls are hit before the rule is used up; 0 has no limit.
	Times int `json:"times,omitempty"`
	// LatencyMs delays the call, JitterMs adds up to as much again at random.
	LatencyMs int `json:"latencyMs,omitempty"`
	JitterMs  int `json:"jitterMs,omitempty"`
	// Throttle fails the call as the service throttles. Error fails it with that
	// code, Message and Status (500 if there is none). Without either the call is
	// only delayed.
	Throttle bool   `json:"throttle,omitempty"`
	Error    string `json:"error,omitempty"`
	Message  string `json:"message,omitempty"`
	Status   int    `json:"status,omitempty"`
}

func (r *Rule) check() error {
	for _, pattern := range []string{r.Service, r.Operation} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%q is no pattern", pattern)
		}
	}
	switch {
	case r.Share < 0 || r.Share > 1:
		return fmt.Errorf("share is %v; it must be from 0 to 1", r.Share)
	case r.Times < 0 || r.LatencyMs < 0 || r.JitterMs < 0:
		return fmt.Errorf("times, latencyMs and jitterMs must not be negative")
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return fmt.Errorf("status is %d; it must be from 400 to 599", r.Status)
	case r.Throttle && r.Error != "":
		return fmt.Errorf("throttle and error exclude each other")
	case !r.Throttle && r.Error == "" && r.LatencyMs == 0 && r.JitterMs == 0:
		return fmt.Errorf("it does nothing: give throttle, error or latencyMs")
	}
	return nil
}

func (r *Rule) matches(service, operation string) bool {
	return match(r.Service, service) && match(r.Operation, operation)
}

func match(pattern, name string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// Status is the configuration with what came of it.
type Status struct {
	Config
	// Hits counts for each rule the calls that it hit; Throttled those that the
	// quotas refused, by "service.Operation".
	Hits      []int          `json:"hits,omitempty"`
	Throttled map[string]int `json:"throttled,omitempty"`
}

// Gate decides about each call. It implements wire.Gate and is safe for
// concurrent use.
type Gate struct {
	clk clock.Clock

	mu      sync.Mutex
	config  Config
	hits    []int
	refused map[string]int
	buckets map[string]*rate.Limiter
	changed chan struct{} // closed by the next Set
}

// New returns a gate that lets everything pass.
func New(clk clock.Clock) *Gate { return &Gate{clk: clk, changed: make(chan struct{})} }

// Set replaces the configuration; counters and buckets begin anew, and calls that the
// old one delays go on at once. It changes nothing if the configuration is wrong.
func (g *Gate) Set(c Config) error {
	for i := range c.Rules {
		if err := c.Rules[i].check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.config, g.hits = c, make([]int, len(c.Rules))
	g.refused, g.buckets = map[string]int{}, map[string]*rate.Limiter{}
	close(g.changed)
	g.changed = make(chan struct{})
	return nil
}

// Status returns the configuration and the counters.
func (g *Gate) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := Status{Config: g.config, Hits: append([]int(nil), g.hits...), Throttled: map[string]int{}}
	for k, n := range g.refused {
		out.Throttled[k] = n
	}
	return out
}

// Admit implements wire.Gate.
func (g *Gate) Admit(ctx context.Context, req *wire.Request) error {
	if req.Service == ServiceID {
		return nil // who configures must not lock himself out
	}
	delay, changed, err := g.decide(req)
	if delay <= 0 {
		return err
	}
	timer := g.clk.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C():
	case <-changed:
	}
	return err
}

// decide applies quotas and rules to a call. The channel is closed when they change.
func (g *Gate) decide(req *wire.Request) (delay time.Duration, changed <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	changed = g.changed
	if g.config.Quotas && !g.take(req) {
		g.refused[req.Service+"."+req.Operation]++
		return 0, changed, req.Throttled()
	}
	for i := range g.config.Rules {
		r := &g.config.Rules[i]
		if !r.matches(req.Service, req.Operation) || r.Times > 0 && g.hits[i] >= r.Times {
			continue
		}
		if r.Share > 0 && rand.Float64() >= r.Share { // chance
			continue
		}
		g.hits[i]++
		delay += time.Duration(r.LatencyMs) * time.Millisecond
		if r.JitterMs > 0 {
			delay += time.Duration(rand.IntN(r.JitterMs+1)) * time.Millisecond // chance
		}
		switch {
		case r.Throttle:
			return delay, changed, req.Throttled()
		case r.Error != "":
			return delay, changed, r.failure()
		}
	}
	return delay, changed, nil
}

func (r *Rule) failure() *wire.Error {
	status, message := r.Status, r.Message
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if message == "" {
		message = "This failure was asked for."
	}
	return wire.Errorf(status, r.Error, "%s", message)
}

// ServiceID is the sandbox's own service, which controls the gate and the accounts.
const ServiceID = "sandbox"

// Scope is the signing name of the sandbox's own service, Target the prefix of
// its X-Amz-Target. Its operations are PutFaults, which takes a Config, and
// DescribeFaults; both return a Status. Only the account's own user may call them.
const (
	Scope  = "sandbox"
	Target = "PipelinetuiSandbox"
)

// Register adds the service that controls the gate.
func (g *Gate) Register(r *wire.Router) {
	r.Register(wire.Service{ID: ServiceID, Scope: Scope, Target: Target, Protocol: wire.JSON10})
	r.Handle(ServiceID, "PutFaults", func(_ context.Context, req *wire.Request, in []byte) (any, error) {
		if err := onlyAdmin(req); err != nil {
			return nil, err
		}
		var c Config
		d := json.NewDecoder(strings.NewReader(string(in)))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
		}
		if err := g.Set(c); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "ValidationException", "%s", err)
		}
		return g.reply()
	}, own)
	r.Handle(ServiceID, "DescribeFaults", func(_ context.Context, req *wire.Request, _ []byte) (any, error) {
		if err := onlyAdmin(req); err != nil {
			return nil, err
		}
		return g.reply()
	}, own)
}

// own is the row of operations of the sandbox's own service.
var own = wire.Access{Inside: "they are the account's own user's, whatever a policy says"}

func (g *Gate) reply() (json.RawMessage, error) { return json.Marshal(g.Status()) }

func onlyAdmin(req *wire.Request) error {
	if req.Principal.Admin {
		return nil
	}
	return wire.Errorf(http.StatusForbidden, "AccessDeniedException", "only the account's own user controls the sandbox")
}
