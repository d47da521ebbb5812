package executions

import "syscall"

// errRefused is how a connection to a port where nothing listens fails
// (WSAECONNREFUSED).
const errRefused = syscall.Errno(10061)
