package results_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// BenchmarkPagesOfAMillion reads pages of 50 of a million predictions at 101 places, forward and
// back, and the summary of all. It reports the slowest page, what was read of S3 for the
// largest, in how many calls, and the most memory that was in use, the objects not counted: the
// service makes its answers as they are asked for. What S3 and the network take comes on top.
func BenchmarkPagesOfAMillion(b *testing.B) {
	bucket := million(b, 1_000_000)
	set := bucket.open(b)
	var most, calls int64
	var slowest time.Duration
	var peak uint64
	inUse := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse+m.StackInuse)
	}
	measure := func(do func() error) {
		bucket.read.Store(0)
		bucket.calls.Store(0)
		began := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		slowest = max(slowest, time.Since(began))
		most, calls = max(most, bucket.read.Load()), max(calls, bucket.calls.Load())
		inUse()
	}
	for b.Loop() {
		for place := range 101 {
			at, err := set.At(b.Context(), fmt.Sprintf("%d%%", place))
			if err != nil {
				b.Fatal(err)
			}
			measure(func() error { _, err := set.From(b.Context(), at, 50); return err })
			measure(func() error { _, err := set.Before(b.Context(), at, 50); return err })
		}
		b.ReportMetric(float64(slowest.Microseconds())/1000, "ms-slowest-page")
		b.ReportMetric(float64(most)/1024, "KiB-read")
		b.ReportMetric(float64(calls), "calls-S3")
		slowest = 0
		measure(func() error { _, err := set.Stats(b.Context()); return err })
		b.ReportMetric(float64(slowest.Milliseconds()), "ms-summary")
		b.ReportMetric(float64(peak)/(1<<20), "MiB-in-use")
	}
}
