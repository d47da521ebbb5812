package stack

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// objectStore is a bucket on a real S3 endpoint, as a backend URL.
func objectStore(t *testing.T) string {
	t.Helper()
	store := s3mem.New()
	require.NoError(t, store.CreateBucket("state"))
	server := httptest.NewServer(gofakes3.New(store).Server())
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return "s3://state?region=us-east-1&s3ForcePathStyle=true&disableSSL=true&endpoint=http://" + u.Host
}

func s3Keys(o *Options) { o.Env["AWS_ACCESS_KEY_ID"], o.Env["AWS_SECRET_ACCESS_KEY"] = "key", "secret" }

// What is on an object store cannot be looked at without the CLI: the first
// contact costs one process more.
func TestObjectStoreBackend(t *testing.T) {
	t.Parallel()
	backend := objectStore(t)
	f, p := open(t, backend, s3Keys), serveProvider(t)
	_, err := f.State(t.Context(), testStack)
	require.ErrorIs(t, err, fault.NotFound)
	run, err := f.Destroy(t.Context(), Job{Stack: testStack})
	_, _, err = wait(t, run, err)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = f.Locks(t.Context(), testStack)
	require.ErrorIs(t, err, fault.NotFound)

	job := Job{Stack: testStack, Program: stashes("doc")}
	begin := len(f.Spawned())
	run, err = f.Preview(t.Context(), job)
	res, _ := must(t, run, err)
	require.True(t, res.Created)
	require.Equal(t, []string{"stack export", "preview"}, f.Spawned()[begin:])
	list, err := f.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)

	begin = len(f.Spawned())
	run, err = f.Up(t.Context(), job)
	res, _ = must(t, run, err)
	require.True(t, res.Created)
	require.Equal(t, []string{"stack export", "stack init", "up"}, f.Spawned()[begin:])
	begin = len(f.Spawned())
	run, err = f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	require.Equal(t, []string{"up"}, f.Spawned()[begin:])

	// Locks: free, held, left behind, cleared.
	locks, err := f.Locks(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, locks)
	run, err = f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: things(map[string]pulumi.Map{"slow": {"block": pulumi.String("slow")}})})
	require.NoError(t, err)
	receive(t, p.startedGate("slow"))
	locks, err = f.Locks(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, locks, 1)
	require.NotZero(t, locks[0].PID)
	require.False(t, locks[0].Stale)
	run.Kill()
	_, err = run.Wait()
	require.ErrorIs(t, err, fault.Canceled)
	locks, err = f.Locks(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, locks, 1)
	require.True(t, locks[0].Stale)
	require.NoError(t, f.Unlock(t.Context(), testStack))
	locks, err = f.Locks(t.Context(), testStack)
	require.NoError(t, err)
	require.Empty(t, locks)

	// Removed by another machine behind this one's back: made again.
	other := open(t, backend, s3Keys)
	run, err = other.Destroy(t.Context(), Job{Stack: testStack, Env: p.env(), Remove: true})
	_, _ = must(t, run, err)
	run, err = f.Preview(t.Context(), job)
	res, _ = must(t, run, err)
	require.True(t, res.Created)
	run, err = f.Up(t.Context(), job)
	res, _ = must(t, run, err)
	require.True(t, res.Created)
	state, err := other.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, "doc", string(state.Spec))
}
