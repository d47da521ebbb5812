package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// executionsListOptions are those of executions list.
type executionsListOptions struct {
	pipeline   string
	statuses   []string
	since      string
	name       string
	childrenOf string
	limit      int
}

func newExecutionsList(deps *Deps, do action[executionsListOptions]) *cobra.Command {
	o := &executionsListOptions{}
	cmd := &cobra.Command{
		Use:     "list PIPELINE",
		Aliases: []string{"ls"},
		Short:   "list executions, the newest first",
		Example: "  pipelinetui executions list acme/fraud --status FAILED,TIMED_OUT --since 24h",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.statuses, "status", nil, "only these: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED")
	f.StringVar(&o.since, "since", "", "only those started since: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	f.StringVar(&o.name, "name", "", "only names that begin so, or match a pattern with * and ?")
	countFlag(f, &o.limit, "limit", 100, 0, noLimit, "how many at most; 0 for all")
	f.StringVar(&o.childrenOf, "children-of", "", "child executions of the Map Runs of this execution (name, ARN or @latest) instead")
	cmd.MarkFlagsMutuallyExclusive("children-of", "since")
	cmd.MarkFlagsMutuallyExclusive("children-of", "name")
	cmd.ValidArgsFunction = deps.completes(onePipeline)
	deps.flag(cmd, "status", statuses)
	deps.flag(cmd, "name", batches)
	deps.flag(cmd, "children-of", executionNames)
	return reads(cmd)
}

func runExecutionsList(ctx context.Context, deps *Deps, o *executionsListOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	in := executions.ListInput{Name: o.name, Limit: o.limit}
	if in.Statuses, err = parseStatuses(o.statuses); err != nil {
		return err
	}
	if in.Since, err = executions.ParseSince(o.since, deps.now()); err != nil {
		return fault.Wrap(err, "--since")
	}
	if o.childrenOf != "" {
		return listChildren(ctx, deps, id, o.childrenOf, in)
	}
	return listExecutions(ctx, deps, id, in)
}

// executionStatuses are those that an execution may have.
func executionStatuses() []executions.Status {
	return []executions.Status{executions.Running, executions.Succeeded, executions.Failed, executions.TimedOut, executions.Aborted}
}

func parseStatuses(in []string) ([]executions.Status, error) {
	var out []executions.Status
	for _, s := range in {
		found := false
		for _, k := range executionStatuses() {
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

func listExecutions(ctx context.Context, deps *Deps, id spec.ID, in executions.ListInput) error {
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	in.Machine = m.ARN
	list, err := m.Client.List(ctx, in)
	if err != nil {
		return fault.Wrap(err, "list executions of %s", id)
	}
	return writeExecutions(deps, id, list)
}

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
				render.T(render.Age(x.Start, now)), render.T(render.Duration(x.Duration(now))),
			}
		}
		return render.Table(st, []string{"NAME", "STATUS", "STARTED", "DURATION"}, rows)
	})
}
