package interpreter

import (
	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
)

// maxVariables bounds all variables that an execution holds at a time, in bytes ("Passing
// data between states with variables", section "Limits").
const maxVariables = 10 << 20

// maxBuilt bounds what one template may make, in bytes: more than a state may
// hand on, since part of it may be dropped again. A template can name the same
// data in each of its fields, so that without this it makes gigabytes of 256 KiB.
const maxBuilt = 16 * record.MaxData

// maxPending bounds the data of events, in bytes, that stay in memory before they are written.
const maxPending = 1 << 20

// escape is the most bytes that one byte of a text takes in JSON, as \u0000 does.
const escape = 6

// within reports whether a value takes no more than limit bytes as JSON. It writes
// only what may be near to it.
func within(v any, limit int) bool {
	return value.Fits(v, limit/escape) || value.Fits(v, limit) && len(value.String(v)) <= limit
}

// given refuses what a task or the branches of a state are given if it is too large:
// "When, after Parameters processing, the input of a state is larger than the payload
// size quota" (Developer Guide, "Handling errors in Step Functions workflows").
func (e *evaluation) given(v any) error {
	if !within(v, record.MaxData) {
		return failure.Limit(e.st.Name, "provided parameters")
	}
	return e.shallow(v)
}

// shallow refuses what is nested too deeply to be read again.
func (e *evaluation) shallow(v any) error {
	switch {
	case !value.Deep(v):
		return nil
	case e.st.QueryLanguage == asl.JSONata:
		return e.query("", "The data of the state %s", failure.Nested)
	}
	return e.runtime("The data of the state %s", failure.Nested)
}

// result refuses what a state has gathered if it is too large or nested too deeply.
func result(state string, v any, limit int) error {
	switch {
	case !value.Fits(v, limit): // which may be far too large to be walked through
		return failure.TooLarge(state)
	case value.Deep(v):
		return failure.TooDeep(state)
	}
	return nil
}

// assigned are the variables that one state sets, as texts.
type assigned struct {
	vars  *value.Object
	texts map[string]string
}

// assignment takes the room for what a state sets, or refuses it.
func (b *branch) assignment(state string, vars *value.Object) (assigned, error) {
	if vars.Len() == 0 {
		return assigned{}, nil
	}
	a := assigned{vars: vars, texts: make(map[string]string, vars.Len())}
	left, more := record.MaxData, 0
	for i := range vars.Len() {
		k, v := vars.At(i)
		if !value.Fits(v, left) {
			return assigned{}, failure.Limit(state, "assigned variables")
		}
		a.texts[k] = value.String(v)
		if left -= len(a.texts[k]); left < 0 {
			return assigned{}, failure.Limit(state, "assigned variables")
		}
		more += len(a.texts[k]) - b.sizes[k]
	}
	if b.x.stored.Add(int64(more)) > maxVariables {
		b.x.stored.Add(int64(-more))
		return assigned{}, failure.Limit(state, "stored variables")
	}
	return a, nil
}

// keep sets the variables, for which there is room.
func (b *branch) keep(a assigned) {
	for i := range a.vars.Len() {
		k, v := a.vars.At(i)
		b.setVar(k, v, len(a.texts[k]))
	}
}

// release gives back the room of the branch's variables, which go out of scope with it.
func (b *branch) release() {
	for _, n := range b.sizes {
		b.x.stored.Add(int64(-n))
	}
	b.sizes = nil
}
