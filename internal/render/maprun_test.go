package render_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -12345: "-12,345", 1234567: "1,234,567"} {
		require.Equal(t, want, render.Number(n))
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3500: "3.4 KiB", 120 << 20: "120 MiB", 10 << 30: "10 GiB"} {
		require.Equal(t, want, render.Bytes(n))
	}
}

func TestMapRun(t *testing.T) {
	t.Parallel()
	st := theme.New(io.Discard, theme.NoColors, true)
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	run := executions.MapRun{
		ARN: "arn:run", Label: "Batch", Status: executions.Running, Start: start, MaxConcurrency: 50, ToleratedFailurePercent: 5,
		Items:    executions.Counts{Total: 10_000, Succeeded: 3300, Failed: 100, Running: 5000, Pending: 1600},
		Children: executions.Counts{Total: 100, Succeeded: 33, Failed: 1, Running: 50, Pending: 16},
	}
	now := start.Add(12 * time.Second)
	p := executions.MapRunProgress{MapRun: run, Rate: 412.4, Left: 16 * time.Second}
	require.Equal(t, "     12s  ▸ Batch  3,400 of 10,000 items (34 %)  34 of 100 children ended, 50 running, 1 failed  412 items/s  about 16s left",
		render.MapRunLine(st, p, start, now))
	require.Equal(t, "     12s  ▸ Batch  0 of 0 items  0 of 0 children ended, 0 running",
		render.MapRunLine(st, executions.MapRunProgress{MapRun: executions.MapRun{Label: "Batch"}}, start, now))

	run.Redrives = 2
	require.Equal(t, `Map Run Batch  RUNNING  12s
  items      10,000: 3,300 succeeded, 100 failed, 5,000 running, 1,600 pending
  children   100: 33 succeeded, 1 failed, 50 running, 16 pending
  at most 50 at the same time · tolerates 5 % failed items · 2 redrives
  arn:run
`, render.MapRun(st, &run, nil, now))
	run.MaxConcurrency = 0
	require.Contains(t, render.MapRun(st, &run, nil, now), "  any number at the same time · tolerates")
	run.MaxConcurrency = 50
	run.ToleratedFailurePercent, run.Children.Failed, run.Redrives = 0, 9, 0
	run.Status, run.Stop = executions.Failed, start.Add(3*time.Second)
	failures := []executions.Failure{
		{Status: executions.Failed, Error: "InvalidFlower", Message: "flower <n>\nis odd\x1b[31m", Count: 3, Example: "arn:child", ExampleMessage: "flower 7\nis odd"},
		{Status: executions.TimedOut, Error: "States.Timeout", Count: 1, Example: "arn:other"},
	}
	require.Equal(t, `Map Run Batch  FAILED  3.0s
  items      10,000: 3,300 succeeded, 100 failed, 5,000 running, 1,600 pending
  children   100: 33 succeeded, 9 failed, 50 running, 16 pending
  at most 50 at the same time · tolerates no failed item
  arn:run
  3 × FAILED InvalidFlower: flower <n> is odd
      for example: flower 7 is odd
      arn:child
  1 × TIMED_OUT States.Timeout
      arn:other
  and 5 more
`, render.MapRun(st, &run, failures, now))
}
