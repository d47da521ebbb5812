package store_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// filled is the content of a database file with several buckets, branches, values
// of more than a page and free pages, closed in good order.
func filled(t testing.TB, records int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path)
	for _, bucket := range []string{"one", "two", "raw"} {
		require.NoError(t, db.Update(func(tx *store.Tx) error {
			for i := range records {
				value := fmt.Sprintf(`{"number":%d,"text":%q}`, i, strings.Repeat("x", i%97*10))
				if bucket == "raw" {
					value = value[1:]
				}
				if err := tx.PutRaw(bucket, fmt.Sprintf("key-%06d", i), []byte(value)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	require.NoError(t, db.Update(func(tx *store.Tx) error { return tx.DeletePrefix("two", "key-0000") }))
	require.NoError(t, db.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}

// reopen opens a file with that content, which nobody has closed in good order.
func reopen(t testing.TB, raw []byte) (*store.DB, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	db, err := store.Open(path, "raw")
	if err == nil {
		t.Cleanup(func() { _ = db.Close() })
	}
	return db, path, err
}

func TestOpenNamesDamage(t *testing.T) {
	t.Parallel()
	whole := filled(t, 400)
	_, _, err := reopen(t, whole)
	require.NoError(t, err)
	page := os.Getpagesize()
	for name, tt := range map[string]struct {
		change func(raw []byte) []byte
		what   string
	}{
		"empty":          {func([]byte) []byte { return nil }, "it is empty"},
		"one byte":       {func(raw []byte) []byte { return raw[:1] }, "neither of its two headers can be read"},
		"one page":       {func(raw []byte) []byte { return raw[:page] }, "it ends after"},
		"half":           {func(raw []byte) []byte { return raw[:len(raw)/2] }, "it ends after"},
		"headers":        {func(raw []byte) []byte { raw[20] ^= 1; raw[page+20] ^= 1; return raw }, "neither of its two headers can be read"},
		"something else": {func(raw []byte) []byte { return bytes.Repeat([]byte("text\n"), len(raw)/5) }, "neither of its two headers can be read"},
		"a record": {func(raw []byte) []byte {
			return bytes.ReplaceAll(raw, []byte(`{"number":17,`), []byte(`["number":17,`))
		}, `record "key-000017" of one cannot be read`},
		"zeros": {func(raw []byte) []byte { clear(raw[2*page:]); return raw }, "is not what it was"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, path, err := reopen(t, tt.change(bytes.Clone(whole)))
			var damage *store.DamageError
			require.ErrorAs(t, err, &damage)
			require.Equal(t, path, damage.Path)
			require.Contains(t, damage.What, tt.what)
			require.Contains(t, err.Error(), path)
		})
	}
}

// A crash may tear the header that was being written: the other one holds what
// was acknowledged before.
func TestOpenWithOneHeader(t *testing.T) {
	t.Parallel()
	whole := filled(t, 10)
	for i := range 2 {
		raw := bytes.Clone(whole)
		clear(raw[i*os.Getpagesize()+16 : i*os.Getpagesize()+80])
		_, _, err := reopen(t, raw)
		require.NoError(t, err, "header %d", i)
	}
}

// Whatever has become of the file: it opens and every record can be read, or it
// is named. Nothing panics, faults or hangs.
func TestOpenSurvivesAnyChange(t *testing.T) {
	t.Parallel()
	whole := filled(t, 300)
	seed := uint64(time.Now().UnixNano()) // positive
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0)) // a test's choices
	damaged := 0
	for range 250 {
		raw := bytes.Clone(whole)
		for range 1 + r.IntN(4) {
			at := r.IntN(len(raw))
			if r.IntN(2) == 0 { // the heads of pages hold what leads astray
				at = at/os.Getpagesize()*os.Getpagesize() + r.IntN(64)
			}
			switch r.IntN(3) {
			case 0:
				raw[at] ^= 1 << r.IntN(8)
			case 1:
				binary.NativeEndian.PutUint64(raw[min(at, len(raw)-8):], r.Uint64())
			default:
				clear(raw[at:min(at+r.IntN(6000), len(raw))])
			}
		}
		db, path, err := reopen(t, raw)
		if err != nil {
			var damage *store.DamageError
			require.ErrorAs(t, err, &damage)
			require.Equal(t, path, damage.Path)
			damaged++
			continue
		}
		require.NoError(t, db.View(func(tx *store.Tx) error {
			for _, bucket := range []string{"one", "two"} {
				if _, err := store.List[map[string]any](tx, bucket, ""); err != nil {
					return err
				}
			}
			return nil
		}))
		require.NoError(t, db.Update(func(tx *store.Tx) error { return tx.PutRaw("new", "key", []byte(`1`)) }))
		require.NoError(t, db.Close())
	}
	require.Positive(t, damaged)
}

// A file that was closed in good order is not read as a whole again, unless it
// has changed since.
func TestOpenTrustsAClosedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path)
	require.NoError(t, db.Update(func(tx *store.Tx) error { return tx.PutRaw("b", "key", []byte(`{"a":1}`)) }))
	require.NoError(t, db.Close())
	require.FileExists(t, path+".closed")
	db = open(t, path)
	require.NoError(t, db.Close())

	st, err := os.Stat(path)
	require.NoError(t, err)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	i := bytes.LastIndex(raw, []byte(`{"a":1}`))
	change := func(when time.Time) error {
		raw[i] = 'x'
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		require.NoError(t, os.Chtimes(path, when, when))
		again, err := store.Open(path)
		if err == nil {
			require.NoError(t, again.Close())
		}
		return err
	}
	require.NoError(t, change(st.ModTime()), "it was looked at although it was closed")
	require.ErrorContains(t, change(st.ModTime().Add(time.Second)), `record "key" of b cannot be read`)
}

// What was killed while it was idle is not read as a whole either: it says how it looks as
// soon as it is idle, and that holds until the next commit.
func TestOpenTrustsAnIdleFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path)
	write := func(value string) {
		require.NoError(t, db.Update(func(tx *store.Tx) error { return tx.PutRaw("b", "key", []byte(value)) }))
	}
	// killed opens the file as kill -9 leaves it now, with a record that no inspection lets pass.
	killed := func(value string) error {
		st, err := os.Stat(path)
		require.NoError(t, err)
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		raw[bytes.LastIndex(raw, []byte(value))] = 'x'
		copied := filepath.Join(t.TempDir(), "db")
		require.NoError(t, os.WriteFile(copied, raw, 0o600))
		require.NoError(t, os.Chtimes(copied, st.ModTime(), st.ModTime()))
		note, err := os.ReadFile(path + ".closed")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(copied+".closed", note, 0o600))
		again, err := store.Open(copied)
		if err == nil {
			require.NoError(t, again.Close())
		}
		return err
	}
	write(`{"a":1}`)
	noted := func() bool {
		raw, err := os.ReadFile(path + ".closed")
		return err == nil && bytes.Contains(raw, fmt.Appendf(nil, `"transaction":%d`, newestTransaction(t, path)))
	}
	require.Eventually(t, noted, time.Minute, 5*time.Millisecond)
	require.NoError(t, killed(`{"a":1}`), "it was looked at although it was idle")
	db.StayBusy()
	write(`{"b":2}`)
	require.ErrorContains(t, killed(`{"b":2}`), `record "key" of b cannot be read`)
	require.NoError(t, db.Close())
}

// BenchmarkInspect is what a start after a crash costs: 100 MB of records.
func BenchmarkInspect(b *testing.B) {
	raw := filled(b, 100_000)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		db, _, err := reopen(b, raw)
		require.NoError(b, err)
		b.StopTimer()
		require.NoError(b, db.Close())
		b.StartTimer()
	}
}
