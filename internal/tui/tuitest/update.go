package tuitest

import (
	"flag"

	_ "github.com/charmbracelet/x/exp/golden" // registers the flag
)

// updating tells whether the test was run with -update. The flag is registered by
// the golden package; a second one of the name would be refused.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}
