// Package leaktest sees whether a suite leaves goroutines behind. It may be imported by tests
// only, and imports nothing of this module.
package leaktest

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// patience is how often it is looked again, for half a second each time: what is about to end
// may take its time on a busy machine.
const patience = 120

// Main runs a package's tests, and then wants all goroutines to end but those that the options
// leave out. Call it in TestMain.
func Main(m *testing.M, leave ...goleak.Option) {
	code := m.Run()
	for look := 1; code == 0; look++ {
		err := goleak.Find(leave...)
		if err == nil {
			break
		}
		if look == patience {
			_, _ = os.Stderr.WriteString("goroutines are left behind: " + err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // it is the last word of a TestMain
}
