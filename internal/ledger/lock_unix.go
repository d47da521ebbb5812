//go:build unix

package ledger

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the file for this descriptor alone; false if another one has it. The lock
// ends with the descriptor, so that a program that was killed keeps nobody out.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
