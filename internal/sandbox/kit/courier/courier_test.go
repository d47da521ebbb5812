package courier_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

type letter struct {
	To    string
	Tries int
}

func keep(t *testing.T, c *courier.Courier[letter], v letter) {
	t.Helper()
	var ticket courier.Ticket
	require.NoError(t, c.DB.Update(func(tx *store.Tx) (err error) {
		ticket, err = c.Keep(tx, v, c.Clock.Now())
		return err
	}))
	c.Begin(ticket)
}

// What fails is brought again after its pause, with what was noted of it, also by the
// courier of the next run; what is done is forgotten together with its note.
func TestWhatIsKeptIsBrought(t *testing.T) {
	t.Parallel()
	path, clk := filepath.Join(t.TempDir(), "store.db"), clock.NewFake(time.Now())
	brought := make(chan letter, 4)
	open := func() *courier.Courier[letter] {
		db, err := store.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return courier.New(courier.Config[letter]{
			DB: db, Clock: clk, Log: slog.New(slog.DiscardHandler), Bucket: "letters", What: "a letter", Lane: func(l letter) string { return l.To },
			Bring: func(_ context.Context, l *letter) (time.Duration, bool) {
				brought <- *l
				l.Tries++
				return time.Minute, l.Tries < 2
			},
			Done: func(tx *store.Tx, l letter) error { return store.Put(tx, "done", l.To, l.Tries) },
		})
	}
	c := open()
	require.NoError(t, c.Start(t.Context()))
	keep(t, c, letter{To: "a"})
	require.Equal(t, letter{To: "a"}, <-brought)
	wait, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	require.NoError(t, clk.WaitTimers(wait, 1))
	require.NoError(t, c.Close())
	require.NoError(t, c.DB.Close())

	c = open()
	require.NoError(t, c.Start(t.Context()))
	require.NoError(t, clk.WaitTimers(wait, 1))
	clk.Advance(time.Minute)
	require.Equal(t, letter{To: "a", Tries: 1}, <-brought)
	require.Eventually(t, func() bool {
		n, found, err := store.Read[int](c.DB, "done", "a")
		return err == nil && found && n == 2
	}, time.Minute, time.Millisecond)
	require.NoError(t, c.Close())
	left, err := store.ReadAll[struct{}](c.DB, "letters", "")
	require.NoError(t, err)
	require.Empty(t, left)
}

// What was brought while the disk is full is noted when there is room, and not brought again.
func TestEndsAreNotedWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	db, err := store.Open(filepath.Join(t.TempDir(), "store.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	var full atomic.Bool
	db.Full = func() error {
		if full.Load() {
			return errors.New("no space left on device")
		}
		return nil
	}
	clk, brought := clock.NewFake(time.Now()), atomic.Int64{}
	c := courier.New(courier.Config[letter]{
		DB: db, Clock: clk, Log: slog.New(slog.DiscardHandler), Bucket: "letters", What: "a letter", Lane: func(l letter) string { return l.To },
		Bring: func(context.Context, *letter) (time.Duration, bool) {
			full.Store(true)
			brought.Add(1)
			return 0, false
		},
	})
	require.NoError(t, c.Start(t.Context()))
	keep(t, c, letter{To: "a"})
	wait, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	for range 3 {
		require.NoError(t, clk.WaitTimers(wait, 1), "nobody tries again")
		clk.Advance(time.Second)
	}
	full.Store(false)
	require.Eventually(t, func() bool {
		clk.Advance(time.Second)
		left, err := store.ReadAll[struct{}](db, "letters", "")
		return err == nil && len(left) == 0
	}, time.Minute, time.Millisecond)
	require.NoError(t, c.Close())
	require.EqualValues(t, 1, brought.Load())
}

// Who takes its time holds up no other.
func TestLanesOfACourier(t *testing.T) {
	t.Parallel()
	db, err := store.Open(filepath.Join(t.TempDir(), "store.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	release, fast := make(chan struct{}), make(chan struct{}, 1)
	var slow atomic.Int64
	c := courier.New(courier.Config[letter]{
		DB: db, Clock: clock.Real{}, Log: slog.New(slog.DiscardHandler), Bucket: "letters", What: "a letter", Lane: func(l letter) string { return l.To },
		Bring: func(ctx context.Context, l *letter) (time.Duration, bool) {
			if l.To == "fast" {
				fast <- struct{}{}
				return 0, false
			}
			slow.Add(1)
			select {
			case <-release:
			case <-ctx.Done():
			}
			return 0, false
		},
	})
	require.NoError(t, c.Start(t.Context()))
	for range 40 {
		keep(t, c, letter{To: "slow"})
	}
	keep(t, c, letter{To: "fast"})
	<-fast
	close(release)
	require.Eventually(t, func() bool { return slow.Load() == 40 }, time.Minute, time.Millisecond)
	require.NoError(t, c.Close())
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for tries, most := range map[int]time.Duration{0: time.Second, 1: time.Second, 3: 4 * time.Second, 500: 10 * time.Minute} {
		d := courier.Backoff(tries)
		require.LessOrEqual(t, d, most)
		require.GreaterOrEqual(t, d, most/2)
	}
}
