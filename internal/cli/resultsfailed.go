package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
)

// resultsFailedOptions are those of results failed.
type resultsFailedOptions struct {
	pipeline, execution string
	asInput             string
	force               bool
	limit               int
	name, batch, since  string
}

func newResultsFailed(deps *Deps, do action[resultsFailedOptions]) *cobra.Command {
	o := &resultsFailedOptions{}
	cmd := &cobra.Command{
		Use:   "failed PIPELINE [EXECUTION]",
		Short: "list what failed, or write it as the next input",
		Long: `With the EXECUTION of a data set it lists the items that have no prediction: those of
children that failed or did not run, and those that the pipeline's function refused. With
--as-input they are written in the format of the data set, for "run --input-file".

Without EXECUTION it lists the executions that failed, of a batch with --batch; --as-input
writes their inputs, one a line, for "run --inputs". Of the 25 newest that succeeded it names
those in which items failed.`,
		Example: `  pipelinetui results failed acme/churn @latest --as-input again.jsonl
  pipelinetui run acme/churn --input-file again.jsonl --wait
  pipelinetui results failed acme/fraud --batch monday --as-input again.jsonl`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline = args[0]
			if len(args) > 1 {
				o.execution = args[1]
			}
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.asInput, "as-input", "", "file to write them to")
	f.BoolVar(&o.force, "force", false, "overwrite the file")
	countFlag(f, &o.limit, "limit", 100, 0, noLimit, "how many to list at most; 0 for all. The file has all")
	f.StringVar(&o.name, "name", "", "only executions whose names begin so, or match a pattern with * and ?")
	f.StringVar(&o.since, "since", "", "only executions started since: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	deps.flag(cmd, "name", batches)
	batchFlag(deps, cmd, &o.batch)
	files(cmd, "as-input")
	return reads(cmd)
}

// failedItem is one that has no prediction.
type failedItem struct {
	Execution string          `json:"execution,omitempty"`
	ID        json.RawMessage `json:"id,omitempty"`
	Error     string          `json:"error"`
	Cause     string          `json:"cause,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
}

// failedDoc is what failed, in machine output.
type failedDoc struct {
	console.Header
	Pipeline  string       `json:"pipeline"`
	Execution string       `json:"execution,omitempty"`
	Count     int64        `json:"count"`
	File      string       `json:"file,omitempty"`
	Failed    []failedItem `json:"failed"`
	// Partly are executions that succeeded, but not with all of their items.
	Partly []partlyFailed `json:"partly,omitempty"`
}

// partlyFailed is an execution that succeeded, though items of it failed.
type partlyFailed struct {
	Execution   string `json:"execution"`
	Items       int64  `json:"items"`
	ItemsFailed int64  `json:"itemsFailed"`
}

// gatherer takes in what failed.
type gatherer struct {
	doc   failedDoc
	limit int
	file  *itemWriter // nil if none is written
}

func (g *gatherer) add(x failedItem) error {
	g.doc.Count++
	if g.limit == 0 || len(g.doc.Failed) < g.limit {
		g.doc.Failed = append(g.doc.Failed, x)
	}
	if g.file == nil {
		return nil
	}
	return g.file.add(x.Input)
}

func runResultsFailed(ctx context.Context, deps *Deps, o *resultsFailedOptions) error {
	if err := notThere(ctx, "as-input", o.asInput, o.force); err != nil {
		return err
	}
	if o.execution != "" && (o.name != "" || o.batch != "" || o.since != "") {
		return wrongFlag("name", nil, "--name, --batch and --since choose executions, and one is named").WithHint("Leave them out, or EXECUTION.")
	}
	f, err := openResults(ctx, deps, o.pipeline)
	if err != nil {
		return err
	}
	g := &gatherer{doc: failedDoc{Header: console.NewHeader("FailedResults"), Pipeline: f.id.String(), File: o.asInput, Failed: []failedItem{}}, limit: o.limit}
	if o.execution == "" {
		if o.asInput != "" {
			g.file = newItemWriter("as-input", "JSONL")
		}
		err = f.failedExecutions(ctx, deps, g, o)
	} else {
		err = f.failedOf(ctx, deps, g, o)
	}
	if err != nil {
		return err
	}
	if g.file != nil {
		if err := g.file.write(o.asInput); err != nil {
			return err
		}
		deps.Note("%s: %s", render.Line(o.asInput, 0), render.Count(g.file.count, "item", "items"))
	}
	return deps.Write(&g.doc, func() string { return failedText(deps, &g.doc) })
}

// failedExecutions gathers executions that failed.
func (f *foundResult) failedExecutions(ctx context.Context, deps *Deps, g *gatherer, o *resultsFailedOptions) error {
	in := executions.ListInput{Machine: f.machine.ARN, Name: o.name, Batch: o.batch, Statuses: []executions.Status{executions.Failed, executions.TimedOut, executions.Aborted}}
	if o.asInput == "" {
		in.Limit = o.limit
	}
	var err error
	if in.Since, err = executions.ParseSince(o.since, deps.now()); err != nil {
		return aboutFlag("since", o.since, err)
	}
	list, err := f.machine.Client.List(ctx, in)
	if err != nil {
		return err
	}
	for _, x := range list {
		d, err := f.machine.Client.Describe(ctx, x.ARN)
		if err != nil {
			return err
		}
		if err := g.add(failedItem{Execution: d.Name, Error: errorOf(d), Cause: executions.MessageOf(d.Cause), Input: json.RawMessage(d.Input)}); err != nil {
			return err
		}
	}
	return f.failedPartly(ctx, g, in)
}

// mostPartly bounds at how many executions that succeeded failedPartly looks.
const mostPartly = 25

// failedPartly looks at the newest of the executions that succeeded, where they work through
// data sets: the output tells how many items failed.
func (f *foundResult) failedPartly(ctx context.Context, g *gatherer, in executions.ListInput) error {
	if _, takes := f.machine.Parameters["inputFormat"].(string); !takes {
		return nil
	}
	in.Statuses, in.Limit = []executions.Status{executions.Succeeded}, mostPartly
	list, err := f.machine.Client.List(ctx, in)
	if err != nil {
		return err
	}
	for _, x := range list {
		d, err := f.machine.Client.Describe(ctx, x.ARN)
		if err != nil {
			return err
		}
		one := partlyFailed{Execution: d.Name}
		if json.Unmarshal([]byte(d.Output), &one) == nil && one.ItemsFailed > 0 {
			one.Execution = d.Name
			g.doc.Partly = append(g.doc.Partly, one)
		}
	}
	return nil
}

// errorOf is why an execution did not succeed: its error, or how it ended.
func errorOf(d *executions.Details) string {
	if d.Error != "" {
		return d.Error
	}
	return string(d.Status)
}

// failedOf gathers the items of one execution that failed.
func (f *foundResult) failedOf(ctx context.Context, deps *Deps, g *gatherer, o *resultsFailedOptions) error {
	one, err := f.execution(ctx, o.execution)
	if err != nil {
		return err
	}
	g.doc.Execution = one.details.Name
	result, err := f.store.Of(ctx, one.details)
	switch {
	case one.details.Status == executions.Running || one.details.Status == executions.PendingRedrive:
		return err
	case fault.KindOf(err) == fault.NotFound && results.Locate(one.details.Output).Manifest == nil:
		// It is no data set, or one that failed before there was a manifest.
	case err != nil:
		return err // a manifest that is gone tells no longer what failed
	}
	format, _ := f.machine.Parameters["inputFormat"].(string)
	whole := result == nil || result.Set == nil
	if o.asInput != "" {
		if !whole && (format == "S3LIST" || format == "INVENTORY") {
			return fault.New(fault.Unsupported, "the items of %s are objects in S3 (inputFormat %s), which no file can hold", f.id, format).
				WithHint("Leave --as-input out: the list names each object.")
		}
		if whole {
			format = "JSONL"
		}
		g.file = newItemWriter("as-input", format)
	}
	if whole {
		if d := one.details; d.Status != executions.Succeeded {
			return g.add(failedItem{Execution: d.Name, Error: errorOf(d), Cause: executions.MessageOf(d.Cause), Input: json.RawMessage(d.Input)})
		}
		return nil
	}
	if err := result.Set.EachFailed(ctx, func(it results.Item) (bool, error) { return true, g.child(&it) }); err != nil {
		return err
	}
	alone, err := deps.app().ItemErrorsOf(ctx, f.machine, one.details.Name)
	if err != nil {
		return err
	}
	return alone.Each(ctx, func(x app.ItemError) (bool, error) {
		return true, g.add(failedItem{ID: x.ID, Error: x.Error, Cause: x.Cause, Input: x.Item})
	})
}

// child takes in the items of a child execution that failed, or that did not run.
func (g *gatherer) child(it *results.Item) error {
	x := failedItem{Execution: it.Key(), Error: it.Error, Cause: executions.MessageOf(it.Cause)}
	if x.Error == "" {
		x.Error = "NotRun"
	}
	var batch struct{ Items []json.RawMessage }
	if json.Unmarshal(it.Input, &batch) != nil || batch.Items == nil {
		x.Input = it.Input
		return g.add(x)
	}
	for _, item := range batch.Items {
		var own struct {
			ID json.RawMessage `json:"id"`
		}
		_ = json.Unmarshal(item, &own) // an item may be anything
		x.ID, x.Input = own.ID, item
		if err := g.add(x); err != nil {
			return err
		}
	}
	return nil
}

func failedText(deps *Deps, d *failedDoc) string {
	if len(d.Failed) == 0 {
		if len(d.Partly) > 0 {
			return "no execution failed\n" + partlyText(deps, d)
		}
		return "nothing failed\n"
	}
	rows := make([][]render.Cell, len(d.Failed))
	for i, x := range d.Failed {
		who := x.Execution
		if len(x.ID) > 0 {
			who = idText(x.ID)
		}
		rows[i] = []render.Cell{
			render.T(render.Line(who, 40)), render.S(render.Line(x.Error, 40), deps.OutStyle.Bad),
			render.T(render.Line(x.Cause, valueWidth)), render.T(render.Line(string(x.Input), valueWidth)),
		}
	}
	text := render.Table(deps.OutStyle, []string{"ITEM", "ERROR", "CAUSE", "INPUT"}, rows)
	if rest := d.Count - int64(len(d.Failed)); rest > 0 {
		text += deps.OutStyle.Muted.Render(fmt.Sprintf("and %s more: add --limit 0", render.Number(rest))) + "\n"
	}
	return text + partlyText(deps, d)
}

// partlyText names the executions that succeeded without some of their items.
func partlyText(deps *Deps, d *failedDoc) string {
	var b strings.Builder
	for _, x := range d.Partly {
		name := render.Line(x.Execution, 0)
		fmt.Fprintf(&b, "%s\n", deps.OutStyle.Warn.Render(fmt.Sprintf("%s succeeded, but %s of its %s items failed: `pipelinetui results failed %s %s` lists them",
			name, render.Number(x.ItemsFailed), render.Number(x.Items), d.Pipeline, name)))
	}
	return b.String()
}
