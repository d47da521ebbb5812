package lambda_test

import (
	"encoding/json"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// An asynchronous invocation whose end cannot be written, since the disk is full, is done
// with when there is room.
func TestEventsOutliveAFullDisk(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	var refused atomic.Int64
	clk := clock.NewFake(time.Now())
	sb := open(t, t.TempDir(), func(c *lambda.Config) {
		c.Clock = clk
		require.NoError(t, c.DB.Update(func(tx *store.Tx) error {
			return store.Put(tx, "lambda.events", "00000000000000000001", map[string]any{"Seq": 1, "Scope": home, "Function": "gone", "ID": "x"})
		}))
		full.Store(true)
		c.DB.Full = func() error {
			if full.Load() {
				refused.Add(1)
				return syscall.ENOSPC
			}
			return nil
		}
	})
	require.Eventually(t, func() bool {
		clk.Advance(time.Second)
		return refused.Load() > 2
	}, time.Minute, time.Millisecond, "nobody tries again")
	full.Store(false)
	require.Eventually(t, func() bool {
		clk.Advance(time.Second)
		left, err := store.ReadAll[json.RawMessage](sb.world.DB, "lambda.events", "")
		return err == nil && len(left) == 0
	}, time.Minute, time.Millisecond)
}
