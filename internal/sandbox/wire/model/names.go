package model

import (
	"maps"
	"slices"
	"strings"
)

// Names are the ids of the services whose models are here, sorted.
func Names() []string {
	files, _ := data.ReadDir("data") // embedded
	var out []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".json"); ok {
			out = append(out, name)
		}
	}
	return out
}

// OperationNames are the operations of the service, sorted.
func (a *API) OperationNames() []string { return slices.Sorted(maps.Keys(a.Operations)) }
