// Package signaltest makes a suite independent of how it was started. It may be imported by
// tests only, and imports nothing of this module.
package signaltest

import (
	"os"
	"os/signal"
	"syscall"
)

// Reset gives the signals of a terminal back what they usually do, in this process and in
// those that it begins: under nohup SIGHUP is ignored, in a script's background (`make test
// &`) SIGINT and SIGQUIT are, and every process below would inherit that, shells even for
// good. Call it in TestMain. A signal that is caught is one that a child begins with as usual
// (signal(7), "Signal dispositions").
func Reset() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
