package data_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
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
		want      data.Drift
	}{
		{"never refreshed", nil, nil, data.Drift{}},
		{"nothing found", refresh(map[stack.Op]int{stack.OpSame: 9}), nil, data.Drift{At: at}},
		{"two found", refresh(map[stack.Op]int{stack.OpSame: 9, stack.OpUpdate: 1, stack.OpDelete: 1}), nil, data.Drift{Found: 2, At: at}},
		{
			"put right", refresh(map[stack.Op]int{stack.OpUpdate: 2}), &stack.Update{Start: at.Add(time.Hour), Kind: "update", Result: "succeeded"},
			data.Drift{Found: 2, At: at, Settled: true},
		},
		{
			"the update after it failed", refresh(map[stack.Op]int{stack.OpUpdate: 2}), &stack.Update{Start: at.Add(time.Hour), Kind: "update", Result: "failed"},
			data.Drift{Found: 2, At: at},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := data.Pipeline{Refreshed: tt.refreshed, Last: tt.last}.Drift()
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.refreshed != nil, got.Known())
			require.Equal(t, tt.want.Found > 0 && !tt.want.Settled, got.Open())
		})
	}
}

func TestReachNeedsNoSpec(t *testing.T) {
	t.Parallel()
	id := spec.ID{Tenant: "acme", Model: "fraud", Env: "dev"}
	require.Equal(t, &spec.Pipeline{ID: id, Region: "eu-west-1"}, data.Pipeline{ID: id}.Reach("eu-west-1"))
	p := &spec.Pipeline{ID: id, Region: "us-east-1"}
	require.Same(t, p, data.Pipeline{ID: id, Spec: p}.Reach("eu-west-1"))
}
