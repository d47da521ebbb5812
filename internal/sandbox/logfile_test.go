package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestLogIsTurnedOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path, 100)
	require.NoError(t, err)
	line := strings.Repeat("x", 39) + "\n"
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			n, err := l.Write([]byte(line))
			if err != nil || n != len(line) {
				t.Errorf("wrote %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, l.Close())
	older, err := os.ReadFile(path + ".1")
	require.NoError(t, err)
	newer, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, line+line, string(older))
	require.Equal(t, line, string(newer))
	// A log that is reopened goes on where it was.
	l, err = openLog(path, 100)
	require.NoError(t, err)
	_, err = l.Write([]byte(line))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	newer, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, line+line, string(newer))
}

func TestLastError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	for want, text := range map[string]string{
		"nothing in its log": "",
		"panic: x":           "goroutine 1\npanic: x\n\n",
		"it broke":           `{"level":"INFO","msg":"a"}` + "\n" + `{"level":"ERROR","msg":"sandbox ended","error":"it broke"}` + "\nit broke again\n",
		"only a message":     `{"level":"ERROR","msg":"only a message"}`,
	} {
		require.NoError(t, os.WriteFile(path, []byte("older\n"+text), 0o600))
		require.EqualError(t, lastError(path, int64(len("older\n"))), "the sandbox ended at once: "+want)
	}
	require.NoError(t, os.WriteFile(path, []byte(`{"level":"ERROR","msg":"sandbox ended","error":"taken","kind":"Conflict","hint":"Take another."}`), 0o600))
	err := lastError(path, 0)
	require.ErrorIs(t, err, fault.Conflict)
	require.Equal(t, "Take another.", fault.HintOf(err))
}
