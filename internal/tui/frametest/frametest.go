// Package frametest tells what processor time a benchmark's frames took: unlike the time
// on the clock it hardly changes with what else runs on the machine, and where nothing
// does, a frame takes as long. It may be imported by tests only.
package frametest

import (
	"testing"
	"time"
)

// Meter counts from Start on.
type Meter struct {
	began time.Duration
}

// Start belongs right before the loop: what sets up the benchmark is not a frame's.
func Start() Meter { return Meter{processor()} }

// Report gives the processor time of one frame, of the user's and the kernel's, with the
// collection of garbage in it. Where the system does not tell, it gives nothing.
func (m Meter) Report(b *testing.B, frames int) {
	b.Helper()
	if took := processor() - m.began; took > 0 && frames > 0 {
		b.ReportMetric(float64(took.Nanoseconds())/1000/float64(frames), "cpu-µs/frame")
	}
}
