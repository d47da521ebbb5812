package record

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Types of state machines.
const (
	Standard = "STANDARD"
	Express  = "EXPRESS"
)

// Revision is the definition that executions run by. It is kept while the
// executions are, so a later update or deletion does not touch them.
type Revision struct {
	Scope      wire.Scope      `json:"scope"`
	Key        string          `json:"key"`
	Machine    string          `json:"machine"`
	Type       string          `json:"type"`
	Revision   string          `json:"revision,omitempty"`
	RoleARN    string          `json:"roleArn"`
	Definition string          `json:"definition"`
	Logging    json.RawMessage `json:"logging,omitempty"`
	Tracing    bool            `json:"tracing,omitempty"`
	Encryption json.RawMessage `json:"encryption,omitempty"`
	Updated    time.Time       `json:"updated"`
}

// AsRevision is the machine as executions run by it from now on.
func (m *Machine) AsRevision() *Revision {
	return &Revision{
		Key: m.RevisionKey(), Scope: m.Scope, Machine: m.Name, Type: m.Type, Revision: m.Revision, RoleARN: m.RoleARN, Definition: m.Definition,
		Logging: m.Logging, Tracing: m.Tracing, Encryption: m.Encryption, Updated: m.Updated,
	}
}

// Same tells a repeated creation from a different one. Role and tags do not count.
func (m *Machine) Same(o *Machine) bool {
	return m.Type == o.Type && m.Definition == o.Definition && m.Tracing == o.Tracing &&
		string(m.Logging) == string(o.Logging) && string(m.Encryption) == string(o.Encryption)
}

// Activity is an activity.
type Activity struct {
	Name       string          `json:"name"`
	Created    time.Time       `json:"created"`
	Encryption json.RawMessage `json:"encryption,omitempty"`
}

// Machine is a state machine as it stands.
type Machine struct {
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

// RevisionKey names the definition that an execution runs by.
func (m *Machine) RevisionKey() string {
	r := m.Revision
	if r == "" {
		r = "INITIAL"
	}
	// The time tells a machine from an earlier one of the same name.
	return fmt.Sprintf("%s/%s/%d", m.Key(), r, m.Created.UnixNano())
}

// Key names the machine in the store.
func (m *Machine) Key() string { return m.Scope.Key(m.Name) }

// ARN names the machine for clients.
func (m *Machine) ARN() string { return ARN(m.Scope, "stateMachine", m.Name) }

// Version is a published version: the machine as it stood.
type Version struct {
	Machine     Machine   `json:"machine"`
	Number      int       `json:"number"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
}

// Route is the share of an alias's executions, of 100, that a version gets.
type Route struct {
	Version int `json:"version"`
	Weight  int `json:"weight"`
}

// Alias leads to one version or two.
type Alias struct {
	Machine     string    `json:"machine"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Routes      []Route   `json:"routes"`
	Created     time.Time `json:"created"`
	Updated     time.Time `json:"updated"`
}

// Pick chooses a version by weight; n is a random number from 0 to 99.
func (a *Alias) Pick(n int) Route {
	for _, r := range a.Routes {
		if n < r.Weight {
			return r
		}
		n -= r.Weight
	}
	return a.Routes[len(a.Routes)-1]
}
