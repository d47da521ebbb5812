package stack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// objectStore is a bucket on a real S3 endpoint, as a backend URL, and as what reads it.
func objectStore(t *testing.T) (string, Objects) {
	t.Helper()
	return objectStoreBehind(t, func(store http.Handler) http.Handler { return store })
}

// objectStoreBehind is objectStore with something in the way to it.
func objectStoreBehind(t *testing.T, way func(store http.Handler) http.Handler) (string, Objects) {
	t.Helper()
	store := s3mem.New()
	require.NoError(t, store.CreateBucket("state"))
	server := httptest.NewServer(way(gofakes3.New(store).Server()))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return "s3://state?region=us-east-1&s3ForcePathStyle=true&disableSSL=true&endpoint=http://" + u.Host, bucket{store}
}

// bucket reads a store without a server.
type bucket struct{ store gofakes3.Backend }

func (b bucket) List(_ context.Context, prefix string) ([]Object, error) {
	list, err := b.store.ListBucket("state", &gofakes3.Prefix{HasPrefix: true, Prefix: prefix}, gofakes3.ListBucketPage{})
	if err != nil {
		return nil, err
	}
	var out []Object
	for _, c := range list.Contents {
		out = append(out, Object{Name: c.Key, Modified: c.LastModified.Time})
	}
	return out, nil
}

func (b bucket) Read(_ context.Context, name string) ([]byte, error) {
	o, err := b.store.GetObject("state", name, nil)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(o.Contents)
	return raw, errors.Join(err, o.Contents.Close())
}

func (b bucket) Folders(_ context.Context, prefix string) (names []string, err error) {
	list, err := b.store.ListBucket("state", &gofakes3.Prefix{HasPrefix: true, Prefix: prefix, HasDelimiter: true, Delimiter: "/"}, gofakes3.ListBucketPage{})
	if err != nil {
		return nil, err
	}
	for _, c := range list.CommonPrefixes {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(c.Prefix, prefix), "/"))
	}
	return names, nil
}

func (b bucket) Write(ctx context.Context, name string, content []byte, fresh bool) error {
	if _, err := b.Read(ctx, name); fresh && err == nil {
		return fs.ErrExist
	}
	_, err := b.store.PutObject("state", name, map[string]string{}, bytes.NewReader(content), int64(len(content)), nil)
	return err
}

func (b bucket) Remove(_ context.Context, name string) error {
	_, err := b.store.DeleteObject("state", name)
	return err
}

func (bucket) URL(name string) string { return "s3://state/" + name }

// An object store that can be read costs a process for each operation, and no more.
func TestAnObjectStoreIsReadWithoutAProcess(t *testing.T) {
	t.Parallel()
	backend, store := objectStore(t)
	reads := func(o *Options) {
		s3Keys(o)
		o.Objects = func(context.Context) (Objects, error) { return store, nil }
	}
	f := open(t, backend, reads)
	job := Job{Stack: testStack, Program: stashes("doc")}
	run, err := f.Up(t.Context(), job)
	_, _ = must(t, run, err)
	require.Equal(t, []string{"stack export", "stack init", "up"}, f.Spawned(), "an empty store has no layout yet")

	other := open(t, backend, reads)
	run, err = other.Preview(t.Context(), job)
	res, _ := must(t, run, err)
	require.Equal(t, map[Op]int{OpSame: 2}, res.Changes)
	state, err := other.Reveal(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, "doc", string(state.Spec))
	require.Equal(t, Output{Value: "hunter2", Secret: true}, state.Outputs["password"])
	list, err := other.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, state.Count(), list[0].Resources)
	history, err := other.History(t.Context(), testStack, 1)
	require.NoError(t, err)
	require.Len(t, history, 1)
	require.Equal(t, "succeeded", history[0].Result)
	_, err = other.State(t.Context(), "no.such.stack")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = other.History(t.Context(), "no.such.stack", 1)
	require.ErrorIs(t, err, fault.NotFound)
	run, err = other.Up(t.Context(), Job{Stack: "acme.other.dev", Program: stashes("doc")})
	_, _ = must(t, run, err)
	require.Equal(t, []string{"preview", "stack init", "up"}, other.Spawned())
	run, err = other.Destroy(t.Context(), Job{Stack: testStack, Remove: true})
	_, _ = must(t, run, err)
	_, err = f.State(t.Context(), testStack)
	require.ErrorIs(t, err, fault.NotFound)
}

func s3Keys(o *Options) { o.Env["AWS_ACCESS_KEY_ID"], o.Env["AWS_SECRET_ACCESS_KEY"] = "key", "secret" }

// What is on an object store cannot be looked at without the CLI: the first
// contact costs one process more.
func TestObjectStoreBackend(t *testing.T) {
	t.Parallel()
	backend, _ := objectStore(t)
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
	require.NoError(t, f.Unlock(t.Context(), testStack, locks))
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
