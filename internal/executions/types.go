package executions

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// RegionOf is the AWS region of what an ARN names, "" of what is no ARN.
func RegionOf(text string) string {
	of, _ := arn.Parse(text) // of none, none
	return of.Region
}

// Status is the state of an execution, in AWS's own words.
type Status string

// The states of an execution. PendingRedrive occurs only for children of a Map
// Run.
const (
	Running        Status = "RUNNING"
	Succeeded      Status = "SUCCEEDED"
	Failed         Status = "FAILED"
	TimedOut       Status = "TIMED_OUT"
	Aborted        Status = "ABORTED"
	PendingRedrive Status = "PENDING_REDRIVE"
)

// Terminal reports whether an execution in this state has ended. A redrive may
// start it again.
func (s Status) Terminal() bool {
	switch s {
	case Succeeded, Failed, TimedOut, Aborted:
		return true
	case Running, PendingRedrive:
		return false
	}
	return false
}

// Execution is one row of a list.
type Execution struct {
	ARN     string `json:"arn"`
	Name    string `json:"name"`
	Machine string `json:"stateMachineArn"`
	// Version and Alias are the ARNs through which it was started, or empty.
	Version     string    `json:"stateMachineVersionArn,omitempty"`
	Alias       string    `json:"stateMachineAliasArn,omitempty"`
	MapRun      string    `json:"mapRunArn,omitempty"`
	Status      Status    `json:"status"`
	Start       time.Time `json:"startDate"`
	Stop        time.Time `json:"stopDate,omitzero"`
	Redrives    int       `json:"redriveCount,omitempty"`
	RedriveDate time.Time `json:"redriveDate,omitzero"`
}

// Duration is how long it ran, or has run until now. Time spent between the end
// and a redrive counts.
func (e Execution) Duration(now time.Time) time.Duration {
	if e.Stop.IsZero() {
		return max(0, now.Sub(e.Start))
	}
	return e.Stop.Sub(e.Start)
}

// Details is what is known of one execution.
type Details struct {
	Execution
	Input  string `json:"input,omitempty"`  // JSON text
	Output string `json:"output,omitempty"` // JSON text
	Error  string `json:"error,omitempty"`
	Cause  string `json:"cause,omitempty"`
	// RedriveStatus is REDRIVABLE, NOT_REDRIVABLE or REDRIVABLE_BY_MAP_RUN;
	// RedriveReason says why not.
	RedriveStatus string `json:"redriveStatus,omitempty"`
	RedriveReason string `json:"redriveStatusReason,omitempty"`
	TraceHeader   string `json:"traceHeader,omitempty"`
}

// Redrivable reports whether Redrive would be accepted.
func (d *Details) Redrivable() bool { return d.RedriveStatus == "REDRIVABLE" }

// Outcome is how a watched execution ended.
type Outcome struct {
	ARN    string    `json:"arn"`
	Name   string    `json:"name"`
	Status Status    `json:"status"`
	Output string    `json:"output,omitempty"` // JSON text, if it succeeded
	Error  string    `json:"error,omitempty"`
	Cause  string    `json:"cause,omitempty"`
	Start  time.Time `json:"startDate,omitzero"`
	Stop   time.Time `json:"stopDate,omitzero"`
	// FailedState is the state that brought the execution down, if one did.
	FailedState string `json:"failedState,omitempty"`
}

// Event is one event of an execution's history, flattened: whichever details
// AWS gives for its type are in the fields below.
type Event struct {
	ID       int64     `json:"id"`
	Previous int64     `json:"previousId"`
	Time     time.Time `json:"time"`
	// Type is AWS's HistoryEventType: "TaskStateEntered".
	Type string `json:"type"`
	// State is the state that the event belongs to, found through the chain of
	// previous events where AWS does not name it. Empty for the execution's own
	// events.
	State string `json:"state,omitempty"`

	Input     string `json:"input,omitempty"`  // JSON text: input, or a task's parameters
	Output    string `json:"output,omitempty"` // JSON text
	Error     string `json:"error,omitempty"`
	Cause     string `json:"cause,omitempty"`
	Location  string `json:"location,omitempty"`     // the expression that failed (EvaluationFailed)
	Resource  string `json:"resource,omitempty"`     // "invokeEndpoint", or a function's ARN
	Service   string `json:"resourceType,omitempty"` // "aws-sdk:sagemakerruntime"
	Region    string `json:"region,omitempty"`
	Worker    string `json:"workerName,omitempty"`
	MapRun    string `json:"mapRunArn,omitempty"`
	Role      string `json:"roleArn,omitempty"`
	Alias     string `json:"stateMachineAliasArn,omitempty"`
	Version   string `json:"stateMachineVersionArn,omitempty"`
	Iteration *int   `json:"iteration,omitempty"` // index of a map iteration
	Length    *int   `json:"length,omitempty"`    // number of items of a map
	Redrives  int    `json:"redriveCount,omitempty"`

	TimeoutSeconds   int64             `json:"timeoutSeconds,omitempty"`
	HeartbeatSeconds int64             `json:"heartbeatSeconds,omitempty"`
	Assigned         map[string]string `json:"assigned,omitempty"` // variables, each as JSON text

	// Truncated flags say that AWS cut the text.
	InputTruncated    bool `json:"inputTruncated,omitempty"`
	OutputTruncated   bool `json:"outputTruncated,omitempty"`
	AssignedTruncated bool `json:"assignedTruncated,omitempty"`

	// InputBytes and OutputBytes are set by who cuts Input or Output to hold less: how long
	// they were. 0 is not cut.
	InputBytes  int `json:"-"`
	OutputBytes int `json:"-"`
}

// StartInput asks for one execution.
type StartInput struct {
	// Machine is the ARN of a state machine, a version or (best) an alias.
	Machine string
	// Name is the execution's name; empty makes one up (NewName).
	Name string
	// Input is a JSON document of at most MaxInput bytes; empty means {}.
	Input []byte
	// Resume says that an earlier run may have started this very execution: if
	// it exists with the same input, that is success (Started.Existed).
	Resume bool
	// Journal, if set, is called with the final name before the first call to
	// AWS; an error stops the start.
	Journal func(name string) error
}

// Started tells of a started execution.
type Started struct {
	ARN   string    `json:"arn"`
	Name  string    `json:"name"`
	Start time.Time `json:"startDate,omitzero"`
	// Existed says that an earlier attempt of ours had already started it.
	Existed bool `json:"existed,omitempty"`
}

// ListInput selects executions of one state machine.
type ListInput struct {
	// Machine is the ARN of a state machine, version or alias.
	Machine string
	// Statuses limits to these states; empty means all.
	Statuses []Status
	// Since leaves out executions that started before; zero means no limit.
	Since time.Time
	// Name is a prefix of the name or, with *, ? or [, a glob pattern.
	Name string
	// Batch, if not "", is the batch whose executions alone are meant.
	Batch string
	// Limit is how many to return at most; 0 means all.
	Limit int
	// Passed, if set, hears after each page how many executions were on it.
	Passed func(n int)
}

// HistoryOptions says how much of a history to read.
type HistoryOptions struct {
	// Reverse reads the newest event first.
	Reverse bool
	// IncludeData asks for inputs and outputs.
	IncludeData bool
	// Max is how many events to return at most; 0 means all (AWS keeps 25,000).
	Max int
}
