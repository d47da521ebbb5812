package states

import (
	"sync/atomic"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
)

// Idle waits until no execution runs, for benchmarks.
func (s *Service) Idle() { s.engine.Idle() }

// CrashAt makes the service write every step by itself and, from the n-th write
// on, nothing any more, as if it had been killed there. dead is closed at that
// moment; writes counts. It must be called before the first execution.
func (s *Service) CrashAt(n int64) (dead <-chan struct{}, writes *atomic.Int64) {
	c := make(chan struct{})
	writes = new(atomic.Int64)
	s.engine.Flush = 0
	s.journal.Crash = func() bool {
		if writes.Add(1) < n {
			return false
		}
		close(c)
		return true
	}
	return c, writes
}

// MaxUnwritten is how many bytes of records may be unwritten before executions wait.
const MaxUnwritten = journal.MaxUnwritten

// Waits sets what is told of the bytes that are unwritten when an execution waits for
// there being fewer. It must be called before the first execution.
func (s *Service) Waits(tell func(unwritten int)) { s.journal.Waits = tell }

// BreakExpressions makes every evaluation of JSONata panic.
func (s *Service) BreakExpressions() { s.engine.JSONata = nil }

// Evaluated is the content of the file that a process leaves which dies while a
// branch of an execution is evaluated.
func Evaluated(key, path string) []byte {
	text := key + ":\x00" + path
	return append([]byte{byte(len(text)), 0}, text...)
}
