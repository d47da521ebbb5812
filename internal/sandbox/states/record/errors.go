package record

import "github.com/pipelinetui/pipelinetui/internal/sandbox/wire"

// NoMachine says that an ARN names no state machine.
func NoMachine(arn string) error {
	return wire.Errorf(400, "StateMachineDoesNotExist", "State Machine Does Not Exist: '%s'", arn)
}

// NoExecution says that an ARN names no execution.
func NoExecution(arn string) error {
	return wire.Errorf(400, "ExecutionDoesNotExist", "Execution Does Not Exist: '%s'", arn)
}

// NoResource says that an ARN names nothing.
func NoResource(arn string) error {
	return wire.Errorf(400, "ResourceNotFound", "Resource not found: '%s'", arn)
}

// NotRedrivable says why an execution cannot be redriven.
func NotRedrivable(reason string) error {
	return wire.Errorf(400, "ExecutionNotRedrivable", "Execution Not Redrivable: '%s'", reason)
}
