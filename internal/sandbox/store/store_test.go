package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

func open(t testing.TB, path string) *store.DB {
	t.Helper()
	db, err := store.Open(path, "raw")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func count(t testing.TB, db *store.DB) (n int) {
	t.Helper()
	require.NoError(t, db.View(func(tx *store.Tx) error {
		return tx.Scan("b", "", "", func(string, []byte) (bool, error) { n++; return true, nil })
	}))
	return n
}

func TestOnlyOneProcessOpens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "db")
	db := open(t, path)
	_, err := store.Open(path)
	require.ErrorIs(t, err, store.ErrInUse)
	require.NoError(t, db.Close())
	open(t, path)
}

func TestUpdateUndoesOnError(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "db"))
	wrong := errors.New("wrong")
	require.ErrorIs(t, db.Update(func(tx *store.Tx) error {
		require.NoError(t, tx.PutRaw("b", "k", []byte(`"v"`)))
		return wrong
	}), wrong)
	require.Zero(t, count(t, db))
}

// A failing call fails alone, whoever shares its commit.
func TestBatch(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path)
	wrong := errors.New("wrong")
	const n = 400
	var wg sync.WaitGroup
	var bad atomic.Int64
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := db.Batch(func(tx *store.Tx) error {
				if err := store.Put(tx, "b", fmt.Sprint(i), i); err != nil {
					return err
				}
				if i%10 == 3 {
					return wrong
				}
				return nil
			})
			if i%10 == 3 {
				if errors.Is(err, wrong) {
					bad.Add(1)
				}
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			// What is acknowledged can be read.
			if err := db.View(func(tx *store.Tx) error {
				if v, found, err := store.Get[int](tx, "b", fmt.Sprint(i)); err != nil || !found || v != i {
					return fmt.Errorf("%d: %v %v %w", i, v, found, err)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	require.EqualValues(t, n/10, bad.Load())
	require.Equal(t, n-n/10, count(t, db))
	require.NoError(t, db.Close())
	require.Equal(t, n-n/10, count(t, open(t, path)))
}

func TestBatchSharesCommits(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "db"))
	entered, release := make(chan struct{}), make(chan struct{})
	go func() {
		_ = db.Update(func(*store.Tx) error { close(entered); <-release; return nil })
	}()
	<-entered
	const n = 50
	var wg sync.WaitGroup
	var seen sync.Map
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := db.Batch(func(tx *store.Tx) error { seen.Store(*tx, true); return tx.PutRaw("b", fmt.Sprint(i), nil) }); err != nil {
				t.Error(err)
			}
		}()
	}
	require.Eventually(t, func() bool { return db.Waiting() == n }, time.Minute, time.Millisecond)
	close(release)
	wg.Wait()
	commits := 0
	seen.Range(func(any, any) bool { commits++; return true })
	require.Equal(t, 1, commits, "callers that wait for the writer share a commit")
	require.Equal(t, n, count(t, db))
}

func TestBatchPanicsInItsCaller(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "db"))
	require.PanicsWithValue(t, "boom", func() { _ = db.Batch(func(*store.Tx) error { panic("boom") }) })
	require.NoError(t, db.Batch(func(tx *store.Tx) error { return tx.PutRaw("b", "k", nil) }))
}

func TestBatchAfterClose(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "db"))
	require.NoError(t, db.Close())
	require.Error(t, db.Batch(func(*store.Tx) error { return nil }))
}

func TestScanAndPrefixes(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "db"))
	require.NoError(t, db.Update(func(tx *store.Tx) error {
		for _, k := range []string{"a/1", "a/2", "a/3", "b/1"} {
			if err := store.Put(tx, "b", k, k); err != nil {
				return err
			}
		}
		return tx.DeletePrefix("b", "a/2")
	}))
	require.NoError(t, db.View(func(tx *store.Tx) error {
		got, err := store.List[string](tx, "b", "a/")
		require.Equal(t, []string{"a/1", "a/3"}, got)
		var from []string
		require.NoError(t, tx.Scan("b", "a/", "a/2", func(k string, _ []byte) (bool, error) { from = append(from, k); return true, nil }))
		require.Equal(t, []string{"a/3"}, from)
		none, err2 := store.List[string](tx, "none", "")
		require.NoError(t, err2)
		require.Empty(t, none)
		return err
	}))
}

// BenchmarkBatch compares one caller with many.
func BenchmarkBatch(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			db := open(b, filepath.Join(b.TempDir(), "db"))
			var next atomic.Int64
			var wg sync.WaitGroup
			for range callers {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						if err := db.Batch(func(tx *store.Tx) error {
							return tx.PutRaw("b", fmt.Sprintf("%010d", i), bytes.Repeat([]byte("1"), 300))
						}); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// The list of free pages that Close keeps is right: what was deleted is used
// again after each opening, so the file stops growing.
func TestReopenReusesFreePages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	var sizes []int64
	for range 8 {
		db, err := store.Open(path)
		require.NoError(t, err)
		for _, fill := range []bool{true, false} {
			require.NoError(t, db.Update(func(tx *store.Tx) error {
				if !fill {
					return tx.DeletePrefix("b", "")
				}
				for i := range 500 {
					if err := tx.PutRaw("b", fmt.Sprint(i), bytes.Repeat([]byte("1"), 1000)); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		require.NoError(t, db.Close())
		st, err := os.Stat(path)
		require.NoError(t, err)
		sizes = append(sizes, st.Size())
	}
	require.Equal(t, sizes[2], sizes[7], "%v", sizes)
	require.Zero(t, count(t, open(t, path)))
}

// What a later start would take for damage never gets in.
func TestValuesAreJSON(t *testing.T) {
	t.Parallel()
	db, err := store.Open(filepath.Join(t.TempDir(), "store.db"), "x.files")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	put := func(bucket, value string) error {
		return db.Update(func(tx *store.Tx) error { return tx.PutRaw(bucket, "k", []byte(value)) })
	}
	require.ErrorContains(t, put("x.index", "0 17"), `bucket x.index: the value of "k" is not JSON`)
	require.NoError(t, put("x.index", "[0,17]"))
	require.NoError(t, put("x.index", ""))
	require.NoError(t, put("x.files", "0 17"))
}
