// Package events owns the sandbox's Amazon EventBridge: buses with their policies, rules
// by pattern or schedule, event patterns, delivery to targets with retries and dead-letter
// queues, archives with replays, connections and API destinations. Targets are reached
// through the router, as the role of the target or as EventBridge itself; an API
// destination is called on this machine only. Partner sources, global endpoints and the
// other kinds of targets are refused.
//
// What PutEvents acknowledges is on disk. The events of the sandbox's own services are
// best effort, as wire.Events says: one waits in memory for a moment before it is kept.
package events

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	rulesBucket        = "events.rules"        // scope's key of the rule's path -> rule
	busesBucket        = "events.buses"        // scope's key of the name -> bus
	deliveriesBucket   = "events.deliveries"   // number -> delivery
	archivesBucket     = "events.archives"     // scope's key of the name -> archive
	archivedBucket     = "events.archived"     // archive's key | time and number -> archived
	replaysBucket      = "events.replays"      // scope's key of the name -> replay
	connectionsBucket  = "events.connections"  // scope's key of the name -> connection
	destinationsBucket = "events.destinations" // scope's key of the name -> destination
	// ServiceName is the principal as which events are delivered.
	ServiceName = "events.amazonaws.com"
	// backlog bounds the events of services that are not on disk yet.
	backlog = 4096
	id      = "eventbridge"
)

// Config is what the service needs. DB and Roles are required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	Roles wire.Roles   // of targets
	// Client calls API destinations; nil is one that does not follow redirections.
	Client *http.Client
}

// Service is EventBridge. It is safe for concurrent use.
type Service struct {
	Config
	router   *wire.Router
	policies policy.Cache

	// rules holds the compiled rules; every change empties it and counts up, so
	// that what was read before the change is not kept.
	mu         sync.Mutex
	rules      []compiledRule // nil: not read yet
	generation uint64

	posts     chan []posting // of services, to be kept
	courier   *courier.Courier[delivery]
	rates     rates
	timetable bell.Bell       // rung when schedules have changed
	replaying bell.Bell       // rung when a replay is to be looked at
	ctx       context.Context // bounds the background work, see Close
	cancel    context.CancelFunc
	done      sync.WaitGroup
}

var _ wire.Events = (*Service)(nil)

// New returns the service over the store. It keeps the events of services after Start and
// delivers after that of Deliveries.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Roles == nil {
		return nil, errors.New("events: DB and Roles are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	if c.Client == nil {
		c.Client = &http.Client{
			Timeout:       destinationPatience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	s := &Service{Config: c, posts: make(chan []posting, backlog), timetable: bell.New(), replaying: bell.New()}
	s.rates.of = map[string]*rate{}
	s.courier = courier.New(courier.Config[delivery]{
		DB: c.DB, Clock: c.Clock, Log: c.Log, Bucket: deliveriesBucket, What: "the delivery of an event",
		Lane: func(d delivery) string { return d.Target.ARN }, Bring: s.deliver,
	})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Start begins to keep the events of services.
func (s *Service) Start(ctx context.Context) error {
	s.done.Go(guard.Func(s.Log, "the keeping of events", s.keepPosts))
	return ctx.Err()
}

// Close keeps what services have told, and ends.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}

// Deliveries is what the service does by itself with what it has kept: deliveries,
// schedules and replays. It is a part of its own since it needs the services that the
// targets belong to, which need this one.
type Deliveries struct {
	s      *Service
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Deliveries returns the part that delivers.
func (s *Service) Deliveries() *Deliveries { return &Deliveries{s: s} }

// Start resumes what was begun and begins to deliver.
func (d *Deliveries) Start(ctx context.Context) error {
	if err := d.s.courier.Start(ctx); err != nil {
		return err
	}
	var run context.Context
	run, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for what, fn := range map[string]func(context.Context){
		"the schedules of rules": d.s.runSchedules, "the replays of archives": d.s.runReplays,
	} {
		d.done.Go(guard.Func(d.s.Log, what, func() { fn(run) }))
	}
	return ctx.Err()
}

// Close ends the deliveries that run; what is left is delivered after the next Start.
func (d *Deliveries) Close() error {
	if d.cancel != nil {
		d.cancel()
	}
	d.done.Wait()
	return d.s.courier.Close()
}

// Register adds the service and its operations to the router, by which it reaches the
// targets.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "ValidationException").Check, Guard: policy.Guard(s.target)})
	s.registerBuses(r)
	s.registerRules(r)
	s.registerTags(r)
	s.registerTargets(r)
	s.registerArchives(r)
	s.registerReplays(r)
	s.registerConnections(r)
	s.registerDestinations(r)
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Second) }

func fail(code, format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, code, format, args...)
}

func validation(format string, args ...any) error {
	return fail("ValidationException", format, args...)
}

func missing(format string, args ...any) error {
	return fail("ResourceNotFoundException", format, args...)
}

type compiledRule struct {
	rule    rule
	pattern eventpattern.Pattern
}

// compiled are the rules that look at events.
func (s *Service) compiled() ([]compiledRule, error) {
	s.mu.Lock()
	rules, gen := s.rules, s.generation
	s.mu.Unlock()
	if rules != nil {
		return rules, nil
	}
	rules = []compiledRule{}
	err := s.DB.View(func(tx *store.Tx) error {
		all, err := store.List[rule](tx, rulesBucket, "")
		if err != nil {
			return err
		}
		for _, r := range all {
			if r.Pattern == "" || r.Disabled {
				continue
			}
			p, err := eventpattern.Compile(r.Pattern)
			if err != nil {
				return err
			}
			rules = append(rules, compiledRule{r, p})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == gen {
		s.rules = rules
	}
	return rules, nil
}

// update changes the store and forgets the compiled rules.
func (s *Service) update(fn func(*store.Tx) error) error {
	err := s.DB.Update(fn)
	s.mu.Lock()
	s.generation++
	s.rules = nil
	s.mu.Unlock()
	s.timetable.Ring()
	return err
}
