//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/e2e/terminal"
)

// BenchmarkFirstFrame measures the time from the start of the program to its
// first frame on the screen, in a home where a sandbox runs already and in one
// where it does not: the frame must not wait for it.
func BenchmarkFirstFrame(b *testing.B) {
	root, err := filepath.Abs("..")
	require.NoError(b, err)
	bin := b.TempDir()
	build := exec.CommandContext(b.Context(), "go", "build", "-ldflags", "-s -w", "-o", bin+string(filepath.Separator), "./cmd/pipelinetui")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(b, err, "%s", out)
	home := b.TempDir()
	b.Cleanup(func() { stopSandbox(home) })
	first := regexp.MustCompile(` pipelinetui `)
	var best time.Duration
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), filepath.Join(bin, "pipelinetui"))
		for _, kv := range os.Environ() {
			if kv != "CI=true" {
				cmd.Env = append(cmd.Env, kv)
			}
		}
		cmd.Env = append(cmd.Env, "PIPELINETUI_HOME="+home, "LANG=C.UTF-8")
		began := time.Now()
		t, err := terminal.Start(cmd, 120, 40)
		require.NoError(b, err)
		require.NoError(b, t.Until(first, waitLimit))
		if took := time.Since(began); best == 0 || took < best {
			best = took
		}
		t.Close()
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
}
