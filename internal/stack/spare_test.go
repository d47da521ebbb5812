package stack

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// spareRun is an operation that has ended badly, over a state file.
func spareRun(t *testing.T, state []byte) (r *Run, file string) {
	t.Helper()
	f, dir := stateFiles(t, state)
	f.free = func(string) (int64, error) { return 1 << 40, nil }
	r = &Run{engine: f.Engine, op: OperationUp, job: Job{Stack: testStack}, place: f.place(testStack, nil), relay: newRelay(), cancelSetup: func() {}}
	require.NoError(t, r.holdSpare())
	return r, filepath.Join(dir, testStack+".json")
}

// TestAStateThatAFullDiskCutsOffIsPutBack: the engine writes half of a state, and nothing of it
// comes to its end afterwards. The newest whole one takes its place, and it is noted that it
// may be older than what was made.
func TestAStateThatAFullDiskCutsOffIsPutBack(t *testing.T) {
	t.Parallel()
	before, newer := goodState(t, testStack, time.Unix(1e9, 0), 2), goodState(t, testStack, time.Unix(2e9, 0), 3)
	r, file := spareRun(t, before)
	require.NotNil(t, r.spare)
	require.NoError(t, os.WriteFile(file, newer, 0o600))
	r.noteBegin()
	require.True(t, r.spare.end())
	r.spare.look()
	require.NoError(t, os.WriteFile(file, newer[:len(newer)/2], 0o600))
	r.spare.look()
	require.True(t, r.spare.full, "a state that is cut off is the sign of a full disk")
	require.Nil(t, r.spare.held)
	require.True(t, r.canceled)

	again := &spare{run: r, dir: r.spare.dir, free: r.spare.free, whole: r.spare.whole, seen: r.spare.seen, full: true, ends: make(chan struct{}), ended: make(chan struct{})}
	close(again.ended)
	r.spare = again
	r.rescue(errStopped)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(newer), string(raw))
	require.ErrorIs(t, r.classify(errStopped), ErrNoRoom)

	require.False(t, r.engine.Lost(testStack))
	r.noteEnd(Result{Outcome: Failed})
	require.True(t, r.engine.Lost(testStack))
	r.engine.Found(testStack)
	require.False(t, r.engine.Lost(testStack))
}

// TestDamageOfOtherOriginIsNotPutBack: there is space, and nobody has said that there was none.
func TestDamageOfOtherOriginIsNotPutBack(t *testing.T) {
	t.Parallel()
	r, file := spareRun(t, []byte("{"))
	r.rescue(errStopped)
	require.False(t, r.full)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "{", string(raw))
}

// TestANearlyFullDiskStopsAnOperation, before anything could be cut off.
func TestANearlyFullDiskStopsAnOperation(t *testing.T) {
	t.Parallel()
	r, _ := spareRun(t, goodState(t, testStack, time.Unix(1e9, 0), 3))
	require.True(t, r.spare.end())
	r.spare.free = func(string) (int64, error) { return 60 << 10, nil }
	r.spare.look()
	require.True(t, r.spare.full)
	require.True(t, r.canceled)
	require.Nil(t, r.spare.held)
}

// TestRoomThatIsReservedTakesTheStatesPlace: nothing more is needed of the disk.
func TestRoomThatIsReservedTakesTheStatesPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := reserve(dir, 1<<10)
	if r == nil {
		t.Skip("no files without a name here")
	}
	defer r.close()
	file := filepath.Join(dir, "state")
	require.NoError(t, os.WriteFile(file, []byte("half"), 0o600))
	require.ErrorIs(t, r.become(file, make([]byte, 2<<10)), ErrNoRoom)
	require.NoError(t, r.become(file, []byte("whole")))
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "whole", string(raw))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestWhatIsWholeIsToldWithoutReadingIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, "{": false, "{\n    \"a\": {}\n}\n": true, "{\n    \"a\": {\n    }": false, "{\n    \"a\": \"}": false,
		`{"version":3,"checkpoint":{}}`: true, `{"version":3,"checkpoint":{}`: false,
	} {
		require.Equal(t, want, seemsWhole(testStack, []byte(text)), text)
	}
	require.True(t, seemsWhole(testStack, zipped(t, goodState(t, testStack, time.Unix(1e9, 0), 2))))
}
