package tui_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// As long as something is waited for since AWS gives no more calls, the footer says so.
func TestFooterTellsOfQuotas(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{60, 16}, {80, 24}, {120, 40}} {
		source := datatest.New(t)
		gate := make(chan struct{})
		var held atomic.Bool
		source.PipelinesFunc = func(ctx context.Context) ([]pipelines.Pipeline, error) {
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		}
		source.WaitsFunc = func() []data.Wait {
			if held.Load() {
				return []data.Wait{{API: "ListExecutions", Left: 12400 * time.Millisecond}, {API: "DescribeExecution", Left: time.Second}}
			}
			return nil
		}
		s := tuitest.Open(t, source, nil, tuitest.Hurried(), tuitest.Routed(), tuitest.Size(size[0], size[1]), tuitest.Now(datatest.Recorded))
		s.Until("reading the list")
		require.NotContains(t, s.Screen(), "quota")
		held.Store(true)
		s.Until("sandbox")
		s.Wait("a quota", func() bool {
			s.Clock.Advance(ui.BeatEvery)
			return strings.Contains(s.Screen(), "quota of ListExecutions, 12s")
		})
		close(gate)
		held.Store(false)
		s.Wait("no quota", func() bool {
			s.Clock.Advance(ui.BeatEvery)
			return !strings.Contains(s.Screen(), "quota of")
		})
	}
}
