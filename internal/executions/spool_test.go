package executions

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestAnInterruptedSpoolLeavesNoFile(t *testing.T) { // TMPDIR is the process's
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := SpoolInputs(ctx, "standard input", r); ended <- err }()
	_, err := io.WriteString(w, "{}\n") // it is being read when this returns
	require.NoError(t, err)
	cancel()
	require.ErrorIs(t, <-ended, fault.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
