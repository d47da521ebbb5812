package ui

import "time"

// Pace is how often a page wants to be drawn while nothing happens. The root has the
// only clock: pages tick not by themselves.
type Pace int

// The paces.
const (
	// Still: nothing of it changes by itself.
	Still Pace = iota
	// Beating: it shows ages and durations, or reads by itself. It is told Beat every
	// BeatEvery.
	Beating
	// Spinning: a spinner turns on it besides.
	Spinning
)

// Beat is told to the page on top, at its Pace: draw again, and read what is due.
type Beat struct{}

// Pace implements Page for pages that are still.
func (h *Host) Pace() Pace { return Still }

// Spin is the step of all spinners now.
func (e *Env) Spin() int { return SpinAt(e.Now()) }

// SpinAt is the step of all spinners at a time.
func SpinAt(now time.Time) int { return int(now.UnixMilli() / SpinEvery.Milliseconds()) }
