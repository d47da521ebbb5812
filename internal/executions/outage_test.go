package executions

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func send(err error) error { return &smithyhttp.RequestSendError{Err: err} }

var (
	noHost = send(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "states.us-east-1.amazonaws.com", IsNotFound: true}})
	// closed is what a gateway answers for what is behind it, local what this machine does.
	closed = send(&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}, Err: syscall.ECONNREFUSED})
	local  = send(&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Err: syscall.ECONNREFUSED})
)

// A watch that has been answered lives through a network that is away for a while, and not for
// ever; one question alone does not wait.
func TestWatchLivesThroughAnOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		err   error
		away  time.Duration
		lives bool
	}{
		{"no host for two minutes", noHost, 2 * time.Minute, true},
		{"refused on the way", closed, 2 * time.Minute, true},
		{"away for good", noHost, time.Hour, false},
		{"a sandbox that has ended", local, 2 * time.Minute, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Limits: Limits{Unlimited: true}})
			b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning, start: t0, events: long(1)[:3]})
			w := b.Watch(t.Context(), arnFor("x"), nil)
			<-w.Events()
			var gone atomic.Pointer[time.Time] // since the first question: until it is asked time goes on
			b.api.mu.Lock()
			b.api.before = func(string, int) error {
				now := b.clk.Now()
				gone.CompareAndSwap(nil, &now)
				if now.Sub(*gone.Load()) < c.away {
					return c.err
				}
				b.api.with("x", func(r *fakeRun) {
					r.events, r.status, r.stop = long(1), types.ExecutionStatusSucceeded, b.clk.Now()
				})
				return nil
			}
			b.api.mu.Unlock()
			_ = collect(w)
			out, err := w.Wait()
			if c.lives {
				require.NoError(t, err)
				require.Equal(t, Succeeded, out.Status)
				return
			}
			require.Error(t, err)
			require.Less(t, b.clk.Now().Sub(*gone.Load()), c.away)
			calls := b.api.count("DescribeExecution")
			_, err = b.Describe(t.Context(), arnFor("x"))
			require.Error(t, err)
			require.Equal(t, calls+1, b.api.count("DescribeExecution"), "nobody waits who asks one question")
		})
	}
}

// Others start so many executions that those of a batch are beyond what is read of the list.
func TestWatchBatchThatHasSunk(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	b.api.maxPage = 10
	var names []string
	for i := range 2 * sunkEach {
		names = append(names, BatchName("night", i+1))
		b.api.add(&fakeRun{name: names[i], status: types.ExecutionStatusRunning, start: t0, input: "{}"})
	}
	w := b.WatchBatch(t.Context(), alias, names, nil)
	require.Equal(t, len(names), (<-w.Events()).Running)
	for i := range 1000 {
		b.api.add(&fakeRun{name: fmt.Sprintf("other-%d", i), status: types.ExecutionStatusRunning, start: t0.Add(time.Minute)})
	}
	for _, n := range names {
		b.api.with(n, func(r *fakeRun) { r.status, r.stop = types.ExecutionStatusSucceeded, t0 })
	}
	for p := range w.Events() {
		require.Equal(t, len(names), p.Running+p.Succeeded)
	}
	details, err := w.Wait()
	require.NoError(t, err)
	for _, d := range details {
		require.Equal(t, Succeeded, d.Status)
	}
}

// The answer to a redrive is lost: AWS is asked again by the same token.
func TestRedriveIsOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusFailed, redriveStatus: "REDRIVABLE"})
	b.api.before = func(op string, n int) error {
		if op == "RedriveExecution" && n == 1 {
			return send(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET})
		}
		return nil
	}
	require.NoError(t, b.Redrive(t.Context(), arnFor("x")))
	require.Len(t, b.api.tokens, 2)
	require.NotEmpty(t, b.api.tokens[0])
	require.Equal(t, b.api.tokens[0], b.api.tokens[1])
	require.NotEqual(t, fault.Conflict, fault.KindOf(b.Redrive(t.Context(), arnFor("x"))))
}

// The answer to a start is lost for good: nobody knows, and that is what is said.
func TestStartThatNobodyKnowsOf(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.before = func(string, int) error { return send(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}) }
	_, err := b.Start(t.Context(), StartInput{Machine: alias, Name: "once", Input: []byte("{}")})
	var unclear *UnclearError
	require.ErrorAs(t, err, &unclear)
	require.Equal(t, "once", unclear.Name)
	require.ErrorContains(t, err, "not known whether execution once was started")
	require.Equal(t, fault.Unreachable, fault.KindOf(err))
	require.Contains(t, fault.HintOf(err), "--name once")
	b.api.before = func(string, int) error { return local }
	_, err = b.Start(t.Context(), StartInput{Machine: alias, Name: "never", Input: []byte("{}")})
	require.Error(t, err)
	require.False(t, errors.As(err, &unclear), "nobody has heard of it")
}

// The network stays away while a batch is launched: the items that were on their way have waited
// for all the others.
func TestLaunchEndsWithTheNetwork(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	_, err := b.Start(t.Context(), StartInput{Machine: alias, Name: "before", Input: []byte("{}")}) // it has been answered
	require.NoError(t, err)
	b.api.before = func(string, int) error { return noHost }
	const items = 10_000
	began := b.clk.Now()
	l := b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: "night", Items: func(yield func([]byte, error) bool) {
		for range items {
			if !yield([]byte("{}"), nil) {
				return
			}
		}
	}})
	told := 0
	for ev := range l.Events() {
		require.Error(t, ev.Err)
		told++
	}
	result, err := l.Wait()
	require.Equal(t, fault.Unreachable, fault.KindOf(err))
	require.LessOrEqual(t, told, launchers)
	require.LessOrEqual(t, result.Failed, launchers)
	require.Less(t, b.clk.Now().Sub(began), 2*outage)
}
