package sqs

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func fill(t *testing.T, n int) (*Service, queue, *clock.Fake) {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	c := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s, err := New(Config{DB: db, Clock: c})
	require.NoError(t, err)
	q := queue{Name: "q", Scope: wire.Scope{Partition: "aws", Account: "000000000000", Region: "us-east-1"}, Created: s.now()}
	require.NoError(t, db.Update(func(tx *store.Tx) error {
		if err := store.Put(tx, queuesBucket, q.key(), q); err != nil {
			return err
		}
		for i := range n {
			m := message{Key: messageKey(q, uint64(i)), ID: "id", Body: "body", Sent: s.now(), Visible: s.now()}
			if err := keep(tx, q, m); err != nil {
				return err
			}
		}
		return nil
	}))
	return s, q, c
}

// What a receive costs must not grow with what waits behind it. Allocations tell
// that on any machine.
func TestReceiveCostsTheSameHoweverManyWait(t *testing.T) {
	cost := func(n int) float64 {
		s, q, _ := fill(t, n)
		return testing.AllocsPerRun(10, func() {
			out, _, err := s.take(q, 1, time.Minute)
			require.NoError(t, err)
			require.Len(t, out, 1)
		})
	}
	few, many := cost(100), cost(10_000)
	require.Less(t, many, 3*few, "%v against %v allocations", many, few)
}

// A queue is handed out whole, once, oldest first, and again when the messages
// are visible again.
func TestIndexFollowsMessages(t *testing.T) {
	t.Parallel()
	s, q, c := fill(t, 50)
	for range 2 {
		var keys []string
		for {
			out, next, err := s.take(q, 10, time.Minute)
			require.NoError(t, err)
			if len(out) == 0 {
				require.Equal(t, s.now().Add(time.Minute), next)
				break
			}
			for _, m := range out {
				keys = append(keys, m.Key)
			}
		}
		require.Len(t, keys, 50)
		require.IsIncreasing(t, keys)
		n, err := s.count(q)
		require.NoError(t, err)
		require.Equal(t, counts{inFlight: 50}, n)
		c.Advance(time.Minute)
	}
	c.Advance(14 * 24 * time.Hour)
	out, _, err := s.take(q, 10, time.Minute)
	require.NoError(t, err)
	require.Empty(t, out, "too old")
	require.NoError(t, s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(visibleBucket, "", "", func(key string, _ []byte) (bool, error) {
			t.Errorf("left in the index: %s", key)
			return true, nil
		})
	}))
}

// A store from before the index is taken over.
func TestIndexIsBuilt(t *testing.T) {
	t.Parallel()
	s, q, _ := fill(t, 30)
	require.NoError(t, s.DB.Update(func(tx *store.Tx) error { return tx.DeletePrefix(visibleBucket, "") }))
	again, err := New(s.Config)
	require.NoError(t, err)
	n, err := again.count(q)
	require.NoError(t, err)
	require.Equal(t, counts{visible: 30}, n)
}
