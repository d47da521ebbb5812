package cli

import (
	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
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
}

type deployedDoc struct {
	Pipeline string                  `json:"pipeline"`
	Stack    string                  `json:"stack"`
	Result   string                  `json:"result"` // succeeded, failed, cancelled, not-begun
	Changes  map[stack.Op]int        `json:"changes"`
	Outputs  map[string]stack.Output `json:"outputs,omitempty"`
	// Resources are those that change; unchanged ones are only counted.
	Resources       []resourceDoc `json:"resources"`
	Drift           []stack.Drift `json:"drift,omitempty"`
	DurationSeconds float64       `json:"durationSeconds"`
	// Warnings are what to think of before, or after, it is done.
	Warnings []string  `json:"warnings,omitempty"`
	Error    *errorDoc `json:"error,omitempty"`
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
		Pipelines: []deployedDoc{}, Summary: pipelines.Summarize(results),
	}
	for _, r := range results {
		one := deployedDoc{
			Pipeline: r.ID.String(), Stack: r.ID.StackName(), Result: string(r.Ending()), Changes: r.Result.Changes,
			Outputs: r.Result.Outputs, Resources: []resourceDoc{}, Drift: r.Result.Drift,
			DurationSeconds: r.Result.Duration.Seconds(),
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
		if x.Severity == stack.SeverityWarning {
			d.Warnings = append(d.Warnings, x.Message)
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
