package store_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

var errAny = errors.New("any")

// What is shared is decoded once and follows every change, also one that is undone.
func TestShared(t *testing.T) {
	t.Parallel()
	type record struct{ Tags map[string]string }
	db, err := store.Open(filepath.Join(t.TempDir(), "db"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	read := func(tx *store.Tx) (r record, found bool) {
		r, found, err := store.Shared[record](tx, "b", "k")
		require.NoError(t, err)
		return r, found
	}
	get := func() (r record, found bool) {
		require.NoError(t, db.View(func(tx *store.Tx) error { r, found = read(tx); return nil }))
		return r, found
	}
	put := func(value string, after func(tx *store.Tx) error) error {
		return db.Update(func(tx *store.Tx) error {
			if err := store.Put(tx, "b", "k", record{map[string]string{"a": value}}); err != nil {
				return err
			}
			return after(tx)
		})
	}
	done := func(*store.Tx) error { return nil }

	_, found := get()
	require.False(t, found)
	require.NoError(t, put("1", done))
	first, _ := get()
	second, found := get()
	require.True(t, found)
	first.Tags["seen"] = "" // the same map: it was not decoded again
	require.Contains(t, second.Tags, "seen")

	require.ErrorIs(t, put("2", func(tx *store.Tx) error {
		r, _ := read(tx)
		require.Equal(t, "2", r.Tags["a"])
		return errAny
	}), errAny)
	r, _ := get()
	require.Equal(t, "1", r.Tags["a"], "what was undone is not seen")
	require.NoError(t, put("3", done))
	r, _ = get()
	require.Equal(t, map[string]string{"a": "3"}, r.Tags)

	e, err := store.Encode(record{map[string]string{"a": "4"}})
	require.NoError(t, err)
	require.False(t, e.IsZero())
	require.True(t, store.Encoded{}.IsZero())
	require.NoError(t, db.Update(func(tx *store.Tx) error { return tx.PutEncoded("b", "k", e) }))
	r, _ = get()
	require.Equal(t, "4", r.Tags["a"])
	other, found, err := sharedAs[struct{ Other string }](db)
	require.NoError(t, err)
	require.True(t, found)
	require.Empty(t, other.Other, "as another type it is decoded for it")
}

func sharedAs[T any](db *store.DB) (v T, found bool, err error) {
	err = db.View(func(tx *store.Tx) error {
		v, found, err = store.Shared[T](tx, "b", "k")
		return err
	})
	return v, found, err
}
