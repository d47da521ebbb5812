//go:build unix

package app

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCloseDoesNotWaitForTemplatesThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "mine")
	require.NoError(t, os.Mkdir(folder, 0o700))
	fifo := filepath.Join(folder, "template.yaml")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	a := newTestApp(t, map[string]string{"PIPELINETUI_TEMPLATES": folder}, nil)
	ended := make(chan error, 1)
	go func() { _, err := a.Catalog(t.Context()); ended <- err }()
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // it is being read when this returns
	require.NoError(t, err)
	require.NoError(t, a.Close())
	select {
	case err := <-ended:
		t.Fatalf("the templates were read: %v", err)
	default:
	}
	require.NoError(t, w.Close())
	require.Error(t, <-ended, "an empty file is no template")
}
