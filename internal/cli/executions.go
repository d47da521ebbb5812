package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func newExecutions(e *env) *cobra.Command {
	cmd := group("executions", "list, show, watch, stop, redrive and export executions",
		newExecutionsList(e), newExecutionsShow(e), newExecutionsWatch(e), newExecutionsStop(e),
		newExecutionsRedrive(e), newExecutionsErrors(e), newExecutionsHistory(e), newExecutionsExport(e))
	cmd.Aliases = []string{"execution", "ex"}
	return cmd
}

const executionArgs = "[PIPELINE] EXECUTION"

const executionHelp = `

EXECUTION is a name, or @latest for the newest one of the pipeline; an ARN needs no
PIPELINE.`

func newExecutionsList(e *env) *cobra.Command {
	var statuses []string
	var since, name, childrenOf string
	var limit int
	cmd := &cobra.Command{
		Use:     "list PIPELINE",
		Aliases: []string{"ls"},
		Short:   "list executions, the newest first",
		Example: "  pipelinetui executions list acme/fraud --status FAILED,TIMED_OUT --since 24h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := spec.ParseID(args[0])
			if err != nil {
				return err
			}
			in := executions.ListInput{Name: name, Limit: limit}
			if in.Statuses, err = parseStatuses(statuses); err != nil {
				return err
			}
			if in.Since, err = executions.ParseSince(since, e.now()); err != nil {
				return fault.Wrap(err, "--since")
			}
			if childrenOf != "" {
				return e.listChildren(cmd.Context(), id, childrenOf, in)
			}
			return e.listExecutions(cmd.Context(), id, in)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&statuses, "status", nil, "only these: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED")
	f.StringVar(&since, "since", "", "only those started since: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	f.StringVar(&name, "name", "", "only names that begin so, or match a pattern with * and ?")
	countFlag(f, &limit, "limit", 100, 0, noLimit, "how many at most; 0 for all")
	f.StringVar(&childrenOf, "children-of", "", "child executions of the Map Runs of this execution (name, ARN or @latest) instead")
	cmd.MarkFlagsMutuallyExclusive("children-of", "since")
	cmd.MarkFlagsMutuallyExclusive("children-of", "name")
	return reads(cmd)
}

func parseStatuses(in []string) ([]executions.Status, error) {
	known := []executions.Status{executions.Running, executions.Succeeded, executions.Failed, executions.TimedOut, executions.Aborted}
	var out []executions.Status
	for _, s := range in {
		found := false
		for _, k := range known {
			if strings.EqualFold(s, string(k)) {
				out, found = append(out, k), true
			}
		}
		if !found {
			return nil, fault.New(fault.Invalid, "--status %q is not the status of an execution", s).
				WithHint("Use RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.")
		}
	}
	return out, nil
}

func (e *env) listExecutions(ctx context.Context, id spec.ID, in executions.ListInput) error {
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	m, err := e.open().Machine(ctx, id)
	if err != nil {
		return err
	}
	in.Machine = m.ARN
	list, err := m.Client.List(ctx, in)
	if err != nil {
		return fault.Wrap(err, "list executions of %s", id)
	}
	return e.writeExecutions(id, list)
}

func (e *env) writeExecutions(id spec.ID, list []executions.Execution) error {
	if list == nil {
		list = []executions.Execution{}
	}
	doc := struct {
		header
		Pipeline   string                 `json:"pipeline"`
		Executions []executions.Execution `json:"executions"`
	}{newHeader("ExecutionList"), id.String(), list}
	return e.write(doc, func() string {
		if len(list) == 0 {
			return "no executions\n"
		}
		st, now := e.OutStyle, e.now()
		rows := make([][]render.Cell, len(list))
		for i, x := range list {
			rows[i] = []render.Cell{
				render.T(x.Name), render.S(string(x.Status), render.StatusStyle(st, x.Status)),
				render.T(render.Age(x.Start, now)), render.T(render.Duration(x.Duration(now))),
			}
		}
		return render.Table(st, []string{"NAME", "STATUS", "STARTED", "DURATION"}, rows)
	})
}

func newExecutionsShow(e *env) *cobra.Command {
	return reads(&cobra.Command{
		Use:   "show " + executionArgs,
		Short: "show an execution: states, input, output, error",
		Long:  "Shows an execution with its states, attempts and durations, its input and its output or error. Of a Distributed Map it shows how many items and child executions ended how, and why children failed." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := e.interruptible(cmd.Context())
			defer cancel()
			c, id, arn, err := e.machineAndExecution(ctx, args)
			if err != nil {
				return err
			}
			return e.showExecution(ctx, c, id, arn)
		},
	})
}

func (e *env) showExecution(ctx context.Context, c *executions.Client, id spec.ID, arn string) error {
	d, err := c.Describe(ctx, arn)
	if err != nil {
		return err
	}
	events, err := c.History(ctx, arn, executions.HistoryOptions{IncludeData: true})
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
	doc := newExecutionDoc(id, out, &t)
	if d.Stop.IsZero() {
		for i := range t.Visits {
			doc.States[i].DurationSeconds = t.Visits[i].Duration(e.now()).Seconds()
		}
	}
	doc.MapRuns = e.mapRunDocs(ctx, c, mapRunsOf(events))
	doc.ItemErrors = e.itemErrors(ctx, id, out, doc.MapRuns)
	return e.write(doc, func() string { return e.executionText(d, &t, out, &doc) })
}

func (e *env) executionText(d *executions.Details, t *executions.Timeline, out executions.Outcome, doc *executionDoc) string {
	st, now := e.OutStyle, e.now()
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", st.Title.Render(render.Line(d.Name, 0)),
		render.StatusStyle(st, d.Status).Render(string(d.Status)), render.Duration(d.Duration(now)))
	fmt.Fprintf(&b, "%s\n", st.Muted.Render(fmt.Sprintf("%s · started %s · %s", render.Line(d.ARN, 0), d.Start.Local().Format(time.DateTime), render.Count(int(t.LastID), "event", "events"))))
	b.WriteString(render.Timeline(st, t, now))
	for i := range doc.MapRuns {
		b.WriteString(render.MapRun(st, &doc.MapRuns[i].MapRun, doc.MapRuns[i].Failures, now))
	}
	b.WriteString(e.itemErrorsText(doc.ItemErrors, doc.Pipeline, d.Name))
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

func newExecutionsWatch(e *env) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "watch " + executionArgs,
		Short: "follow an execution, state by state, to its end",
		Long:  "Follows an execution to its end; exits with 10 unless it succeeded." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := e.interruptible(cmd.Context())
			defer cancel()
			c, id, arn, err := e.machineAndExecution(ctx, args)
			if err != nil {
				return err
			}
			// What was started elsewhere may be missing; do not wait for it.
			if _, err := c.Describe(ctx, arn); err != nil {
				return err
			}
			return e.watchTo(ctx, watchOptions{id: id, arn: arn, client: c, events: true, timeout: timeout, exit: true})
		},
	}
	durationFlag(cmd.Flags(), &timeout, "timeout", 0, "give up watching after this time; 0 for never")
	return reads(cmd)
}

func newExecutionsStop(e *env) *cobra.Command {
	var cause, errorName string
	cmd := &cobra.Command{
		Use:   "stop " + executionArgs,
		Short: "stop a running execution",
		Long:  "Stops a running execution; it ends as ABORTED." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.change(cmd.Context(), args, "stop", func(ctx context.Context, c *executions.Client, arn string) error {
				return c.Stop(ctx, arn, errorName, cause)
			})
		},
	}
	cmd.Flags().StringVar(&cause, "cause", "", "why, for the record")
	cmd.Flags().StringVar(&errorName, "error", "", "error name, for the record")
	e.yesFlag(cmd)
	return changes(cmd)
}

func newExecutionsRedrive(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "redrive " + executionArgs,
		Short: "run a failed execution again from the state that failed",
		Long:  "Runs an execution that failed, timed out or was stopped again, from the state that did not succeed." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.change(cmd.Context(), args, "redrive", func(ctx context.Context, c *executions.Client, arn string) error {
				return c.Redrive(ctx, arn)
			})
		},
	}
	e.yesFlag(cmd)
	return changes(cmd)
}

// change does something to one execution, after asking.
func (e *env) change(ctx context.Context, args []string, verb string, do func(context.Context, *executions.Client, string) error) error {
	if err := e.mutating("executions " + verb); err != nil {
		return err
	}
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	c, id, arn, err := e.machineAndExecution(ctx, args)
	if err != nil {
		return err
	}
	d, err := c.Describe(ctx, arn)
	if err != nil {
		return err
	}
	if !e.yes {
		if err := e.yesNo(ctx, fmt.Sprintf("%s%s execution %s (%s)?", strings.ToUpper(verb[:1]), verb[1:], render.Line(d.Name, 0), d.Status), nil); err != nil {
			return err
		}
	}
	if err := do(ctx, c, arn); err != nil {
		return fault.Wrap(err, "%s %s", verb, d.Name)
	}
	if d, err = c.Describe(ctx, arn); err != nil {
		return err
	}
	out := executions.Outcome{ARN: arn, Name: d.Name, Status: d.Status, Output: d.Output, Error: d.Error, Cause: d.Cause, Start: d.Start, Stop: d.Stop}
	return e.write(newExecutionDoc(id, out, &executions.Timeline{Input: d.Input}), func() string {
		return fmt.Sprintf("%s  %s\n", render.Line(d.Name, 0), render.StatusStyle(e.OutStyle, d.Status).Render(string(d.Status)))
	})
}

func newExecutionsHistory(e *env) *cobra.Command {
	var limit int
	var reverse, noData bool
	cmd := &cobra.Command{
		Use:   "history " + executionArgs,
		Short: "print the events of an execution",
		Long:  "Prints every event of an execution, as AWS recorded it." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := e.interruptible(cmd.Context())
			defer cancel()
			c, _, arn, err := e.machineAndExecution(ctx, args)
			if err != nil {
				return err
			}
			events, err := c.History(ctx, arn, executions.HistoryOptions{Reverse: reverse, IncludeData: !noData, Max: limit})
			if err != nil {
				return err
			}
			return e.historyText(arn, events)
		},
	}
	f := cmd.Flags()
	countFlag(f, &limit, "limit", 0, 0, noLimit, "how many events at most; 0 for all")
	f.BoolVar(&reverse, "reverse", false, "the newest first")
	f.BoolVar(&noData, "no-data", false, "leave out inputs and outputs")
	return reads(cmd)
}

func (e *env) historyText(arn string, events []executions.Event) error {
	if l, err := e.newLines(); l != nil || err != nil {
		for i := range events {
			if err == nil {
				err = l.emit(struct {
					Type  string           `json:"type"`
					Event executions.Event `json:"event"`
				}{"event", events[i]})
			}
		}
		if err != nil {
			return err
		}
		return e.write(struct {
			header
			ARN   string `json:"arn"`
			Count int    `json:"count"`
		}{newHeader("ExecutionHistory"), arn, len(events)}, nil)
	}
	doc := struct {
		header
		ARN    string             `json:"arn"`
		Events []executions.Event `json:"events"`
	}{newHeader("ExecutionHistory"), arn, events}
	return e.write(doc, func() string {
		rows := make([][]render.Cell, len(events))
		for i, ev := range events {
			text := ev.Error
			if text == "" {
				text = ev.Resource
			}
			rows[i] = []render.Cell{
				render.T(fmt.Sprint(ev.ID)), render.T(ev.Time.Local().Format("15:04:05.000")),
				render.T(ev.Type), render.T(render.Dash(ev.State)), render.T(render.Line(text, 60)),
			}
		}
		return render.Table(e.OutStyle, []string{"ID", "TIME", "TYPE", "STATE", "DETAIL"}, rows)
	})
}
