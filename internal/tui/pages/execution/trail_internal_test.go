package execution

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// TestTrail walks through a Choice, a Parallel state whose branches run at the same
// time, and the iterations of a Map.
func TestTrail(t *testing.T) {
	t.Parallel()
	edges := map[[2]string]bool{
		{"Which", "Both"}: true, {"Which", "Never"}: true, {"Both", "Each"}: true,
		{"L1", "L2"}: true, {"R1", "R2"}: true, {"I1", "I2"}: true, {"I1", "I3"}: true,
	}
	leads := func(from, to string) bool { return edges[[2]string{from, to}] }
	at := func(n int) *int { return &n }
	line := &executions.Timeline{Visits: []executions.Visit{
		{State: "Which", Parent: -1},
		{State: "Both", Parent: -1},
		{State: "L1", Parent: 1},
		{State: "R1", Parent: 1},
		{State: "R2", Parent: 1},
		{State: "L2", Parent: 1},
		{State: "Each", Parent: -1},
		{State: "I1", Parent: 6, Iteration: at(0)},
		{State: "I1", Parent: 6, Iteration: at(1)},
	}}
	var way trail
	way.add(line, leads)
	line.Visits = append(line.Visits, executions.Visit{State: "I3", Parent: 6, Iteration: at(1)}, executions.Visit{State: "I2", Parent: 6, Iteration: at(0)})
	way.add(line, leads)
	require.Equal(t, map[string][]string{"Which": {"Both"}, "Both": {"Each"}, "L1": {"L2"}, "R1": {"R2"}, "I1": {"I3", "I2"}}, way.to)

	states := map[string]widget.NodeState{"Which": {Note: "1s"}}
	way.mark(states)
	require.Equal(t, widget.NodeState{Note: "1s", To: []string{"Both"}}, states["Which"])

	way.add(&executions.Timeline{}, leads)
	require.Empty(t, way.to, "another execution")
}
