package app

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParallelByMemoryAndCores(t *testing.T) {
	t.Parallel()
	const gb = 1 << 30
	require.Equal(t, 4, parallelFor(2, 8*gb, engineMemory), "cores")
	require.Equal(t, 8, parallelFor(64, 0, engineMemory), "enough for anybody")
	require.Equal(t, 3, parallelFor(16, gb, engineMemory), "memory")
	require.Equal(t, 3, parallelFor(16, 8*gb, engineMemory+providerMemory))
	require.Equal(t, 1, parallelFor(2, 100<<20, engineMemory+providerMemory), "one at least")
}

func TestFreeMemory(t *testing.T) {
	t.Parallel()
	files := map[string]string{"/proc/meminfo": "MemTotal:       8000 kB\nMemAvailable:   4000 kB\n"}
	read := func(path string) ([]byte, error) {
		if s, ok := files[path]; ok {
			return []byte(s), nil
		}
		return nil, os.ErrNotExist
	}
	require.EqualValues(t, 4000<<10, freeMemory(read))
	files["/sys/fs/cgroup/memory.max"] = "max\n"
	require.EqualValues(t, 4000<<10, freeMemory(read))
	files["/sys/fs/cgroup/memory.max"], files["/sys/fs/cgroup/memory.current"] = "2000000\n", "500000\n"
	require.EqualValues(t, 1500000, freeMemory(read), "the container has less")
	require.Zero(t, freeMemory(func(string) ([]byte, error) { return nil, os.ErrNotExist }))
}
