package execution_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
)

// One key leads from a failed state to its own lines: of a state that calls no function,
// what the state machine logged of this execution and of no other.
func TestOneKeyLeadsToTheLinesOfAFailedState(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	var mu sync.Mutex
	var asked []pipelines.LogQuery
	source.LogsFunc = func(_ context.Context, _ spec.ID, q pipelines.LogQuery) ([]pipelines.LogLine, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, q)
		return []pipelines.LogLine{{Time: datatest.Recorded, Stream: "a", Message: `{"level":"ERROR","msg":"no petal","tenant":"acme","item":{"n":4}}`}}, nil
	}
	s := open(t, source, datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	s.Until("ScoreDataset")
	s.Press("L")
	s.Until(`no petal item={"n":4} tenant=acme`)
	require.Contains(t, s.Screen(), "ScoreDataset  calls no function; what the state machine logged")
	mu.Lock()
	n := len(asked)
	require.Regexp(t, `^\{ \$\.execution_arn = "arn:aws:states:[^"]+:flowers-1" \}$`, asked[n-1].Filter)
	mu.Unlock()
	s.Press("L")
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, asked, n+1, "there it reads again")
}
