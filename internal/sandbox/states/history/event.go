// Package history owns the events of executions in the form in which
// GetExecutionHistory and the logs show them.
package history

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Event is one entry of a history, stored in the form of the API.
type Event struct {
	ID       int64     `json:"id"`
	Previous int64     `json:"previousEventId"`
	Time     time.Time `json:"timestamp"`
	Type     string    `json:"type"`
	Details  *Details  `json:"details,omitempty"`
}

// Details are the members of all kinds of events; each kind uses some.
type Details struct {
	Input                    *string           `json:"input,omitempty"`
	InputDetails             *Truncation       `json:"inputDetails,omitempty"`
	Output                   *string           `json:"output,omitempty"`
	OutputDetails            *Truncation       `json:"outputDetails,omitempty"`
	Name                     string            `json:"name,omitempty"`
	Error                    *string           `json:"error,omitempty"`
	Cause                    *string           `json:"cause,omitempty"`
	Location                 string            `json:"location,omitempty"`
	State                    string            `json:"state,omitempty"`
	Resource                 string            `json:"resource,omitempty"`
	ResourceType             string            `json:"resourceType,omitempty"`
	Region                   string            `json:"region,omitempty"`
	Parameters               *string           `json:"parameters,omitempty"`
	TimeoutInSeconds         *int64            `json:"timeoutInSeconds,omitempty"`
	HeartbeatInSeconds       *int64            `json:"heartbeatInSeconds,omitempty"`
	TaskCredentials          *TaskCredentials  `json:"taskCredentials,omitempty"`
	RoleARN                  string            `json:"roleArn,omitempty"`
	VersionARN               string            `json:"stateMachineVersionArn,omitempty"`
	AliasARN                 string            `json:"stateMachineAliasArn,omitempty"`
	AssignedVariables        map[string]string `json:"assignedVariables,omitempty"`
	AssignedVariablesDetails *Truncation       `json:"assignedVariablesDetails,omitempty"`
	Length                   *int              `json:"length,omitempty"`
	Index                    *int              `json:"index,omitempty"`
	WorkerName               string            `json:"workerName,omitempty"`
	MapRunARN                string            `json:"mapRunArn,omitempty"`
	RedriveCount             *int              `json:"redriveCount,omitempty"`
}

// Size is how many bytes of data there are.
func (d *Details) Size() int {
	if d == nil {
		return 0
	}
	n := 0
	for _, text := range []*string{d.Input, d.Output, d.Parameters, d.Error, d.Cause} {
		if text != nil {
			n += len(*text)
		}
	}
	for _, text := range d.AssignedVariables {
		n += len(text)
	}
	return n
}

// Truncation tells that data is there as a whole.
type Truncation struct {
	Truncated bool `json:"truncated"`
}

// TaskCredentials are those of a task that takes a role of its own.
type TaskCredentials struct {
	RoleARN string `json:"roleArn"`
}

var whole = &Truncation{}

// WithInput adds input data to details.
func (d *Details) WithInput(text string) *Details {
	d.Input, d.InputDetails = &text, whole
	return d
}

// WithOutput adds output data.
func (d *Details) WithOutput(text string) *Details {
	d.Output, d.OutputDetails = &text, whole
	return d
}

// WithFailure adds error and cause; what was not given is nil.
func (d *Details) WithFailure(name, cause *string) *Details {
	d.Error, d.Cause = name, cause
	return d
}

// WithVariables adds what a state assigned: the variables as JSON texts.
func (d *Details) WithVariables(texts map[string]string) *Details {
	if len(texts) > 0 {
		d.AssignedVariables, d.AssignedVariablesDetails = texts, whole
	}
	return d
}

// Strip removes the execution data, for includeExecutionData=false. Errors and
// causes stay.
func (d *Details) Strip() {
	if d == nil {
		return
	}
	d.Input, d.InputDetails, d.Output, d.OutputDetails = nil, nil, nil, nil
	d.Parameters, d.AssignedVariables, d.AssignedVariablesDetails = nil, nil, nil
}

// member names the details in the API: "taskScheduledEventDetails".
func member(typ string) string {
	switch {
	case strings.HasSuffix(typ, "StateEntered"):
		return "stateEnteredEventDetails"
	case strings.HasSuffix(typ, "StateExited"):
		return "stateExitedEventDetails"
	}
	r := []rune(typ)
	r[0] = unicode.ToLower(r[0])
	return string(r) + "EventDetails"
}

// API returns the event as GetExecutionHistory writes it.
func (e *Event) API() (json.RawMessage, error) {
	out := map[string]any{
		"id": e.ID, "previousEventId": e.Previous, "type": e.Type,
		"timestamp": json.Number(fmt.Sprintf("%d.%03d", e.Time.Unix(), e.Time.Nanosecond()/1e6)),
	}
	if e.Details != nil {
		out[member(e.Type)] = e.Details
	}
	return json.Marshal(out)
}
