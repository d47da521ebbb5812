//go:build unix

package wholefile_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// What is written while other programs are begun can be executed at once.
func TestProgramsCanBeExecuted(t *testing.T) {
	t.Parallel()
	dir, ended := t.TempDir(), make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					_ = exec.CommandContext(t.Context(), "true").Run() // what becomes of it is of no interest
				}
			}
		})
	}
	for i := range 200 {
		path := filepath.Join(dir, strconv.Itoa(i))
		require.NoError(t, wholefile.WriteProgram(path, []byte("#!/bin/sh\n")))
		if err := exec.CommandContext(t.Context(), path).Run(); err != nil {
			t.Errorf("run %d: %v", i, err)
			break
		}
	}
	close(ended)
	others.Wait()
}
