package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
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
	out   string
	force bool
}

func newExecutionsExport(deps *Deps, do action[executionsExportOptions]) *cobra.Command {
	o := &executionsExportOptions{}
	cmd := &cobra.Command{
		Use:   "export " + executionArgs,
		Short: "write everything that is known of an execution as one document",
		Long: `Writes an execution with its input and output, all events, its Map Runs and their failed
children as one document: for a bug report, or to keep it longer than the 90 days for
which Step Functions does. It is JSON, or what --output says.` + executionHelp,
		Example: "  pipelinetui executions export acme/fraud @latest --out order-17.json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().StringVar(&o.out, "out", "", "file to write; standard output without")
	cmd.Flags().BoolVar(&o.force, "force", false, "overwrite the file")
	files(cmd, "out")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return reads(cmd)
}

func runExecutionsExport(ctx context.Context, deps *Deps, o *executionsExportOptions) error {
	if err := notThere(ctx, "--out", o.out, o.force); err != nil {
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
	_, err := outside.Do(ctx, file, func() (fs.FileInfo, error) { return os.Lstat(file) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, fault.Canceled) {
		return err
	}
	if err != nil {
		return fault.New(fault.Invalid, "%s %s cannot be written: %s", flag, file, fault.Reason(err)).WithHint("Choose another file.")
	}
	return fault.New(fault.Conflict, "%s exists already", file).WithHint("Choose another %s, or add --force to overwrite it.", flag)
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
	text, err := c.Definition(ctx, arn)
	if err == nil && !json.Valid([]byte(text)) {
		err = fault.New(fault.Internal, "it is no JSON")
	}
	if err != nil {
		deps.Note("the definition is left out: %s", render.Line(err.Error(), 0))
		return nil
	}
	return json.RawMessage(text)
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
	if err := renameio.WriteFile(out, text, 0o600); err != nil {
		return fault.New(fault.Invalid, "write %s: %v", out, err).Because(err)
	}
	deps.Note("%s: %s, %s", render.Line(out, 0), render.Bytes(int64(len(text))), render.Count(len(doc.Events), "event", "events"))
	return deps.Write(struct {
		console.Header
		File   string `json:"file"`
		Bytes  int    `json:"bytes"`
		Events int    `json:"events"`
	}{console.NewHeader("Exported"), out, len(text), len(doc.Events)}, nil)
}
