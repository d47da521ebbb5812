package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// exportDoc is everything that AWS keeps of an execution, and for 90 days only.
type exportDoc struct {
	console.Header
	Pipeline  string              `json:"pipeline,omitempty"`
	Execution *executions.Details `json:"execution"`
	// Definition is what it ran, as JSON; left out if AWS does not tell it.
	Definition json.RawMessage `json:"definition,omitempty"`
	MapRuns    []mapRunDoc     `json:"mapRuns,omitempty"`
	// Children are the executions of the Map Runs that did not succeed.
	Children []executions.Execution `json:"failedChildren,omitempty"`
	Events   []executions.Event     `json:"events"`
}

// executionsExportOptions are those of executions export.
type executionsExportOptions struct {
	executionOptions
	fleet    manyOptions
	statuses []string
	out      string
	force    bool
	inputs   bool
}

func newExecutionsExport(deps *Deps, do action[executionsExportOptions]) *cobra.Command {
	o := &executionsExportOptions{}
	cmd := &cobra.Command{
		Use:   "export " + executionArgs,
		Short: "write everything that is known of an execution, or of many",
		Long: `Writes an execution with its input and output, all events, its Map Runs and their failed
children as one document: for a bug report, or to keep it longer than the 90 days for
which Step Functions does. It is JSON, or what --output says.

With --all, or a pattern in place of the pipeline, it writes all that are chosen by --failed,
--status, --error, --since, --name and --input: into a folder, a file for each, or into one
FILE.jsonl, a line for each. One that was cut off goes on when it is run again. With --inputs
it writes their inputs alone, a file for each pipeline, which "run --inputs" reads.` + executionHelp,
		Example: `  pipelinetui executions export acme/fraud @latest --out order-17.json
  pipelinetui executions export 'acme/*' --since 7d --out week/
  pipelinetui executions export --all --error Pipeline.BadInput --since 24h --inputs --out bad/`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "", "file to write; standard output without. Of several: a folder, or FILE.jsonl")
	f.BoolVar(&o.force, "force", false, "overwrite what is there")
	f.BoolVar(&o.inputs, "inputs", false, "of several, their inputs alone, for \"run --inputs\"")
	f.StringSliceVar(&o.statuses, "status", nil, "of several, only these: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED")
	o.fleet.flags(cmd)
	o.fleet.errors(cmd)
	o.fleet.when(deps, cmd)
	cmd.MarkFlagsMutuallyExclusive("failed", "status")
	deps.flag(cmd, "status", statuses)
	files(cmd, "out")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return reads(cmd)
}

func runExecutionsExport(ctx context.Context, deps *Deps, o *executionsExportOptions) error {
	if o.inputs || len(o.statuses) > 0 || o.fleet.several(o.args) {
		return exportMany(ctx, deps, o)
	}
	if n := len(o.args); n < 1 || n > 2 {
		return &usageError{err: fmt.Errorf("accepts between 1 and 2 arg(s), received %d", n), command: "pipelinetui executions export"}
	}
	if err := oneOfSeveral(o.args); err != nil {
		return err
	}
	if err := notThere(ctx, "out", o.out, o.force); err != nil {
		return err
	}
	doc, err := exportOf(ctx, deps, o.args)
	if err != nil {
		return err
	}
	return writeExport(deps, doc, o.out)
}

// notThere refuses a file to write, as a flag names it, that exists; "" is none.
func notThere(ctx context.Context, flag, file string, force bool) error {
	if file == "" || force {
		return nil
	}
	return takenFlag(flag, file, outside.Vacant(ctx, file))
}

// takenFlag is an error of the place that a flag names, with the way out that a command has.
func takenFlag(flag, file string, err error) error {
	if errors.Is(err, fault.Conflict) {
		return fault.New(fault.Conflict, "%s", err).Because(err).WithHint("Choose another --%s, or add --force to overwrite it.", flag)
	}
	return aboutFlag(flag, file, err)
}

func exportOf(ctx context.Context, deps *Deps, args []string) (*exportDoc, error) {
	c, id, arn, err := findExecution(ctx, deps, args)
	if err != nil {
		return nil, err
	}
	doc := &exportDoc{Header: console.NewHeader("ExecutionExport")}
	if id.Tenant != "" {
		doc.Pipeline = id.String()
	}
	if doc.Execution, err = c.Describe(ctx, arn); err != nil {
		return nil, err
	}
	if doc.Events, err = c.History(ctx, arn, executions.HistoryOptions{IncludeData: true}); err != nil {
		return nil, err
	}
	doc.Definition = definitionOf(ctx, deps, c, arn)
	runs := mapRunsOf(doc.Events)
	doc.MapRuns = mapRunDocs(ctx, deps, c, runs)
	for _, run := range runs {
		failed, err := c.Children(ctx, run, []executions.Status{executions.Failed, executions.TimedOut, executions.Aborted, executions.PendingRedrive}, 0)
		if err != nil {
			return nil, err
		}
		doc.Children = append(doc.Children, failed...)
	}
	return doc, nil
}

// definitionOf is the definition that an execution ran. If it can't be had that is
// told and it is left out: the rest matters more.
func definitionOf(ctx context.Context, deps *Deps, c *executions.Client, arn string) json.RawMessage {
	text, err := fleet.Definition(ctx, c, arn)
	if err != nil {
		deps.Note("the definition is left out: %s", render.Line(err.Error(), 0))
	}
	return text
}

func writeExport(deps *Deps, doc *exportDoc, out string) error {
	text, err := deps.Encode(doc)
	if err != nil {
		return err
	}
	if out == "" {
		return deps.WriteText(text)
	}
	// Inputs and outputs are the users' data: the file is for its owner alone.
	if err := wholefile.WriteFile(out, text, 0o600); err != nil {
		return aboutFlag("out", out, outside.WriteFault("the file", out, err))
	}
	deps.Note("%s: %s, %s", render.Line(out, 0), render.Bytes(int64(len(text))), render.Count(len(doc.Events), "event", "events"))
	return deps.Write(struct {
		console.Header
		File   string `json:"file"`
		Bytes  int    `json:"bytes"`
		Events int    `json:"events"`
	}{console.NewHeader("Exported"), out, len(text), len(doc.Events)}, nil)
}
