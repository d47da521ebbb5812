package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestTheMapRunThatIsMeant(t *testing.T) {
	t.Parallel()
	running := func(label string) executions.MapRun {
		return executions.MapRun{ARN: label, Label: label, Status: executions.Running}
	}
	ended := executions.MapRun{ARN: "old", Label: "a", Status: executions.Failed}
	r, err := theMapRun([]executions.MapRun{ended, running("a")}, "")
	require.NoError(t, err)
	require.Equal(t, "a", r.ARN)
	_, err = theMapRun([]executions.MapRun{running("a"), running("b")}, "")
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	require.Contains(t, fault.HintOf(err), "a, b")
	r, err = theMapRun([]executions.MapRun{running("a"), running("b")}, "b")
	require.NoError(t, err)
	require.Equal(t, "b", r.ARN)
	for _, label := range []string{"", "a", "c"} {
		_, err = theMapRun([]executions.MapRun{ended}, label)
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	}
}
