package states

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// event is one entry of a history, stored in the form of the API.
type event struct {
	ID       int64     `json:"id"`
	Previous int64     `json:"previousEventId"`
	Time     time.Time `json:"timestamp"`
	Type     string    `json:"type"`
	Details  *details  `json:"details,omitempty"`
}

// details are the members of all kinds of events; each kind uses some.
type details struct {
	Input                    *string           `json:"input,omitempty"`
	InputDetails             *truncation       `json:"inputDetails,omitempty"`
	Output                   *string           `json:"output,omitempty"`
	OutputDetails            *truncation       `json:"outputDetails,omitempty"`
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
	TaskCredentials          *taskCredentials  `json:"taskCredentials,omitempty"`
	RoleARN                  string            `json:"roleArn,omitempty"`
	VersionARN               string            `json:"stateMachineVersionArn,omitempty"`
	AliasARN                 string            `json:"stateMachineAliasArn,omitempty"`
	AssignedVariables        map[string]string `json:"assignedVariables,omitempty"`
	AssignedVariablesDetails *truncation       `json:"assignedVariablesDetails,omitempty"`
	Length                   *int              `json:"length,omitempty"`
	Index                    *int              `json:"index,omitempty"`
	WorkerName               string            `json:"workerName,omitempty"`
	MapRunARN                string            `json:"mapRunArn,omitempty"`
	RedriveCount             *int              `json:"redriveCount,omitempty"`
}

type truncation struct {
	Truncated bool `json:"truncated"`
}

type taskCredentials struct {
	RoleARN string `json:"roleArn"`
}

var whole = &truncation{}

// withInput adds input data to details.
func (d *details) withInput(text string) *details {
	d.Input, d.InputDetails = &text, whole
	return d
}

// withOutput adds output data.
func (d *details) withOutput(text string) *details {
	d.Output, d.OutputDetails = &text, whole
	return d
}

// withFailure adds error and cause.
func (d *details) withFailure(f *failure) *details {
	d.Error, d.Cause = f.errorText(), f.causeText()
	return d
}

// withVariables adds what a state assigned.
func (d *details) withVariables(a assigned) *details {
	if len(a.texts) > 0 {
		d.AssignedVariables, d.AssignedVariablesDetails = a.texts, whole
	}
	return d
}

// strip removes the execution data, for includeExecutionData=false. Errors and
// causes stay.
func (d *details) strip() {
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

// api returns the event as GetExecutionHistory writes it.
func (e *event) api() (json.RawMessage, error) {
	out := map[string]any{
		"id": e.ID, "previousEventId": e.Previous, "type": e.Type,
		"timestamp": json.Number(fmt.Sprintf("%d.%03d", e.Time.Unix(), e.Time.Nanosecond()/1e6)),
	}
	if e.Details != nil {
		out[member(e.Type)] = e.Details
	}
	return json.Marshal(out)
}

func eventKey(execution string, id int64) string { return fmt.Sprintf("%s#%08d", execution, id) }

func cursorKey(execution, path string) string { return execution + "#" + path }
