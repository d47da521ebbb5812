package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/health"
)

// What was measured is waited for a moment only: what a batch costs holds it up by no more.
func TestTimedEndsSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun, w := time.Now(), &costs.Workload{}
		timed(t.Context(), w, func(ctx context.Context) (costs.Measures, error) {
			<-ctx.Done()
			return costs.Measures{}, ctx.Err()
		})
		require.Equal(t, 2*time.Second, time.Since(begun))
		require.Zero(t, *w)
		timed(t.Context(), w, func(context.Context) (costs.Measures, error) {
			return costs.Measures{Calls: 4, CallMS: 1000, Answers: 2, AnswerMS: 60}, nil
		})
		require.InDelta(t, 250, w.FunctionMS, 0)
		require.InDelta(t, 30, w.ModelMS, 0)
		timed(t.Context(), w, func(context.Context) (costs.Measures, error) {
			return costs.Measures{Calls: 1, CallMS: 1}, errors.New("refused")
		})
		require.InDelta(t, 250, w.FunctionMS, 0)
	})
}

// An endpoint that does not tell of itself is not counted as one without instances, and what
// is younger than the time that was asked for is counted from when it was made.
func TestMeasures(t *testing.T) {
	t.Parallel()
	until := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	since, two := until.Add(-720*time.Hour), int32(2)
	report := health.Report{Since: since}
	machine, serverless := costs.Parts{Instance: "ml.m5.large"}, costs.Parts{Memory: 2048, Kept: 1}
	for name, c := range map[string]struct {
		h       Health
		parts   costs.Parts
		made    time.Time
		unseen  bool
		all, of float64
	}{
		"in service":    {Health{Report: report, Created: until.Add(-24 * time.Hour), Instances: &two}, machine, until.Add(-48 * time.Hour), false, 48, 24},
		"of long ago":   {Health{Report: report, Created: since.Add(-time.Hour), Instances: &two}, machine, since.Add(-time.Hour), false, 720, 720},
		"creating":      {Health{Report: report, Created: until.Add(-time.Hour)}, machine, time.Time{}, true, 720, 1},
		"refused":       {Health{Report: report}, machine, time.Time{}, true, 720, 720},
		"serverless":    {Health{Report: report, Created: until.Add(-time.Hour)}, serverless, time.Time{}, false, 720, 1},
		"kept, refused": {Health{Report: report}, serverless, time.Time{}, true, 720, 720},
	} {
		m := measures(&c.h, c.parts, c.made, until)
		require.Equal(t, c.unseen, m.Unseen, name)
		require.InDelta(t, c.all, m.Hours, 1e-9, name)
		require.InDelta(t, c.of, m.EndpointHours, 1e-9, name)
	}
}
