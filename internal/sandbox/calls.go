package sandbox

import (
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// Calls are what a fault may name as begun: services of AWS, and behind a service and a
// dot its operations ("sfn.StartExecution").
func Calls(begun string) []string {
	service, _, dotted := strings.Cut(begun, ".")
	if !dotted {
		return model.Names()
	}
	api := model.Of(service)
	if api == nil {
		return nil
	}
	names := api.OperationNames()
	for i, n := range names {
		names[i] = service + "." + n
	}
	return names
}

// ErrorCodes are the error codes with which a call ("sagemaker.CreateEndpoint") is
// modelled to fail; those of all services where that names none.
func ErrorCodes(call string) []string {
	service, _, _ := strings.Cut(call, ".")
	if api := model.Of(service); api != nil {
		return slices.Clone(api.Errors)
	}
	var out []string
	for _, name := range model.Names() {
		out = append(out, model.Of(name).Errors...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
