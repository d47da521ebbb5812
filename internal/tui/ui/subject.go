package ui

import (
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Subject is what is selected on a page, for commands of the user's own: what is not known,
// or not selected, is empty.
type Subject struct {
	Pipeline spec.ID
	Region   string
	Outputs  map[string]stack.Output
	// Execution is an ARN.
	Execution string
}

// View is a look at the list of pipelines that has a name.
type View struct {
	Name   string
	Filter string
	// Sort is the title of the column it is sorted by, in small letters; "" for the order
	// of names.
	Sort    string
	Reverse bool
	// Tag is whose values are a column, "" for none.
	Tag string
	// Tenants keeps tenants together.
	Tenants bool
	// Columns are those that are shown, by their titles in small letters; none are all.
	Columns []string
}
