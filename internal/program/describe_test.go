package program

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// What is described is what is built.
func TestDescribe(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]map[string]any{"defaults": nil, "everything": everything} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, tmpl := pipelineOf(t, change)
			planned, err := Describe(t.Context(), p, tmpl, testEnv)
			require.NoError(t, err)
			r := execute(t, p, tmpl, testEnv)
			names := []string{"region", "spec"}
			var order []string
			for _, x := range planned {
				require.Equal(t, r.made[x.Name].token, x.Type)
				names = append(names, x.Name)
				if len(order) == 0 || order[len(order)-1] != x.Block {
					order = append(order, x.Block)
				}
				if x.AWSName != "" {
					require.True(t, strings.Contains(x.AWSName, testBase) || slices.Contains([]string{"live", "pipeline"}, x.AWSName), x.AWSName)
				}
			}
			slices.Sort(names)
			require.Empty(t, cmp.Diff(r.names(), names))
			require.True(t, slices.IsSortedFunc(order, func(a, b string) int { return rank(a) - rank(b) }), "%v", order)
		})
	}
}

func rank(block string) int {
	return slices.IndexFunc(Blocks(), func(b BlockInfo) bool { return b.Name == block })
}

func TestIdleCosts(t *testing.T) {
	t.Parallel()
	idle := func(change map[string]any) map[string]string {
		p, tmpl := pipelineOf(t, change)
		planned, err := Describe(t.Context(), p, tmpl, testEnv)
		require.NoError(t, err)
		costs := map[string]string{}
		for _, x := range planned {
			if x.Idle != "" {
				costs[x.Name] = x.Idle
			}
		}
		return costs
	}
	require.Equal(t, map[string]string{"endpoint": "2 x ml.c5.xlarge by the hour", "key": "by the month"},
		idle(map[string]any{"initialInstances": 2, "instanceType": "ml.c5.xlarge", "kmsMode": "customer"}))
	require.Empty(t, idle(map[string]any{"endpointKind": "serverless"}))
	require.Equal(t, map[string]string{"endpoint": "3 requests' worth of kept capacity by the hour"},
		idle(map[string]any{"endpointKind": "serverless", "provisionedConcurrency": 3}))
}

func TestDescribeRefuses(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"image": nil})
	_, err := Describe(t.Context(), p, tmpl, testEnv)
	require.ErrorIs(t, err, fault.Invalid)
}
