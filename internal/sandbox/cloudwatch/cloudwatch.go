// Package cloudwatch owns the sandbox's Amazon CloudWatch: metrics in buckets of
// a minute, dashboards as they were made, and alarms on single metrics, which are evaluated and tell EventBridge
// of their changes. Metric math, percentiles, composite alarms and alarm actions
// are refused or, for actions, noted and not run.
package cloudwatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
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
	return &Service{Config: c, pending: map[string]stat{}, fresh: make(chan struct{}, 1), cancel: func() {}}, nil
}

const id = "cloudwatch"

// Register adds the service and its operations to the router. SDKs speak CBOR to
// it, older tools the query protocol; the router takes both.
func (s *Service) Register(r *wire.Router) {
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
		if clock.Sleep(ctx, s.Clock, evaluateEvery) != nil {
			return
		}
	}
}

// stat is what is known of the values of one minute.
type stat struct {
	Count, Sum, Min, Max float64
	Unit                 string
}

func (a stat) merge(b stat) stat {
	if a.Count == 0 {
		return b
	}
	if b.Count == 0 {
		return a
	}
	return stat{Count: a.Count + b.Count, Sum: a.Sum + b.Sum, Min: min(a.Min, b.Min), Max: max(a.Max, b.Max), Unit: a.Unit}
}

// value is one statistic.
func (a stat) value(statistic string) float64 {
	switch statistic {
	case "Sum":
		return a.Sum
	case "Minimum":
		return a.Min
	case "Maximum":
		return a.Max
	case "SampleCount":
		return a.Count
	default:
		return a.Sum / a.Count
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

// dataKey orders the buckets of a series by time.
func dataKey(series string, at time.Time) string {
	return series + "\x00" + at.UTC().Truncate(time.Minute).Format(time.RFC3339)
}

// PutMetric implements wire.Metrics. The point is kept within a second or so.
func (s *Service) PutMetric(ctx context.Context, sc wire.Scope, namespace, name string, dimensions map[string]string, value float64) {
	s.PutPoint(ctx, sc, wire.MetricPoint{Namespace: namespace, Name: name, Dimensions: dimensions, Value: value, Time: s.Clock.Now()})
}

// PutPoint implements wire.MetricPoints. The point is kept within a second or so.
func (s *Service) PutPoint(_ context.Context, sc wire.Scope, p wire.MetricPoint) {
	key := dataKey(seriesKey(sc, p.Namespace, p.Name, p.Dimensions), p.Time)
	s.mu.Lock()
	s.pending[key] = s.pending[key].merge(stat{Count: 1, Sum: p.Value, Min: p.Value, Max: p.Value, Unit: cmp.Or(p.Unit, "None")})
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

// read returns the buckets of a series from start (inclusive) to end, by the
// start of their minute.
func (s *Service) read(series string, start, end time.Time) (map[time.Time]stat, error) {
	out := map[time.Time]stat{}
	prefix := series + "\x00"
	err := s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dataBucket, prefix, dataKey(series, start), func(key string, raw []byte) (bool, error) {
			at, err := time.Parse(time.RFC3339, key[len(prefix):])
			if err != nil || !at.Before(end) {
				return false, err
			}
			var v stat
			if err := json.Unmarshal(raw, &v); err != nil {
				return false, err
			}
			out[at] = v
			return true, nil
		})
	})
	return out, err
}

// periods sums the buckets up into periods that begin at multiples of period.
func periods(minutes map[time.Time]stat, period time.Duration) map[time.Time]stat {
	out := map[time.Time]stat{}
	for at, v := range minutes {
		start := at.Truncate(period)
		out[start] = out[start].merge(v)
	}
	return out
}

// expire drops what is too old.
func (s *Service) expire() {
	limit := s.Clock.Now().Add(-keepFor).UTC().Format(time.RFC3339)
	var old []string
	err := s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(dataBucket, "", "", func(key string, _ []byte) (bool, error) {
			if len(key) > len(limit) && key[len(key)-len(limit):] < limit {
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
