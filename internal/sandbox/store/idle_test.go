package store_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// keepsFree reads from the file whether its newer meta page names a list of free pages.
func keepsFree(t *testing.T, path string) bool {
	t.Helper()
	_, list := newestMeta(t, path)
	return list != 1<<64-1
}

func newestTransaction(t *testing.T, path string) uint64 {
	t.Helper()
	transaction, _ := newestMeta(t, path)
	return transaction
}

// newestMeta reads the transaction and the list of free pages of the newer meta page.
// (bbolt: two meta pages with magic, version, page size, flags, root, free list, high
// water mark and transaction)
func newestMeta(t *testing.T, path string) (newest, list uint64) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	for page := range 2 {
		var raw [80]byte
		_, err := f.ReadAt(raw[:], int64(page*os.Getpagesize()))
		require.NoError(t, err)
		meta := raw[16:]
		if tx := binary.NativeEndian.Uint64(meta[48:]); tx >= newest {
			newest, list = tx, binary.NativeEndian.Uint64(meta[32:])
		}
	}
	return newest, list
}

// The list of free pages is written once the store is idle: what is killed then
// starts as fast as what was closed.
func TestIdleStoreKeepsFreePages(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	db := open(t, path)
	write := func(value string) {
		require.NoError(t, db.Update(func(tx *store.Tx) error { return store.Put(tx, "b", "key", value) }))
	}
	for range 20 {
		write(strings.Repeat("x", 100_000))
	}
	require.Eventually(t, func() bool { return keepsFree(t, path) }, time.Minute, 5*time.Millisecond)
	write("y")
	require.NoError(t, db.Batch(func(tx *store.Tx) error { return store.Put(tx, "b", "other", "z") }))
	require.Eventually(t, func() bool { return keepsFree(t, path) }, time.Minute, 5*time.Millisecond)

	raw, err := os.ReadFile(path) // as kill -9 leaves it
	require.NoError(t, err)
	copied := filepath.Join(t.TempDir(), "db")
	require.NoError(t, os.WriteFile(copied, raw, 0o600))
	again := open(t, copied)
	require.Equal(t, 2, count(t, again))
	require.NoError(t, db.Close())
	require.True(t, keepsFree(t, path))
}
