package agenda

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKeysComeByTime(t *testing.T) {
	t.Parallel()
	a, now := New(), time.Now()
	_, wait := a.Next(now)
	require.Negative(t, wait, "there is nothing to wait for")
	a.Add("late", now.Add(time.Minute))
	a.Add("b", now)
	a.Add("a", now)
	for _, want := range []string{"a", "b"} {
		key, _ := a.Next(now)
		require.Equal(t, want, key)
	}
	key, wait := a.Next(now)
	require.Empty(t, key)
	require.Equal(t, time.Minute, wait)
	a.Reset()
	_, wait = a.Next(now)
	require.Negative(t, wait)
}

// A lane that is full holds up its own keys only, and loses none.
func TestLanes(t *testing.T) {
	t.Parallel()
	a := New()
	var done sync.WaitGroup
	var full, n atomic.Int64
	release := make(chan struct{})
	for range 3 * PerLane {
		done.Go(func() {
			a.Do(t.Context(), "slow", "k", func(string) {
				full.Store(max(full.Load(), n.Add(1)))
				<-release
				n.Add(-1)
			})
		})
	}
	other := false
	a.Do(t.Context(), "other", "k", func(string) { other = true })
	require.True(t, other)
	close(release)
	done.Wait()
	require.LessOrEqual(t, full.Load(), int64(PerLane))
	require.Zero(t, n.Load())
	require.Empty(t, a.lanes, "nothing is kept of lanes that are empty")
}
