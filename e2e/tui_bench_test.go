//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/e2e/terminal"
)

// benchTool builds the program as a release has it.
func benchTool(b *testing.B) (root, tool string) {
	b.Helper()
	root, err := filepath.Abs("..")
	require.NoError(b, err)
	bin := b.TempDir()
	build := exec.CommandContext(b.Context(), "go", "build", "-ldflags", "-s -w", "-o", bin+string(filepath.Separator), "./cmd/pipelinetui")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(b, err, "%s", out)
	return root, filepath.Join(bin, "pipelinetui")
}

// BenchmarkFirstFrame measures the time from the start of the program to its
// first frame on the screen, in a home where a sandbox runs already and in one
// where it does not: the frame must not wait for it.
func BenchmarkFirstFrame(b *testing.B) {
	_, tool := benchTool(b)
	home := b.TempDir()
	b.Cleanup(func() { stopSandbox(home) })
	first := regexp.MustCompile(` pipelinetui `)
	var all []time.Duration
	for b.Loop() {
		cmd := exec.CommandContext(b.Context(), tool)
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
		all = append(all, time.Since(began))
		t.Close()
	}
	spread(b, "", all)
}

// BenchmarkCommand measures commands that ask nobody, from start to end, ten times each: the
// time on the clock, the processor time, and the most memory.
func BenchmarkCommand(b *testing.B) {
	root, tool := benchTool(b)
	home, pulumi := b.TempDir(), findBenchPulumi(b, root)
	for _, args := range [][]string{{"version"}, {"list"}, {"templates", "list"}, {"sandbox", "status"}} {
		b.Run(strings.Join(args, "-"), func(b *testing.B) {
			for b.Loop() {
				var clock, processor []time.Duration
				var most int64
				for range 10 {
					cmd := exec.CommandContext(b.Context(), tool, args...)
					cmd.Env = append(os.Environ(), "PIPELINETUI_HOME="+home, "PIPELINETUI_PULUMI="+pulumi)
					began := time.Now()
					out, err := cmd.CombinedOutput()
					require.NoError(b, err, "%s", out)
					clock = append(clock, time.Since(began))
					processor = append(processor, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
					if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
						most = max(most, use.Maxrss)
					}
				}
				b.ReportMetric(0, "ns/op") // of ten
				spread(b, "", clock)
				spread(b, "cpu-", processor)
				b.ReportMetric(float64(most)/1024, "MiB") // Linux tells KiB
			}
		})
	}
}

// spread reports the shortest, the median and the mean of some times in milliseconds.
func spread(b *testing.B, prefix string, all []time.Duration) {
	b.Helper()
	slices.Sort(all)
	var sum time.Duration
	for _, one := range all {
		sum += one
	}
	for name, took := range map[string]time.Duration{"best": all[0], "median": all[len(all)/2], "mean": sum / time.Duration(len(all))} {
		b.ReportMetric(float64(took.Microseconds())/1000, prefix+name+"-ms")
	}
}
