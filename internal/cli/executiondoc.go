package cli

import (
	"context"
	"encoding/json"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// executionDoc is an execution in machine output.
type executionDoc struct {
	console.Header
	Pipeline    string            `json:"pipeline,omitempty"`
	ARN         string            `json:"arn"`
	Name        string            `json:"name"`
	Status      executions.Status `json:"status"`
	StartDate   time.Time         `json:"startDate,omitzero"`
	StopDate    time.Time         `json:"stopDate,omitzero"`
	Input       json.RawMessage   `json:"input,omitempty"`
	Output      json.RawMessage   `json:"output,omitempty"`
	Prediction  json.RawMessage   `json:"prediction,omitempty"` // of run --wait, if it was stored
	Error       string            `json:"error,omitempty"`
	Cause       string            `json:"cause,omitempty"`
	FailedState string            `json:"failedState,omitempty"`
	// Revision is what it runs.
	Revision *pipelines.Ran `json:"revision,omitempty"`
	States   []stateDoc     `json:"states"`
	// MoreStates is how many visits of states --limit has left out.
	MoreStates int            `json:"moreStates,omitempty"`
	MapRuns    []mapRunDoc    `json:"mapRuns,omitempty"`
	ItemErrors *itemErrorsDoc `json:"itemErrors,omitempty"`
}

type stateDoc struct {
	State           string                 `json:"state"`
	Type            string                 `json:"type"`
	Status          executions.VisitStatus `json:"status"`
	Entered         time.Time              `json:"entered"`
	DurationSeconds float64                `json:"durationSeconds"`
	Attempts        int                    `json:"attempts,omitempty"`
	Error           string                 `json:"error,omitempty"`
	Cause           string                 `json:"cause,omitempty"`
}

func newExecutionDoc(id spec.ID, out executions.Outcome, t *executions.Timeline) executionDoc {
	d := executionDoc{
		Header: console.NewHeader("Execution"), ARN: out.ARN, Name: out.Name, Status: out.Status,
		StartDate: out.Start, StopDate: out.Stop, Input: rawJSON(t.Input), Output: rawJSON(out.Output),
		Error: out.Error, Cause: out.Cause, FailedState: out.FailedState, States: []stateDoc{},
	}
	if id.Tenant != "" {
		d.Pipeline = id.String()
	}
	for i := range t.Visits {
		v := &t.Visits[i]
		d.States = append(d.States, stateDoc{
			State: v.State, Type: v.Type, Status: v.Status, Entered: v.Entered,
			DurationSeconds: v.Duration(out.Stop).Seconds(), Attempts: len(v.Attempts), Error: v.Error, Cause: v.Cause,
		})
	}
	return d
}

// rawJSON embeds a JSON text; what is not JSON becomes a JSON string.
func rawJSON(text string) json.RawMessage {
	switch {
	case text == "":
		return nil
	case json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	raw, _ := json.Marshal(text)
	return raw
}

// findExecution is the execution that [PIPELINE] EXECUTION names, and who can be asked
// about it. Without a pipeline its ID is empty.
func findExecution(ctx context.Context, deps *Deps, args []string) (*executions.Client, spec.ID, string, error) {
	m, arn, err := findRun(ctx, deps, args)
	if m == nil {
		return nil, spec.ID{}, arn, err
	}
	return m.Client, m.ID, arn, err
}

// whichOf refuses a pipeline where one of its executions is meant, with the ways to say which;
// more is another one.
func whichOf(id spec.ID, more string) error {
	return fault.New(fault.Invalid, "%s is a pipeline, and it is not said which of its executions is meant", id).
		WithHint("Say which: `%s @latest`, or a name of `pipelinetui executions list %s`%s.", id, id, more)
}

// oneOfSeveral is whichOf where several can be chosen too; nil if no pipeline stands alone.
func oneOfSeveral(args []string) error {
	if len(args) != 1 {
		return nil
	}
	if id, err := spec.ParseID(args[0]); err == nil {
		return whichOf(id, "; or choose several by --since, --name, --batch or --failed")
	}
	return nil
}

// findRun is findExecution with the pipeline's machine, of which only the client is known
// without a pipeline.
func findRun(ctx context.Context, deps *Deps, args []string) (*app.Machine, string, error) {
	if len(args) == 1 {
		if id, err := spec.ParseID(args[0]); err == nil {
			return nil, "", whichOf(id, "")
		}
		c, err := deps.app().ClientFor(ctx, args[0])
		return &app.Machine{Client: c}, args[0], err
	}
	id, err := spec.ParseID(args[0])
	if err != nil {
		return nil, "", err
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return nil, "", err
	}
	arn, err := m.Client.Resolve(ctx, m.ARN, args[1])
	return m, arn, err
}
