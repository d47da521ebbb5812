// Package failure owns the errors of the States Language, which may be retried and
// caught, and what ends an execution from outside of its states.
package failure

import (
	"errors"
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Error names of the language.
const (
	Runtime           = "States.Runtime"
	Timeout           = "States.Timeout"
	HeartbeatTimeout  = "States.HeartbeatTimeout"
	TaskFailed        = "States.TaskFailed"
	Permissions       = "States.Permissions"
	NoChoiceMatched   = "States.NoChoiceMatched"
	QueryEvaluation   = "States.QueryEvaluationError"
	DataLimit         = "States.DataLimitExceeded"
	ResultPath        = "States.ResultPathMatchFailure"
	ItemReader        = "States.ItemReaderFailed"
	ResultWriter      = "States.ResultWriterFailed"
	ToleratedExceeded = "States.ExceedToleratedFailureThreshold"
)

// What ends an execution from outside of its states. These are Go errors and no
// failures: nothing catches them.
var (
	ErrStopped  = errors.New("execution stopped")     // by StopExecution, or with its parent
	ErrShutdown = errors.New("service shut down")     // it goes on at the next start
	ErrTime     = errors.New("execution timed out")   // by its own TimeoutSeconds
	ErrBranch   = errors.New("another branch failed") // which ends the others
)

// Failure is an error of the language: it may be retried and caught.
type Failure struct {
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

// New is a failure with a name and a cause.
func New(name, cause string) *Failure { return &Failure{Error: name, Cause: cause} }

// TooLarge is the failure of a state whose result or output is too large.
func TooLarge(state string) error { return Limit(state, "returned a result") }

// Nested ends the cause of what is nested more deeply than JSON may be. Step Functions'
// own words are not known; its parser, Jackson, reads no document of more than 1000 levels.
const Nested = "is nested more deeply than the 1000 levels that JSON may have."

// TooDeep is the failure of a state whose result or output is nested too deeply.
func TooDeep(state string) error {
	return New(Runtime, fmt.Sprintf("The result of the state/task '%s' %s", state, Nested)).Err()
}

// Limit is the failure of a state that has done something with too much data. The text
// was seen with results and with parameters (github.com/mbc-net/mbc-cqrs-serverless,
// pull request 466).
func Limit(state, what string) error {
	return New(DataLimit, fmt.Sprintf("The state/task '%s' %s with a size exceeding the maximum number of bytes service limit.", state, what)).Err()
}

// Given is a failure as a client or an execution gives it: what is nil was not given.
func Given(name, cause *string) *Failure {
	f := &Failure{NoError: name == nil, NoCause: cause == nil}
	if name != nil {
		f.Error = *name
	}
	if cause != nil {
		f.Cause = *cause
	}
	return f
}

// failureError makes *failure an error without a nil trap.
type failureError struct{ *Failure }

func (e failureError) Error() string { return e.Failure.Error + ": " + e.Failure.Cause }

// Err is the failure as a Go error.
func (f *Failure) Err() error { return failureError{f} }

// Of finds the failure in an error; false if it is none.
func Of(err error) (*Failure, bool) {
	var f failureError
	if errors.As(err, &f) {
		return f.Failure, true
	}
	return nil, false
}

// Output is what Catch hands on: {"Error": ..., "Cause": ...}. What was not given
// is null, but for the cause of a time-out, which is empty.
func (f *Failure) Output() *value.Object {
	var name, cause any = f.Error, f.Cause
	if f.NoError {
		name = nil
	}
	if f.NoCause && f.Error != Timeout {
		cause = nil
	}
	return value.Of("Error", name, "Cause", cause)
}

// ErrorText is the name, nil if none was given.
func (f *Failure) ErrorText() *string {
	if f.NoError {
		return nil
	}
	return &f.Error
}

// CauseText is the cause, nil if none was given.
func (f *Failure) CauseText() *string {
	if f.NoCause {
		return nil
	}
	return &f.Cause
}
