package pipelines

import (
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Health is how a pipeline is.
type Health struct {
	ID     spec.ID
	Report health.Report
	// Instances are those of the endpoint now, and Wanted how many there are to be; nil
	// if it has none.
	Instances, Wanted *int32
	// Status is the endpoint's, "" if there is none.
	Status string
	// LastInvoked is when an endpoint that was not invoked in the time asked for was last,
	// to the hour, and Since when it is there if it never was (within 15 days). Idle says
	// that it was not invoked.
	Idle        bool
	LastInvoked time.Time
	// Month is what an idle one costs in a month by being there, an estimate in words; "" if
	// that is nothing or not known.
	Month   string
	Created time.Time
	// MapRuns are those of executions that run, of the newest ones.
	MapRuns []executions.MapRun
	// Err is why less is known.
	Err error
}

// idleLook is how far back a last invocation is looked for.
const idleLook = 15 * 24 * time.Hour

// IdleSince is since when an endpoint is idle: its last invocation, or, if it is younger than
// what is looked back, since it is there; zero if it is older, or that is not known.
func (h *Health) IdleSince() time.Time {
	if h.LastInvoked.IsZero() && h.Report.Until.Sub(h.Created) < idleLook {
		return h.Created
	}
	return h.LastInvoked
}
