// Package process tells processes apart: a number by itself proves nothing, since
// it passes on when its process has ended, and means another process in another
// container or on another machine.
package process

import (
	"errors"
	"time"
)

// ID is a process by what no other one shares: its number, when it began, in which
// run of the kernel, and among which processes the number counts. Where the system
// does not tell, all but the number is empty, and nothing is proved.
type ID struct {
	PID       int    `json:"pid"`
	Start     string `json:"start,omitempty"`
	Boot      string `json:"boot,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// ErrNotProven says that the process which has an ID's number now is not known to
// be the one that was noted.
var ErrNotProven = errors.New("the process is not the one that was noted")

// State is what the system tells of a process that has a number now.
type State struct {
	// Zombie says that it has ended, and nobody has taken note.
	Zombie bool
	// Started is right to about a second: it is kept in ticks since the boot, whose
	// time is kept in seconds.
	Started time.Time
}
