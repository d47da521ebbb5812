// Package cloudwatch owns the sandbox's Amazon CloudWatch: metrics in buckets of a
// minute, or a second for those of high resolution; dashboards as they were made; alarms
// on metrics, on metric math (package metricmath) and on other alarms, with their
// history, which tell EventBridge of their changes and run their actions.
package cloudwatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	dataBucket   = "cloudwatch.data"   // series, NUL, minute -> stat
	alarmsBucket = "cloudwatch.alarms" // scope's key of the name -> alarm
	boardsBucket = "cloudwatch.boards" // global key of the name -> dashboard
)

const (
	// flushAfter is how long data points of services wait in memory.
	flushAfter = time.Second
	// evaluateEvery is the pause between two looks at all alarms.
	evaluateEvery = 10 * time.Second
	// keepFor is how long buckets of a minute are kept, as on AWS.
	keepFor = 15 * 24 * time.Hour
)

// Config is what the service needs. DB is required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Events takes the state changes of alarms; may be nil.
	Events wire.Events
}

// Service is CloudWatch. It is safe for concurrent use.
type Service struct {
	Config

	mu      sync.Mutex
	pending map[string]stat // by key of the data bucket
	fresh   chan struct{}   // tells the loop that something is pending
	acts    chan struct{}   // tells the loop that there are actions
	router  *wire.Router

	cancel context.CancelFunc
	done   sync.WaitGroup
}

var (
	_ wire.Metrics      = (*Service)(nil)
	_ wire.MetricPoints = (*Service)(nil)
)

// New returns the service over the store. Alarms are evaluated after Start.
func New(c Config) (*Service, error) {
	if c.DB == nil {
		return nil, errors.New("cloudwatch: DB is required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{Config: c, pending: map[string]stat{}, fresh: make(chan struct{}, 1), acts: make(chan struct{}, 1), cancel: func() {}}, nil
}

const id = "cloudwatch"

// Register adds the service and its operations to the router. SDKs speak CBOR to
// it, older tools the query protocol; the router takes both.
func (s *Service) Register(r *wire.Router) {
	s.router = r
	r.Register(wire.Service{
		ID: id, Actions: "cloudwatch", Check: constraint.For(id, "ValidationException").Query("ValidationError").Check, Guard: policy.Tagged(s.tagsOf),
	})
	s.registerMetrics(r)
	s.registerAlarms(r)
	s.registerDashboards(r)
}

// Start begins to keep data points and to evaluate alarms.
func (s *Service) Start(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	s.done.Go(guard.Func(s.Log, "the writing of metrics", func() { s.flushLoop(run) }))
	s.done.Go(guard.Func(s.Log, "the evaluation of alarms", func() { s.evaluateLoop(run) }))
	s.done.Go(guard.Func(s.Log, "the actions of alarms", func() { s.actLoop(run) }))
	return ctx.Err()
}

// Close keeps what is pending and ends the work.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	return s.flush()
}

func (s *Service) flushLoop(ctx context.Context) {
	for {
		select {
		case <-s.fresh:
		case <-ctx.Done():
			return
		}
		if clock.Sleep(ctx, s.Clock, flushAfter) != nil {
			return
		}
		if err := guard.Run(s.Log, "the writing of metrics", s.flush); err != nil {
			s.Log.Error("metrics not kept", "error", err.Error())
			continue
		}
		s.guarded(s.evaluate)
	}
}

// guarded keeps a loop going when one of its rounds panics.
func (s *Service) guarded(round func()) {
	_ = guard.Run(s.Log, "the evaluation of alarms", func() error { round(); return nil })
}

func (s *Service) evaluateLoop(ctx context.Context) {
	for {
		s.guarded(s.evaluate)
		s.guarded(s.expire)
		s.guarded(s.forget)
		if clock.Sleep(ctx, s.Clock, evaluateEvery) != nil {
			return
		}
	}
}

// seriesKey names a series: account, region, namespace, name and dimensions in
// order.
func seriesKey(sc wire.Scope, namespace, name string, dimensions map[string]string) string {
	parts := []string{sc.Account, sc.Region, namespace, name}
	for _, k := range slices.Sorted(maps.Keys(dimensions)) {
		parts = append(parts, k, dimensions[k])
	}
	raw, _ := json.Marshal(parts) // strings only
	return string(raw)
}

// dataKey orders the buckets of a series by time, which is cut to a minute or a second.
// Stores of before have no unit in their keys.
func dataKey(series string, at time.Time, unit string) string {
	key := series + "\x00" + at.UTC().Format(time.RFC3339)
	if unit != "" {
		key += "\x00" + unit
	}
	return key
}

// PutMetric implements wire.Metrics. The point is kept within a second or so.
func (s *Service) PutMetric(ctx context.Context, sc wire.Scope, namespace, name string, dimensions map[string]string, value float64) {
	s.PutPoint(ctx, sc, wire.MetricPoint{Namespace: namespace, Name: name, Dimensions: dimensions, Value: value, Time: s.Clock.Now()})
}

// PutPoint implements wire.MetricPoints. The point is kept within a second or so.
func (s *Service) PutPoint(_ context.Context, sc wire.Scope, p wire.MetricPoint) {
	unit := cmp.Or(p.Unit, "None")
	key := dataKey(seriesKey(sc, p.Namespace, p.Name, p.Dimensions), p.Time.Truncate(time.Minute), unit)
	s.mu.Lock()
	s.pending[key] = s.pending[key].merge(values(p.Value, 1, unit))
	s.mu.Unlock()
	select {
	case s.fresh <- struct{}{}:
	default:
	}
}

// flush keeps what is pending.
func (s *Service) flush() error {
	s.mu.Lock()
	pending := s.pending
	s.pending = map[string]stat{}
	s.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	if err := s.keep(pending); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for k, v := range pending {
			s.pending[k] = s.pending[k].merge(v)
		}
		return err
	}
	return nil
}

func (s *Service) keep(points map[string]stat) error {
	return s.DB.Batch(func(tx *store.Tx) error {
		for key, v := range points {
			old, _, err := store.Get[stat](tx, dataBucket, key)
			if err != nil {
				return err
			}
			if err := store.Put(tx, dataBucket, key, old.merge(v)); err != nil {
				return err
			}
		}
		return nil
	})
}

// bucket is what a series has of a minute or a second in one unit.
type bucket struct {
	at time.Time
	stat
}

// read returns the buckets of a series from start (inclusive) to end, in order.
func (s *Service) read(series string, start, end time.Time) (out []bucket, err error) {
	prefix := series + "\x00"
	err = s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dataBucket, prefix, dataKey(series, start, ""), func(key string, raw []byte) (bool, error) {
			text, _, _ := strings.Cut(key[len(prefix):], "\x00")
			at, err := time.Parse(time.RFC3339, text)
			if err != nil || !at.Before(end) {
				return false, err
			}
			b := bucket{at: at}
			if err := json.Unmarshal(raw, &b.stat); err != nil {
				return false, err
			}
			out = append(out, b)
			return true, nil
		})
	})
	return out, err
}

// expire drops what is too old.
func (s *Service) expire() {
	limit := s.Clock.Now().Add(-keepFor).UTC().Format(time.RFC3339)
	var old []string
	err := s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dataBucket, "", "", func(key string, _ []byte) (bool, error) {
			if parts := strings.Split(key, "\x00"); len(parts) > 1 && parts[1] < limit {
				old = append(old, key)
			}
			return true, nil
		})
	})
	if err == nil && len(old) > 0 {
		err = s.DB.Update(func(tx *store.Tx) error {
			for _, key := range old {
				if err := tx.Delete(dataBucket, key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		s.Log.Error("old metrics not dropped", "error", err.Error())
	}
}
