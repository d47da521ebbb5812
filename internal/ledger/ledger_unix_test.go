//go:build unix

package ledger_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/ledger"
)

var (
	noon   = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	bucket = ledger.Bucket{Burst: 100, PerSecond: 5}
)

// asTaker makes the test binary a program that takes tokens: as many as it says, or for ever.
const asTaker = "PIPELINETUI_TEST_TAKER"

func TestMain(m *testing.M) {
	path, ok := os.LookupEnv(asTaker)
	if !ok {
		os.Exit(m.Run())
	}
	n, err := strconv.Atoi(os.Args[1])
	l := ledger.Open(path, func(error) { os.Exit(3) })
	l.Patience = time.Hour // the others are slow, not stopped
	for i := 0; err == nil && (i < n || n < 0); i++ {
		if _, _, err = l.Take(context.Background(), "ListExecutions", bucket, noon); i == 0 {
			fmt.Println("begun")
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// taker starts a program that takes tokens, and waits until it has taken one.
func taker(t *testing.T, path string, n int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, strconv.Itoa(n))
	cmd.Env = append(os.Environ(), asTaker+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	begun := make([]byte, len("begun"))
	_, err = out.Read(begun)
	require.NoError(t, err)
	return cmd
}

func level(t *testing.T, l *ledger.Ledger, now time.Time) ledger.Level {
	t.Helper()
	all := l.Levels(now)
	require.Len(t, all, 1)
	return all[0]
}

// TestPrograms: several programs at once share one bucket to the token.
func TestPrograms(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "quotas", "it.json")
	const programs, each = 4, 250
	var all []*exec.Cmd
	for range programs {
		all = append(all, taker(t, path, each))
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait())
	}
	l := ledger.Open(path, func(err error) { t.Error(err) })
	require.InDelta(t, bucket.Burst-programs*each, level(t, l, noon).Tokens, 1e-6, "no token was given twice, and none was lost")
	wait, slowed, err := l.Take(t.Context(), "ListExecutions", bucket, noon)
	require.NoError(t, err)
	require.False(t, slowed)
	require.InDelta(t, (programs*each-bucket.Burst+1)/bucket.PerSecond, wait.Seconds(), 1e-6)
}

// TestKilled: a program that is killed at any time leaves a ledger that others go on with at
// once.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "it.json")
	l := ledger.Open(path, func(err error) { t.Error(err) })
	l.Patience = time.Hour // who is killed holds no lock for long
	for range 20 {
		cmd := taker(t, path, -1)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		before := level(t, l, noon).Tokens
		_, _, err := l.Take(t.Context(), "ListExecutions", bucket, noon)
		require.NoError(t, err)
		require.InDelta(t, before-1, level(t, l, noon).Tokens, 1e-6)
	}
}

// TestStopped: one that is stopped while it may hold the lock is not waited for.
func TestStopped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "it.json")
	l := ledger.Open(path, nil)
	_, _, err := l.Take(t.Context(), "ListExecutions", bucket, noon)
	require.NoError(t, err)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	_, _, err = l.Take(t.Context(), "ListExecutions", bucket, noon)
	require.ErrorContains(t, err, "does not go on")
	require.Len(t, l.Levels(noon), 1, "who only looks does not wait")
	require.NoError(t, f.Close())
	_, _, err = l.Take(t.Context(), "ListExecutions", bucket, noon)
	require.NoError(t, err)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := ledger.Open(filepath.Join(t.TempDir(), "it.json"), func(err error) { t.Error(err) })
	take := func(at time.Time) (time.Duration, bool) {
		t.Helper()
		wait, slowed, err := l.Take(ctx, "A", bucket, at)
		require.NoError(t, err)
		return wait, slowed
	}
	for range 100 {
		wait, _ := take(noon)
		require.Zero(t, wait)
	}
	wait, _ := take(noon)
	require.Equal(t, 200*time.Millisecond, wait)
	require.NoError(t, l.Return(ctx, "A", bucket, noon))
	wait, _ = take(noon)
	require.Equal(t, 200*time.Millisecond, wait, "what was given back is taken again")
	wait, _ = take(noon.Add(time.Second))
	require.Zero(t, wait)

	later := noon.Add(time.Hour)
	require.NoError(t, l.Throttled(ctx, "A", bucket, later))
	wait, slowed := take(later)
	require.True(t, slowed)
	require.Equal(t, 400*time.Millisecond, wait, "half the rate, from nothing")
	for range 20 {
		require.NoError(t, l.Throttled(ctx, "A", bucket, later))
	}
	require.InDelta(t, 0.05, level(t, l, later).Rate, 1e-9)
	for range 60 {
		require.NoError(t, l.Succeeded(ctx, "A", bucket, later))
	}
	require.InDelta(t, 1, level(t, l, later).Rate, 1e-9)

	// The clock was set back by a day: what was promised does not hold for a day.
	wait, _ = take(later.Add(-24 * time.Hour))
	require.Less(t, wait, time.Minute)
}

// TestDamaged: what cannot be read is forgotten and said, once, and nobody is stopped by it.
func TestDamaged(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"cut":          `{"version":1,"buckets":{"A":{"tok`,
		"other":        "\x00\x01\x02",
		"huge":         strings.Repeat("x", 1<<20),
		"of tomorrow":  `{"version":9,"buckets":{}}`,
		"out of range": `{"version":1,"buckets":{"A":{"tokens":-1e300,"rate":1,"burst":1,"perSecond":1}}}`,
		"no rate":      `{"version":1,"buckets":{"A":{"tokens":5,"rate":0,"burst":1,"perSecond":1}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "it.json")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			told := 0
			l := ledger.Open(path, func(err error) { require.ErrorContains(t, err, path+" was damaged"); told++ })
			require.Empty(t, l.Levels(noon))
			wait, _, err := l.Take(t.Context(), "A", bucket, noon)
			require.NoError(t, err)
			require.Equal(t, 200*time.Millisecond, wait, "how much was used is not known: it begins with nothing")
			require.Equal(t, 1, told)
			wait, _, err = l.Take(t.Context(), "A", bucket, noon)
			require.NoError(t, err)
			require.Equal(t, 400*time.Millisecond, wait)
			require.Equal(t, 1, told)
			require.Len(t, l.Levels(noon), 1)
		})
	}
}

// One that cannot be used is told once: those who take tokens go on without.
func TestUnusableIsTold(t *testing.T) {
	t.Parallel()
	told := 0
	l := ledger.Open(filepath.Join(os.DevNull, "it.json"), func(err error) {
		require.ErrorContains(t, err, "cannot use the ledger")
		require.NotEmpty(t, fault.HintOf(err))
		told++
	})
	require.ErrorContains(t, l.Try(t.Context()), "cannot use the ledger")
	for range 2 {
		_, _, err := l.Take(t.Context(), "A", bucket, noon)
		require.ErrorContains(t, err, "cannot use the ledger")
	}
	require.Equal(t, 1, told)

	good := ledger.Open(filepath.Join(t.TempDir(), "it.json"), func(err error) { t.Error(err) })
	require.NoError(t, good.Try(t.Context()))
	require.Empty(t, good.Levels(noon), "nothing was taken")
	gone, stop := context.WithCancel(t.Context())
	stop()
	_, _, _ = ledger.Open(filepath.Join(os.DevNull, "it.json"), func(err error) { t.Error(err) }).Take(gone, "A", bucket, noon)
}
