package executions_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
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
	var way executions.Trail
	way.Add(line, leads)
	line.Visits = append(line.Visits, executions.Visit{State: "I3", Parent: 6, Iteration: at(1)}, executions.Visit{State: "I2", Parent: 6, Iteration: at(0)})
	way.Add(line, leads)
	require.Equal(t, map[string][]string{"Which": {"Both"}, "Both": {"Each"}, "L1": {"L2"}, "R1": {"R2"}, "I1": {"I3", "I2"}}, way.To)

	way.Add(&executions.Timeline{}, leads)
	require.Empty(t, way.To, "another execution")
}

// TestChooseVisits: what did not succeed is taken first, and the order stays.
func TestChooseVisits(t *testing.T) {
	t.Parallel()
	visits := func(bad ...int) []executions.Visit {
		all := make([]executions.Visit, 10)
		for i := range all {
			all[i].Status = executions.VisitSucceeded
		}
		for _, i := range bad {
			all[i].Status = executions.VisitFailed
		}
		return all
	}
	for _, c := range []struct {
		name  string
		bad   []int
		room  int
		shown []int
	}{
		{"all fit", []int{3}, 20, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"a late failure", []int{9}, 3, []int{0, 1, 9}},
		{"half are failures", []int{5, 6, 7, 8, 9}, 4, []int{0, 1, 5, 6}},
		{"nothing else", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 3, []int{0, 1, 2}},
		{"room for one", []int{9}, 1, []int{0}},
	} {
		shown, left := executions.ChooseVisits(visits(c.bad...), c.room)
		require.Equal(t, c.shown, shown, c.name)
		require.Equal(t, 10-len(c.shown), left, c.name)
	}
}
