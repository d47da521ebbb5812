package cli

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// stoppable counts how it was to end.
type stoppable struct {
	id                spec.ID
	cancelled, killed int
}

func (o *stoppable) Updates() <-chan app.Update { return nil }
func (o *stoppable) Wait() []app.PipelineResult { return nil }
func (o *stoppable) Running() []spec.ID         { return []spec.ID{o.id} }
func (o *stoppable) Cancel()                    { o.cancelled++ }
func (o *stoppable) Kill()                      { o.killed++ }

// moved is a stopper whose pipeline's endpoint and function take over, at a terminal.
type moved struct {
	*stopper
	op   *stoppable
	keys *io.PipeWriter
	said *bytes.Buffer
	// turned are the endpoints that were to go back, fails is what comes of it.
	turned []string
	fails  error
}

func movingOver(t *testing.T, rollouts ...stack.Rollout) *moved {
	t.Helper()
	in, keys := io.Pipe()
	t.Cleanup(func() { _ = keys.Close() })
	streams, _, said := console.Buffers("")
	streams.In, streams.InTTY, streams.ErrTTY = in, true, true
	deps := newSession(nil, streams, none).deps
	deps.now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	p := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}}
	op := &stoppable{id: p.ID}
	var progress stack.Progress
	for i := range rollouts {
		progress.Apply(stack.Event{Type: stack.EventRollout, Rollout: &rollouts[i]})
	}
	v := &view{deps: deps, progress: map[spec.ID]*stack.Progress{p.ID: &progress}}
	m := &moved{stopper: newStopper(deps, op, v), op: op, keys: keys, said: said}
	m.pipelines = []*spec.Pipeline{p}
	m.turnBack = func(_ *spec.Pipeline, endpoint string) error {
		m.turned = append(m.turned, endpoint)
		return m.fails
	}
	return m
}

func (m *moved) answers(t *testing.T, text string) {
	t.Helper()
	_, err := io.WriteString(m.keys, text+"\n")
	require.NoError(t, err)
	m.answered(<-m.answer)
}

var (
	endpointMoves = stack.Rollout{URN: "e", Endpoint: "ep", Phase: "Baking", Percent: 20, New: 1, Wanted: 1, Old: 1, Brake: "ep-5xx"}
	functionMoves = stack.Rollout{URN: "f", Phase: "Baking", Alias: &stack.AliasRollout{Of: "function", From: "1", To: "2", Percent: 20}}
	machineMoves  = stack.Rollout{URN: "m", Phase: "Baking", Alias: &stack.AliasRollout{Of: "state machine", From: "1", To: "2", Percent: 20}}
)

func TestCtrlCInARolloutAsksWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	m := movingOver(t, endpointMoves, functionMoves, machineMoves)
	m.signal(os.Interrupt)
	require.Contains(t, m.said.String(), "the new fleet takes 20% of the traffic")
	require.Contains(t, m.said.String(), "SageMaker goes on with it")
	require.Contains(t, m.said.String(), "Turn it back, leave it going, or wait? [back/leave/wait] ")
	require.Zero(t, m.op.cancelled, "nothing happens before it is answered")
	m.answers(t, "")
	require.Contains(t, m.said.String(), "waiting: acme/iris")
	require.Zero(t, m.op.cancelled)

	m.signal(os.Interrupt)
	m.answers(t, "Back")
	require.Equal(t, "acme/iris: it is being turned back", <-m.stopper.turned)
	require.Equal(t, []string{"ep", ""}, m.turned, "all of it, the aliases of a pipeline at once")
	require.Zero(t, m.op.cancelled, "it is waited for")

	m.signal(os.Interrupt)
	m.answers(t, "leave")
	require.Equal(t, 1, m.op.cancelled)
	require.Len(t, m.turned, 2)
	m.signal(os.Interrupt)
	require.Contains(t, m.said.String(), "Force? [yes/no] ")
	m.answers(t, "yes")
	require.Equal(t, 1, m.op.killed)
}

func TestAnotherSignalAnswersTheQuestionOfARollout(t *testing.T) {
	t.Parallel()
	m := movingOver(t, endpointMoves)
	m.signal(os.Interrupt)
	m.signal(os.Interrupt)
	require.Equal(t, 1, m.op.cancelled, "left going, as where nobody can be asked")
	m.signal(os.Interrupt)
	require.Zero(t, m.op.killed)
	m.answers(t, "yes") // one reader reads for both
	require.Equal(t, 1, m.op.killed)
	require.Empty(t, m.turned)

	m = movingOver(t, endpointMoves)
	m.signal(syscall.SIGTERM)
	require.Equal(t, 1, m.op.cancelled, "who stops a process is not asked")
}

func TestCtrlCAsksNothingOfWhatCannotBeTurnedBack(t *testing.T) {
	t.Parallel()
	back, unwatched := endpointMoves, endpointMoves
	back.TurningBack, unwatched.Brake = true, ""
	for _, r := range []stack.Rollout{back, unwatched} {
		m := movingOver(t, r)
		m.signal(os.Interrupt)
		require.Equal(t, 1, m.op.cancelled)
		require.NotContains(t, m.said.String(), "Turn it back")
	}
	m := movingOver(t, endpointMoves)
	m.fails = fault.New(fault.Conflict, "the rollout came to its end").WithHint("Go back by a rollback.")
	m.signal(os.Interrupt)
	m.answers(t, "b")
	require.Equal(t, "acme/iris: it could not be turned back: the rollout came to its end. Go back by a rollback.", <-m.stopper.turned)
}
