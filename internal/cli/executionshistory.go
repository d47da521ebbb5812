package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// executionsHistoryOptions are those of executions history.
type executionsHistoryOptions struct {
	executionOptions
	limit   int
	reverse bool
	noData  bool
}

func newExecutionsHistory(deps *Deps, do action[executionsHistoryOptions]) *cobra.Command {
	o := &executionsHistoryOptions{}
	cmd := &cobra.Command{
		Use:   "history " + executionArgs,
		Short: "print the events of an execution",
		Long:  "Prints every event of an execution, as AWS recorded it." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	countFlag(f, &o.limit, "limit", 0, 0, noLimit, "how many events at most; 0 for all")
	f.BoolVar(&o.reverse, "reverse", false, "the newest first")
	f.BoolVar(&o.noData, "no-data", false, "leave out inputs and outputs")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return reads(columns(cmd, historyColumns))
}

func runExecutionsHistory(ctx context.Context, deps *Deps, o *executionsHistoryOptions) error {
	c, _, arn, err := findExecution(ctx, deps, o.args)
	if err != nil {
		return err
	}
	events, err := c.History(ctx, arn, executions.HistoryOptions{Reverse: o.reverse, IncludeData: !o.noData, Max: o.limit})
	if err != nil {
		return err
	}
	return writeHistory(deps, arn, events)
}

// historyColumns are the columns of executions history.
var historyColumns = []string{"ID", "TIME", "TYPE", "STATE", "DETAIL"}

// writeHistory writes events: as a table, as a document, or as lines.
func writeHistory(deps *Deps, arn string, events []executions.Event) error {
	if l, err := deps.Stream(); l != nil || err != nil {
		for i := range events {
			if err == nil {
				err = l.Emit(struct {
					Type  string           `json:"type"`
					Event executions.Event `json:"event"`
				}{"event", events[i]})
			}
		}
		if err != nil {
			return err
		}
		return deps.Write(struct {
			console.Header
			ARN   string `json:"arn"`
			Count int    `json:"count"`
		}{console.NewHeader("ExecutionHistory"), arn, len(events)}, nil)
	}
	doc := struct {
		console.Header
		ARN    string             `json:"arn"`
		Events []executions.Event `json:"events"`
	}{console.NewHeader("ExecutionHistory"), arn, events}
	return deps.Write(doc, func() string {
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
		return deps.Tabulate(console.Listing{Head: historyColumns, Rows: rows})
	})
}
