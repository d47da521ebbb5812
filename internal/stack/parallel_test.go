package stack

import (
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"
)

func TestParallelUps(t *testing.T) {
	t.Parallel()
	f, p := open(t, ""), serveProvider(t)
	const n = 4
	runs := make([]*Run, n)
	for i := range runs {
		run, err := f.Up(t.Context(), Job{
			Stack: fmt.Sprintf("tenant%d.iris.dev", i), Env: p.env(),
			Program: things(map[string]pulumi.Map{"a": {"value": pulumi.Int(i)}}),
		})
		require.NoError(t, err)
		runs[i] = run
	}
	for i, run := range runs {
		res, err := run.Wait()
		require.NoError(t, err, i)
		require.Equal(t, fmt.Sprintf("tenant%d.iris.dev", i), res.Stack)
		require.Equal(t, "2 created", res.Summary)
	}
	require.Len(t, f.Spawned(), n)
	list, err := f.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, n)
}

func TestSlowReaderDoesNotHoldTheEngine(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	names := make([]string, 50)
	for i := range names {
		names[i] = fmt.Sprintf("s%d", i)
	}
	run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes("s", names...)})
	require.NoError(t, err)
	events := run.Events() // asked for, and not read until the end
	_, err = run.Wait()
	require.NoError(t, err)
	n := 0
	for range events {
		n++
	}
	require.Len(t, run.Log(), n)
	require.Greater(t, n, 2*len(names))
}
