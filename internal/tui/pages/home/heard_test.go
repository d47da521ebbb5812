package home_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
)

// spoken is a feed that tells what a test says.
type spoken chan executions.Heard

// Ends implements executions.Feed.
func (s spoken) Ends(ctx context.Context) ([]executions.Ended, error) {
	select {
	case h := <-s:
		return h.Ends, h.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// What a pipeline tells of ends is counted at once, each once, and nobody is asked for it; that
// a feed has failed is said.
func TestEndsAreHeard(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	feed := make(spoken)
	var mu sync.Mutex
	asked, listening := map[spec.ID]int{}, 0
	source.EndsFunc = func(_ context.Context, p *pipelines.Pipeline) executions.Feed {
		mu.Lock()
		defer mu.Unlock()
		if p.ID != datatest.Iris {
			return nil
		}
		listening++
		return feed
	}
	source.LiveFunc = func(_ context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
		mu.Lock()
		defer mu.Unlock()
		asked[p.ID]++
		return pipelines.Live{At: datatest.Recorded, Endpoint: "InService", Running: pipelines.Counted(3), Failed: pipelines.Counted(1)}, nil
	}
	s := open(t, source, tuitest.Size(160, 40))
	row := func() []string { return strings.Fields(line(t, s, "acme", "iris ", "realtime")) }
	has := func(words ...string) func() bool {
		return func() bool { return strings.Contains(strings.Join(row(), " "), strings.Join(words, " ")) }
	}
	s.Wait("three that run", has("InService", "3", "1"))
	s.Idle()
	mu.Lock()
	before := asked[datatest.Iris]
	require.Equal(t, 1, listening)
	mu.Unlock()
	end := func(name string, status executions.Status, after time.Duration) executions.Ended {
		return executions.Ended{Details: executions.Details{Execution: executions.Execution{
			ARN: "arn:" + name, Name: name, Status: status, Start: datatest.Recorded.Add(-time.Minute), Stop: datatest.Recorded.Add(after),
		}}}
	}
	feed <- executions.Heard{Ends: []executions.Ended{
		end("a", executions.Failed, time.Second), end("a", executions.Failed, time.Second), end("b", executions.Succeeded, time.Second),
		end("earlier", executions.Failed, -time.Second),
	}}
	s.Wait("two of them have ended", has("InService", "1", "2"))
	mu.Lock()
	require.Equal(t, before, asked[datatest.Iris], "nobody was asked for it")
	mu.Unlock()

	feed <- executions.Heard{Err: errors.New("the queue is gone")}
	s.Until("looked for instead")
	s.Advance(time.Minute)
	s.Idle()
	mu.Lock()
	defer mu.Unlock()
	require.Greater(t, asked[datatest.Iris], before, "it is asked as before")
	require.Equal(t, 1, listening, "what has failed is left alone")
}
