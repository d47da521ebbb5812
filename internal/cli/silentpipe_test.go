//go:build unix

package cli

import (
	"io"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
)

func TestReadsObeyTheFirstSignal(t *testing.T) {
	t.Parallel()
	fifo := t.TempDir() + "/fifo.yaml"
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	inputs := t.TempDir() + "/inputs"
	require.NoError(t, syscall.Mkfifo(inputs, 0o600))
	for _, args := range [][]string{
		{"run", "a/b", "--input", "-"},
		{"run", "a/b", "--inputs", "-"},
		{"run", "a/b", "--inputs", inputs},
		{"run", "a/b", "--input", "@" + inputs},
		{"up", "-f", "-", "--yes"},
		{"up", "-f", fifo, "--yes"},
		{"preview", "-f", fifo},
		{"destroy", "-f", fifo, "--yes"},
		{"list", "--config", fifo},
	} {
		for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
			r, w := io.Pipe()
			t.Cleanup(func() { w.Close() })
			streams, out, errOut := console.Buffers("")
			streams.In = r
			signals := make(chan os.Signal)
			code := make(chan ExitCode, 1)
			home := t.TempDir()
			go func() {
				code <- Run(t.Context(), append(args, "-o", "json"), streams, func(k string) (string, bool) { return home, k == "PIPELINETUI_HOME" }, signals)
			}()
			signals <- sig
			require.Equal(t, ExitCancelled, <-code, "%v: %s", args, errOut.String())
			requireError(t, out.Bytes(), ExitCancelled)
		}
	}
}
