package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkNoOp measures an update and a preview without changes, against the
// bare start of the CLI.
func BenchmarkNoOp(b *testing.B) {
	path, _, err := FindPulumi(b.Context(), FindOptions{
		Explicit: os.Getenv("PIPELINETUI_PULUMI"), BesideExe: filepath.Join("..", "..", "bin"), Path: os.Getenv("PATH"),
	})
	if err != nil {
		b.Skip(err)
	}
	e, err := Open(b.Context(), Options{
		PulumiPath: path, Home: b.TempDir(), Backend: "file://" + b.TempDir(),
		Env: map[string]string{envPassphrase: "correct horse"},
	})
	require.NoError(b, err)
	job := Job{Stack: testStack, Program: stashes("s", "one", "two", "three")}
	one := func(b *testing.B, launch func() (*Run, error)) {
		b.Helper()
		before := len(e.Spawned())
		for b.Loop() {
			run, err := launch()
			require.NoError(b, err)
			_, err = run.Wait()
			require.NoError(b, err)
		}
		b.ReportMetric(float64(len(e.Spawned())-before)/float64(b.N), "processes/op")
	}
	run, err := e.Up(b.Context(), job)
	require.NoError(b, err)
	_, err = run.Wait()
	require.NoError(b, err)

	b.Run("up", func(b *testing.B) { one(b, func() (*Run, error) { return e.Up(b.Context(), job) }) })
	b.Run("preview", func(b *testing.B) { one(b, func() (*Run, error) { return e.Preview(b.Context(), job) }) })
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			_, err := e.State(b.Context(), testStack)
			require.NoError(b, err)
		}
	})
	b.Run("version", func(b *testing.B) {
		for b.Loop() {
			_, err := askVersion(b.Context(), path)
			require.NoError(b, err)
		}
	})
}
