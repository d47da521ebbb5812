package sqs

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	// gaugesEvery is how often the counts of queues in use are told, as on AWS.
	gaugesEvery = time.Minute
	// gaugesSoon is how long behind a change they are told at the latest: an alarm on dead
	// letters is not to wait for the minute.
	gaugesSoon = time.Second
	// activeFor is how long a queue counts as in use behind its last call. "SQS queues are
	// considered active if they contain any messages, or if an API call accessed them in the
	// last six hours."
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
	activeFor = 6 * time.Hour
)

// Meter tells CloudWatch of queues, by the metrics and units of that page. Start and Close
// bound its background work. A nil Meter tells nobody.
type Meter struct {
	s       *Service
	metrics wire.MetricPoints
	moved   bell.Bell
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	touched map[string]queue     // since the gauges were last told
	used    map[string]time.Time // last use, by key of the queue
}

// Meter makes the service tell its metrics. It is called before requests are taken.
func (s *Service) Meter(to wire.MetricPoints) *Meter {
	s.meter = &Meter{s: s, metrics: to, moved: bell.New(), cancel: func() {}, touched: map[string]queue{}, used: map[string]time.Time{}}
	return s.meter
}

// Start begins to tell the counts of queues.
func (m *Meter) Start(ctx context.Context) error {
	var run context.Context
	run, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	m.done.Go(guard.Func(m.s.Log, "the metrics of queues", func() { m.loop(run) }))
	return ctx.Err()
}

// Close ends it.
func (m *Meter) Close() error {
	m.cancel()
	m.done.Wait()
	return nil
}

// tell notes a use of a queue, with a metric unless the name is empty.
func (m *Meter) tell(q queue, name, unit string, value float64) {
	if m == nil {
		return
	}
	if name != "" {
		m.point(q, name, unit, value)
	}
	m.mu.Lock()
	m.touched[q.key()] = q
	m.mu.Unlock()
	m.moved.Ring()
}

func (m *Meter) point(q queue, name, unit string, value float64) {
	m.metrics.PutPoint(context.Background(), q.Scope, wire.MetricPoint{
		Namespace: "AWS/SQS", Name: name, Dimensions: map[string]string{"QueueName": q.Name}, Value: value, Unit: unit, Time: m.s.Clock.Now(),
	})
}

// loop tells the counts of queues that were used, soon behind it, and once a minute those
// of all that are active.
func (m *Meter) loop(ctx context.Context) {
	told := time.Time{}
	for {
		now := m.s.Clock.Now()
		if now.Sub(told) >= gaugesEvery {
			told = now
			_ = guard.Run(m.s.Log, "the metrics of queues", m.all)
		}
		_ = guard.Run(m.s.Log, "the metrics of queues", m.some)
		if !m.moved.Wait(ctx, m.s.Clock, max(gaugesEvery-m.s.Clock.Now().Sub(told), 0)) || clock.Sleep(ctx, m.s.Clock, gaugesSoon) != nil {
			return
		}
	}
}

// some tells of the queues that were used since.
func (m *Meter) some() error {
	m.mu.Lock()
	touched := maps.Clone(m.touched)
	clear(m.touched)
	now := m.s.Clock.Now()
	for key := range touched {
		m.used[key] = now
	}
	m.mu.Unlock()
	for _, q := range touched {
		m.gauges(q, true)
	}
	return nil
}

// all tells of the queues that are active.
func (m *Meter) all() error {
	queues, err := store.ReadAll[queue](m.s.DB, queuesBucket, "")
	now := m.s.Clock.Now()
	for _, q := range queues {
		m.mu.Lock()
		last, ok := m.used[q.key()]
		m.mu.Unlock()
		m.gauges(q, ok && now.Sub(last) < activeFor)
	}
	return err
}

// gauges tells what a queue has: nothing of one that has nothing and is not in use.
func (m *Meter) gauges(q queue, used bool) {
	c, oldest, err := m.s.tally(q)
	if err != nil || !used && c.visible+c.inFlight+c.delayed == 0 {
		return
	}
	m.point(q, "ApproximateNumberOfMessagesVisible", "Count", float64(c.visible))
	m.point(q, "ApproximateNumberOfMessagesNotVisible", "Count", float64(c.inFlight))
	m.point(q, "ApproximateNumberOfMessagesDelayed", "Count", float64(c.delayed))
	age := time.Duration(0)
	if !oldest.IsZero() {
		age = max(0, m.s.now().Sub(oldest))
	}
	m.point(q, "ApproximateAgeOfOldestMessage", "Seconds", age.Truncate(time.Second).Seconds())
}
