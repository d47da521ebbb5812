package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func TestAssess(t *testing.T) {
	t.Parallel()
	whole := &stack.State{
		Resources: []stack.Resource{{Name: "bucket"}},
		Outputs:   map[string]stack.Output{"stateMachineAliasArn": {Value: "arn"}},
	}
	half := &stack.State{Resources: []stack.Resource{{Name: "endpoint", InitErrors: []string{"boom\nmore"}}}, Outputs: whole.Outputs}
	cut := &stack.State{
		Resources: whole.Resources, Outputs: whole.Outputs,
		Pending: []stack.PendingOperation{{Kind: "creating", Name: "queue"}, {Kind: "deleting", Name: "key"}},
	}
	ended := func(kind, result, why string) []stack.Update {
		return []stack.Update{{Kind: kind, Result: result, Error: why}}
	}
	refreshed := func(after []stack.Update) []stack.Update {
		return append([]stack.Update{{Kind: "refresh", Result: "succeeded"}}, after...)
	}
	alive := stack.Lock{User: "ana", Host: "far", PID: 7}
	dead := stack.Lock{User: "ana", Host: "here", PID: 8, Stale: true}
	half1 := stack.Lock{Broken: true, Stale: true, Where: "/x/y.tmp", Reason: "it is empty"}
	tests := []struct {
		name  string
		facts Pipeline
		want  Status
		says  string
	}{
		{"nothing was asked", Pipeline{}, Unread, ""},
		{"well", Pipeline{State: whole, History: ended("update", "succeeded", "")}, Ready, ""},
		{"well, its history is not known", Pipeline{State: whole}, Ready, ""},
		{"a failed update", Pipeline{State: whole, History: ended("update", "failed", "first\nsecond")}, Failed, "the last up failed: first"},
		{"a failed update of another machine", Pipeline{State: half, History: ended("update", "failed", "")}, Failed, "the last up failed: endpoint: boom"},
		{"a refresh makes nothing whole", Pipeline{State: whole, History: refreshed(ended("update", "failed", "x"))}, Failed, "the last up failed: x"},
		{"a failed refresh breaks nothing", Pipeline{State: whole, History: append(ended("refresh", "failed", "x"), ended("update", "succeeded", "")...)}, Ready, ""},
		{"half destroyed", Pipeline{State: whole, History: ended("destroy", "failed", "DeleteConflict")}, Failed, "the last destroy failed: DeleteConflict"},
		{"half destroyed, and the engine says it went well", Pipeline{State: whole, History: ended("destroy", "succeeded", "")}, Incomplete, "the last destroy did not get to its end"},
		{"cancelled", Pipeline{State: whole, History: ended("update", stack.ResultCanceled, "")}, Cancelled, "the last up was cancelled"},
		{"killed", Pipeline{State: whole, History: ended("update", stack.ResultInterrupted, "")}, Incomplete, "the last up was cut off"},
		{"put right since", Pipeline{State: whole, History: append(ended("update", "succeeded", ""), ended("update", "failed", "x")...)}, Ready, ""},
		{"pending", Pipeline{State: cut}, Incomplete, "cut off while creating queue and 1 more"},
		{"half done", Pipeline{State: half}, Incomplete, "endpoint is half done: boom"},
		{"never got to the end", Pipeline{State: &stack.State{Resources: whole.Resources}}, Incomplete, "did not get to the end"},
		{"empty", Pipeline{State: &stack.State{}, History: ended("destroy", "succeeded", "")}, Empty, ""},
		{"empty, and failed", Pipeline{State: &stack.State{}, History: ended("update", "failed", "x")}, Failed, "the last up failed: x"},
		{"updating", Pipeline{State: cut, Summary: stack.Summary{Locks: []stack.Lock{dead, alive}}, History: ended("update", "failed", "x")}, Updating, ""},
		{"updating, the backend does not say by whom", Pipeline{Summary: stack.Summary{InProgress: true}}, Updating, ""},
		{"a lock of the dead", Pipeline{State: cut, Summary: stack.Summary{Locks: []stack.Lock{dead}}}, Incomplete, "an operation of ana on here, process 8 was cut off"},
		{"half a lock says nothing of the pipeline", Pipeline{State: whole, Summary: stack.Summary{Locks: []stack.Lock{half1}}}, Ready, ""},
		{"half a lock, and a failed update", Pipeline{
			State: whole, Summary: stack.Summary{Locks: []stack.Lock{half1}},
			History: ended("update", "failed", "x"),
		}, Failed, "the last up failed: x"},
		{
			"half a lock, and one of the dead",
			Pipeline{State: whole, Summary: stack.Summary{Locks: []stack.Lock{half1, dead}}},
			Incomplete,
			"an operation of ana on here, process 8 was cut off",
		},
		{"damaged", Pipeline{Err: fault.New(fault.Damaged, "the file is cut off")}, Damaged, "the file is cut off"},
		{"damaged, and a lock of the dead", Pipeline{Err: fault.New(fault.Damaged, "cut off"), Summary: stack.Summary{Locks: []stack.Lock{dead}}}, Damaged, "cut off"},
		{"out of reach", Pipeline{Err: fault.New(fault.Denied, "no")}, Unreadable, "no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.facts.Condition()
			require.Equal(t, tt.want, c.Status)
			if tt.says == "" {
				require.NoError(t, c.Err)
				return
			}
			require.ErrorContains(t, c.Err, tt.says)
			require.NotContains(t, c.Err.Error(), "\n")
		})
	}
	require.Equal(t, "it is not known how its last operation ended: its history can't be read: no",
		(&Pipeline{State: whole, HistoryErr: fault.New(fault.Denied, "no\nlist")}).Condition().Note)
	c := (&Pipeline{ID: spec.ID{Tenant: "a", Model: "b", Env: "dev"}, State: whole, Summary: stack.Summary{Locks: []stack.Lock{half1}}}).Condition()
	require.Equal(t, "what is left of a lock that was never taken lies there (/x/y.tmp: it is empty): nothing was begun under it. `pipelinetui cancel a/b` clears it", c.Note)
	half1.Stale = false
	c = (&Pipeline{ID: spec.ID{Tenant: "a", Model: "b", Env: "dev"}, State: whole, Summary: stack.Summary{Locks: []stack.Lock{half1}}}).Condition()
	require.Contains(t, c.Note, "it is not known who took it, and nothing can begin. `pipelinetui cancel a/b` clears it")
	require.True(t, c.Lock.Broken)
	require.Equal(t, "being updated by ana on far, process 7", (&Pipeline{Summary: stack.Summary{Locks: []stack.Lock{alive}}}).Condition().Note)
}

// What was turned back by an update of its own is up, and it is said that it is not what was asked for.
func TestTurnedBackByAnUpdateOfItsOwn(t *testing.T) {
	t.Parallel()
	at := func(number int, last ...stack.Update) *Pipeline {
		return &Pipeline{History: last, State: &stack.State{
			Resources: []stack.Resource{{Name: "bucket"}},
			Outputs:   map[string]stack.Output{"stateMachineAliasArn": {Value: "arn"}, "revision": {Value: float64(number)}},
			Revisions: []byte(`{"revisions": {"r4": {"number": 4}, "r5": {"number": 5, "origin": {"rollbackTo": 3, "turnedBack": 4}}}}`),
		}}
	}
	back := stack.Update{Kind: "update", Result: "succeeded", Message: TurnedBack + "check high failed"}
	c := at(5, back).Condition()
	require.Equal(t, Ready, c.Status)
	require.Equal(t, "the last up was turned back from 4 to 3: check high failed", c.Note)

	require.Empty(t, at(4, back).WentBack(), "somebody's own message")
	require.Empty(t, at(5, stack.Update{Kind: "update", Result: "succeeded"}, back).WentBack(), "brought up again since")
	require.Empty(t, (&Pipeline{History: []stack.Update{back}}).WentBack())
}
