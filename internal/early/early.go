// Package early keeps libraries from acting on the environment when the program is loaded:
// Bubble Tea from talking to the terminal, Pulumi's SDK from a panic. Bubble Tea 1.x asks
// for the background colour in a package initialiser (tea_init.go), so for every command:
// it eats what was typed ahead, and a terminal that does not answer holds the program up
// for five seconds. termenv asks no terminal whose TERM is "dumb", so TERM is that while
// packages are initialised.
//
// Packages are initialised in the order of their import paths as soon as what they
// import is (Go specification, "Program initialization"). This one imports syscall
// alone, which is ready before os, and all of Bubble Tea's own imports need os. It
// must import nothing else.
package early

import "syscall"

// names are the variables that packages read when they are initialised, and what they
// read instead.
var names = [...]struct{ name, value string }{
	{"TERM", "dumb"},
	// Pulumi's SDK panics if it is malformed (sdk/go/common/workspace, init), in every command.
	// What uses it reads it later and can say what is wrong (stack.ParseOverrides).
	{"PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES", ""},
}

var kept = hide()

func hide() (values [len(names)]string) {
	for i, n := range names {
		value, ok := syscall.Getenv(n.name)
		if !ok || value == "" {
			continue
		}
		values[i] = value
		if n.value == "" {
			_ = syscall.Unsetenv(n.name)
		} else {
			_ = syscall.Setenv(n.name, n.value) // if it fails, the terminal is asked
		}
	}
	return values
}

// Restore gives the variables their values back. The program calls it before anything else.
func Restore() {
	for i, n := range names {
		if kept[i] != "" {
			_ = syscall.Setenv(n.name, kept[i]) // it was set before
		}
	}
}
