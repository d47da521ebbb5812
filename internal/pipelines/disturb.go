package pipelines

import (
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Running says what is to become of executions that run, when what they run on is
// deleted or replaced.
type Running string

// What can be done about executions that run.
const (
	RunningIgnore Running = "ignore" // they fail, or go on with what is new
	RunningWait   Running = "wait"   // they end by themselves before anything is changed
	RunningStop   Running = "stop"   // they are stopped before anything is changed
)

// Settles tells whether nothing is to be changed before executions have ended.
func (r Running) Settles() bool { return r == RunningWait || r == RunningStop }

// Disturbs tells whether a plan takes the ground away from under executions that
// run.
func Disturbs(plan []stack.Row) bool {
	for _, r := range plan {
		switch r.Op {
		case stack.OpReplace, stack.OpDeleteReplaced, stack.OpCreateReplacement, stack.OpDelete:
			if kinds.UnderExecutions(r.Type) {
				return true
			}
		default:
		}
	}
	return false
}
