package deploy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func pipeline(t *testing.T, s *datatest.Source, ids ...spec.ID) []*spec.Pipeline {
	t.Helper()
	out := make([]*spec.Pipeline, len(ids))
	for i, id := range ids {
		p, err := s.Read(t.Context(), datatest.Fraud)
		require.NoError(t, err)
		if x, err := s.Read(t.Context(), id); err == nil {
			p = x
		}
		clone := *p.Spec
		clone.ID, clone.Protect = id, id.Env == spec.ProdEnv
		out[i] = &clone
	}
	return out
}

func open(t *testing.T, s *datatest.Source, op stack.Operation, size [2]int, ids ...spec.ID) *tuitest.Session {
	t.Helper()
	req := pipelines.Request{Operation: op, Pipelines: pipeline(t, s, ids...)}
	return tuitest.Open(t, s, func(h *ui.Host) ui.Page { return deploy.New(h, req) },
		tuitest.Size(size[0], size[1]), tuitest.Now(datatest.Recorded))
}

func openWith(t *testing.T, s *datatest.Source, op stack.Operation, size [2]int, opt tuitest.Option, ids ...spec.ID) *tuitest.Session {
	t.Helper()
	req := pipelines.Request{Operation: op, Pipelines: pipeline(t, s, ids...)}
	return tuitest.Open(t, s, func(h *ui.Host) ui.Page { return deploy.New(h, req) }, tuitest.Size(size[0], size[1]), tuitest.Now(datatest.Recorded), opt)
}

func sizes() [][2]int { return [][2]int{{80, 24}, {120, 40}, {60, 16}} }

func name(what string, size [2]int) string { return fmt.Sprintf("%s-%dx%d", what, size[0], size[1]) }

var fresh = spec.ID{Tenant: "globex", Model: "flowers", Env: "dev"}

// A rollback says everywhere that it is one, to which revision, and whose that is.
func TestRollbackSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("rollback", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			req := pipelines.Request{
				Operation: stack.OperationUp, Pipelines: pipeline(t, s, fresh), Unrecorded: true,
				Origin: map[spec.ID]*pipelines.Origin{fresh: {RollbackTo: 12}},
				Back:   &pipelines.Revision{Number: 12, Begun: datatest.Recorded.Add(-2 * time.Hour), By: "ana@build-7"},
			}
			x := tuitest.Open(t, s, func(h *ui.Host) ui.Page { return deploy.New(h, req) }, tuitest.Size(size[0], size[1]), tuitest.Now(datatest.Recorded))
			x.Until("Roll globex/flowers back to revision 12")
			x.Golden(name("rollback-preview", size))
			x.Press("y")
			x.Until("Next:")
			x.Golden(name("rollback-done", size))
		})
	}
}

func TestUp(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("up", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			x := open(t, s, stack.OperationUp, size, fresh)
			x.Until("to create")
			x.Golden(name("preview-create", size))
			x.Press("y")
			x.Until("Next:")
			x.Golden(name("up-done", size))
		})
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("replace", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			x := open(t, s, stack.OperationUp, size, datatest.Iris)
			x.Until("to replace")
			x.Golden(name("preview-replace", size))
			x.Press("y")
			x.Until("downtime")
			x.Golden(name("confirm-replace", size))
		})
	}
}

func TestMany(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("many", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			s.HoldAfter = 30
			s.Release()
			x := open(t, s, stack.OperationUp, size, datatest.Iris, fresh, datatest.Churn)
			x.Until("to replace")
			x.Golden(name("many-preview", size))
			x.Press("y")
			x.Until("downtime")
			x.Advance(time.Second)
			x.Press("y")
			x.Until("Next:")
			x.Golden(name("many-done", size))
			x.Press("e")
			x.Golden(name("many-error", size))
		})
	}
}

func TestRunning(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("running", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			x := open(t, s, stack.OperationUp, size, fresh, datatest.Churn)
			x.Until("Apply to")
			s.HoldAfter = 45
			defer s.Release()
			x.Press("y")
			x.Advance(time.Second)
			x.Press("y")
			x.Until("19 of 23")
			x.Golden(name("running", size))
		})
	}
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("destroy", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			x := open(t, s, stack.OperationDestroy, size, datatest.Iris, datatest.Fraud)
			x.Until("Delete")
			x.Golden(name("destroy-ask", size))
		})
	}
}
