package states

import (
	"encoding/json"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// runRecord is a Map Run.
type runRecord struct {
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
	Items       counts     `json:"items"`
	Children    counts     `json:"children"`
	// ETag is that of the object that the items are read from, if it is one.
	ETag string `json:"etag,omitempty"`
}

// counts are the items or the child executions of a run by their status.
type counts struct {
	Pending, Running, Succeeded, Failed, TimedOut, Aborted, Total, Written int64
}

// add moves n from one status to another; "" is none.
func (c *counts) add(from, to string, n int64) {
	for status, d := range map[string]int64{from: -n, to: n} {
		switch status {
		case "PENDING":
			c.Pending += d
		case statusRunning:
			c.Running += d
		case statusSucceeded:
			c.Succeeded += d
		case statusFailed:
			c.Failed += d
		case statusTimedOut:
			c.TimedOut += d
		case statusAborted:
			c.Aborted += d
		}
	}
}

// exceeded reports whether more items failed than the run tolerates.
func (r *runRecord) exceeded() bool {
	failed := r.Items.Failed + r.Items.TimedOut
	if failed == 0 {
		return false
	}
	byCount := r.Tolerated > 0 && failed > r.Tolerated
	share := 100 * float64(failed) / float64(max(r.Items.Total, 1))
	byShare := r.Percentage > 0 && share > r.Percentage
	return byCount || byShare || r.Tolerated == 0 && r.Percentage == 0
}

func (r *runRecord) arn() string { return arnIn(r.Scope, "mapRun", r.Machine+"/"+r.Label+":"+r.ID) }

// mapRun reads the Map Run that an ARN names.
func (s *Service) mapRun(req *wire.Request, arn string) (runRecord, error) {
	named, err := parseARN(req.Scope, arn, "mapRun")
	if err != nil {
		return runRecord{}, err
	}
	var r runRecord
	err = s.DB.View(func(tx *store.Tx) error {
		raw := tx.GetRaw(bucketRuns, named.key())
		if raw == nil {
			return errNoResource(arn)
		}
		return json.Unmarshal(raw, &r)
	})
	return r, err
}
