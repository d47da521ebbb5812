package pipelines

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func TestDriftOfTheHistory(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	refresh := func(changes map[stack.Op]int) *stack.Update {
		return &stack.Update{Kind: "refresh", Result: "succeeded", Start: at.Add(-time.Minute), End: at, Changes: changes}
	}
	tests := []struct {
		name      string
		refreshed *stack.Update
		last      *stack.Update
		want      Drift
	}{
		{"never refreshed", nil, nil, Drift{}},
		{"nothing found", refresh(map[stack.Op]int{stack.OpSame: 9}), nil, Drift{At: at}},
		{"two found", refresh(map[stack.Op]int{stack.OpSame: 9, stack.OpUpdate: 1, stack.OpDelete: 1}), nil, Drift{Found: 2, At: at}},
		{
			"put right", refresh(map[stack.Op]int{stack.OpUpdate: 2}), &stack.Update{Start: at.Add(time.Hour), Kind: "update", Result: "succeeded"},
			Drift{Found: 2, At: at, Settled: true},
		},
		{
			"the update after it failed", refresh(map[stack.Op]int{stack.OpUpdate: 2}), &stack.Update{Start: at.Add(time.Hour), Kind: "update", Result: "failed"},
			Drift{Found: 2, At: at},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var history []stack.Update
			for _, u := range []*stack.Update{tt.last, tt.refreshed} {
				if u != nil {
					history = append(history, *u)
				}
			}
			got := (&Pipeline{History: history}).Drift()
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.refreshed != nil, got.Known())
			require.Equal(t, tt.want.Found > 0 && !tt.want.Settled, got.Open())
		})
	}
}

func TestReachNeedsNoSpec(t *testing.T) {
	t.Parallel()
	id := spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}
	require.Equal(t, &spec.Pipeline{ID: id, Region: "eu-west-1"}, (&Pipeline{ID: id}).Reach("eu-west-1"))
	p := &spec.Pipeline{ID: id, Region: "us-east-1"}
	require.Same(t, p, (&Pipeline{ID: id, Spec: p}).Reach("eu-west-1"))
}
