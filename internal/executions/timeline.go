package executions

import (
	"time"
)

// VisitStatus is the state of one visit of a state, or of one attempt.
type VisitStatus string

// The states of a visit. Caught means that it failed and a Catch went on.
const (
	VisitRunning   VisitStatus = "running"
	VisitSucceeded VisitStatus = "succeeded"
	VisitCaught    VisitStatus = "caught"
	VisitFailed    VisitStatus = "failed"
	VisitTimedOut  VisitStatus = "timedOut"
	VisitAborted   VisitStatus = "aborted"
)

// Open reports whether the visit goes on.
func (s VisitStatus) Open() bool { return s == VisitRunning }

// Attempt is one try of a Task state: the first, or a retry.
type Attempt struct {
	Status    VisitStatus `json:"status"`
	Resource  string      `json:"resource,omitempty"`
	Service   string      `json:"resourceType,omitempty"`
	Scheduled time.Time   `json:"scheduled,omitzero"`
	Started   time.Time   `json:"started,omitzero"`
	Ended     time.Time   `json:"ended,omitzero"`
	Input     string      `json:"input,omitempty"`
	Output    string      `json:"output,omitempty"`
	Error     string      `json:"error,omitempty"`
	Cause     string      `json:"cause,omitempty"`
}

// MapProgress counts the iterations of a Map state.
type MapProgress struct {
	// Run is the ARN of the Map Run of a distributed map, whose iterations are
	// executions of their own and not counted here.
	Run       string `json:"mapRunArn,omitempty"`
	Total     int    `json:"total"`
	Started   int    `json:"started"`
	Succeeded int    `json:"succeeded"`
	Failed    int    `json:"failed"`
	Aborted   int    `json:"aborted"`
}

// Visit is one entry into a state. A loop visits a state more than once.
type Visit struct {
	// Index is its place in Timeline.Visits, in the order of entering.
	Index int    `json:"index"`
	State string `json:"state"`
	Type  string `json:"type"` // "Task", "Map", ...
	// Parent is the index of the Map or Parallel visit that it is inside, or -1.
	Parent int `json:"parent"`
	// Depth is how many visits it is inside of.
	Depth int `json:"depth"`
	// Iteration is the index of the map iteration that it belongs to.
	Iteration *int        `json:"iteration,omitempty"`
	Status    VisitStatus `json:"status"`
	Entered   time.Time   `json:"entered"`
	Exited    time.Time   `json:"exited,omitzero"`
	Input     string      `json:"input,omitempty"`
	Output    string      `json:"output,omitempty"`
	// InputBytes and OutputBytes are those of the events: 0 if nothing was cut.
	InputBytes  int          `json:"-"`
	OutputBytes int          `json:"-"`
	Error       string       `json:"error,omitempty"`
	Cause       string       `json:"cause,omitempty"`
	Attempts    []Attempt    `json:"attempts,omitempty"`
	Map         *MapProgress `json:"map,omitempty"`

	enteredAfter int64 // previous event id of the entering event
	redriven     int   // attempts that a redrive has begun
	groupFailed  bool  // a Map or Parallel failed; an exit after it is a Catch
}

// ChooseVisits are the places of those visits that there is room for, in their order, and how
// many are left out: those that did not succeed are taken before others, up to half of the
// room if there are others to take.
func ChooseVisits(all []Visit, room int) (shown []int, left int) {
	isBad := func(v *Visit) bool { return v.Status != VisitSucceeded && v.Status != VisitAborted }
	bad := 0
	for i := range all {
		if isBad(&all[i]) {
			bad++
		}
	}
	others := room - min(bad, room/2)
	bad = room - min(others, len(all)-bad)
	for i := range all {
		left := &others
		if isBad(&all[i]) {
			left = &bad
		}
		if *left > 0 {
			*left--
			shown = append(shown, i)
		}
	}
	return shown, len(all) - len(shown)
}

// Retries is how many attempts came after the first by themselves: what a redrive has begun
// is none.
func (v *Visit) Retries() int { return max(0, len(v.Attempts)-1-v.redriven) }

// Duration is how long the visit took, or has taken until now.
func (v *Visit) Duration(now time.Time) time.Duration {
	if v.Exited.IsZero() {
		return max(0, now.Sub(v.Entered))
	}
	return v.Exited.Sub(v.Entered)
}

// Timeline is the state of one execution as its events tell it. Apply is the
// only way to change it: it does no IO, reads no clock and ignores events that
// it has seen, so that the same events always give the same Timeline. The zero
// value is ready. It is not safe for concurrent use.
type Timeline struct {
	Status   Status    `json:"status,omitempty"`
	Start    time.Time `json:"startDate,omitzero"`
	Stop     time.Time `json:"stopDate,omitzero"`
	Input    string    `json:"input,omitempty"`
	Output   string    `json:"output,omitempty"`
	Error    string    `json:"error,omitempty"`
	Cause    string    `json:"cause,omitempty"`
	Redrives int       `json:"redriveCount,omitempty"`
	// LastID is the newest event's id, which is also the number of events.
	LastID int64   `json:"lastEventId"`
	Visits []Visit `json:"visits"`
	// FailedVisit is the index of the visit that brought the execution down, or
	// nil.
	FailedVisit *int `json:"failedVisit,omitempty"`

	at map[int64]place // where each event belongs
}

// place is a visit and, inside a Map, the iteration. visit is -1 for the
// execution itself.
type place struct {
	visit     int
	iteration *int
	// inner says that states entered after this event are inside the visit.
	inner bool
}

var nowhere = place{visit: -1}

// Current returns the visits that run now and have none running inside them, in
// order of entering.
func (t *Timeline) Current() []Visit {
	hasOpenChild := map[int]bool{}
	for i := range t.Visits {
		if t.Visits[i].Status.Open() {
			hasOpenChild[t.Visits[i].Parent] = true
		}
	}
	var out []Visit
	for i := range t.Visits {
		if t.Visits[i].Status.Open() && !hasOpenChild[i] {
			out = append(out, t.Visits[i])
		}
	}
	return out
}

// Failed returns the visit that brought the execution down, or nil.
func (t *Timeline) Failed() *Visit {
	if t.FailedVisit == nil {
		return nil
	}
	return &t.Visits[*t.FailedVisit]
}

// StateOf is the name of the state that an applied event belongs to, or "".
func (t *Timeline) StateOf(id int64) string {
	if p, ok := t.at[id]; ok && p.visit >= 0 {
		return t.Visits[p.visit].State
	}
	return ""
}

// Duration is how long the execution took, or has taken until now.
func (t *Timeline) Duration(now time.Time) time.Duration {
	switch {
	case t.Start.IsZero():
		return 0
	case t.Stop.IsZero():
		return max(0, now.Sub(t.Start))
	}
	return t.Stop.Sub(t.Start)
}
