package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
)

// An end changes what is in the list and nothing that others work on; one of before a redrive
// does not end it again.
func TestHear(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	x := func(name string, status executions.Status, redrives int) *Execution {
		return &Execution{Pipeline: "acme/iris", Execution: executions.Execution{ARN: name, Name: name, Status: status, Start: at, Redrives: redrives}}
	}
	end := func(name string, status executions.Status, redrives int) executions.Ended {
		return executions.Ended{Details: executions.Details{
			Execution: executions.Execution{ARN: name, Name: name, Status: status, Start: at, Stop: at.Add(time.Minute), Redrives: redrives},
			Error:     "Broken", Cause: `{"errorMessage":"it broke"}`,
		}}
	}
	had := []*Execution{x("a", executions.Running, 0), x("b", executions.Running, 1), x("c", executions.Running, 0), x("d", executions.Failed, 0)}
	f := &Found{List: had}
	require.False(t, f.Hear([]executions.Ended{
		end("a", executions.Failed, 0), end("b", executions.Failed, 0), end("c", executions.Succeeded, 0), end("d", executions.TimedOut, 0),
		end("other", executions.Succeeded, 0),
	}, append(Failures(), executions.Running)))
	var names []string
	for _, x := range f.List {
		names = append(names, x.Name+" "+string(x.Status))
	}
	require.Equal(t, []string{"a FAILED", "b RUNNING", "d FAILED"}, names)
	require.Equal(t, "Broken", f.List[0].Error)
	require.Equal(t, "it broke", f.List[0].Cause)
	require.Equal(t, executions.Running, had[0].Status, "who works on the old one goes on with it")
	require.True(t, f.Hear([]executions.Ended{end("other", executions.Failed, 0)}, nil), "another look finds it")
	require.False(t, f.Hear([]executions.Ended{end("d", executions.Succeeded, 1)}, Failures()))
	require.Len(t, f.List, 2, "a redriven one has ended well")
}
