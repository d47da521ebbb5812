package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// executionOptions name an execution.
type executionOptions struct {
	args []string // [PIPELINE] EXECUTION
}

// executionsShowOptions are those of executions show.
type executionsShowOptions struct {
	executionOptions
	limit int
}

func newExecutionsShow(deps *Deps, do action[executionsShowOptions]) *cobra.Command {
	o := &executionsShowOptions{}
	cmd := &cobra.Command{
		Use:   "show " + executionArgs,
		Short: "show an execution: states, input, output, error",
		Long: "Shows an execution with its states, attempts and durations, its input and its output or error. Of a Distributed Map it shows how many items " +
			"and child executions ended how, and why children failed. Of very many states those that did not succeed are shown first: --limit." + executionHelp,
		Args: cobra.RangeArgs(1, 2),

		ValidArgsFunction: deps.completes(anExecution),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	countFlag(cmd.Flags(), &o.limit, "limit", 500, 0, noLimit, "how many visits of states at most; 0 for all")
	return reads(cmd)
}

func runExecutionsShow(ctx context.Context, deps *Deps, o *executionsShowOptions) error {
	c, id, arn, err := findExecution(ctx, deps, o.args)
	if err != nil {
		return err
	}
	d, err := c.Describe(ctx, arn)
	if err != nil {
		return err
	}
	// The data of states is not shown: without it 25,000 events are a few megabytes.
	events, err := c.History(ctx, arn, executions.HistoryOptions{})
	if err != nil {
		return err
	}
	var t executions.Timeline
	for _, ev := range events {
		t.Apply(ev)
	}
	out := executions.Outcome{ARN: arn, Name: d.Name, Status: d.Status, Output: d.Output, Error: d.Error, Cause: d.Cause, Start: d.Start, Stop: d.Stop}
	if v := t.Failed(); v != nil {
		out.FailedState = v.State
	}
	if t.Input == "" {
		t.Input = d.Input
	}
	left := 0
	if o.limit > 0 && len(t.Visits) > o.limit {
		var shown []int
		shown, left = executions.ChooseVisits(t.Visits, o.limit)
		some := make([]executions.Visit, len(shown))
		for k, i := range shown {
			some[k] = t.Visits[i]
		}
		t.Visits, t.FailedVisit = some, nil // what it fails in is told above
	}
	doc := newExecutionDoc(id, out, &t)
	doc.MoreStates = left
	if d.Stop.IsZero() {
		for i := range t.Visits {
			doc.States[i].DurationSeconds = t.Visits[i].Duration(deps.now()).Seconds()
		}
	}
	doc.Revision = ranOn(ctx, deps, id, d)
	doc.MapRuns = mapRunDocs(ctx, deps, c, mapRunsOf(events))
	doc.ItemErrors = itemErrors(ctx, deps, id, out, doc.MapRuns)
	return deps.Write(doc, func() string { return executionText(deps, d, &t, out, &doc) })
}

func executionText(deps *Deps, d *executions.Details, t *executions.Timeline, out executions.Outcome, doc *executionDoc) string {
	st, now := deps.OutStyle, deps.now()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", st.Title.Render(render.Line(d.Name, 0)),
		render.StatusStyle(st, d.Status).Render(string(d.Status)), render.Duration(d.Duration(now)))
	fmt.Fprintf(&b, "%s\n", st.Muted.Render(fmt.Sprintf("%s · started %s · %s", render.Line(d.ARN, 0), d.Start.Local().Format(time.DateTime),
		render.Count(int(t.LastID), "event", "events"))))
	b.WriteString(ranText(st, doc.Revision))
	b.WriteString(render.Timeline(st, t, now))
	if doc.MoreStates > 0 {
		fmt.Fprintln(&b, st.Muted.Render("  and "+render.Number(int64(doc.MoreStates))+" more visits of states: --limit 0 shows all"))
	}
	for i := range doc.MapRuns {
		b.WriteString(render.MapRun(st, &doc.MapRuns[i].MapRun, doc.MapRuns[i].Failures, now))
	}
	b.WriteString(itemErrorsText(deps, doc.ItemErrors, doc.Pipeline, d.Name))
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s\n%s\n", st.Key.Render(title), render.JSON(text, ""))
		}
	}
	section("Input", d.Input)
	section("Output", d.Output)
	if d.Error != "" || d.Cause != "" {
		where := ""
		if out.FailedState != "" {
			where = " in " + render.Line(out.FailedState, 0)
		}
		fmt.Fprintf(&b, "%s\n", st.Bad.Render("Error"+where+": "+render.Line(d.Error, 0)))
		if d.Cause != "" {
			fmt.Fprintln(&b, render.JSON(d.Cause, ""))
		}
	}
	if d.RedriveReason != "" && d.Status.Terminal() && d.Status != executions.Succeeded {
		fmt.Fprintf(&b, "%s\n", st.Muted.Render("redrive: "+render.Line(d.RedriveReason, 0)))
	}
	return b.String()
}
