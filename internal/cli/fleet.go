package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// manyOptions choose executions of several pipelines.
type manyOptions struct {
	patterns      []string
	all           bool
	failed        bool
	statuses      []string // as they were typed
	since, name   string
	batch         string
	error, filter string
	limit         int
}

// flags adds the flags that choose.
func (o *manyOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "of all pipelines")
	f.BoolVar(&o.failed, "failed", false, "only those that ended FAILED or TIMED_OUT")
	f.StringVar(&o.filter, "input", "", "only those whose input satisfies a JSONata expression: '$input.amount > 100'")
}

// when adds the flags that choose by time and name.
func (o *manyOptions) when(deps *Deps, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "of several, only those started since: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	f.StringVar(&o.name, "name", "", "of several, only names that begin so, or match a pattern with * and ?")
	deps.flag(cmd, "name", batches)
	batchFlag(deps, cmd, &o.batch)
}

// batchFlag adds the flag that chooses the executions of a batch. A prefix of names does not:
// it has those of all batches whose names begin so.
func batchFlag(deps *Deps, cmd *cobra.Command, batch *string) {
	cmd.Flags().StringVar(batch, "batch", "", "only the executions of this batch")
	cmd.MarkFlagsMutuallyExclusive("batch", "name")
	deps.flag(cmd, "batch", batches)
}

// errors adds the flag that chooses by what went wrong.
func (o *manyOptions) errors(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.error, "error", "", "only those with this error: its name, a pattern with * and ?, or a part of its cause")
}

// check refuses a choice that says two things, or that a single execution was meant.
func (o *manyOptions) check(args []string, command string) error {
	switch {
	case o.all && len(args) > 0:
		return fault.New(fault.Invalid, "--all and names cannot go together").WithHint("Leave one of them out.")
	case !o.all && len(args) == 0:
		return fault.New(fault.Invalid, "%s was not told which pipelines", command).WithHint("Name them ('acme/*'), or add --all.")
	}
	o.patterns = args
	return nil
}

// several tells whether more than one execution, or one pipeline, is meant.
func (o *manyOptions) several(args []string) bool {
	return o.all || o.failed || o.since != "" || o.name != "" || o.batch != "" || o.error != "" || o.filter != "" ||
		slices.ContainsFunc(args, func(a string) bool { return strings.ContainsAny(a, "*?") })
}

// manyDoc is executions of several pipelines in machine output.
type manyDoc struct {
	console.Header
	Executions []*fleet.Execution `json:"executions"`
	Groups     []fleet.Group      `json:"groups,omitempty"`
	// More says that there are more than the limit.
	More     bool          `json:"more,omitempty"`
	Warnings []fleetNotice `json:"warnings"`
}

// fleetNotice is a pipeline that could not be asked.
type fleetNotice struct {
	Pipeline string   `json:"pipeline"`
	Error    errorDoc `json:"error"`
}

// noticeDocs are the notices of what could not be asked, for a document.
func noticeDocs(deps *Deps, f *fleet.Found) []fleetNotice {
	out := make([]fleetNotice, len(f.Notices))
	for i, n := range f.Notices {
		out[i] = fleetNotice{n.Pipeline, describe(deps, n.Err)}
	}
	return out
}

// failedDocs are executions to which something could not be done, for a document.
func failedDocs(deps *Deps, list []fleet.Failed) []fleetFailed {
	out := make([]fleetFailed, len(list))
	for i, x := range list {
		out[i] = fleetFailed{x.Execution.Pipeline, x.Execution.ARN, describe(deps, x.Err)}
	}
	return out
}

// gather lists the executions that are chosen, the newest first. described says that
// errors are needed whatever is chosen.
func (o *manyOptions) gather(ctx context.Context, deps *Deps, described bool) (*fleet.Found, error) {
	c, err := o.choice(deps)
	if err != nil {
		return nil, err
	}
	c.Described = described
	return fleet.Gather(ctx, deps.app(), c, deps.nowAndThen())
}

// choice reads what was typed.
func (o *manyOptions) choice(deps *Deps) (fleet.Choice, error) {
	q := fleet.Query{
		Patterns: o.patterns, Failed: o.failed, Statuses: o.statuses, Since: o.since, Name: o.name, Batch: o.batch, Error: o.error, Input: o.filter, Limit: o.limit,
	}
	c, err := q.Choice(deps.now())
	return c, ofOption(err)
}

// ofOption makes what is wrong with a choice the error of the flag.
func ofOption(err error) error {
	var o *fleet.OptionError
	if errors.As(err, &o) {
		return aboutFlag(o.Option, o.Value, o.Err)
	}
	return err
}

// listFleet lists executions of several pipelines.
func listFleet(ctx context.Context, deps *Deps, o *manyOptions, grouped bool) error {
	f, err := o.gather(ctx, deps, grouped || o.failed)
	if err != nil {
		return err
	}
	doc := manyDoc{Header: console.NewHeader("ExecutionList"), Executions: f.List, More: f.More, Warnings: noticeDocs(deps, f)}
	if doc.Executions == nil {
		doc.Executions = []*fleet.Execution{}
	}
	if grouped {
		doc.Groups = fleet.Groups(f.List)
	}
	warn(deps, f)
	err = deps.Write(doc, func() string {
		if len(f.List) == 0 {
			return "no executions\n"
		}
		text := manyText(deps, f)
		if grouped {
			text = groupsText(deps, doc.Groups)
		}
		if f.More {
			left := fmt.Sprintf("there are more than %d: raise --limit", o.limit)
			if grouped {
				left = fmt.Sprintf("counted are the newest %d, of more: raise --limit", o.limit)
			}
			text += deps.OutStyle.Muted.Render(left) + "\n"
		}
		return text
	})
	if err != nil {
		return err
	}
	return f.Unasked() // what was found is not all that there is
}

// warn tells which pipelines could not be asked.
func warn(deps *Deps, f *fleet.Found) {
	for _, w := range noticeDocs(deps, f) {
		deps.Note("%s: %s", w.Pipeline, render.Line(w.Error.Message, 0))
	}
}

func manyText(deps *Deps, f *fleet.Found) string {
	st, now := deps.OutStyle, deps.now()
	rows := make([][]render.Cell, len(f.List))
	for i, x := range f.List {
		rows[i] = []render.Cell{
			render.T(x.Pipeline), render.T(x.Name), render.S(string(x.Status), render.StatusStyle(st, x.Status)), render.T(render.Age(x.Start, now)),
			render.T(render.Duration(x.Duration(now))), render.T(render.Line(strings.TrimSuffix(x.Error+": "+x.Cause, ": "), valueWidth)),
		}
	}
	return render.Table(st, []string{"PIPELINE", "NAME", "STATUS", "STARTED", "DURATION", "ERROR"}, rows)
}

func groupsText(deps *Deps, groups []fleet.Group) string {
	st, now := deps.OutStyle, deps.now()
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "%s × %s %s\n", render.Number(int64(g.Count)), render.StatusStyle(st, g.Status).Render(string(g.Status)),
			st.Bad.Render(render.Line(strings.TrimSuffix(g.Error+": "+g.Message, ": "), 120)))
		fmt.Fprintf(&b, "    first %s, last %s; %s of %s: %s\n", render.Age(g.First, now), render.Age(g.Last, now),
			render.Count(len(g.Pipelines), "pipeline", "pipelines"), render.Count(len(g.Tenants), "tenant", "tenants"), render.Line(strings.Join(g.Tenants, ", "), 80))
		fmt.Fprintf(&b, "    %s\n", st.Muted.Render("such as "+render.Line(g.Example, 0)))
	}
	return b.String()
}

// fleetChange is what was done to several executions, in machine output.
type fleetChange struct {
	console.Header
	Operation string        `json:"operation"`
	Chosen    int           `json:"chosen"`
	Done      int           `json:"done"`
	Failed    []fleetFailed `json:"failed"`
	Warnings  []fleetNotice `json:"warnings"`
}

// fleetFailed is an execution to which it could not be done.
type fleetFailed struct {
	Pipeline string   `json:"pipeline"`
	ARN      string   `json:"arn"`
	Error    errorDoc `json:"error"`
}

// changeFleet does something to the executions that are chosen, after asking. What it was
// done to is not chosen another time, so that it can be run again when it was cut off.
func changeFleet(ctx context.Context, deps *Deps, o *manyOptions, verb string, yes bool, do func(context.Context, *fleet.Execution) error) error {
	if err := deps.Consent(yes); err != nil {
		return err
	}
	f, err := o.gather(ctx, deps, false)
	if err != nil {
		return err
	}
	warn(deps, f)
	doc := fleetChange{Header: console.NewHeader("ExecutionsChanged"), Operation: verb, Chosen: len(f.List), Warnings: noticeDocs(deps, f)}
	if len(f.List) > 0 {
		of := map[string]int{}
		for _, x := range f.List {
			of[x.Pipeline]++
		}
		details := func() {
			for _, name := range slices.Sorted(maps.Keys(of)) {
				fmt.Fprintf(deps.Err, "  %s  %s\n", name, render.Count(of[name], "execution", "executions"))
			}
		}
		question := fmt.Sprintf("%s%s %s of %s?", strings.ToUpper(verb[:1]), verb[1:], render.Count(len(f.List), "execution", "executions"),
			render.Count(len(of), "pipeline", "pipelines"))
		arns := func(yield func(string) bool) {
			for _, x := range f.List {
				if !yield(x.ARN) {
					return
				}
			}
		}
		if err := agreeOn(ctx, deps, yes, arns, question, details); err != nil {
			return err
		}
	}
	done, failed := fleet.Do(ctx, f.List, verb, deps.nowAndThen(), do)
	doc.Done, doc.Failed = done, failedDocs(deps, failed)
	err = deps.Write(doc, func() string {
		if doc.Chosen == 0 {
			return "no executions\n"
		}
		text := fmt.Sprintf("%s: %s of %d done\n", verb, render.Number(int64(doc.Done)), doc.Chosen)
		for i, x := range doc.Failed {
			if i == maxShown {
				text += fmt.Sprintf("and %d more\n", len(doc.Failed)-maxShown)
				break
			}
			text += deps.OutStyle.Bad.Render(render.Line(x.Pipeline+": "+x.Error.Message, 0)) + "\n"
		}
		return text
	})
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "stopped after %d of %d", doc.Done, doc.Chosen).WithHint("Run it again: it goes on with the rest.")
	case len(doc.Failed) > 0:
		return fault.New(fault.Kind(doc.Failed[0].Error.Kind), "%d of %d could not be done", len(doc.Failed), doc.Chosen).WithHint("The summary says why. Run it again for these alone.")
	}
	return f.Unasked()
}
