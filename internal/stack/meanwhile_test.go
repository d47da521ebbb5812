package stack

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// backends are those of each kind that is read in a way of its own.
var backends = map[string]func(t *testing.T) (backend string, change func(*Options)){
	"files": func(t *testing.T) (string, func(*Options)) {
		t.Helper()
		return FileURL(filepath.Join(t.TempDir(), "state")), func(*Options) {}
	},
	"objects": func(t *testing.T) (string, func(*Options)) {
		t.Helper()
		backend, store := objectStore(t)
		return backend, readIn(store)
	},
	"only the CLI": func(t *testing.T) (string, func(*Options)) {
		t.Helper()
		backend, _ := objectStore(t)
		return backend, s3Keys
	},
}

func readIn(store Objects) func(*Options) {
	return func(o *Options) {
		s3Keys(o)
		o.Objects = func(context.Context) (Objects, error) { return store, nil }
	}
}

// What somebody is at has pending operations, as what was cut off has. Nothing is done about
// them while its lock is there, wherever that is.
func TestNothingOfWhoIsAtWorkIsRepaired(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, change := backend(t)
			p := serveProvider(t)
			a, b := open(t, url, change), open(t, url, change)
			run, err := a.Up(t.Context(), blocked(p))
			require.NoError(t, err)
			receive(t, p.startedGate("slow"))
			recovery := &Recovery{ClearDeadLocks: true, Settle: func(context.Context, PendingOperation, func(Event)) (string, error) {
				return "", fault.New(fault.Internal, "it is asked what became of what is under way")
			}}
			began := 0
			before := func(context.Context) { began++ }
			job := Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: recovery, Before: before}
			for _, op := range []func(context.Context, Job) (*Run, error){b.Up, b.Refresh, b.Destroy} {
				second, err := op(t.Context(), job)
				_, _, err = wait(t, second, err)
				require.ErrorIs(t, err, fault.Locked)
				require.ErrorContains(t, err, "locked by ")
			}
			plain := Job{Stack: testStack, Env: p.env(), Before: before}
			second, err := b.Destroy(t.Context(), plain)
			_, _, err = wait(t, second, err)
			require.ErrorIs(t, err, fault.Locked)
			locks, err := b.Locks(t.Context(), testStack)
			require.NoError(t, err)
			require.Len(t, locks, 1)
			require.False(t, locks[0].Stale || locks[0].Broken)
			require.Empty(t, b.DeadLocks(t.Context(), testStack))
			if name != "only the CLI" {
				require.Equal(t, locks, b.HeldBy(t.Context(), testStack)[testStack])
				list, err := b.List(t.Context())
				require.NoError(t, err)
				require.Equal(t, locks, list[0].Locks)
				require.True(t, list[0].InProgress)
				require.NotContains(t, b.Spawned(), "stack export", "it is refused before the state is touched")
			}
			require.NotContains(t, b.Spawned(), "stack import")
			close(p.releaseGate("slow"))
			_, _ = must(t, run, nil)
			require.Len(t, p.named("slow"), 1)
			require.Empty(t, b.HeldBy(t.Context(), testStack))

			plain.Expect = "another state"
			second, err = b.Destroy(t.Context(), plain)
			_, _, err = wait(t, second, err)
			require.ErrorIs(t, err, fault.Conflict)
			require.Zero(t, began, "nothing is prepared for what is refused")
			plain.Expect = ""
			second, err = b.Destroy(t.Context(), plain)
			_, _ = must(t, second, err)
			require.Equal(t, 1, began)
		})
	}
}

// Between the reading and the writing of a state that is repaired nobody holds it: whoever has
// changed it meanwhile, or is about to, is not written over.
func TestARepairWritesOverNobody(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		for _, ends := range []bool{true, false} {
			t.Run(name+map[bool]string{true: ", who has ended", false: ", who is at work"}[ends], func(t *testing.T) {
				t.Parallel()
				url, change := backend(t)
				p := serveProvider(t)
				b := open(t, url, change)
				made := cutOff(t, b, p, blocked(p))
				other := open(t, url, change)
				var theirs *Run
				b.beforeImport = func() {
					job := Job{Stack: testStack, Env: p.env(), Program: stashes("theirs")}
					if !ends {
						job.Program = things(map[string]pulumi.Map{"theirs": {"block": pulumi.String("theirs")}})
					}
					var err error
					theirs, err = other.Up(t.Context(), job)
					if !ends {
						receive(t, p.startedGate("theirs"))
						return
					}
					_, _ = must(t, theirs, err)
				}
				run, err := b.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: settleAs(made)})
				_, _, err = wait(t, run, err)
				if !ends {
					require.ErrorIs(t, err, fault.Locked)
					close(p.releaseGate("theirs"))
					_, _ = must(t, theirs, nil)
				} else {
					require.ErrorIs(t, err, fault.Conflict)
					require.NotEmpty(t, fault.HintOf(err))
				}
				require.NotContains(t, b.Spawned(), "stack import")
				state, err := other.State(t.Context(), testStack)
				require.NoError(t, err)
				if ends {
					require.Equal(t, "theirs", string(state.Spec))
				} else {
					require.Len(t, p.named("theirs"), 1)
				}
			})
		}
	}
}

// A dead lock of this machine is cleared before what was cut off is repaired, whatever tells of it.
func TestADeadLockIsClearedOnAnyBackend(t *testing.T) {
	t.Parallel()
	for name, backend := range backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, change := backend(t)
			p := serveProvider(t)
			f := open(t, url, change)
			made := cutOff(t, f, p, blocked(p))
			run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: &Recovery{Settle: settleAs(made).Settle}})
			_, _, err = wait(t, run, err)
			require.ErrorIs(t, err, fault.Locked, "nobody has said that it may be cleared")
			require.ErrorContains(t, err, "is gone")
			if name != "only the CLI" {
				dead := f.DeadLocks(t.Context(), testStack)[testStack]
				require.Len(t, dead, 1)
				require.Equal(t, dead, f.HeldBy(t.Context(), testStack)[testStack])
			}
			run, err = f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: settleAs(made)})
			res, events := must(t, run, err)
			require.Len(t, res.Recovered, 1)
			require.Contains(t, events[0].Diagnostic.Message, "cleared the lock")
			require.Len(t, p.named("slow"), 1)
		})
	}
}

// hangs is a way to a store on which the writing of the nth lock, once it is armed, has no answer.
type hangs struct {
	mu      sync.Mutex
	left    int           // locks until the one that hangs, 0 for none
	reached chan struct{} // closed when it is written
	over    chan struct{} // closed by the test's end
}

func (h *hangs) way(store http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/.pulumi/locks/") && h.now() {
			close(h.reached)
			<-h.over
		}
		store.ServeHTTP(w, r)
	})
}

func (h *hangs) arm(nth int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = nth
}

func (h *hangs) now() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left--
	return h.left == 0
}

// A backend that says nothing while a state is repaired holds nobody who wants to stop.
func TestARepairThatHangsEnds(t *testing.T) {
	t.Parallel()
	for what, nth := range map[string]int{"writing the state": 1, "looking at what was cut off": 2} {
		for how, end := range map[string]func(*Run){"killed": (*Run).Kill, "cancelled": (*Run).Cancel} {
			t.Run(what+", "+how, func(t *testing.T) {
				t.Parallel()
				h := &hangs{reached: make(chan struct{}), over: make(chan struct{})}
				url, store := objectStoreBehind(t, h.way)
				t.Cleanup(func() { close(h.over) }) // before the server waits for it
				f, p := open(t, url, readIn(store)), serveProvider(t)
				made := cutOff(t, f, p, blocked(p))
				f.interruptGrace = 1 // nobody is expected to answer
				f.beforeImport = func() { h.arm(nth) }
				run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: program("1"), Recovery: settleAs(made)})
				require.NoError(t, err)
				receive(t, h.reached)
				end(run)
				receive(t, run.Done())
				_, _, err = wait(t, run, nil)
				require.ErrorIs(t, err, fault.Canceled)
				require.ErrorContains(t, err, "while what was cut off before was repaired")
			})
		}
	}
}

// A stack that is to be made where nothing answers is given up, too.
func TestAMakingThatHangsEnds(t *testing.T) {
	t.Parallel()
	h := &hangs{reached: make(chan struct{}), over: make(chan struct{})}
	url, store := objectStoreBehind(t, h.way)
	t.Cleanup(func() { close(h.over) })
	f := open(t, url, readIn(store))
	h.arm(1)
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s")})
	require.NoError(t, err)
	receive(t, h.reached)
	run.Kill()
	receive(t, run.Done())
	_, _, err = wait(t, run, nil)
	require.ErrorIs(t, err, fault.Canceled)
}

// Where stacks are not kept by project their locks are not either (diy/store.go).
func TestLocksOfTheOldLayout(t *testing.T) {
	t.Parallel()
	const lock = `{"pid":7,"username":"ann","hostname":"elsewhere","timestamp":"2026-10-01T10:00:00Z"}`
	held := func(t *testing.T, put map[string]string) map[string][]Lock {
		t.Helper()
		f := withoutCLI(t)
		root, _ := f.backendDir()
		for name, content := range put {
			file := filepath.Join(root, ".pulumi", filepath.FromSlash(name))
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		}
		locks, known, err := f.locksNow(t.Context())
		require.NoError(t, err)
		require.True(t, known)
		for stack, of := range locks { // one by one they are the same
			require.Equal(t, of, f.HeldBy(t.Context(), stack)[stack])
		}
		return locks
	}
	both := map[string]string{
		"locks/acme.old.dev/1.json":                                     lock,
		"locks/acme.old.dev/1.json.attrs":                               "{}",
		"locks/organization/" + DefaultProject + "/acme.new.dev/2.json": lock,
		"locks/organization/another/acme.theirs.dev/3.json":             lock,
	}
	old := held(t, both)
	require.Len(t, old, 2)
	require.Equal(t, "ann", old["acme.old.dev"][0].User)
	both["meta.yaml"] = layout
	now := held(t, both)
	require.Len(t, now, 1)
	require.Len(t, now["acme.new.dev"], 1)
}

// A backend that only the CLI reads tells the same state in the same words each time: else no
// repair would ever be written.
func TestTheCLITellsOneStateInOneWay(t *testing.T) {
	t.Parallel()
	backend, _ := objectStore(t)
	f, p := open(t, backend, s3Keys), serveProvider(t)
	run, err := f.Up(t.Context(), Job{Stack: testStack, Env: p.env(), Program: stashes("doc")}) // it exports a secret
	_, _ = must(t, run, err)
	var edits int
	require.NoError(t, f.editState(t.Context(), f.place(testStack, nil), "", func(deployment json.RawMessage) (json.RawMessage, error) {
		edits++
		return deployment, nil
	}))
	require.Equal(t, 1, edits)
}
