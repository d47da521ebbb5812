package program

import (
	"maps"
	"slices"
)

// Integrations returns the service integrations that definitions may use: those
// for which blocks give the state machine the rights, by the part of the ARN
// behind ":states:::".
func Integrations() []string { return slices.Sorted(maps.Keys(integrations())) }
