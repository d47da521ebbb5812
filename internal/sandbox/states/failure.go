package states

import (
	"errors"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Error names of the language.
const (
	errRuntime       = "States.Runtime"
	errTimeout       = "States.Timeout"
	errHeartbeat     = "States.HeartbeatTimeout"
	errTaskFailed    = "States.TaskFailed"
	errPermissions   = "States.Permissions"
	errNoChoice      = "States.NoChoiceMatched"
	errQuery         = "States.QueryEvaluationError"
	errDataLimit     = "States.DataLimitExceeded"
	errResultPath    = "States.ResultPathMatchFailure"
	errItemReader    = "States.ItemReaderFailed"
	errResultWriter  = "States.ResultWriterFailed"
	errToleratedFail = "States.ExceedToleratedFailureThreshold"
	errBranchFailed  = "States.BranchFailed"
)

// What ends an execution from outside of its states. These are Go errors and no
// failures: nothing catches them.
var (
	errStopped  = errors.New("execution stopped")
	errShutdown = errors.New("service shut down")
	errExecTime = errors.New("execution timed out")
	errBranchTo = errors.New("another branch failed")
)

// failure is an error of the language: it may be retried and caught.
type failure struct {
	Error string `json:"error,omitempty"`
	Cause string `json:"cause,omitempty"`
	// NoError and NoCause tell a name or cause that was not given from an empty one.
	NoError bool `json:"noError,omitempty"`
	NoCause bool `json:"noCause,omitempty"`
	// Evaluation is set if an expression failed: there is an event for that.
	Evaluation bool   `json:"evaluation,omitempty"`
	Location   string `json:"location,omitempty"`
	State      string `json:"state,omitempty"`
	// AtEntry is set if the event follows what came before the state was entered.
	AtEntry bool `json:"atEntry,omitempty"`
	// Heartbeat is set if a heartbeat was missed. The failure is States.Timeout
	// then; States.HeartbeatTimeout names it in Retry and Catch only.
	Heartbeat bool `json:"heartbeat,omitempty"`

	// StateFailed is set once the state's own failure event is recorded.
	StateFailed bool `json:"stateFailed,omitempty"`
}

func fail(name, cause string) *failure { return &failure{Error: name, Cause: cause} }

// asError makes *failure an error without a nil trap.
type failureError struct{ *failure }

func (e failureError) Error() string { return e.failure.Error + ": " + e.failure.Cause }

func (f *failure) err() error { return failureError{f} }

func failureOf(err error) (*failure, bool) {
	var f failureError
	if errors.As(err, &f) {
		return f.failure, true
	}
	return nil, false
}

// output is what Catch hands on: {"Error": ..., "Cause": ...}. What was not given
// is null, but for the cause of a time-out, which is empty.
func (f *failure) output() *value.Object {
	var name, cause any = f.Error, f.Cause
	if f.NoError {
		name = nil
	}
	if f.NoCause && f.Error != errTimeout {
		cause = nil
	}
	return value.Of("Error", name, "Cause", cause)
}

func (f *failure) errorText() *string {
	if f.NoError {
		return nil
	}
	return &f.Error
}

func (f *failure) causeText() *string {
	if f.NoCause {
		return nil
	}
	return &f.Cause
}
