//go:build unix

package executions

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/ledger"
)

// TestClientsShareALedger: two clients, as two terminals have, take together what one alone
// may, and slow down together.
func TestClientsShareALedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "quotas.json")
	open := func() *ledger.Ledger {
		l := ledger.Open(path, nil)
		l.Patience = time.Hour // who does not get the lock in time would go on alone
		return l
	}
	b := newBench(t, Config{Class: ClassA, Shared: open()})
	cfg := b.cfg
	cfg.Shared = open()
	other := New(cfg)
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning})
	var work sync.WaitGroup
	for i := range 160 {
		work.Go(func() {
			c := b.Client
			if i%2 == 1 {
				c = other
			}
			_, err := c.Describe(t.Context(), arnFor("x"))
			require.NoError(t, err) // ends the test at once on purpose
		})
	}
	work.Wait()
	require.Equal(t, 160, b.api.count("DescribeExecution"))
	// 60 more than a third of AWS's burst of 300, at a third of its 15 a second.
	require.False(t, b.clk.Now().Before(t0.Add(12*time.Second-time.Millisecond)), "they took more than their share: %s", b.clk.Now().Sub(t0))

	b.api.before = func(_ string, n int) error {
		if n == 161 {
			return &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
		}
		return nil
	}
	_, err := b.Describe(t.Context(), arnFor("x"))
	require.NoError(t, err)
	rate := cfg.Shared.Levels(b.clk.Now())[0].Rate
	require.InDelta(t, slowdown+recovery, rate, 1e-9)
	for range 60 {
		_, err = other.Describe(t.Context(), arnFor("x"))
		require.NoError(t, err)
	}
	require.InDelta(t, 1, cfg.Shared.Levels(b.clk.Now())[0].Rate, 1e-9, "the other one's successes bring the rate back")

	// Without a ledger that can be used each goes on alone.
	alone := newBench(t, Config{Class: ClassA, Shared: ledger.Open(filepath.Join(os.DevNull, "x"), nil)})
	alone.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning})
	_, err = alone.Describe(t.Context(), arnFor("x"))
	require.NoError(t, err)
}
