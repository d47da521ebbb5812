package program

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
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
			env := testEnv
			env.Revise = func(context.Context, revisions.Content, map[string]any) (*revisions.Step, error) {
				return &revisions.Step{Number: 1}, nil
			}
			r := execute(t, p, tmpl, env)
			var names, order []string
			kept := 0
			for _, x := range planned {
				if kinds.Engines(x.Type) && x.Name != FleetResource { // which is the endpoint's
					require.Equal(t, keptBlock, x.Block)
					kept++
				}
				if x.Type == "pulumi:pulumi:Stack" {
					continue
				}
				require.Equal(t, r.made[x.Name].token, x.Type)
				names = append(names, x.Name)
				if x.Block != keptBlock && (len(order) == 0 || order[len(order)-1] != x.Block) {
					order = append(order, x.Block)
				}
				if x.AWSName != "" {
					require.True(t, strings.Contains(x.AWSName, testBase) || slices.Contains([]string{"live", "pipeline"}, x.AWSName), x.AWSName)
				}
			}
			require.Equal(t, 4, kept, "the stack itself, its region, its spec and its revisions")
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
