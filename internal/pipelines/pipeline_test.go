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

// A look at what was cut off is called a refresh by the history. It neither finds drift nor
// clears what was found: not one that says what it is, nor one of before that is known by how
// few resources it counts.
func TestALookIsNoRefresh(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	entry := func(minute int, kind, result string, changes map[stack.Op]int) stack.Update {
		begun := at.Add(time.Duration(minute) * time.Minute)
		return stack.Update{Kind: kind, Result: result, Start: begun, End: begun.Add(time.Second), Changes: changes}
	}
	marked := func(u stack.Update) stack.Update {
		u.Message = "looked at what was cut off"
		return u
	}
	const up, refresh, well, cut = "update", "refresh", "succeeded", stack.ResultInterrupted
	made := entry(0, up, well, map[stack.Op]int{stack.OpCreate: 27})
	drifted := entry(1, refresh, well, map[stack.Op]int{stack.OpSame: 26, stack.OpUpdate: 1})
	clean := entry(1, refresh, well, map[stack.Op]int{stack.OpSame: 27})
	cutOff := entry(2, up, cut, nil)
	one, changed := entry(3, refresh, well, map[stack.Op]int{stack.OpSame: 1}), entry(3, refresh, well, map[stack.Op]int{stack.OpUpdate: 1})
	many := marked(entry(3, refresh, well, map[stack.Op]int{stack.OpSame: 25}))
	after := entry(4, up, well, map[stack.Op]int{stack.OpSame: 24, stack.OpUpdate: 3})
	first := entry(4, up, well, map[stack.Op]int{stack.OpSame: 9, stack.OpCreate: 18})
	none := Drift{At: clean.End}
	open := Drift{Found: 1, At: drifted.End}
	settled := Drift{Found: 1, At: drifted.End, Settled: true}
	tests := []struct {
		name    string
		history []stack.Update // the newest first
		want    Drift
	}{
		{"it finds none", []stack.Update{after, changed, cutOff, clean, made}, none},
		{"nor alone", []stack.Update{changed, cutOff, made}, Drift{}},
		{"nor where nothing was whole before", []stack.Update{first, changed}, Drift{}},
		{"it clears none", []stack.Update{one, cutOff, drifted, made}, open},
		{"what was put right stays so", []stack.Update{one, after, drifted, made}, settled},
		{"marked", []stack.Update{many, cutOff, drifted, made}, open},
		{"a refresh after it counts", []stack.Update{entry(5, refresh, well, map[stack.Op]int{stack.OpSame: 27}), after, changed, made}, Drift{At: at.Add(5*time.Minute + time.Second)}},
		{"a refresh of what is left of a destroy", []stack.Update{entry(3, refresh, well, map[stack.Op]int{stack.OpSame: 2}), entry(2, "destroy", "failed", nil), made}, Drift{At: one.End}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, (&Pipeline{History: tt.history}).Drift())
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
