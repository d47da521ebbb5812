package lambda

import (
	"net/http"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func errInvalid(format string, args ...any) error {
	return withType(wire.Errorf(http.StatusBadRequest, "InvalidParameterValueException", format, args...))
}

// errConstraint is a broken rule that the API's model does not have, or that Go cannot
// check as it is written there.
func errConstraint(value any, member, rule string) error {
	return withType(constraint.Broken("ValidationException", member, value, rule))
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
