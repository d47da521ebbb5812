package program

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestAModelIsReadOnce: models have gigabytes; the kernel tells how often one was opened.
func TestAModelIsReadOnce(t *testing.T) {
	t.Parallel()
	model := filepath.Join(t.TempDir(), "model.tar.gz")
	require.NoError(t, os.WriteFile(model, []byte(gzipMagic+"weights"), 0o600))
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Close(fd)) }()
	// Opened and closed by turns: the kernel makes one event of two that are alike.
	_, err = unix.InotifyAddWatch(fd, model, unix.IN_OPEN|unix.IN_CLOSE_NOWRITE)
	require.NoError(t, err)

	p, tmpl := pipelineOf(t, nil)
	p.Files = map[string]string{"modelDataUrl": model}
	pl, err := newPlan(p, tmpl, testEnv)
	require.NoError(t, err)
	require.Len(t, pl.copies, 1)
	require.Equal(t, pl.model.sum, pl.copies[0].Digest)

	raw := make([]byte, 64*unix.SizeofInotifyEvent)
	n, err := unix.Read(fd, raw)
	require.NoError(t, err)
	opened := 0
	for raw = raw[:n]; len(raw) > 0; raw = raw[unix.SizeofInotifyEvent:] {
		if binary.NativeEndian.Uint32(raw[4:])&unix.IN_OPEN != 0 {
			opened++
		}
	}
	require.Equal(t, 1, opened)
}
