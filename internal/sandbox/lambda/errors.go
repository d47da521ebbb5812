package lambda

import (
	"net/http"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func errInvalid(format string, args ...any) error {
	return withType(wire.Errorf(http.StatusBadRequest, "InvalidParameterValueException", format, args...))
}

func errConstraint(value any, member, constraint string) error {
	return withType(wire.Errorf(http.StatusBadRequest, "ValidationException",
		"1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, constraint))
}

func errNotFound(format string, args ...any) error {
	return withType(wire.Errorf(http.StatusNotFound, "ResourceNotFoundException", format, args...))
}

func errConflict(format string, args ...any) error {
	return withType(wire.Errorf(http.StatusConflict, "ResourceConflictException", format, args...))
}

func errRevision() error {
	return withType(wire.Errorf(http.StatusPreconditionFailed, "PreconditionFailedException",
		"The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"))
}

func errThrottled(reason string) error {
	e := wire.Errorf(http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
	e.Fields = map[string]any{"Reason": reason, "Type": "User"}
	return e
}

func withType(e *wire.Error) error {
	e.Fields = map[string]any{"Type": "User"}
	return e
}
