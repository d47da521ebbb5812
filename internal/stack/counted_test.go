package stack

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A resource is what the engine counts in its own summary, wherever resources are counted.
func TestResourcesAreCountedAsTheEngineDoes(t *testing.T) {
	t.Parallel()
	types := []string{rootType, "pulumi:providers:pulumi", "pulumi:index:Stash", "pulumi:providers:aws", "aws:s3/bucketV2:BucketV2"}
	state, rows := State{}, []Row{}
	for i, typ := range types {
		state.Resources = append(state.Resources, Resource{Type: typ})
		rows = append(rows, Row{URN: string(rune('a' + i)), Type: typ, Op: OpCreate})
	}
	require.Equal(t, 3, state.Count())
	var p Progress
	p.Expect(rows)
	require.Equal(t, 3, p.Counts().Total())
	require.Equal(t, map[Op]int{OpCreate: 3}, p.Planned)
}

func TestTheLastLineIsInTheWordsOfItsOperation(t *testing.T) {
	t.Parallel()
	require.Equal(t, "destroy failed", closingOf(OperationDestroy, "update failed\n"))
	require.Equal(t, "refresh canceled", closingOf(OperationRefresh, "update canceled"))
	require.Equal(t, "update failed", closingOf(OperationUp, "update failed"))
	require.Equal(t, "update failed: why", closingOf(OperationDestroy, "update failed: why"), "it says something of its own")
}
