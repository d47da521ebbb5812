package settings

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Problem is a setting whose value is none that it takes, or one that there is not. It is
// an error of kind fault.Invalid.
type Problem struct {
	// Value is the setting with the value that was given and where it was given.
	Value Value
	// Unknown says that there is no such setting.
	Unknown bool
	// Msg is lower-case, without a full stop; Hint is a sentence, the way out.
	Msg, Hint string
}

// Error says where the value comes from and what is wrong with it.
func (p *Problem) Error() string {
	if p.Unknown {
		return fault.Masked("config file " + p.Value.Source + ": " + p.Msg)
	}
	return fault.Masked(p.Value.Name + " from " + p.Value.Source + ": " + p.Msg)
}

// Flag is the global flag that gave the value, with its dashes; "" if none did.
func (p *Problem) Flag() string { return p.from("flag ") }

// Variable is the variable of the environment that gave it, "" if none did.
func (p *Problem) Variable() string { return p.from("environment ") }

func (p *Problem) from(kind string) string {
	if name, ok := strings.CutPrefix(p.Value.Source, kind); ok {
		return name
	}
	return ""
}

// Is makes errors.Is(err, fault.Invalid) work.
func (p *Problem) Is(target error) bool { return target == fault.Invalid } // a Kind is its own sentinel

// As gives the problem as the one error type that crosses packages.
func (p *Problem) As(target any) bool {
	f, ok := target.(**fault.Error)
	if ok {
		*f = &fault.Error{Kind: fault.Invalid, Msg: p.Error(), Hint: p.Hint}
	}
	return ok
}
