//go:build !linux && !darwin

package process

import (
	"os"
	"syscall"
)

// This knows the number only, which proves nothing by itself.
func This() ID { return ID{PID: os.Getpid()} }

// Look, Proven, Elsewhere and LockedBy know nothing here.
func Look(int) (State, bool) { return State{}, false }

// Proven is false: the system does not tell.
func (p ID) Proven() bool { return false }

// Elsewhere is empty: the system does not tell.
func (p ID) Elsewhere() string { return "" }

// LockedBy finds nobody: the system does not tell.
func LockedBy(string) int { return 0 }

// Signal reaches nobody, since nothing is proved.
func (p ID) Signal(syscall.Signal) error { return ErrNotProven }
