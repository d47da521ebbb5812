package program

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// read is the digest of a file, and whether all of it was read for that.
func (d *digests) read(t *testing.T, name string) (sum string, whole bool) {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	sum, err = d.of(f, nil)
	require.NoError(t, err)
	at, err := f.Seek(0, 1)
	require.NoError(t, err)
	return sum, at > 0
}

func TestAFileIsReadOnceForItsDigest(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "model.tar.gz")
	write := func(text string) { require.NoError(t, os.WriteFile(name, []byte(text), 0o600)) }
	write("one")
	if f, err := os.Open(name); err == nil {
		_, ok := identityOf(f)
		require.NoError(t, f.Close())
		if !ok {
			t.Skip("this system does not tell what a file is")
		}
	}
	ahead := time.Duration(0)
	d := &digests{now: func() time.Time { return time.Now().Add(ahead) }}

	// Changed just now: another change could look the same.
	for range 2 {
		sum, whole := d.read(t, name)
		require.Equal(t, DigestOf([]byte("one")), sum)
		require.True(t, whole)
	}
	ahead = time.Hour
	_, whole := d.read(t, name)
	require.True(t, whole)
	sum, whole := d.read(t, name)
	require.Equal(t, DigestOf([]byte("one")), sum)
	require.False(t, whole)

	// The same size, and a time that was put back: the inode's own tells.
	info, err := os.Stat(name)
	require.NoError(t, err)
	write("two")
	require.NoError(t, os.Chtimes(name, info.ModTime(), info.ModTime()))
	sum, whole = d.read(t, name)
	require.Equal(t, DigestOf([]byte("two")), sum)
	require.True(t, whole)

	// Another file under the same name.
	other := name + ".new"
	require.NoError(t, os.WriteFile(other, []byte("six"), 0o600))
	require.NoError(t, os.Rename(other, name))
	sum, _ = d.read(t, name)
	require.Equal(t, DigestOf([]byte("six")), sum)

	// From the future: never kept.
	later := time.Now().Add(48 * time.Hour)
	require.NoError(t, os.Chtimes(name, later, later))
	for range 2 {
		_, whole = d.read(t, name)
		require.True(t, whole)
	}
}

func TestManyReadersOfOneFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "model.tar.gz")
	require.NoError(t, os.WriteFile(name, make([]byte, 1<<20), 0o600))
	d := &digests{now: func() time.Time { return time.Now().Add(time.Hour) }}
	want := DigestOf(make([]byte, 1<<20))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
				return
			}
			if sum, err := d.of(f, nil); err != nil || sum != want {
				t.Error(sum, err)
			}
			_ = f.Close()
		})
	}
	all.Wait()
	require.Len(t, d.known, 1)
}
