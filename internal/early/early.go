// Package early keeps Bubble Tea from talking to the terminal when the program is
// loaded. Bubble Tea 1.x asks for the background colour in a package initialiser
// (tea_init.go), so for every command: it eats what was typed ahead, and a terminal
// that does not answer holds the program up for five seconds. termenv asks no
// terminal whose TERM is "dumb", so TERM is that while packages are initialised.
//
// Packages are initialised in the order of their import paths as soon as what they
// import is (Go specification, "Program initialization"). This one imports syscall
// alone, which is ready before os, and all of Bubble Tea's own imports need os. It
// must import nothing else.
package early

import "syscall"

// name is the variable that tells programs what the terminal can do.
const name = "TERM"

var term, had = hide()

func hide() (value string, ok bool) {
	value, ok = syscall.Getenv(name)
	if ok {
		_ = syscall.Setenv(name, "dumb") // if it fails, the terminal is asked
	}
	return value, ok
}

// Restore gives TERM its value back. The program calls it before anything else.
func Restore() {
	if had {
		_ = syscall.Setenv(name, term) // it was set before
	}
}
