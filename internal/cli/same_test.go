package cli

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
)

// One fixture, both faces: what the list says of a pipeline, the screen says in the same
// words.
func TestScreenAndCommandLineTellTheSame(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	list, err := source.Pipelines(t.Context())
	require.NoError(t, err)
	lives := map[string]pipelines.Live{
		datatest.Iris.StackName(): {At: datatest.Recorded, Endpoint: "InService", Running: pipelines.Counted(pipelines.LiveLimit), Failed: pipelines.Counted(3)},
		datatest.Fraud.StackName(): {
			At: datatest.Recorded, Endpoint: pipelines.EndpointGone, EndpointErr: fault.New(fault.NotFound, "it is gone"),
			Running: pipelines.Counted(0), Failed: pipelines.Counted(0),
		},
		datatest.Churn.StackName(): {At: datatest.Recorded},
		datatest.IrisBatch.StackName(): {
			At: datatest.Recorded, Endpoint: "Updating", ExecutionsErr: fault.New(fault.Throttled, "too many"),
		},
	}
	for i := range list {
		if list[i].ID == datatest.Iris { // its up was cancelled
			list[i].History = []stack.Update{{Kind: "update", Result: stack.ResultCanceled, Start: datatest.Recorded, End: datatest.Recorded}}
			source.Add(list[i], list[i].History...)
		}
	}
	source.LiveFunc = func(_ context.Context, p pipelines.Pipeline) (pipelines.Live, error) {
		return lives[p.ID.StackName()], nil
	}

	streams, _, _ := console.Buffers("")
	deps := newSession(nil, streams, func(string) (string, bool) { return "", false }).deps
	docs := make([]pipelineDoc, len(list))
	for i := range list {
		docs[i] = deps.newPipelineDoc(&list[i])
		docs[i].take(lives[docs[i].Stack])
	}
	text := deps.listText(docs, &asking{asked: true})
	x := tuitest.Open(t, source, nil, tuitest.Routed(), tuitest.Size(200, 40), tuitest.Now(datatest.Recorded))
	x.Until("gone")
	x.Until("1000+")

	for _, d := range docs {
		words := []string{string(d.Status), d.live.Text(d.live.Running), d.live.Text(d.live.Failed)}
		if d.Endpoint != "" {
			words = append(words, d.Endpoint)
		}
		for name, face := range map[string]string{"list": rowOf(text, d.Pipeline+" "), "screen": rowOf(x.Screen(), " "+d.Model+" ")} {
			require.NotEmpty(t, face, "%s has no row for %s", name, d.Pipeline)
			for _, w := range words {
				require.Contains(t, strings.Fields(face), w, "%s: %s", name, face)
			}
		}
	}
	require.Contains(t, rowOf(text, "acme/iris "), "cancelled")
}

// rowOf is the first line that has a text in it.
func rowOf(text, what string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, what) {
			return line
		}
	}
	return ""
}
