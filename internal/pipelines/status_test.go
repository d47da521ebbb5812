package pipelines

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
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
		facts Facts
		want  Status
		says  string
	}{
		{"nothing was asked", Facts{}, Unread, ""},
		{"well", Facts{State: whole, History: ended("update", "succeeded", "")}, Ready, ""},
		{"well, its history is not known", Facts{State: whole}, Ready, ""},
		{"a failed update", Facts{State: whole, History: ended("update", "failed", "first\nsecond")}, Failed, "the last up failed: first"},
		{"a failed update of another machine", Facts{State: half, History: ended("update", "failed", "")}, Failed, "the last up failed: endpoint: boom"},
		{"a refresh makes nothing whole", Facts{State: whole, History: refreshed(ended("update", "failed", "x"))}, Failed, "the last up failed: x"},
		{"a failed refresh breaks nothing", Facts{State: whole, History: append(ended("refresh", "failed", "x"), ended("update", "succeeded", "")...)}, Ready, ""},
		{"half destroyed", Facts{State: whole, History: ended("destroy", "failed", "DeleteConflict")}, Failed, "the last destroy failed: DeleteConflict"},
		{"cancelled", Facts{State: whole, History: ended("update", stack.ResultCanceled, "")}, Cancelled, "the last up was cancelled"},
		{"killed", Facts{State: whole, History: ended("update", stack.ResultInterrupted, "")}, Incomplete, "the last up was cut off"},
		{"put right since", Facts{State: whole, History: append(ended("update", "succeeded", ""), ended("update", "failed", "x")...)}, Ready, ""},
		{"pending", Facts{State: cut}, Incomplete, "cut off while creating queue and 1 more"},
		{"half done", Facts{State: half}, Incomplete, "endpoint is half done: boom"},
		{"never got to the end", Facts{State: &stack.State{Resources: whole.Resources}}, Incomplete, "did not get to the end"},
		{"empty", Facts{State: &stack.State{}, History: ended("destroy", "succeeded", "")}, Empty, ""},
		{"empty, and failed", Facts{State: &stack.State{}, History: ended("update", "failed", "x")}, Failed, "the last up failed: x"},
		{"updating", Facts{State: cut, Locks: []stack.Lock{dead, alive}, History: ended("update", "failed", "x")}, Updating, ""},
		{"updating, the backend does not say by whom", Facts{InProgress: true}, Updating, ""},
		{"a lock of the dead", Facts{State: cut, Locks: []stack.Lock{dead}}, Incomplete, "an operation of ana on here, process 8 was cut off"},
		{"half a lock says nothing of the pipeline", Facts{State: whole, Locks: []stack.Lock{half1}}, Ready, ""},
		{"half a lock, and a failed update", Facts{State: whole, Locks: []stack.Lock{half1}, History: ended("update", "failed", "x")}, Failed, "the last up failed: x"},
		{"half a lock, and one of the dead", Facts{State: whole, Locks: []stack.Lock{half1, dead}}, Incomplete, "an operation of ana on here, process 8 was cut off"},
		{"damaged", Facts{Err: fault.New(fault.Damaged, "the file is cut off")}, Damaged, "the file is cut off"},
		{"damaged, and a lock of the dead", Facts{Err: fault.New(fault.Damaged, "cut off"), Locks: []stack.Lock{dead}}, Damaged, "cut off"},
		{"out of reach", Facts{Err: fault.New(fault.Denied, "no")}, Unreadable, "no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := Assess(tt.facts)
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
		Assess(Facts{State: whole, HistoryErr: fault.New(fault.Denied, "no\nlist")}).Note)
	c := Assess(Facts{Pipeline: "a/b", State: whole, Locks: []stack.Lock{half1}})
	require.Equal(t, "what is left of a lock that was never taken lies there (/x/y.tmp: it is empty): nothing was begun under it. `pipelinetui cancel a/b` clears it", c.Note)
	half1.Stale = false
	c = Assess(Facts{Pipeline: "a/b", State: whole, Locks: []stack.Lock{half1}})
	require.Contains(t, c.Note, "it is not known who took it, and nothing can begin. `pipelinetui cancel a/b` clears it")
	require.True(t, c.Lock.Broken)
	require.Equal(t, "being updated by ana on far, process 7", Assess(Facts{Locks: []stack.Lock{alive}}).Note)
}
