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
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
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
	// sweepEvery is the pause between two looks for what is too old: these read all there is.
	sweepEvery = time.Hour
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
	fresh   bell.Bell       // rung when something is pending
	acts    bell.Bell       // rung when there are actions
	placed  map[string]bool // keys of alarms that were put and not looked at yet
	put     bell.Bell       // rung when there are some
	router  *wire.Router
	scaling wire.Scaling
	// acted is when alarms last acted on scaling policies, by key.
	acted map[string]time.Time

	cancel context.CancelFunc
	done   sync.WaitGroup
}

var _ wire.MetricPoints = (*Service)(nil)

// New returns the service over the store. Alarms are evaluated after Start.
func New(c Config) (*Service, error) {
	if c.DB == nil {
		return nil, errors.New("cloudwatch: DB is required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{
		Config: c, pending: map[string]stat{}, fresh: bell.New(), acts: bell.New(), placed: map[string]bool{}, acted: map[string]time.Time{},
		put: bell.New(), cancel: func() {},
	}, nil
}

const id = "cloudwatch"

// SetScaling gives the service what scales on actions of alarms. It is called before Start.
func (s *Service) SetScaling(to wire.Scaling) { s.scaling = to }

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

// flushLoop keeps what is pending, and what could not be kept once more after a pause.
func (s *Service) flushLoop(ctx context.Context) {
	var retry bell.Retry
	wait := bell.Forever
	for s.fresh.Wait(ctx, s.Clock, wait) && clock.Sleep(ctx, s.Clock, flushAfter) == nil {
		err := guard.Run(s.Log, "the writing of metrics", s.flush)
		if wait = retry.Wait(err, bell.Forever); err != nil {
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

// evaluateLoop looks at all alarms from time to time, and at those at once that are put.
func (s *Service) evaluateLoop(ctx context.Context) {
	var looked, swept time.Time
	for {
		now := s.Clock.Now()
		if now.Sub(looked) >= evaluateEvery {
			looked = now
			s.guarded(s.evaluate)
			s.guarded(s.repeat)
		}
		s.guarded(s.evaluatePlaced)
		if now.Sub(swept) >= sweepEvery {
			swept = now
			s.guarded(s.expire)
			s.guarded(s.forget)
		}
		if !s.put.Wait(ctx, s.Clock, max(evaluateEvery-s.Clock.Now().Sub(looked), 0)) {
			return
		}
	}
}

// evaluatePlaced looks at the alarms that were put since the last look.
// "When this operation creates an alarm, the alarm state is immediately set to
// INSUFFICIENT_DATA. The alarm is then evaluated and its state is set appropriately."
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
func (s *Service) evaluatePlaced() {
	s.mu.Lock()
	placed := s.placed
	s.placed = map[string]bool{}
	s.mu.Unlock()
	scopes := map[wire.Scope]bool{}
	for key := range placed {
		a, found, err := store.Read[alarm](s.DB, alarmsBucket, key)
		if err == nil && found {
			scopes[a.Scope] = true
			err = s.evaluateOne(a)
		}
		if err != nil { // the next look at all alarms is another try
			s.Log.Error("alarm not evaluated", "alarm", key, "error", err.Error())
		}
	}
	for sc := range scopes {
		s.evaluateComposites(sc)
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

// PutPoint implements wire.MetricPoints. The point is kept within a second or so. What is
// no value of a metric is not taken: a filter of logs reads what it finds.
func (s *Service) PutPoint(_ context.Context, sc wire.Scope, p wire.MetricPoint) {
	if err := finite(p.Name, p.Value); err != nil {
		s.Log.Warn("metric not kept", "namespace", p.Namespace, "error", err.Error())
		return
	}
	unit := cmp.Or(p.Unit, "None")
	key := dataKey(seriesKey(sc, p.Namespace, p.Name, p.Dimensions), p.Time.Truncate(time.Minute), unit)
	s.mu.Lock()
	s.pending[key] = s.pending[key].merge(values(p.Value, 1, unit))
	s.mu.Unlock()
	s.fresh.Ring()
}

// flush keeps what is pending. If that fails it keeps point by point, so that one does not
// hold up all: what fails then beside others that do not is dropped. If all fail the store
// does, and they stay pending.
func (s *Service) flush() error {
	s.mu.Lock()
	pending := s.pending
	s.pending = map[string]stat{}
	s.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	if err := s.keep(pending); err == nil {
		return nil
	}
	failed, kept, errs := map[string]stat{}, false, error(nil)
	for k, v := range pending {
		if err := s.keep(map[string]stat{k: v}); err != nil {
			failed[k], errs = v, err
		} else {
			kept = true
		}
	}
	if kept {
		if errs != nil {
			s.Log.Error("some metrics not kept", "number", len(failed), "error", errs.Error())
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, v := range failed {
		s.pending[k] = s.pending[k].merge(v)
	}
	return errs
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
	err := s.drop(dataBucket, func(tx *store.Tx, old func(key string)) error {
		return tx.Scan(dataBucket, "", "", func(key string, _ []byte) (bool, error) {
			if parts := strings.Split(key, "\x00"); len(parts) > 1 && parts[1] < limit {
				old(key)
			}
			return true, nil
		})
	})
	if err != nil {
		s.Log.Error("old metrics not dropped", "error", err.Error())
	}
}

// drop deletes the keys of a bucket that find tells. It writes only if there are some:
// every writing waits for the disk.
func (s *Service) drop(bucket string, find func(tx *store.Tx, old func(key string)) error) error {
	var keys []string
	err := s.DB.View(func(tx *store.Tx) error {
		return find(tx, func(key string) { keys = append(keys, key) })
	})
	if err != nil || len(keys) == 0 {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		for _, key := range keys {
			if err := tx.Delete(bucket, key); err != nil {
				return err
			}
		}
		return nil
	})
}
