package pipelines_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// The stack's outputs tell which revision was brought to its end, the backend's history
// why one was not, and a lock that it is being made.
func TestRevisionsAreWhatStackHistoryAndLocksTell(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	version := func(n string) string { return "arn:aws:states:us-east-1:000000000000:stateMachine:m:" + n }
	s := &stack.State{
		Revisions: []byte(`{"revisions": {
			"r1": {"number": 1, "begun": "2026-03-01T12:00:00Z"},
			"r2": {"number": 2, "begun": "2026-03-01T13:00:00Z", "model": "sha256:ab"},
			"r3": {"number": 3, "begun": "2026-03-01T14:00:00Z", "origin": {"rollbackTo": 1}}},
			"made": {"r1": {"machine": "` + version("1") + `"}}}`),
		Outputs: map[string]stack.Output{"revision": {Value: float64(2)}, "stateMachineVersionArn": {Value: version("2")}, "modelName": {Value: "m-2"}},
	}
	update := func(n int, after time.Duration, result string) stack.Update {
		return stack.Update{Version: n, Kind: "update", Start: at.Add(after), Result: result, Error: "why"}
	}
	history := []stack.Update{
		update(4, 2*time.Hour+time.Second, "failed"),
		{Version: 3, Kind: "refresh", Start: at.Add(90 * time.Minute), Result: "failed"},
		update(2, time.Hour-time.Second/2, "succeeded"), // the engine knows whole seconds
		update(1, time.Second, "succeeded"),
	}
	list, err := pipelines.Revisions(s, history, nil)
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, pipelines.RevisionFailed, list[0].State)
	require.Equal(t, "rollback to 1; why", list[0].Note())
	turned := list[0]
	turned.Origin = &revisions.Origin{RollbackTo: 14}
	turned.Error = "aws-native:sagemaker:Endpoint endpoint: updating SageMaker Endpoint (arn:aws:sagemaker:us-east-1:1:endpoint/e): the rollout of ptui-c-5007261 was turned back, " +
		"ptui-c-1 serves as before: The deployment was rolled back since the alarm(s) a are in ALARM state. And more."
	require.Equal(t, "rollback to 14; its rollout was turned back", turned.Note())
	turned.Error = "the rollout of live of the function was turned back to version 3: it was turned back by hand"
	require.Equal(t, "rollback to 14; its rollout was turned back by hand", turned.Note())
	turned.Origin, turned.Error = nil, "no such role. Ask somebody.\nMore."
	require.Equal(t, "no such role", turned.Note())
	require.Equal(t, []int{4}, list[0].Updates)
	require.Equal(t, pipelines.RevisionLive, list[1].State)
	require.Equal(t, []int{2}, list[1].Updates, "a refresh makes no revision")
	require.Equal(t, "m-2", list[1].ModelName)
	require.Equal(t, pipelines.RevisionSuperseded, list[2].State)

	for result, want := range map[string]pipelines.RevisionState{
		stack.ResultCanceled: pipelines.RevisionCancelled, stack.ResultInterrupted: pipelines.RevisionInterrupted, "in-progress": pipelines.RevisionInterrupted,
	} {
		history[0].Result = result
		list, err := pipelines.Revisions(s, history, nil)
		require.NoError(t, err)
		require.Equal(t, want, list[0].State, result)
	}
	list, err = pipelines.Revisions(s, history[1:], nil)
	require.NoError(t, err)
	require.Equal(t, pipelines.RevisionInterrupted, list[0].State, "nobody was told how it ended")
	require.Equal(t, "rollback to 1", list[0].Note())
	list, err = pipelines.Revisions(s, history[1:], []stack.Lock{{Stale: true}, {User: "ana"}})
	require.NoError(t, err)
	require.Equal(t, pipelines.RevisionUpdating, list[0].State)

	// One that a check took out of service is told from one that had its day.
	s.Revisions = []byte(`{"revisions": {"r1": {"number": 1}, "r2": {"number": 2, "origin": {"rollbackTo": 1, "turnedBack": 1}}}, "made": {"r1": {}}}`)
	back, err := pipelines.Revisions(s, nil, nil)
	require.NoError(t, err)
	require.Equal(t, pipelines.RevisionTurnedBack, back[1].State)
	require.True(t, back[1].Whole())
	require.Equal(t, "turned back from 1 to 1", back[0].Note())
	back[0].Message = pipelines.TurnedBack + "check high failed"
	require.Equal(t, "turned back from 1 to 1", back[0].Note())
	back[0].Message = "sales complained"
	require.Equal(t, "turned back from 1 to 1; sales complained", back[0].Note())
	back[0].Message = ""
	for want, verdict := range map[pipelines.ChecksState]revisions.Verdict{
		pipelines.ChecksPassed: revisions.Passed, pipelines.ChecksFailed: revisions.Failed, pipelines.ChecksUnverified: revisions.Begun, "": revisions.HadNone,
	} {
		back[0].Checks = pipelines.ChecksOf(verdict, nil)
		require.Equal(t, want, back[0].Checks)
		require.Equal(t, want == "" || want == pipelines.ChecksPassed, back[0].Sound())
	}
	back[0].Checks = pipelines.ChecksOf("", errors.New("denied"))
	require.Equal(t, "whether it passed its checks can't be read; turned back from 1 to 1", back[0].Note())

	ran := pipelines.RanOn(list, version("1"), version("2"))
	require.Equal(t, &pipelines.Ran{Number: 1, Updates: []int{1}, Machine: version("1"), Live: 2, Changed: true}, ran)
	require.Equal(t, "definition has changed since: a redrive runs the old one, with today's function and model (revision 1; 2 is in service)", ran.ChangedSince())
	require.Empty(t, pipelines.RanOn(list, version("2"), version("2")).ChangedSince())
	gone := pipelines.RanOn(list, version("0"), version("2"))
	require.Zero(t, gone.Number)
	require.Equal(t, "definition has changed since: a redrive runs the old one, with today's function and model", gone.ChangedSince(), "it is known even if the revision is not kept")
	require.Nil(t, pipelines.RanOn(list, "", version("2")))

	// What is redriven calls what is in service by then.
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	three := []pipelines.Revision{
		{Number: 3, Begun: day(3), State: pipelines.RevisionFailed, Machine: version("3")},
		{Number: 2, Begun: day(2), State: pipelines.RevisionLive, Machine: version("2"), Code: "sha256:new", Model: "sha256:m2"},
		{Number: 1, Begun: day(1), State: pipelines.RevisionSuperseded, Machine: version("1"), Code: "sha256:old"},
	}
	mixed := pipelines.RanOn(three, version("1"), version("2")).RedrivenAt(three, day(4))
	require.Equal(t, []any{1, "sha256:old", 2, "sha256:new", "sha256:m2"}, []any{mixed.Number, mixed.Code, mixed.Redriven, mixed.RedrivenCode, mixed.RedrivenModel})
	require.Equal(t, "redriven under revision 2: what ran since has the definition of its own revision, and function and model of 2 (model sha256:m2, code sha256:new)", mixed.Mixed())
	for _, never := range []time.Time{{}, day(1).Add(time.Hour)} {
		require.Empty(t, pipelines.RanOn(three, version("1"), version("2")).RedrivenAt(three, never).Mixed(), "of one revision")
	}
	require.Empty(t, (*pipelines.Ran)(nil).ChangedSince())
}

// The engine keeps whole seconds: of two updates within two seconds each has its revision.
func TestUpdatesThatFollowAtOnce(t *testing.T) {
	t.Parallel()
	second := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, "2026-03-01T12:00:"+s+"Z")
		require.NoError(t, err)
		return at
	}
	s := &stack.State{Revisions: []byte(`{"revisions": {
		"r1": {"number": 1, "begun": "2026-03-01T12:00:03.96Z"},
		"r2": {"number": 2, "begun": "2026-03-01T12:00:05.56Z"},
		"r3": {"number": 3, "begun": "2026-03-01T12:00:06.75Z"},
		"r4": {"number": 4, "begun": "2026-03-01T12:00:10.86Z"}}}`)}
	list, err := pipelines.Revisions(s, []stack.Update{
		{Version: 6, Kind: "update", Start: second("11")},
		{Version: 5, Kind: "update", Start: second("07")},
		{Version: 4, Kind: "update", Start: second("06")}, // of r2: it began at 6.0 and ended before r3
		{Version: 3, Kind: "update", Start: second("04")},
		{Version: 2, Kind: "refresh", Start: second("03")},
	}, nil)
	require.NoError(t, err)
	var got [][]int
	for _, r := range list {
		got = append(got, r.Updates)
	}
	require.Equal(t, [][]int{{6}, {5}, {4}, {3}}, got)
}
