//go:build unix

package executions

import "syscall"

// errRefused is how a connection to a port where nothing listens fails.
const errRefused = syscall.ECONNREFUSED
