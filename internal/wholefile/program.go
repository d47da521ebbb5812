package wholefile

import (
	"os"
	"syscall"
)

// Program is for a file that is to be executed: write opens, fills and closes it, while this
// process begins no other. A process that has just been begun has its parent's files open
// until it has become another program, and a file that anybody has open to write to cannot be
// executed ("text file busy", execve(2)).
func Program(write func() error) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return write()
}

// WriteProgram is os.WriteFile for a program of this user's.
func WriteProgram(path string, data []byte) error {
	return Program(func() error { return os.WriteFile(path, data, 0o700) }) // it is executed
}
