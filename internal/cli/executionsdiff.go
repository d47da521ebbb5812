package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// executionsDiffOptions are those of executions diff.
type executionsDiffOptions struct {
	pipeline, before, after string
}

func newExecutionsDiff(deps *Deps, do action[executionsDiffOptions]) *cobra.Command {
	o := &executionsDiffOptions{}
	cmd := &cobra.Command{
		Use:   "diff PIPELINE EXECUTION OTHER",
		Short: "compare two executions: definition, input, way taken, durations, output",
		Long: `Compares two executions of a pipeline: whether they ran the same definition, in which fields
inputs and outputs differ, which states each went through and for how long, and how they
ended.` + executionHelp,
		Example: "  pipelinetui executions diff acme/fraud order-16 @latest",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline, o.before, o.after = args[0], args[1], args[2]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.ValidArgsFunction = deps.completes(arguments(onePipeline, executionNames, executionNames))
	return reads(cmd)
}

// executionDiffDoc is how two executions differ, in machine output.
type executionDiffDoc struct {
	console.Header
	Pipeline string        `json:"pipeline"`
	Before   executionSide `json:"before"`
	After    executionSide `json:"after"`
	// SameDefinition is nil if AWS does not tell a definition.
	SameDefinition *bool            `json:"sameDefinition,omitempty"`
	Input          []results.Change `json:"input"`
	Output         []results.Change `json:"output"`
	States         []stateDiff      `json:"states"`
}

// executionSide is one of the two.
type executionSide struct {
	Name            string            `json:"name"`
	Status          executions.Status `json:"status"`
	Error           string            `json:"error,omitempty"`
	Cause           string            `json:"cause,omitempty"`
	FailedState     string            `json:"failedState,omitempty"`
	DurationSeconds float64           `json:"durationSeconds"`

	details    *executions.Details
	visits     map[string]stateVisits
	order      []string
	definition string
}

// stateVisits is how often an execution was in a state, and for how long in all.
type stateVisits struct {
	Visits  int     `json:"visits"`
	Seconds float64 `json:"seconds"`
}

// stateDiff is a state in both; one in which an execution was not has no visits there.
type stateDiff struct {
	State  string      `json:"state"`
	Before stateVisits `json:"before"`
	After  stateVisits `json:"after"`
}

func runExecutionsDiff(ctx context.Context, deps *Deps, o *executionsDiffOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	doc := executionDiffDoc{Header: console.NewHeader("ExecutionDiff"), Pipeline: id.String(), States: []stateDiff{}}
	for name, to := range map[string]*executionSide{o.before: &doc.Before, o.after: &doc.After} {
		side, err := sideOf(ctx, deps, o.pipeline, name)
		if err != nil {
			return err
		}
		*to = *side
	}
	a, b := &doc.Before, &doc.After
	if a.details == nil { // both were named alike
		*a = *b
	} else if b.details == nil {
		*b = *a
	}
	if a.definition != "" && b.definition != "" {
		same := a.definition == b.definition
		doc.SameDefinition = &same
	}
	doc.Input = changesOf(a.details.Input, b.details.Input)
	doc.Output = changesOf(a.details.Output, b.details.Output)
	for _, state := range slices.Concat(a.order, b.order) {
		if slices.ContainsFunc(doc.States, func(s stateDiff) bool { return s.State == state }) {
			continue
		}
		doc.States = append(doc.States, stateDiff{state, a.visits[state], b.visits[state]})
	}
	return deps.Write(doc, func() string { return executionDiffText(deps, &doc) })
}

// sideOf reads an execution with its history.
func sideOf(ctx context.Context, deps *Deps, pipeline, name string) (*executionSide, error) {
	c, _, arn, err := findExecution(ctx, deps, []string{pipeline, name})
	if err != nil {
		return nil, err
	}
	d, err := c.Describe(ctx, arn)
	if err != nil {
		return nil, err
	}
	events, err := c.History(ctx, arn, executions.HistoryOptions{})
	if err != nil {
		return nil, err
	}
	var t executions.Timeline
	for _, ev := range events {
		t.Apply(ev)
	}
	s := &executionSide{
		Name: d.Name, Status: d.Status, Error: d.Error, Cause: executions.MessageOf(d.Cause), DurationSeconds: d.Duration(deps.now()).Seconds(),
		details: d, visits: map[string]stateVisits{}, definition: string(definitionOf(ctx, deps, c, arn)),
	}
	if v := t.Failed(); v != nil {
		s.FailedState = v.State
	}
	for i := range t.Visits {
		v := &t.Visits[i]
		sum, seen := s.visits[v.State]
		if !seen {
			s.order = append(s.order, v.State)
		}
		end := d.Stop
		if end.IsZero() {
			end = deps.now()
		}
		sum.Visits++
		sum.Seconds += v.Duration(end).Seconds()
		s.visits[v.State] = sum
	}
	return s, nil
}

// changesOf are the fields in which two documents differ.
func changesOf(before, after string) []results.Change {
	out := results.Changes(rawJSON(before), rawJSON(after), 0)
	if out == nil {
		out = []results.Change{}
	}
	return out
}

func executionDiffText(deps *Deps, d *executionDiffDoc) string {
	st := deps.OutStyle
	var b strings.Builder
	for _, s := range []*executionSide{&d.Before, &d.After} {
		why := strings.TrimSuffix(s.Error+": "+s.Cause, ": ")
		if s.FailedState != "" {
			why = "in " + s.FailedState + ": " + why
		}
		fmt.Fprintf(&b, "%s  %s  %.3g s  %s\n", st.Title.Render(render.Line(s.Name, 0)), render.StatusStyle(st, s.Status).Render(string(s.Status)),
			s.DurationSeconds, render.Line(why, 100))
	}
	if d.SameDefinition != nil && !*d.SameDefinition {
		fmt.Fprintln(&b, st.Warn.Render("they ran different definitions"))
	}
	for _, part := range []struct {
		name string
		list []results.Change
	}{{"input", d.Input}, {"output", d.Output}} {
		for _, c := range part.list {
			name := part.name
			if c.Field != "" {
				name += "." + c.Field
			}
			fmt.Fprintf(&b, "%s  %s  %s\n", render.Line(name, 60), st.Bad.Render(render.Dash(render.Line(string(c.Before), valueWidth))),
				st.Good.Render(render.Dash(render.Line(string(c.After), valueWidth))))
		}
	}
	rows := make([][]render.Cell, len(d.States))
	for i, s := range d.States {
		text := func(v stateVisits) string {
			if v.Visits == 0 {
				return "-"
			}
			return fmt.Sprintf("%d × %.3g s", v.Visits, v.Seconds)
		}
		rows[i] = []render.Cell{render.T(s.State), render.T(text(s.Before)), render.T(text(s.After))}
	}
	b.WriteString(render.Table(st, []string{"STATE", "BEFORE", "AFTER"}, rows))
	return b.String()
}
