package cli

import (
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// deployment is the document of up, preview, destroy and refresh.
type deployment struct {
	console.Header
	Operation string            `json:"operation"`
	Target    *app.Target       `json:"target"`
	Backend   string            `json:"backend"`
	Pipelines []deployedDoc     `json:"pipelines"`
	Summary   pipelines.Summary `json:"summary"`
	// Fleet is what came of the waves; nil if there were none.
	Fleet *fleetDoc `json:"fleet,omitempty"`
	// Preflight is what the account was asked before; nil if it was not.
	Preflight *preflight.Report `json:"preflight,omitempty"`
	// Plan is the file that a preview was saved in, or that was applied.
	Plan string `json:"plan,omitempty"`

	at      time.Time
	details bool // --details
}

type deployedDoc struct {
	Pipeline string `json:"pipeline"`
	Stack    string `json:"stack"`
	Result   string `json:"result"` // succeeded, failed, cancelled, not-begun
	// Revision is what was made, mended or found to be there (up), or would be made.
	Revision int                     `json:"revision,omitempty"`
	Changes  map[stack.Op]int        `json:"changes"`
	Outputs  map[string]stack.Output `json:"outputs,omitempty"`
	// Resources are those that change; unchanged ones are only counted.
	Resources       []resourceDoc `json:"resources"`
	Drift           []stack.Drift `json:"drift,omitempty"`
	DurationSeconds float64       `json:"durationSeconds"`
	// Warnings are what to think of before, or after, it is done.
	Warnings []string `json:"warnings,omitempty"`
	// Notes are what else is told of a resource: how many instances the endpoint keeps.
	Notes []string  `json:"notes,omitempty"`
	Error *errorDoc `json:"error,omitempty"`
	// Costs are of a preview: what it will cost, and what the change adds.
	Costs *costsDoc `json:"costs,omitempty"`
	// RolledBack is set if endpoint and aliases serve as before: a rollout was turned back.
	RolledBack bool `json:"rolledBack,omitempty"`

	attention []string // what a plan costs that its signs do not say
}

type resourceDoc struct {
	URN    string               `json:"urn"`
	Type   string               `json:"type"`
	Name   string               `json:"name"`
	ID     string               `json:"id,omitempty"`
	Op     stack.Op             `json:"op"`
	Status stack.Status         `json:"status"`
	Diff   []stack.PropertyDiff `json:"diff,omitempty"`
	Errors []string             `json:"errors,omitempty"`
}

func newDeployment(command string, target *app.Target, backend string, v *view, results []app.PipelineResult) deployment {
	d := deployment{
		Header: console.NewHeader("Deployment"), Operation: command, Target: target, Backend: backend,
		Pipelines: []deployedDoc{}, Summary: pipelines.Summarize(results), Preflight: v.checks, at: v.deps.now(),
	}
	for _, r := range results {
		one := deployedDoc{
			Pipeline: r.ID.String(), Stack: r.ID.StackName(), Result: string(r.Ending()), Changes: r.Result.Changes,
			Outputs: r.Result.Outputs, Resources: []resourceDoc{}, Drift: r.Result.Drift,
			DurationSeconds: r.Result.Duration.Seconds(), RolledBack: r.Result.RolledBack, Revision: r.Revision,
			Costs: newCostsDoc(v.costs[r.ID]),
		}
		if one.Changes == nil {
			one.Changes = map[stack.Op]int{}
		}
		if r.Err != nil {
			why := describe(v.deps, r.Err)
			one.Error = &why
		}
		if p := v.progress[r.ID]; p != nil {
			one.warn(p.Messages)
			if p.Planning {
				one.attention = render.Attention(p.Rows())
			}
			for _, row := range p.Rows() {
				one.warn(row.Diagnostics)
				if row.Op != stack.OpSame && row.Op != "" && !row.IsStack() && !row.IsProvider() {
					one.Resources = append(one.Resources, newResourceDoc(row))
				}
			}
		}
		d.Pipelines = append(d.Pipelines, one)
	}
	return d
}

// warn adds the warnings among messages.
func (d *deployedDoc) warn(list []stack.Diagnostic) {
	for _, x := range list {
		switch {
		case x.Severity == stack.SeverityWarning:
			d.Warnings = append(d.Warnings, x.Message)
		case x.Severity == stack.SeverityInfo && x.URN != "" && !x.Ephemeral:
			d.Notes = append(d.Notes, x.Message)
		}
	}
}

func newResourceDoc(row stack.Row) resourceDoc {
	d := resourceDoc{URN: row.URN, Type: row.Type, Name: row.Name, ID: row.ID, Op: row.Op, Status: row.Status, Diff: row.Diff}
	for _, x := range row.Diagnostics {
		if x.Severity == stack.SeverityError {
			d.Errors = append(d.Errors, x.Message)
		}
	}
	return d
}
