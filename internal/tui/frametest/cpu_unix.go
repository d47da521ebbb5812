//go:build unix

package frametest

import (
	"syscall"
	"time"
)

// processor is the processor time of this process so far.
func processor() time.Duration {
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
