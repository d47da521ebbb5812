package pipeline_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// revised is a pipeline with three revisions, the last of which failed.
func revised(t *testing.T) *datatest.Source {
	t.Helper()
	made := func(number int, state pipelines.RevisionState, memory float64) pipelines.Revision {
		return pipelines.Revision{
			Number: number, State: state, Begun: datatest.Recorded.Add(time.Duration(number-9) * time.Hour), By: "ana@build-7",
			Model: "sha256:0123456789abcdef", Updates: []int{number + 1}, Template: revisions.Template{Name: "realtime", Version: "1"},
			Content: revisions.Content{Document: map[string]any{"parameters": map[string]any{"memoryMb": memory}}},
		}
	}
	source := datatest.New(t)
	source.RevisionsFunc = func(context.Context, spec.ID) ([]pipelines.Revision, error) {
		failed := made(3, pipelines.RevisionFailed, 512)
		failed.Error = "no capacity\x1b[31m"
		back := made(2, pipelines.RevisionLive, 320)
		back.Origin = &revisions.Origin{PromotedFrom: "acme/iris/test", PromotedRevision: 5}
		return []pipelines.Revision{failed, back, made(1, pipelines.RevisionSuperseded, 256)}, nil
	}
	return source
}

// Revisions are compared with the one in service and brought back, by keys that also say
// the command line that does the same.
func TestRevisions(t *testing.T) {
	t.Parallel()
	s := open(t, revised(t), datatest.Iris, "revisions", tuitest.Size(120, 40))
	s.Until("superseded")
	s.Until("promoted from acme/iris/test revision 5")
	s.Until("no capacity")
	s.Press("enter")
	s.Until("updates   4")
	s.Press("esc")
	s.Press("d")
	s.Until("~ memoryMb: 512 → 320")
	s.Press("esc")
	s.Press("down")
	s.Press("d")
	s.Until("it is the one in service")
	s.Press("down")
	s.Press("b")
	s.Idle()
	req := last[ui.OpenDeploy](t, s).Request
	require.Equal(t, stack.OperationUp, req.Operation)
	require.True(t, req.Unrecorded, "no plain up does the same")
	require.Equal(t, map[spec.ID]*pipelines.Origin{datatest.Iris: {RollbackTo: 1}}, req.Origin)
	require.Equal(t, "roll back acme/iris to revision 1", req.Title())
	require.Equal(t, "ana@build-7", req.Back.By, "who is asked is told whose it is")
}

// What a rollback has made is under the cursor after it.
func TestTheCursorIsOnWhatARollbackMade(t *testing.T) {
	t.Parallel()
	source := revised(t)
	read := source.RevisionsFunc
	var back atomic.Bool
	source.RevisionsFunc = func(ctx context.Context, id spec.ID) ([]pipelines.Revision, error) {
		list, err := read(ctx, id)
		if back.Load() {
			list = append([]pipelines.Revision{{Number: 4, State: pipelines.RevisionLive, Begun: datatest.Recorded, Origin: &revisions.Origin{RollbackTo: 1}}}, list...)
			list[2].State = pipelines.RevisionSuperseded
		}
		return list, err
	}
	s := open(t, source, datatest.Iris, "revisions", tuitest.Size(120, 40))
	s.Until("superseded")
	s.Press("G", "b")
	s.Press("enter")
	s.Until("Revision 1 of acme/iris")
	s.Press("esc")
	back.Store(true)
	s.Send(ui.Changed{IDs: []spec.ID{datatest.Iris}})
	s.Until("rollback to 1")
	s.Press("enter")
	s.Until("Revision 4 of acme/iris")
}
