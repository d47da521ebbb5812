//go:build !unix

package tui

// noShell says why the program can't be suspended: these systems have no such thing.
func noShell() string { return "this system can't suspend a program" }
