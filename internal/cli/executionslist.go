package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// executionsListOptions are those of executions list.
type executionsListOptions struct {
	pipeline   string
	args       []string
	fleet      manyOptions
	group      bool
	statuses   []string
	since      string
	name       string
	batch      string
	childrenOf string
	limit      int
}

func newExecutionsList(deps *Deps, do action[executionsListOptions]) *cobra.Command {
	o := &executionsListOptions{}
	cmd := &cobra.Command{
		Use:     "list PIPELINE...",
		Aliases: []string{"ls"},
		Short:   "list executions, the newest first",
		Long: `Lists executions of one pipeline, or of several ('acme/*', --all) as one list. --failed,
--error and --group ask for the errors too, which costs a call for each execution, once; --input
asks for the inputs. With --group executions that failed alike, whatever the numbers, ids
and quoted values in their causes, are one row: how many, since when, and whose; all that
are chosen are counted unless --limit is given. Of a cause that is nothing but a quoted
value (KeyError: 'amount') the value counts.`,
		Example: `  pipelinetui executions list acme/fraud --status FAILED,TIMED_OUT --since 24h
  pipelinetui executions list --all --failed --since 24h --group
  pipelinetui executions list 'acme/*' --error 'Pipeline.*' --input '$input.amount > 100'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			if o.group && !cmd.Flags().Changed("limit") {
				o.limit = 0 // a count of some is none
			}
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.statuses, "status", nil, "only these: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED")
	f.StringVar(&o.since, "since", "", "only those started since: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	f.StringVar(&o.name, "name", "", "only names that begin so, or match a pattern with * and ?")
	countFlag(f, &o.limit, "limit", 100, 0, noLimit, "how many at most; 0 for all, as with --group unless it is given")
	f.StringVar(&o.childrenOf, "children-of", "", "child executions of the Map Runs of this execution (name, ARN or @latest) instead")
	o.fleet.flags(cmd)
	o.fleet.errors(cmd)
	f.BoolVar(&o.group, "group", false, "those that failed alike as one row; --failed unless --status says otherwise")
	for _, other := range []string{"all", "failed", "input", "error", "group"} {
		cmd.MarkFlagsMutuallyExclusive("children-of", other)
	}
	cmd.MarkFlagsMutuallyExclusive("failed", "status")
	cmd.MarkFlagsMutuallyExclusive("children-of", "since")
	cmd.MarkFlagsMutuallyExclusive("children-of", "name")
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	deps.flag(cmd, "status", statuses)
	deps.flag(cmd, "name", batches)
	batchFlag(deps, cmd, &o.batch)
	cmd.MarkFlagsMutuallyExclusive("children-of", "batch")
	deps.flag(cmd, "children-of", executionNames)
	return reads(columns(cmd, executionColumns))
}

func runExecutionsList(ctx context.Context, deps *Deps, o *executionsListOptions) error {
	if len(o.args) != 1 || o.group || o.fleet.several(o.args) {
		if o.childrenOf != "" {
			return fault.New(fault.Invalid, "--children-of is about one execution of one pipeline").WithHint("Name the pipeline.")
		}
		if err := o.fleet.check(o.args, "executions list"); err != nil {
			return err
		}
		o.fleet.since, o.fleet.name, o.fleet.batch, o.fleet.limit, o.fleet.statuses = o.since, o.name, o.batch, o.limit, o.statuses
		o.fleet.failed = o.fleet.failed || o.group && len(o.statuses) == 0
		return listFleet(ctx, deps, &o.fleet, o.group)
	}
	o.pipeline = o.args[0]
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	in := executions.ListInput{Name: o.name, Batch: o.batch, Limit: o.limit}
	if in.Statuses, err = fleet.ParseStatuses(o.statuses); err != nil {
		return ofOption(err)
	}
	if in.Since, err = executions.ParseSince(o.since, deps.now()); err != nil {
		return aboutFlag("since", o.since, err)
	}
	if o.childrenOf != "" {
		return listChildren(ctx, deps, id, o.childrenOf, in)
	}
	return listExecutions(ctx, deps, id, in)
}

func listExecutions(ctx context.Context, deps *Deps, id spec.ID, in executions.ListInput) error {
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	in.Machine = m.ARN
	listed, say := 0, deps.nowAndThen()
	in.Passed = func(n int) {
		listed += n
		say(func() string { return render.Number(int64(listed)) + " executions listed" })
	}
	list, err := m.Client.List(ctx, in)
	if err != nil {
		return fault.Wrap(err, "list executions of %s", id)
	}
	return writeExecutions(deps, id, list)
}

// executionColumns are the columns of executions list; the ARN is shown if it is asked for.
var executionColumns = []string{"NAME", "STATUS", "STARTED", "DURATION", "ARN"}

func writeExecutions(deps *Deps, id spec.ID, list []executions.Execution) error {
	if list == nil {
		list = []executions.Execution{}
	}
	doc := struct {
		console.Header
		Pipeline   string                 `json:"pipeline"`
		Executions []executions.Execution `json:"executions"`
	}{console.NewHeader("ExecutionList"), id.String(), list}
	return deps.Write(doc, func() string {
		if len(list) == 0 {
			return "no executions\n"
		}
		st, now := deps.OutStyle, deps.now()
		rows := make([][]render.Cell, len(list))
		for i, x := range list {
			rows[i] = []render.Cell{
				render.T(x.Name), render.S(string(x.Status), render.StatusStyle(st, x.Status)),
				render.T(render.Age(x.Start, now)), render.T(render.Duration(x.Duration(now))), render.T(x.ARN),
			}
		}
		return deps.Tabulate(console.Listing{Head: executionColumns, Rows: rows, Shown: 4})
	})
}
