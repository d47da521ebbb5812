package stack

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Options configure an Engine.
type Options struct {
	// PulumiPath is the CLI, as FindPulumi returned it.
	PulumiPath string
	// Home is a folder of ours: work directories live in Home/work, the
	// PULUMI_HOME (plugins, credentials) in Home/pulumi-home unless Env or the
	// environment sets one.
	Home string
	// Backend is a Pulumi backend URL (file://, s3://, https://...), see
	// NormalBackend. The folder Home/state is made if it does not exist; that of
	// another file backend only for the first stack.
	Backend string
	// Project is the Pulumi project; default "pipelinetui".
	Project string
	// SecretsProvider is used when a stack is made; default "passphrase".
	SecretsProvider string
	// Env is added to the environment of every CLI process, such as
	// PULUMI_CONFIG_PASSPHRASE.
	Env map[string]string
	// Secrets reads what opens the secrets of stacks and is added to Env: when a process
	// needs it first, and once. May be nil.
	Secrets func(ctx context.Context) (map[string]string, error)
	// Objects opens a backend on an object store; nil if it is none, or nobody but the
	// CLI can read it.
	Objects func(ctx context.Context) (Objects, error)
	// Log gets what is of interest to a developer; default: discarded.
	Log *slog.Logger
}

// ConfigValue is one value of a stack's config.
type ConfigValue struct {
	Value  string
	Secret bool
}

// Job says what an operation is to do.
type Job struct {
	// Stack is the stack's plain name, "acme.iris.dev".
	Stack string
	// Program builds the resources. Refresh and Destroy do without.
	Program pulumi.RunFunc
	// Config replaces the stack's config; nil leaves it as it is.
	Config map[string]ConfigValue
	// Env is added to Options.Env for this operation.
	Env map[string]string
	// Message is kept in the stack's history.
	Message string
	// Parallel limits concurrent resource operations; 0 leaves it to the engine.
	Parallel int
	// Refresh reads the real state of every resource first (Preview, Up, Destroy).
	Refresh bool
	// DryRun changes nothing (Refresh, Destroy; Up then equals Preview).
	DryRun bool
	// Remove removes the stack and its history after a Destroy that succeeded.
	Remove bool
	// ContinueOnError goes on with independent resources after a failure (Up, Destroy).
	ContinueOnError bool
	// Targets limits the operation to these URNs.
	Targets []string
	// PolicyPacks are the folders of policy packs that have to agree (Up, Preview), and
	// PolicyConfigs their configurations, none or one for each. A violation of a mandatory
	// policy is an EventPolicy of SeverityError, and the operation fails with its message.
	PolicyPacks, PolicyConfigs []string
	// ClearPendingCreates forgets creations that were cut off (Refresh): with a Recovery
	// those of which it cannot be told what became of them, see Recovery.Settle.
	ClearPendingCreates bool
	// Doubt has a preview write into the state what it would create, if Doubt says so of it, as
	// creations of which nobody knows the end, so that the next operation with a Recovery finds
	// out: for a state that is older than what was made. Inputs that are not known yet are
	// not among those that it is given. It is called by one goroutine.
	Doubt func(PendingOperation) bool
	// Expect, if not "", is the State.Basis or Result.Basis that the caller
	// decided upon: if the stack has changed since, the operation is refused
	// with fault.Conflict before anything happens.
	Expect string
	// Before runs before the engine begins (Destroy), once nothing that is known keeps it from
	// that: nobody holds the stack, and its state is the one of Expect. It ends with its context.
	Before func(context.Context)
	// Recovery says how to deal with what a killed operation left behind; nil
	// leaves it alone. Previews and dry runs change nothing and ignore it.
	Recovery *Recovery
	// Migration brings the state of an earlier version to the form that Program wants (Up,
	// Preview); nil if there is none.
	Migration *Migration
}

// Recovery says how an operation deals with what a killed one left behind.
type Recovery struct {
	// ClearDeadLocks removes the stack's locks if all of them are stale, see
	// Lock.Stale.
	ClearDeadLocks bool
	// Settle is asked about each resource with a pending operation, before
	// anything else happens. It waits until the resource is no longer on its way
	// and returns the provider's id of it: what is in the account under that id
	// is adopted into the state, and what is not there is forgotten. "" forgets a
	// creation without looking. nil leaves pending operations alone.
	//
	// An error ends the operation, and nothing is forgotten. Only one that no trying
	// again mends (fault.Unsupported, fault.Damaged, fault.Denied), of a creation, is a
	// warning for who asks to forget (Job.ClearPendingCreates): without that nobody
	// could get past it.
	//
	// tell is for what it waits for: its event becomes one of the operation's.
	Settle func(ctx context.Context, op PendingOperation, tell func(Event)) (id string, err error)
	// Unsure, if not nil, names the types whose resources are dealt with so although nothing
	// says that they were cut off: what was being deleted when a destroy was cancelled.
	Unsure func(typ string) bool
}

// Operation is what a Run does.
type Operation string

// The operations.
const (
	OperationPreview Operation = "preview"
	OperationUp      Operation = "up"
	OperationRefresh Operation = "refresh"
	OperationDestroy Operation = "destroy"
)

// Output is one output of a stack.
type Output struct {
	// Value is plain JSON; SecretValue if Secret (State with reveal shows it).
	Value  any  `json:"value"`
	Secret bool `json:"secret,omitempty"`
}

// Result is what an operation came to. It is filled in as far as known if the
// operation failed.
type Result struct {
	Operation Operation `json:"operation"`
	Stack     string    `json:"stack"`
	Outcome   Outcome   `json:"outcome"`
	DryRun    bool      `json:"dryRun,omitempty"`
	// Created is set if the stack did not exist before this operation.
	Created bool `json:"created,omitempty"`
	// Removed is set if the stack is gone.
	Removed bool `json:"removed,omitempty"`
	// Changes counts resources (see Counted) by what was (or would be) done to them.
	Changes map[Op]int `json:"changes,omitempty"`
	// Outputs are the stack's outputs after Up; secrets are marked and blinded.
	Outputs map[string]Output `json:"outputs,omitempty"`
	// Drift lists, after Refresh, what differed from the recorded state.
	Drift []Drift `json:"drift,omitempty"`
	// Basis identifies the state that a preview was made from; an operation with
	// it as Job.Expect is refused if the state is another one by then.
	Basis string `json:"basis,omitempty"`
	// Recovered lists what a killed operation had left behind.
	Recovered []PendingOperation `json:"recovered,omitempty"`
	// RolledBack is set if endpoint and aliases serve as before: a rollout was turned back.
	RolledBack bool `json:"rolledBack,omitempty"`
	// Summary is one line for people: "3 created, 1 updated, 5 unchanged".
	Summary   string        `json:"summary"`
	Started   time.Time     `json:"started"`
	Duration  time.Duration `json:"durationNs"`
	Permalink string        `json:"permalink,omitempty"`
}

// HasChanges tells whether any resource was (or would be) changed.
func (r Result) HasChanges() bool { return changed(r.Changes) > 0 }

// Drift is one resource whose real state differs from the recorded one.
type Drift struct {
	URN  string `json:"urn"`
	Type string `json:"type"`
	Name string `json:"name"`
	// Op is OpUpdate if properties differ, OpDelete if the resource is gone.
	Op   Op             `json:"op"`
	Diff []PropertyDiff `json:"diff,omitempty"`
}

// Summary is one stack of the project, as List shows it.
type Summary struct {
	Name string `json:"name"`
	// LastUpdate is zero if there was none, or if one is in progress.
	LastUpdate time.Time `json:"lastUpdate,omitzero"`
	// Resources counts those of the state (see Counted), -1 if the backend does not say.
	Resources  int    `json:"resources"`
	InProgress bool   `json:"inProgress,omitempty"`
	URL        string `json:"url,omitempty"`
	// Locks are who holds the stack, as far as that is known without a process: on a
	// file backend, or an object store that is read directly.
	Locks []Lock `json:"locks,omitempty"`
	// Err says why the stack's state cannot be used; it is known for file backends.
	Err error `json:"-"`
}

// Equal tells whether two summaries say the same.
func (s Summary) Equal(o Summary) bool {
	return s.Name == o.Name && s.LastUpdate.Equal(o.LastUpdate) && s.Resources == o.Resources && s.InProgress == o.InProgress &&
		s.URL == o.URL && slices.Equal(s.Locks, o.Locks) && (s.Err == nil && o.Err == nil || fmt.Sprint(s.Err) == fmt.Sprint(o.Err))
}

// Resource is one resource of a stack's state.
type Resource struct {
	URN      string         `json:"urn"`
	Type     string         `json:"type"`
	Name     string         `json:"name"`
	ID       string         `json:"id,omitempty"`
	Parent   string         `json:"parent,omitempty"`
	Custom   bool           `json:"custom,omitempty"`
	Protect  bool           `json:"protect,omitempty"`
	External bool           `json:"external,omitempty"`
	Inputs   map[string]any `json:"inputs,omitempty"`
	Outputs  map[string]any `json:"outputs,omitempty"`
	// PendingDelete is set if the resource was replaced and not yet deleted.
	PendingDelete bool      `json:"pendingDelete,omitempty"`
	InitErrors    []string  `json:"initErrors,omitempty"`
	Created       time.Time `json:"created,omitzero"`
	Modified      time.Time `json:"modified,omitzero"`
}

// PendingOperation is an operation whose end was never recorded: the real
// resource may or may not exist.
type PendingOperation struct {
	URN  string `json:"urn"`
	Type string `json:"type"`
	Name string `json:"name"`
	// Kind is "creating", "updating", "deleting", "reading" or "importing".
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"`
	// Inputs are those of the resource, secrets blinded.
	Inputs map[string]any `json:"-"`
}

// Creating tells whether a creation was cut off.
func (p PendingOperation) Creating() bool { return p.Kind == pendingCreate }

// State is what a stack's last checkpoint holds.
type State struct {
	Stack     string             `json:"stack"`
	Updated   time.Time          `json:"updated,omitzero"`
	Resources []Resource         `json:"resources"`
	Outputs   map[string]Output  `json:"outputs"`
	Pending   []PendingOperation `json:"pending,omitempty"`
	// Spec is the document held by the Stash resource "spec", nil if there is none.
	Spec []byte `json:"-"`
	// SpecHidden is set if Spec lacks values that are secret; Reveal has them.
	SpecHidden bool `json:"-"`
	// Template are the files of the template held by the Stash resource "template", as
	// JSON; nil if there is none.
	Template []byte `json:"-"`
	// Revisions is the ledger held by the Stash resource "revisions", as JSON; nil if there
	// is none.
	Revisions []byte `json:"-"`
	// RevisionsHidden is set if Revisions lacks values that are secret; Reveal has them.
	RevisionsHidden bool `json:"-"`
	// SecretsProvider is the type: "passphrase", "cloud", "service".
	SecretsProvider string `json:"secretsProvider,omitempty"`
	// Basis identifies this state, for Job.Expect.
	Basis string `json:"-"`
}

// Count is how many resources it has (see Counted).
func (s *State) Count() int {
	n := 0
	for i := range s.Resources {
		if Counted(s.Resources[i].Type) {
			n++
		}
	}
	return n
}

// Results of updates that the backend has no word for.
const (
	ResultCanceled    = string(Canceled)
	ResultInterrupted = "interrupted" // its process is gone, and nobody wrote down how it ended
	ResultUnreadable  = "unreadable"  // the entry is damaged
)

// Update is one entry of a stack's history.
type Update struct {
	Version int    `json:"version"`
	Kind    string `json:"kind"` // "update", "refresh", "destroy", ...
	// Result is "succeeded", "failed", "in-progress", or one of the Result constants.
	Result string `json:"result"`
	// Error is why it failed, one line, if this machine knows: the backend does not
	// keep it.
	Error   string    `json:"error,omitempty"`
	Message string    `json:"message,omitempty"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end,omitzero"`
	// Changes counts resources by what was done to them.
	Changes map[Op]int `json:"changes,omitempty"`
	// Environment is what the engine noted about the machine (git, CI, ...).
	Environment map[string]string `json:"environment,omitempty"`
}

// Lock is what keeps others from changing a stack.
type Lock struct {
	// Where the lock is kept: a URL or a path.
	Where string `json:"where,omitempty"`
	User  string `json:"user,omitempty"`
	Host  string `json:"host,omitempty"`
	PID   int    `json:"pid,omitempty"`
	// Since is zero if the backend does not say.
	Since time.Time `json:"since,omitzero"`
	// Stale is set if the owner ran on this host and its process is gone, or its
	// number belongs to a process that is younger than the lock; or if the lock was
	// never finished, see Broken.
	Stale bool `json:"stale,omitempty"`
	// Broken is set if the file is not a whole lock, so that nobody knows whose it is.
	// One that is only half written under its temporary name (a full disk) was never
	// anybody's, and is Stale.
	Broken bool `json:"broken,omitempty"`
	// Reason says what is wrong with a broken one: "it is empty".
	Reason string `json:"reason,omitempty"`

	name string // of its file or object in the backend; "" if it is none there
}
