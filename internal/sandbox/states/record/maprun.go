package record

import (
	"encoding/json"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// MapRun is a Map Run.
type MapRun struct {
	Scope       wire.Scope `json:"scope"`
	ID          string     `json:"id"`
	Machine     string     `json:"machine"`
	Label       string     `json:"label"`
	Execution   string     `json:"execution"` // key of the parent
	Status      string     `json:"status"`
	Start       time.Time  `json:"start"`
	Stop        *time.Time `json:"stop,omitempty"`
	Concurrency int        `json:"concurrency"`
	Tolerated   int64      `json:"tolerated"`
	Percentage  float64    `json:"percentage"`
	Redrives    int        `json:"redrives,omitempty"`
	RedriveAt   *time.Time `json:"redriveAt,omitempty"`
	Items       Counts     `json:"items"`
	Children    Counts     `json:"children"`
	// ETag is that of the object that the items are read from, if it is one.
	ETag string `json:"etag,omitempty"`
}

// Counts are the items or the child executions of a run by their status.
type Counts struct {
	Pending, Running, Succeeded, Failed, TimedOut, Aborted, Total, Written int64
}

// Add moves n from one status to another; "" is none.
func (c *Counts) Add(from, to string, n int64) {
	for status, d := range map[string]int64{from: -n, to: n} {
		switch status {
		case "PENDING":
			c.Pending += d
		case Running:
			c.Running += d
		case Succeeded:
			c.Succeeded += d
		case Failed:
			c.Failed += d
		case TimedOut:
			c.TimedOut += d
		case Aborted:
			c.Aborted += d
		}
	}
}

// Exceeded reports whether more items failed than the run tolerates.
func (r *MapRun) Exceeded() bool {
	failed := r.Items.Failed + r.Items.TimedOut
	if failed == 0 {
		return false
	}
	byCount := r.Tolerated > 0 && failed > r.Tolerated
	share := 100 * float64(failed) / float64(max(r.Items.Total, 1))
	byShare := r.Percentage > 0 && share > r.Percentage
	return byCount || byShare || r.Tolerated == 0 && r.Percentage == 0
}

// ARN names the run for clients.
func (r *MapRun) ARN() string { return ARN(r.Scope, "mapRun", r.Machine+"/"+r.Label+":"+r.ID) }

// ReadMapRun reads the Map Run that an ARN names.
func ReadMapRun(db *store.DB, sc wire.Scope, arn string) (MapRun, error) {
	named, err := ParseARN(sc, arn, "mapRun")
	if err != nil {
		return MapRun{}, err
	}
	var r MapRun
	err = db.View(func(tx *store.Tx) error {
		raw := tx.GetRaw(BucketRuns, named.Key())
		if raw == nil {
			return NoResource(arn)
		}
		return json.Unmarshal(raw, &r)
	})
	return r, err
}

// Key names the run in the store.
func (r *MapRun) Key() string { return r.ChildPrefix() + ":" + r.ID }

// ChildPrefix begins the keys of the run's child executions.
func (r *MapRun) ChildPrefix() string { return r.Scope.Key(r.Machine + "/" + r.Label) }
