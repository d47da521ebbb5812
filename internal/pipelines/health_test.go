package pipelines_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
)

// An endpoint that is younger than what is looked back is not idle for longer than it is there.
func TestIdleSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	h := pipelines.Health{Report: health.Report{Until: now}, Created: now.Add(-time.Hour)}
	require.Equal(t, h.Created, h.IdleSince())
	h.Created = now.Add(-16 * 24 * time.Hour)
	require.Zero(t, h.IdleSince(), "only that it was not invoked in 15 days is known")
	h.LastInvoked = now.Add(-time.Minute)
	require.Equal(t, h.LastInvoked, h.IdleSince())
	require.Zero(t, (&pipelines.Health{Report: health.Report{Until: now}}).IdleSince())
}
