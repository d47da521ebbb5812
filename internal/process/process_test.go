package process_test

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/process"
)

func known(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system does not tell when a process began")
	}
}

func TestOnlyTheSameProcessIsProven(t *testing.T) {
	t.Parallel()
	known(t)
	me := process.This()
	require.True(t, me.Proven())
	require.Empty(t, me.Elsewhere())
	for name, change := range map[string]func(*process.ID){
		"number":  func(p *process.ID) { p.PID = os.Getppid() },
		"none":    func(p *process.ID) { p.PID = 0 },
		"group":   func(p *process.ID) { p.PID = -p.PID },
		"start":   func(p *process.ID) { p.Start += "1" },
		"unknown": func(p *process.ID) { p.Start = "" },
		"boot":    func(p *process.ID) { p.Boot = "another" },
	} {
		other := me
		change(&other)
		require.False(t, other.Proven(), name)
		require.ErrorIs(t, other.Signal(0), process.ErrNotProven, name)
	}
	elsewhere := me
	elsewhere.Boot = "another"
	require.NotEmpty(t, elsewhere.Elsewhere())
}

// A child that has ended and was not waited for still has its number.
func TestLookSeesWhoHasEnded(t *testing.T) {
	t.Parallel()
	known(t)
	before := time.Now()
	child := exec.CommandContext(t.Context(), "sleep", "600")
	require.NoError(t, child.Start())
	s, ok := process.Look(child.Process.Pid)
	require.True(t, ok)
	require.False(t, s.Zombie)
	require.WithinDuration(t, before, s.Started, time.Minute, "ticks since a boot that is known to the second")
	require.NoError(t, child.Process.Signal(syscall.SIGKILL))
	require.Eventually(t, func() bool {
		s, ok = process.Look(child.Process.Pid)
		return ok && s.Zombie
	}, time.Minute, time.Millisecond)
	require.Error(t, child.Wait())
	_, ok = process.Look(child.Process.Pid)
	require.False(t, ok)
}
