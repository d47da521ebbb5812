package home_test

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
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// measured answers for all pipelines: iris is called, fraud is idle, of churn nothing can be
// asked.
func measured(asked *atomic.Int32) func(context.Context, []pipelines.Pipeline, health.Question) ([]pipelines.Health, error) {
	return func(_ context.Context, list []pipelines.Pipeline, q health.Question) ([]pipelines.Health, error) {
		if !q.Brief || q.Until.Sub(q.Since) != time.Hour {
			return nil, errors.New("not what a list asks")
		}
		asked.Add(1)
		num := func(v float64) *float64 { return &v }
		out := make([]pipelines.Health, len(list))
		for i := range list {
			h := pipelines.Health{ID: list[i].ID}
			switch h.ID {
			case datatest.Iris:
				points := make([]*float64, 48)
				for j := range points {
					points[j] = num(float64(j % 9))
				}
				h.Report.Metrics = []health.Metric{
					{Name: health.Invocations, Unit: health.Count, Total: num(12345), Points: points},
					{Name: health.ServerFails, Unit: health.Count, Total: num(7)},
					{Name: health.ModelP99, Unit: health.Milliseconds, Worst: num(183)},
				}
			case datatest.Fraud:
				h.Report.Metrics = []health.Metric{{Name: health.Invocations, Unit: health.Count}, {Name: health.ServerFails, Unit: health.Count}, {Name: health.ModelP99, Unit: health.Milliseconds}}
				h.Idle, h.LastInvoked, h.Month = true, datatest.Recorded.Add(-75*time.Hour), "168.19 USD"
			case datatest.Churn:
				h.Err = errors.New("the role cannot be assumed")
			}
			out[i] = h
		}
		return out, nil
	}
}

func TestHealthColumns(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}, {200, 60}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			t.Parallel()
			source := datatest.New(t)
			source.HealthFunc = measured(&atomic.Int32{})
			s := open(t, source, tuitest.Size(size[0], size[1]))
			s.Until("ready")
			s.Press("H")
			s.Until("12,345")
			s.Golden(fmt.Sprintf("health-%dx%d", size[0], size[1]))
		})
	}
	t.Run("ascii", func(t *testing.T) {
		t.Parallel()
		source := datatest.New(t)
		source.HealthFunc = measured(&atomic.Int32{})
		s := open(t, source, tuitest.ASCII(), tuitest.Size(120, 40))
		s.Until("ready")
		s.Press("H")
		s.Until("12,345")
		for _, r := range s.Screen() {
			require.Less(t, r, rune(0x80), "%q in\n%s", r, s.Screen())
		}
		s.Golden("health-ascii")
	})
	t.Run("light", func(t *testing.T) {
		t.Parallel()
		plain, light := datatest.New(t), datatest.New(t)
		plain.HealthFunc, light.HealthFunc = measured(&atomic.Int32{}), measured(&atomic.Int32{})
		a, b := open(t, plain), open(t, light, tuitest.Color("light"))
		for _, s := range []*tuitest.Session{a, b} {
			s.Until("ready")
			s.Press("H")
			s.Until("12,345")
		}
		require.Equal(t, a.Screen(), b.Screen(), "nothing is told by colour alone")
		require.NotEqual(t, a.Styled(), b.Styled())
	})
}

// CloudWatch costs: it is asked only while its columns are shown, for all pipelines at once,
// and not often.
func TestHealthIsAskedOnlyWhileItIsShown(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	source := datatest.New(t)
	source.HealthFunc = measured(&asked)
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("ready")
	s.Advance(time.Hour)
	require.Zero(t, asked.Load())
	s.Press("H")
	s.Until("3d $168/mo")
	require.Equal(t, int32(1), asked.Load())
	s.Advance(time.Minute)
	require.Equal(t, int32(1), asked.Load())
	s.Advance(ui.PulseEvery)
	s.Press("j", "k") // somebody is there
	s.Wait("another look", func() bool { return asked.Load() == 2 })
	s.Press("H")
	line(t, s, "LAST OP")
	line(t, s, "idle 3d") // what is known stays
	s.Advance(time.Hour)
	require.Equal(t, int32(2), asked.Load())

	// A view may name the columns, and one that is saved has them.
	s.Send(ui.ShowView{View: ui.View{Columns: []string{"model", "idle"}, Sort: "idle"}})
	s.Until("IDLE")
	require.NotContains(t, s.Screen(), "CALLS")
	s.Send(ui.ShowView{})
	s.Until("LAST OP")
	require.NotContains(t, s.Screen(), "IDLE")
}

func TestHealthThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	source.HealthFunc = func(context.Context, []pipelines.Pipeline, health.Question) ([]pipelines.Health, error) {
		return nil, errors.New("not authorized to perform: cloudwatch:GetMetricData")
	}
	s := open(t, source, tuitest.Size(120, 40))
	s.Until("ready")
	s.Press("H")
	s.Until("no metrics: not authorized")
}
