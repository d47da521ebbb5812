package health_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// metric is one with values by period; less than 0 is not known.
func metric(name string, unit health.Unit, values ...float64) health.Metric {
	m := health.Metric{Name: name, Unit: unit}
	sum := 0.0
	for _, v := range values {
		if v < 0 {
			m.Points = append(m.Points, nil)
			continue
		}
		m.Points = append(m.Points, &v)
		m.Last, sum = &v, sum+v
		if m.Worst == nil || v > *m.Worst {
			m.Worst = &v
		}
	}
	if unit == health.Count {
		m.Total = &sum
	}
	return m
}

func well(t *testing.T) *datatest.Source {
	t.Helper()
	source := datatest.New(t)
	one, two := int32(1), int32(2)
	source.HealthFunc = func(_ context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
		return []pipelines.Health{{
			ID: list[0].ID, Status: "InService", Instances: &one, Wanted: &two,
			Report: health.Report{Since: q.Since, Until: q.Until, Seconds: 60, Metrics: []health.Metric{
				metric(health.Invocations, health.Count, 0, 4, 8, 16, 8, -1, 2),
				metric(health.ServerFails, health.Count, 0, 0, 3, 0, 0, -1, 0),
				metric("endpoint.modelLatency.p90", health.Milliseconds, 12, 14, 13, 15, 40, -1, 12),
				metric(health.NotWell, health.Count, 0, 0, 0, 0, 0, 0, 0),
			}},
		}}, nil
	}
	return source
}

func open(t *testing.T, source *datatest.Source, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	opts = append([]tuitest.Option{tuitest.Now(datatest.Recorded)}, opts...)
	return tuitest.Open(t, source, func(h *ui.Host) ui.Page { return pipeline.New(h, datatest.Iris, "health") }, opts...)
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}, {200, 60}} {
		name := fmt.Sprintf("health-%dx%d", size[0], size[1])
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, well(t), tuitest.Size(size[0], size[1]))
			s.Until("1 of 2 instances")
			s.Golden(name)
			colour := open(t, well(t), tuitest.Size(size[0], size[1]), tuitest.Color("light"))
			require.Equal(t, s.Screen(), colour.Screen())
			require.NotEqual(t, s.Styled(), colour.Styled())
		})
	}
	t.Run("ascii", func(t *testing.T) {
		t.Parallel()
		for _, r := range open(t, well(t), tuitest.ASCII(), tuitest.Size(120, 40)).Screen() {
			require.Less(t, r, rune(0x80))
		}
	})
}

// Where a line over time has too little room, its old end is cut: the newest is what matters.
func TestTheNewestIsNeverCut(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 16}, {80, 24}} {
		source := well(t)
		answer := source.HealthFunc
		source.HealthFunc = func(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
			all, err := answer(ctx, list, q)
			values := make([]float64, 60)
			for i := range values {
				values[i] = -1 // not known
			}
			values[58], values[59] = 2, 16
			all[0].Report.Metrics = []health.Metric{metric(health.Invocations, health.Count, values...)}
			return all, err
		}
		s := open(t, source, tuitest.Size(size[0], size[1]))
		s.Until("endpoint.invocations")
		require.Regexp(t, `endpoint\.invocations .* ▂█\n`, s.Screen())
	}
}

// The chart follows the cursor; how far back is looked is a key.
func TestTheSelectedMetricIsDrawn(t *testing.T) {
	t.Parallel()
	source := well(t)
	answer := source.HealthFunc
	var back atomic.Int64
	source.HealthFunc = func(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
		back.Store(int64(q.Until.Sub(q.Since)))
		return answer(ctx, list, q)
	}
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("16 │")
	s.Press("down", "down")
	s.Until("40ms │")
	s.Press("enter")
	s.Until("2026-11-25 22:29:00 UTC  40ms")
	s.Press("esc", "t")
	s.Press("3")
	s.Until("the last 24 hours")
	require.Equal(t, 24*time.Hour, time.Duration(back.Load()))
}

// The numbers are called those of the time that they are of, also while another is asked
// for and when that fails.
func TestNumbersKeepTheirTime(t *testing.T) {
	t.Parallel()
	source := well(t)
	answer, hold := source.HealthFunc, make(chan struct{})
	source.HealthFunc = func(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
		if q.Until.Sub(q.Since) > time.Hour {
			<-hold
			return nil, errors.New("no answer today")
		}
		return answer(ctx, list, q)
	}
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("the last 1 hour, by 1m")
	s.Press("t")
	s.Hit("4")
	s.Until("asking for 7 days")
	require.Contains(t, s.Screen(), "the last 1 hour, by 1m")
	close(hold)
	s.Until("no answer today")
	require.Contains(t, s.Screen(), "the last 1 hour, by 1m")
	require.NotContains(t, s.Screen(), "7 days")
}

// It is asked by the table of rates, only while somebody looks; what is known stays when an
// answer fails.
func TestWhenCloudWatchIsAsked(t *testing.T) {
	t.Parallel()
	source := well(t)
	answer := source.HealthFunc
	var asked atomic.Int64
	var fails atomic.Bool
	source.HealthFunc = func(ctx context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
		asked.Add(1)
		if fails.Load() {
			return nil, errors.New("no answer today")
		}
		return answer(ctx, list, q)
	}
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("1 of 2 instances")
	s.Advance(ui.HealthEvery / 2)
	require.EqualValues(t, 1, asked.Load())
	fails.Store(true)
	s.Advance(ui.HealthEvery)
	s.Until("no answer today")
	require.Contains(t, s.Screen(), "endpoint.invocations")
	s.Press("1")
	n := asked.Load()
	s.Advance(3 * ui.HealthEvery)
	require.Equal(t, n, asked.Load(), "nobody looks")
}
