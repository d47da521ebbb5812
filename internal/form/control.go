package form

import "github.com/pipelinetui/pipelinetui/internal/spec"

// inlineChoices is up to how many choices are shown side by side.
const inlineChoices = 6

// Control is how a field is answered.
type Control int

// The controls.
const (
	Typed   Control = iota // letters go into it
	Toggled                // yes or no
	Inline                 // a few choices beside each other
	Listed                 // many choices, in a list of their own
	Edited                 // a document: lists and maps
	Closed                 // fixed, or greyed
)

// Control is how the field is answered now.
func (f Field) Control() Control {
	switch {
	case f.Fixed != "" || f.Greyed != "":
		return Closed
	case f.Type == spec.TypeBool:
		return Toggled
	case f.Type == spec.TypeEnum && len(f.Choices) <= inlineChoices:
		return Inline
	case f.Type == spec.TypeEnum:
		return Listed
	case f.Type == spec.TypeList || f.Type == spec.TypeMap:
		return Edited
	}
	return Typed
}
