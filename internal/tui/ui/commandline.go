package ui

import (
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// plainWord is what every shell leaves as it is.
var plainWord = lazyregexp.New(`^[A-Za-z0-9_@%+:,./=-]+$`)

// CommandLine is the command line that does what a screen does: the program with the
// global flags that this session was given, and the arguments, each quoted for a POSIX
// shell where it has to be.
func (e *Env) CommandLine(args ...string) string {
	all := []string{"pipelinetui"}
	if e.Flags != nil {
		all = append(all, e.Flags()...)
	}
	all = slices.Concat(all, args)
	for i, a := range all {
		if !plainWord.MatchString(a) {
			all[i] = fault.Shell(a)
		}
	}
	return strings.Join(all, " ")
}
