package cli

import (
	"errors"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// ExitCode is what the process ends with. The numbers are a contract with
// scripts (docs/exit-codes.md) and agree with the Pulumi CLI's where they mean
// the same.
type ExitCode int

// The exit codes.
const (
	ExitOK          ExitCode = 0
	ExitError       ExitCode = 1  // internal or unexpected error
	ExitUsage       ExitCode = 2  // usage or invalid input
	ExitCredentials ExitCode = 3  // credentials missing, wrong, expired, or not sufficient
	ExitDeployment  ExitCode = 4  // a deployment failed, or would
	ExitNotFound    ExitCode = 6  // a named thing does not exist
	ExitChanges     ExitCode = 7  // changes found though --expect-no-changes
	ExitCancelled   ExitCode = 8  // cancelled by the user
	ExitTimeout     ExitCode = 9  // timed out
	ExitExecution   ExitCode = 10 // an execution ended other than SUCCEEDED
	ExitLocked      ExitCode = 11 // locked by another operation
)

// exitCodes are all of them with what they mean; docs/exit-codes.md is made of it.
var exitCodes = []struct {
	code    ExitCode
	meaning string
}{
	{ExitOK, "done"},
	{ExitError, "internal or unexpected error; also: a state or another file of pipelinetui's own is damaged, AWS throttles, there is no way through the network to what is asked, or standard output does not take what is written"},
	{ExitUsage, "wrong usage or invalid input; also: a confirmation was needed and nobody could be asked, or the stack has changed since it was"},
	{ExitCredentials, "credentials are missing, wrong, expired or not sufficient"},
	{ExitDeployment, "a deployment failed (of several pipelines: at least one), or was turned back; also: checks of the account, or of what is to be " +
		"promoted, say that it would, and nothing was begun"},
	{ExitNotFound, "a named thing does not exist"},
	{ExitChanges, "changes were found though `--expect-no-changes`"},
	{ExitCancelled, "cancelled by the user"},
	{ExitTimeout, "timed out (`--timeout`)"},
	{ExitExecution, "an execution ended other than SUCCEEDED, or `check` had an answer that is not as it should be"},
	{ExitLocked, "the stack is locked by another operation"},
}

// codeOf maps an error to the exit code. Where several errors are joined, the
// first one decides.
func codeOf(err error) ExitCode {
	if err == nil {
		return ExitOK
	}
	var usage *usageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	var child *childExit
	if errors.As(err, &child) {
		return ExitCode(child.code)
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Unsupported, fault.Conflict:
		return ExitUsage
	case fault.Unauthenticated, fault.Denied:
		return ExitCredentials
	case fault.Deployment, fault.NotReady:
		return ExitDeployment
	case fault.NotFound:
		return ExitNotFound
	case fault.Changes:
		return ExitChanges
	case fault.Canceled:
		return ExitCancelled
	case fault.Timeout:
		return ExitTimeout
	case fault.Execution:
		return ExitExecution
	case fault.Locked:
		return ExitLocked
	default:
		return ExitError
	}
}

// usageError is an error of the command line itself; the usage line is shown.
type usageError struct {
	err     error
	command string // "pipelinetui run"
	flags   bool   // it is about flags, not arguments
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
