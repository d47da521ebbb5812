package record

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Statuses of executions.
const (
	Running        = "RUNNING"
	Succeeded      = "SUCCEEDED"
	Failed         = "FAILED"
	TimedOut       = "TIMED_OUT"
	Aborted        = "ABORTED"
	PendingRedrive = "PENDING_REDRIVE"
)

// Summary is what lists show of an execution; it is the index's value.
type Summary struct {
	Scope        wire.Scope `json:"scope"`
	Machine      string     `json:"machine"` // name, or name/label for children of a Map
	Name         string     `json:"name"`
	Status       string     `json:"status"`
	Start        time.Time  `json:"start"`
	Stop         *time.Time `json:"stop,omitempty"`
	Version      int        `json:"version,omitempty"`
	Alias        string     `json:"alias,omitempty"`
	MapRun       string     `json:"mapRun,omitempty"` // ARN
	Items        int        `json:"items,omitempty"`
	RedriveCount int        `json:"redriveCount,omitempty"`
	RedriveAt    *time.Time `json:"redriveAt,omitempty"`
}

// Key names the execution in every bucket.
func (m *Summary) Key() string { return m.Scope.Key(m.Machine + ":" + m.Name) }

// MachineARN is the ARN of the state machine, with its label for children of a Map.
func (m *Summary) MachineARN() string { return ARN(m.Scope, "stateMachine", m.Machine) }

// RunKey tells apart what runs: express executions may share a name.
func (rec *Execution) RunKey() string { return rec.Key() + ":" + rec.ExpressID }

// indexKey sorts newest first within a machine.
func (m *Summary) indexKey() string {
	return fmt.Sprintf("%s:%016x:%s", m.Scope.Key(m.Machine), ^uint64(0)-uint64(m.Start.UnixNano()), m.Name) // times after 1970
}

// Execution is an execution.
type Execution struct {
	Summary
	Express bool `json:"express,omitempty"`
	// ExpressID is the third part of an express execution's ARN.
	ExpressID string  `json:"expressId,omitempty"`
	Revision  string  `json:"revision"` // key of the definition
	RoleARN   string  `json:"roleArn"`
	Input     string  `json:"input"`
	Output    string  `json:"output,omitempty"`
	Error     *string `json:"error,omitempty"`
	Cause     *string `json:"cause,omitempty"`
	LastEvent int64   `json:"lastEvent,omitempty"`
	// Label is set for the children of a distributed Map: they run the item
	// processor of that state.
	MapState string `json:"mapState,omitempty"`
	// Context is what children see of their Map item.
	Context json.RawMessage `json:"context,omitempty"`
	Tokens  []string        `json:"redriveTokens,omitempty"`
	Trace   string          `json:"trace,omitempty"`
	// Deadline ends the execution by its TimeoutSeconds.
	Deadline *time.Time `json:"deadline,omitempty"`
}

// ARN names the execution for clients.
func (rec *Execution) ARN() string {
	if rec.ExpressID != "" {
		return ARN(rec.Scope, "express", rec.Machine+":"+rec.Name+":"+rec.ExpressID)
	}
	return rec.Summary.ARN()
}

// ARN names an execution that is not express.
func (m *Summary) ARN() string { return ARN(m.Scope, "execution", m.Machine+":"+m.Name) }

// VersionARN is the ARN of the version that runs.
func (m *Summary) VersionARN() string { return VersionARN(m.MachineARN(), m.Version) }

// AliasARN is the ARN of the alias that it was started by.
func (m *Summary) AliasARN() string { return AliasARN(m.MachineARN(), m.Alias) }
