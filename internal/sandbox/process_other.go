//go:build !linux && !darwin

package sandbox

import (
	"os"
	"syscall"
)

// thisProcess knows the number only, which proves nothing by itself.
func thisProcess() process { return process{PID: os.Getpid()} }

func (p process) proven() bool                { return false }
func (p process) elsewhere() string           { return "" }
func (p process) signal(syscall.Signal) error { return errNotProven }
func lockedBy(string) int                     { return 0 }
