package stack

import "time"

// EventType says which member of an Event is set.
type EventType string

// The event types, in the order in which they usually come. A stream ends with
// exactly one EventEnd.
const (
	EventPrelude         EventType = "prelude"         // Config: the engine has started
	EventProgress        EventType = "progress"        // Download: a plugin is being fetched
	EventResourcePre     EventType = "resourcePre"     // Resource: a step begins
	EventResourceOutputs EventType = "resourceOutputs" // Resource: a step ended well
	EventResourceFailed  EventType = "resourceFailed"  // Resource: a step failed
	EventDiagnostic      EventType = "diagnostic"      // Diagnostic
	EventStdOut          EventType = "stdout"          // Message: the engine says something of no resource
	EventPolicy          EventType = "policy"          // Diagnostic: a policy was violated
	EventSummary         EventType = "summary"         // Summary: the engine's own count
	EventCanceled        EventType = "canceled"        // the engine's stream is over (it says so after success too)
	EventError           EventType = "error"           // Message: the engine or the stream broke
	EventRollout         EventType = "rollout"         // Rollout: an endpoint or an alias is moving over, made by the app
	EventEnd             EventType = "end"             // End: the last one, made by the Run
)

// Event is one thing that happened during an operation. It is safe to encode
// as JSON: field names are stable, secrets are blinded, values are plain JSON.
// Strings come from outside and may hold terminal escapes.
type Event struct {
	// Seq numbers the events of a Run 1, 2, 3 ... without gaps.
	Seq int `json:"seq"`
	// Time is when the event reached this process (UTC); the engine's own
	// stamps have whole seconds only.
	Time  time.Time `json:"time"`
	Stack string    `json:"stack"`
	Type  EventType `json:"type"`

	// Planning is set if the step is only planned (preview).
	Planning   bool              `json:"planning,omitempty"`
	Resource   *Step             `json:"resource,omitempty"`
	Diagnostic *Diagnostic       `json:"diagnostic,omitempty"`
	Message    string            `json:"message,omitempty"`
	Config     map[string]string `json:"config,omitempty"`
	Download   *Download         `json:"download,omitempty"`
	Summary    *ChangeSummary    `json:"summary,omitempty"`
	Rollout    *Rollout          `json:"rollout,omitempty"`
	End        *End              `json:"end,omitempty"`
}

// Rollout is how far an endpoint has come in moving over to what is new, as SageMaker tells,
// or an alias.
type Rollout struct {
	// URN is the resource of the endpoint or the alias, Endpoint the former's name.
	URN      string `json:"urn"`
	Endpoint string `json:"endpoint,omitempty"`
	// Alias is how far an alias has come; nil of an endpoint.
	Alias *AliasRollout `json:"alias,omitempty"`
	// Phase is SageMaker's word (Creating, ActivatingTraffic, Baking, Deleting, ...), Message
	// what it says of it.
	Phase   string `json:"phase"`
	Message string `json:"message,omitempty"`
	// TurningBack is set while all traffic goes back to what was before.
	TurningBack bool `json:"turningBack,omitempty"`
	// Old are the instances of the old fleet, New those of the new one that take traffic, of
	// Wanted that it is to have.
	Old    int `json:"oldInstances"`
	New    int `json:"newInstances"`
	Wanted int `json:"newInstancesWanted"`
	// Percent is the share of the traffic that the new fleet takes by the deployment's plan; 0
	// while it takes none, or if what SageMaker tells leaves it open.
	Percent int `json:"trafficPercent,omitempty"`
	// Next is when the wait of this phase ends; zero if it has none.
	Next time.Time `json:"next,omitzero"`
	// Alarms are those that turn it back.
	Alarms []RolloutAlarm `json:"alarms,omitempty"`
	// Brake is the alarm that may be set off to turn it back: one of the pipeline's own. ""
	// if it has none.
	Brake string `json:"-"`
}

// AliasRollout is how far the alias of a state machine or a function has come.
type AliasRollout struct {
	// ARN is the alias, Of what it is of: "state machine" or "function".
	ARN string `json:"arn"`
	Of  string `json:"of"`
	// From and To are the versions that share the calls, by number; To gets Percent of them.
	From    string `json:"from"`
	To      string `json:"to"`
	Percent int    `json:"percent"`
}

// RolloutAlarm is an alarm and its state: OK, ALARM or INSUFFICIENT_DATA.
type RolloutAlarm struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// Op is what the engine does to one resource.
type Op string

// The operations. Counts of a preview or an update use the same words.
const (
	OpSame              Op = "same"
	OpCreate            Op = "create"
	OpUpdate            Op = "update"
	OpDelete            Op = "delete"
	OpReplace           Op = "replace"
	OpCreateReplacement Op = "create-replacement"
	OpDeleteReplaced    Op = "delete-replaced"
	OpRead              Op = "read"
	OpReadReplacement   Op = "read-replacement"
	OpReadDiscard       Op = "discard"
	OpDiscardReplaced   Op = "discard-replaced"
	OpRemovePending     Op = "remove-pending-replace"
	OpRefresh           Op = "refresh"
	OpImport            Op = "import"
	OpImportReplacement Op = "import-replacement"
)

// Step is one step of the engine on one resource.
type Step struct {
	URN  string `json:"urn"`
	Type string `json:"type"`
	Name string `json:"name"`
	Op   Op     `json:"op"`
	// ID is the provider's identifier, "" as long as it is not known.
	ID       string `json:"id,omitempty"`
	Parent   string `json:"parent,omitempty"`
	Provider string `json:"provider,omitempty"`
	Custom   bool   `json:"custom,omitempty"`
	Protect  bool   `json:"protect,omitempty"`
	// Retain is set if the resource stays where it is when the stack lets it go.
	Retain bool `json:"retain,omitempty"`
	// Logical is set if the program asked for the step; the physical halves of
	// a replacement (create-replacement, delete-replaced) are not logical.
	Logical bool `json:"logical,omitempty"`
	// Keys are the properties that force a replacement.
	Keys []string `json:"keys,omitempty"`
	// Diff lists the properties that change, sorted by path. For a create it
	// lists the inputs.
	Diff []PropertyDiff `json:"diff,omitempty"`
}

// DiffKind says how a property changes.
type DiffKind string

// The kinds of property change.
const (
	DiffAdd    DiffKind = "add"
	DiffDelete DiffKind = "delete"
	DiffUpdate DiffKind = "update"
)

// Placeholders for values that cannot be shown.
const (
	SecretValue  = "[secret]"  // the value is a secret
	UnknownValue = "[unknown]" // the value is known only after the update
)

// PropertyDiff is the change of one property. Old and New are plain JSON
// values; secrets are SecretValue, values not known yet UnknownValue.
type PropertyDiff struct {
	Path string   `json:"path"`
	Kind DiffKind `json:"kind"`
	// Replace is set if this change forces a replacement.
	Replace bool `json:"replace,omitempty"`
	Old     any  `json:"old,omitempty"`
	New     any  `json:"new,omitempty"`
}

// Severity of a diagnostic.
type Severity string

// The severities. InfoErr is what a provider or program wrote to its stderr.
const (
	SeverityDebug   Severity = "debug"
	SeverityInfo    Severity = "info"
	SeverityInfoErr Severity = "info#err"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Diagnostic is a message of the engine, a provider or the program.
type Diagnostic struct {
	URN      string   `json:"urn,omitempty"` // "" if it is of no resource
	Severity Severity `json:"severity"`
	Message  string   `json:"message"` // markup removed, no trailing newline
	// Ephemeral messages are status only: the next one replaces them.
	Ephemeral bool `json:"ephemeral,omitempty"`
}

// Download is the progress of one plugin download or install.
type Download struct {
	Kind      string `json:"kind"` // "plugin-download" or "plugin-install"
	ID        string `json:"id"`
	Message   string `json:"message,omitempty"`
	Completed int64  `json:"completed"` // bytes
	Total     int64  `json:"total"`     // bytes; 0 if unknown
	Done      bool   `json:"done,omitempty"`
}

// ChangeSummary is the engine's own account at the end of an operation.
type ChangeSummary struct {
	Changes map[Op]int `json:"changes"`
	// Seconds is the engine's run time, whole seconds.
	Seconds int  `json:"seconds"`
	Preview bool `json:"preview,omitempty"`
	// MaybeCorrupt is set if a resource may be in an invalid state.
	MaybeCorrupt bool `json:"maybeCorrupt,omitempty"`
	// Outcome is the engine's word; "" from engines that do not say.
	Outcome Outcome `json:"outcome,omitempty"`
}

// Outcome is how an operation ended.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	Failed    Outcome = "failed"
	Canceled  Outcome = "canceled"
)

// End is the last event of a Run.
type End struct {
	Outcome Outcome `json:"outcome"`
	// Kind is the fault kind of the error, "" after success.
	Kind  string `json:"kind,omitempty"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// RolledBack is set if all that answers is what answered before: a rollout was turned back.
	RolledBack bool `json:"rolledBack,omitempty"`
}
