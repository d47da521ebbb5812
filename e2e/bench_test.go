//go:build unix

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The benchmarks compare pipelinetui with plain Pulumi: the same stack, made by
// the project that `eject` wrote, with the same provider servers attached and the
// same file backend. Both run by turns, and what is reported are medians, so that
// other work on the machine hits both. Plain Pulumi pays for its YAML runtime, which
// is two processes more than a program that is part of pipelinetui; that is part of
// the comparison and can't be taken out.
//
// BENCH_ROUNDS is how many turns there are (default 5), BENCH_TENANTS how many
// pipelines the other benchmark has (default 20).

func BenchmarkOnePipeline(b *testing.B) {
	w := newBench(b)
	w.here("up", "-f", w.spec(1), "--yes")
	w.eject(1)
	w.here("destroy", "t0/iris", "--yes")
	for b.Loop() {
		ours, theirs := timings{}, timings{}
		for range number("BENCH_ROUNDS", 5) {
			ours.add("up", w.here("up", "-f", w.spec(1), "--yes"))
			ours.add("preview", w.here("preview", "t0/iris"))
			ours.add("again", w.here("up", "t0/iris", "--yes"))
			ours.add("destroy", w.here("destroy", "t0/iris", "--yes"))
			theirs.add("up", w.create(0))
			theirs.add("preview", w.plain(0, "preview"))
			theirs.add("again", w.plain(0, "up", "--yes", "--skip-preview"))
			theirs.add("destroy", w.destroy(0))
		}
		report(b, ours, theirs, "up", "preview", "again", "destroy")
	}
	w.processes("up", "up", "-f", w.spec(1), "--yes")
	w.processes("preview", "preview", "t0/iris")
	w.processes("again", "up", "t0/iris", "--yes")
	w.processes("destroy", "destroy", "t0/iris", "--yes")
}

func BenchmarkManyTenants(b *testing.B) {
	n := number("BENCH_TENANTS", 20)
	w := newBench(b)
	w.here("up", "-f", w.spec(n), "--yes")
	w.eject(n)
	w.here("destroy", "*/iris", "--yes")
	for b.Loop() {
		ours, theirs := timings{}, timings{}
		ours.add("up", w.here("up", "-f", w.spec(n), "--yes"))
		ours.add("preview", w.here("preview", "*/iris"))
		ours.add("destroy", w.here("destroy", "*/iris", "--yes"))
		theirs.add("up", w.each(n, w.create))
		theirs.add("preview", w.each(n, func(i int) time.Duration { return w.plain(i, "preview") }))
		theirs.add("destroy", w.each(n, w.destroy))
		report(b, ours, theirs, "up", "preview", "destroy")
	}
}

// timings are how long each operation took, every time.
type timings map[string][]time.Duration

func (t timings) add(what string, took time.Duration) { t[what] = append(t[what], took) }

func (t timings) median(what string) float64 {
	all := slices.Clone(t[what])
	slices.Sort(all)
	return all[len(all)/2].Seconds()
}

func report(b *testing.B, ours, theirs timings, what ...string) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // means nothing here
	for _, op := range what {
		b.ReportMetric(ours.median(op), op+"-s")
		b.ReportMetric(theirs.median(op), op+"-plain-s")
		b.ReportMetric(ours.median(op)/theirs.median(op), op+"-ratio")
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// bench is a place with both programs and one sandbox.
type bench struct {
	b       *testing.B
	dir     string
	exe     string
	pulumi  string
	env     []string
	toolEnv []string // that of `sandbox exec`, whose servers live as long as the benchmark
}

func newBench(b *testing.B) *bench {
	b.Helper()
	root, err := filepath.Abs("..")
	require.NoError(b, err)
	host := filepath.Join(root, "bin", "pulumi-language-yaml")
	if _, err := os.Stat(host); err != nil {
		b.Skip("no language host for YAML: run `make language-yaml`")
	}
	w := &bench{b: b, dir: b.TempDir(), pulumi: findBenchPulumi(b, root)}
	w.exe = filepath.Join(w.dir, "pipelinetui")
	build := exec.CommandContext(b.Context(), "go", "build", "-o", w.exe, "./cmd/pipelinetui")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(b, err, "%s", out)
	w.env = append(os.Environ(),
		"PIPELINETUI_HOME="+filepath.Join(w.dir, "home"), "PIPELINETUI_PULUMI="+w.pulumi, "PIPELINETUI_SANDBOX_ENDPOINT_DELAY=0s",
		"PATH="+filepath.Dir(host)+string(os.PathListSeparator)+os.Getenv("PATH"), "NO_COLOR=1")
	b.Cleanup(func() { stopSandbox(filepath.Join(w.dir, "home")) })
	w.run(w.env, w.dir, w.exe, "sandbox", "start")
	w.attach()
	return w
}

func findBenchPulumi(b *testing.B, root string) string {
	b.Helper()
	if p := os.Getenv("PIPELINETUI_PULUMI"); p != "" {
		return p
	}
	p := filepath.Join(root, "bin", "pulumi")
	if _, err := os.Stat(p); err != nil {
		b.Skip("no Pulumi CLI: run `make pulumi` first")
	}
	return p
}

// attach keeps a `sandbox exec` open and takes over the environment it gives.
func (w *bench) attach() {
	w.b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, w.exe, "sandbox", "exec", "--", "sh", "-c", "env -0; echo; cat")
	cmd.Env, cmd.Dir = w.env, w.dir
	in, err := cmd.StdinPipe()
	require.NoError(w.b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(w.b, err)
	require.NoError(w.b, cmd.Start())
	w.b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // it ends with its input
		cancel()
	})
	raw, err := bufio.NewReader(out).ReadBytes('\n')
	for err == nil && !bytes.HasSuffix(raw, []byte{0, '\n'}) {
		var more []byte // a variable with a line break in it
		more, err = bufio.NewReader(out).ReadBytes('\n')
		raw = append(raw, more...)
	}
	require.NoError(w.b, err)
	w.toolEnv = strings.Split(strings.TrimSuffix(string(raw), "\x00\n"), "\x00")
}

func (w *bench) run(env []string, dir, name string, args ...string) time.Duration {
	w.b.Helper()
	cmd := exec.CommandContext(w.b.Context(), name, args...)
	cmd.Env, cmd.Dir = env, dir
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	require.NoError(w.b, err, "%s %v\n%s", name, args, out)
	return took
}

// here runs pipelinetui.
func (w *bench) here(args ...string) time.Duration { return w.run(w.env, w.dir, w.exe, args...) }

func stackOf(i int) string { return fmt.Sprintf("t%d.iris.dev", i) }

func (w *bench) project(i int) string { return filepath.Join(w.dir, "ejected", strconv.Itoa(i)) }

// plain runs the Pulumi CLI in an ejected project. Artifacts have absolute paths
// there: an attached provider has one work directory for all projects.
func (w *bench) plain(i int, args ...string) time.Duration {
	return w.run(w.toolEnv, w.project(i), w.pulumi, append(args, "--stack", stackOf(i), "--non-interactive")...)
}

// create makes a stack and its resources.
func (w *bench) create(i int) time.Duration {
	return w.run(w.toolEnv, w.project(i), w.pulumi, "stack", "init", stackOf(i), "--non-interactive") +
		w.plain(i, "up", "--yes", "--skip-preview")
}

// destroy removes both; what it takes away from the project is put back.
func (w *bench) destroy(i int) time.Duration {
	settings := filepath.Join(w.project(i), "Pulumi."+stackOf(i)+".yaml")
	kept, err := os.ReadFile(settings)
	require.NoError(w.b, err)
	took := w.plain(i, "destroy", "--yes", "--skip-preview", "--remove")
	require.NoError(w.b, os.WriteFile(settings, kept, 0o600))
	return took
}

// each is a loop of a shell: one after the other.
func (w *bench) each(n int, do func(int) time.Duration) time.Duration {
	var sum time.Duration
	for i := range n {
		sum += do(i)
	}
	return sum
}

// spec is a file with n pipelines, one for each tenant.
func (w *bench) spec(n int) string {
	path := filepath.Join(w.dir, fmt.Sprintf("%d.yaml", n))
	iris, err := filepath.Abs("../examples/iris")
	require.NoError(w.b, err)
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: pipelinetui/v1\ndefaults:\n  template: realtime\n  parameters: {image: sandbox/linear, modelDataUrl: %s/model.tar.gz, "+
		"preprocess: {code: %s/preprocess, handler: index.handler}}\npipelines:\n", iris, iris)
	for i := range n {
		fmt.Fprintf(&b, "  - {tenant: t%d, model: iris}\n", i)
	}
	require.NoError(w.b, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

// eject makes the projects of n pipelines, with absolute paths.
func (w *bench) eject(n int) {
	w.b.Helper()
	for i := range n {
		w.here("eject", fmt.Sprintf("t%d/iris", i), w.project(i))
		file := filepath.Join(w.project(i), "Pulumi.yaml")
		raw, err := os.ReadFile(file)
		require.NoError(w.b, err)
		raw = bytes.ReplaceAll(raw, []byte(": ./artifact"), []byte(": "+w.project(i)+"/artifact"))
		raw = bytes.ReplaceAll(raw, []byte(": ./pre"), []byte(": "+w.project(i)+"/pre"))
		require.NoError(w.b, os.WriteFile(file, raw, 0o600))
	}
}

// processes reports how many CLI processes an operation starts, outside of the
// timed runs: the debug log tells.
func (w *bench) processes(what string, args ...string) {
	w.b.Helper()
	log := filepath.Join(w.dir, "home", "logs", "pipelinetui.log")
	require.NoError(w.b, os.RemoveAll(log))
	w.here(append(args, "--debug")...)
	raw, err := os.ReadFile(log)
	require.NoError(w.b, err)
	n := 0
	for line := range bytes.Lines(raw) {
		var entry struct{ Msg string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "pulumi process ended" {
			n++
		}
	}
	require.Positive(w.b, n)
	w.b.ReportMetric(float64(n), what+"-processes")
}
