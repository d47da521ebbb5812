package report

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// points has what was measured; took is told of each.
type points struct {
	mu   sync.Mutex
	all  []wire.MetricPoint
	took chan struct{}
}

func (p *points) PutPoint(_ context.Context, _ wire.Scope, m wire.MetricPoint) {
	p.mu.Lock()
	p.all = append(p.all, m)
	p.mu.Unlock()
	p.took <- struct{}{}
}

// How many Map Runs are open is told when one begins, each minute while it is, and when it
// ends.
func TestMapRunsAreCountedEachMinute(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	fake, measured := clock.NewFake(began), &points{took: make(chan struct{}, 3)}
	r := Reporter{Metrics: measured, Clock: fake, Log: slog.New(slog.DiscardHandler)}.Start()
	defer r.Close()
	open := 2
	stop := r.MapRuns(wire.ScopeOf("000000000000", "us-east-1"), func() int { return open })
	<-measured.took
	require.NoError(t, fake.WaitTimers(t.Context(), 1))
	fake.Advance(time.Minute)
	<-measured.took
	open = 1 // nobody counts now: the next minute has not come
	stop()
	require.Len(t, measured.all, 3)
	for i, value := range []float64{2, 2, 1} {
		m := measured.all[i]
		require.Equal(t, "AWS/States ApproximateOpenMapRunCount", m.Namespace+" "+m.Name)
		require.Empty(t, m.Dimensions)
		require.InDelta(t, value, m.Value, 0)
	}
	Reporter{}.Start().MapRuns(wire.Scope{}, nil)()
}
