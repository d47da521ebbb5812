package states

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Buckets of the store. Names are in the form of their scope's key.
const (
	bucketMachines   = "sfn.machines"   // name -> machineRecord
	bucketRevisions  = "sfn.revisions"  // name/revision -> revisionRecord
	bucketVersions   = "sfn.versions"   // name/0000000001 -> versionRecord
	bucketAliases    = "sfn.aliases"    // name/alias -> aliasRecord
	bucketTags       = "sfn.tags"       // ARN -> map
	bucketExecutions = "sfn.executions" // execution key -> execRecord
	bucketIndex      = "sfn.index"      // machine/inverted time/name -> summary
	bucketEvents     = "sfn.events"     // execution key#00000001 -> event
	bucketCursors    = "sfn.cursors"    // execution key#branch -> cursor
	bucketRunning    = "sfn.running"    // execution key -> "{}"
	bucketActivities = "sfn.activities" // name -> activityRecord
	bucketTokens     = "sfn.tokens"     // task token -> tokenRecord
	bucketExpress    = "sfn.express"    // express execution key -> execRecord, while it runs
	bucketRuns       = "sfn.runs"       // map run key -> runRecord
	bucketDeaths     = "sfn.deaths"     // execution key:express id -> deathRecord
)

// machineRecord is a state machine as it stands.
type machineRecord struct {
	Scope      wire.Scope      `json:"scope"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Created    time.Time       `json:"created"`
	Updated    time.Time       `json:"updated"`
	Revision   string          `json:"revision"` // "" until the first update
	RoleARN    string          `json:"roleArn"`
	Definition string          `json:"definition"`
	Logging    json.RawMessage `json:"logging,omitempty"`
	Tracing    bool            `json:"tracing,omitempty"`
	Encryption json.RawMessage `json:"encryption,omitempty"`
	// NextVersion is the number of the next version; numbers are never reused.
	NextVersion int `json:"nextVersion"`
	// Deleting is set while the machine's executions are being removed.
	Deleting bool `json:"deleting,omitempty"`
}

// revisionKey names the definition that an execution runs by.
func (m *machineRecord) revisionKey() string {
	r := m.Revision
	if r == "" {
		r = "INITIAL"
	}
	// The time tells a machine from an earlier one of the same name.
	return fmt.Sprintf("%s/%s/%d", m.key(), r, m.Created.UnixNano())
}

// key names the machine in the store.
func (m *machineRecord) key() string { return m.Scope.Key(m.Name) }

func (m *machineRecord) arn() string { return arnIn(m.Scope, "stateMachine", m.Name) }

type versionRecord struct {
	Machine     machineRecord `json:"machine"`
	Number      int           `json:"number"`
	Description string        `json:"description,omitempty"`
	Created     time.Time     `json:"created"`
}

type route struct {
	Version int `json:"version"`
	Weight  int `json:"weight"`
}

type aliasRecord struct {
	Machine     string    `json:"machine"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Routes      []route   `json:"routes"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
}

// Statuses of executions.
const (
	statusRunning   = "RUNNING"
	statusSucceeded = "SUCCEEDED"
	statusFailed    = "FAILED"
	statusTimedOut  = "TIMED_OUT"
	statusAborted   = "ABORTED"
	statusPending   = "PENDING_REDRIVE"
)

// summary is what lists show of an execution; it is the index's value.
type summary struct {
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

// key names the execution in every bucket.
func (m *summary) key() string { return m.Scope.Key(m.Machine + ":" + m.Name) }

// machineARN is the ARN of the state machine, with its label for children of a Map.
func (m *summary) machineARN() string { return arnIn(m.Scope, "stateMachine", m.Machine) }

// indexKey sorts newest first within a machine.
func (m *summary) indexKey() string {
	return fmt.Sprintf("%s:%016x:%s", m.Scope.Key(m.Machine), ^uint64(0)-uint64(m.Start.UnixNano()), m.Name) //nolint:gosec // times after 1970
}

// execRecord is an execution.
type execRecord struct {
	summary
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

// doc is a value of the language inside a stored record.
type doc struct {
	v   any
	set bool
}

func docOf(v any) doc { return doc{v, true} }

// MarshalJSON writes the value, null if there is none.
func (d doc) MarshalJSON() ([]byte, error) { return value.Encode(d.v), nil }

// UnmarshalJSON reads the value with its numbers and its order of keys.
func (d *doc) UnmarshalJSON(b []byte) error {
	v, err := value.Parse(string(b))
	*d = doc{v, err == nil}
	return err
}

// IsZero makes omitzero leave out an unset value.
func (d doc) IsZero() bool { return !d.set }

// Phases of a state between its entry and its exit.
const (
	phaseEntered  = ""         // nothing done yet
	phaseTask     = "task"     // a task was scheduled and is under way
	phaseCallback = "callback" // a task waits for its token, its job or a worker
	phaseResult   = "result"   // the result is known, the exit is not recorded
	phaseFailed   = "failed"   // the failure is known, what follows is not
	phaseRetry    = "retry"    // waits for the next attempt
	phaseWait     = "wait"     // a Wait state waits
	phaseChildren = "children" // branches or iterations run
)

// cursor is where a branch stands: all that is needed to go on after a restart.
// It changes only together with the events that record the step.
type cursor struct {
	State string `json:"s"`
	Input doc    `json:"i,omitzero"`
	// Raw is the input's text as it was given, for the first state.
	Raw         string         `json:"raw,omitempty"`
	Vars        map[string]doc `json:"v,omitempty"`
	Head        int64          `json:"h"` // the branch's last event
	Entered     int64          `json:"e,omitempty"`
	EnteredPrev int64          `json:"ep,omitempty"`
	EnteredAt   time.Time      `json:"at,omitzero"`
	Phase       string         `json:"p,omitempty"`
	Until       time.Time      `json:"u,omitzero"`
	Attempts    []int          `json:"a,omitempty"` // per retrier
	Retries     int            `json:"r,omitempty"`
	Result      doc            `json:"res,omitzero"`
	Failure     *failure       `json:"f,omitempty"`
	Token       string         `json:"t,omitempty"`
	Deadline    time.Time      `json:"dl,omitzero"`
	Heartbeat   int64          `json:"hb,omitempty"` // seconds
	Job         string         `json:"job,omitempty"`
	// Items are the inputs of the children, Round counts their starts.
	Items doc `json:"it,omitzero"`
	Round int `json:"n,omitempty"`
	// Done ends the branch: with Result, or with Failure if it is set.
	Done bool `json:"d,omitempty"`
	// Side is the last event that is not part of the branch's own chain.
	Side int64 `json:"sd,omitempty"`
}

func eventKey(execution string, id int64) string { return fmt.Sprintf("%s#%08d", execution, id) }

func cursorKey(execution, path string) string { return execution + "#" + path }
