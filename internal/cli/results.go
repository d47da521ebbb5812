package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func newResults(deps *Deps) *cobra.Command {
	cmd := group("results", "predictions: list, show, get, compare them, and what failed",
		newResultsList(deps, runResultsList), newResultsShow(deps, runResultsShow), newResultsGet(deps, runResultsGet),
		newResultsDiff(deps, runResultsDiff), newResultsFailed(deps, runResultsFailed))
	cmd.Aliases = []string{"result"}
	return cmd
}

// foundResult is an execution with its result, and who was asked.
type foundResult struct {
	id      spec.ID
	machine *app.Machine
	store   *app.Results
	details *executions.Details
	result  *app.Result
}

// openResults finds a pipeline and where its results are.
func openResults(ctx context.Context, deps *Deps, pipeline string) (*foundResult, error) {
	id, err := spec.ParseID(pipeline)
	if err != nil {
		return nil, err
	}
	f := &foundResult{id: id}
	if f.machine, err = deps.app().Machine(ctx, id); err != nil {
		return nil, err
	}
	f.store, err = deps.app().Results(ctx, f.machine)
	return f, err
}

// execution finds an execution, without its result.
func (f *foundResult) execution(ctx context.Context, name string) (*foundResult, error) {
	arn, err := f.machine.Client.Resolve(ctx, f.machine.ARN, name)
	if err != nil {
		return nil, err
	}
	one := *f
	one.details, err = f.machine.Client.Describe(ctx, arn)
	return &one, err
}

// findResult finds an execution's result.
func findResult(ctx context.Context, deps *Deps, pipeline, execution string) (*foundResult, error) {
	f, err := openResults(ctx, deps, pipeline)
	if err != nil {
		return nil, err
	}
	if f, err = f.execution(ctx, execution); err != nil {
		return nil, err
	}
	f.result, err = f.store.Of(ctx, f.details)
	return f, err
}

// set is the result of a data set; an error if it is one prediction.
func (f *foundResult) set() (*results.Set, error) {
	if f.result.Set == nil {
		return nil, fault.New(fault.Invalid, "execution %s has one prediction, not those of a data set", f.details.Name).
			WithHint("Run `pipelinetui results show %s %s` to see it.", f.id, f.details.Name)
	}
	return f.result.Set, nil
}

// resultsListOptions are those of results list.
type resultsListOptions struct {
	pipeline, execution string
	limit               int
	at, search          string
	before              bool
	inputs              bool
	name, batch, since  string
	scan                int
}

func newResultsList(deps *Deps, do action[resultsListOptions]) *cobra.Command {
	o := &resultsListOptions{}
	cmd := &cobra.Command{
		Use:     "list PIPELINE [EXECUTION]",
		Aliases: []string{"ls"},
		Short:   "list predictions: of the newest executions, or of one data set",
		Long: `Without EXECUTION it lists the predictions of the newest executions beside their inputs.
With the EXECUTION of a data set it lists a page of its predictions, from any place on:
--at 50% begins in the middle, and each page tells the place of the next. Of files of any
size only the page is read. Inputs are looked for, by their ids, in the part of the data
set where they should stand.`,
		Example: `  pipelinetui results list acme/fraud --batch monday
  pipelinetui results list acme/churn @latest --at 50%
  pipelinetui results list acme/churn @latest --search versicolor`,
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
	countFlag(f, &o.limit, "limit", 20, 1, 1000, "how many at most")
	f.StringVar(&o.at, "at", "", "where a page of a data set begins: a share (50%), or the place that a page tells")
	f.BoolVar(&o.before, "before", false, "the page that ends there, without --at the last one")
	f.StringVar(&o.search, "search", "", "only predictions of a data set with this text in them or in their ids")
	countFlag(f, &o.scan, "scan", 64, 1, noLimit, "with --search, how many MiB are read at most")
	f.BoolVar(&o.inputs, "inputs", true, "look for the inputs too")
	f.StringVar(&o.name, "name", "", "only executions whose names begin so, or match a pattern with * and ?")
	f.StringVar(&o.since, "since", "", "only executions started since: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	batchFlag(deps, cmd, &o.batch)
	cmd.MarkFlagsMutuallyExclusive("before", "search")
	for _, own := range []string{"at", "search", "before"} {
		cmd.MarkFlagsMutuallyExclusive(own, "name")
		cmd.MarkFlagsMutuallyExclusive(own, "batch")
		cmd.MarkFlagsMutuallyExclusive(own, "since")
	}
	cmd.ValidArgsFunction = deps.completes(anExecution)
	deps.flag(cmd, "name", batches)
	return reads(cmd)
}

// resultListDoc is predictions in machine output.
type resultListDoc struct {
	console.Header
	Pipeline  string         `json:"pipeline"`
	Execution string         `json:"execution,omitempty"`
	Results   []results.Item `json:"results"`
	// Share is where a page of a data set begins, 0 to 1; Next is the place of the next
	// page, "" if there is none, Previous that with which --before reads the one before.
	Share    float64 `json:"share,omitempty"`
	Previous string  `json:"previous,omitempty"`
	Next     string  `json:"next,omitempty"`
}

func runResultsList(ctx context.Context, deps *Deps, o *resultsListOptions) error {
	if o.execution == "" {
		if o.at != "" || o.search != "" || o.before {
			return wrongFlag("at", nil, "--at, --before and --search are about the results of one data set").
				WithHint("Name its execution, @latest perhaps.")
		}
		return listNewestResults(ctx, deps, o)
	}
	f, err := findResult(ctx, deps, o.pipeline, o.execution)
	if err != nil {
		return err
	}
	doc := resultListDoc{Header: console.NewHeader("ResultList"), Pipeline: f.id.String(), Execution: f.details.Name, Results: []results.Item{}}
	if f.result.Item != nil {
		doc.Results = append(doc.Results, *f.result.Item)
		return writeResults(deps, &doc)
	}
	page, err := f.page(ctx, o)
	if err != nil {
		return err
	}
	set := f.result.Set
	doc.Results, doc.Share = page.Items, set.Share(page.From)
	if !page.From.IsZero() {
		doc.Previous = page.From.String()
	}
	if page.More {
		doc.Next = page.Next.String()
	}
	if o.inputs {
		f.fill(ctx, deps, page)
	}
	if o.search != "" && page.More && len(page.Items) < o.limit {
		deps.Note("%d MiB were read, up to %.0f %%: go on with --at %s, or raise --scan", o.scan, 100*set.Share(page.Next), page.Next)
	}
	return writeResults(deps, &doc)
}

// page reads the page that was asked for.
func (f *foundResult) page(ctx context.Context, o *resultsListOptions) (results.Page, error) {
	set := f.result.Set
	var at results.Cursor
	var err error
	if o.at != "" {
		if at, err = set.At(ctx, o.at); err != nil {
			return results.Page{}, err
		}
	} else if o.before {
		at = set.End()
	}
	switch {
	case o.before:
		return set.Before(ctx, at, o.limit)
	case o.search != "":
		return set.Find(ctx, at, o.limit, int64(o.scan)<<20, results.Containing(o.search))
	}
	return set.From(ctx, at, o.limit)
}

// fill looks for the inputs of a page. That they can't be had is told: the predictions
// matter more.
func (f *foundResult) fill(ctx context.Context, deps *Deps, page results.Page) {
	data, err := f.store.DataSet(ctx, f.details)
	if err == nil && data != nil {
		err = data.Fill(ctx, page.Items, f.result.Set.Share(page.From))
	}
	if err != nil {
		deps.Note("the inputs can't be shown: %s", render.Line(err.Error(), 0))
	}
}

// listNewestResults lists the predictions of executions. It costs a call for each.
func listNewestResults(ctx context.Context, deps *Deps, o *resultsListOptions) error {
	f, err := openResults(ctx, deps, o.pipeline)
	if err != nil {
		return err
	}
	in := executions.ListInput{Name: o.name, Batch: o.batch, Limit: o.limit}
	if in.Since, err = executions.ParseSince(o.since, deps.now()); err != nil {
		return aboutFlag("since", o.since, err)
	}
	doc := resultListDoc{Header: console.NewHeader("ResultList"), Pipeline: f.id.String()}
	if doc.Results, err = f.store.Newest(ctx, in, nil); err != nil {
		return err
	}
	for i := range doc.Results {
		if !o.inputs {
			doc.Results[i].Input = nil
		}
	}
	return writeResults(deps, &doc)
}

// valueWidth is how much of a value stands in a table.
const valueWidth = 60

func writeResults(deps *Deps, doc *resultListDoc) error {
	for i := range doc.Results {
		doc.Results[i].At = results.Cursor{} // the page's places are enough
	}
	return deps.Write(doc, func() string {
		if len(doc.Results) == 0 {
			return "no results\n"
		}
		header := []string{"ID", "PREDICTION", "INPUT"}
		if doc.Execution == "" {
			header[0] = "EXECUTION"
		}
		rows := make([][]render.Cell, len(doc.Results))
		for i := range doc.Results {
			rows[i] = resultRow(deps, &doc.Results[i], doc.Execution == "")
		}
		text := render.Table(deps.OutStyle, header, rows)
		if doc.Next != "" {
			text += deps.OutStyle.Muted.Render(fmt.Sprintf("at %.0f %%; the next page: --at %s", 100*doc.Share, doc.Next)) + "\n"
		}
		return text
	})
}

func resultRow(deps *Deps, it *results.Item, named bool) []render.Cell {
	id := it.Key()
	if named || id == "" {
		id = it.Execution
	}
	prediction := render.T(render.Line(render.Prediction(it), valueWidth))
	if it.Error != "" {
		prediction = render.S(render.Line(strings.TrimSuffix(it.Error+": "+it.Cause, ": "), valueWidth), deps.OutStyle.Bad)
	}
	return []render.Cell{render.T(render.Dash(render.Line(id, 40))), prediction, render.T(render.Dash(render.Line(string(it.Input), valueWidth)))}
}

// resultsShowOptions are those of results show.
type resultsShowOptions struct {
	pipeline, execution, item string
	scan                      int
}

func newResultsShow(deps *Deps, do action[resultsShowOptions]) *cobra.Command {
	o := &resultsShowOptions{}
	cmd := &cobra.Command{
		Use:   "show PIPELINE EXECUTION [ID]",
		Short: "show a prediction whole, or the statistics over those of a data set",
		Long: `Shows the prediction of an execution with its input. Of an execution over a data set it
shows how many predictions there are, which labels, and the quantiles and histogram of
numbers; with an ID the prediction of that item.

The statistics over more than 8 MiB are those of 64 evenly spaced samples, and say so.` + executionHelp,
		Example: `  pipelinetui results show acme/fraud @latest
  pipelinetui results show acme/churn monday
  pipelinetui results show acme/churn monday customer-17`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline, o.execution = args[0], args[1]
			if len(args) > 2 {
				o.item = args[2]
			}
			return do(cmd.Context(), deps, o)
		},
	}
	countFlag(cmd.Flags(), &o.scan, "scan", 256, 1, noLimit, "how many MiB are read at most in search of ID")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return reads(cmd)
}

// resultDoc is one prediction in machine output.
type resultDoc struct {
	console.Header
	Pipeline string `json:"pipeline"`
	results.Item
	URI string `json:"uri,omitempty"`
}

// resultStatsDoc is what is known of the predictions of a data set.
type resultStatsDoc struct {
	console.Header
	Pipeline  string            `json:"pipeline"`
	Execution string            `json:"execution"`
	Status    executions.Status `json:"status"`
	Manifest  string            `json:"manifest"`
	Files     int               `json:"files"`
	Bytes     int64             `json:"bytes"`
	results.Stats
}

func runResultsShow(ctx context.Context, deps *Deps, o *resultsShowOptions) error {
	f, err := findResult(ctx, deps, o.pipeline, o.execution)
	if err != nil {
		return err
	}
	if f.result.Item != nil {
		if o.item != "" {
			_, err := f.set()
			return err
		}
		return f.show(deps, *f.result.Item)
	}
	set := f.result.Set
	if o.item != "" {
		return f.showItem(ctx, deps, o)
	}
	stats, err := set.Stats(ctx)
	if err != nil {
		return err
	}
	doc := resultStatsDoc{
		Header: console.NewHeader("ResultStatistics"), Pipeline: f.id.String(), Execution: f.details.Name, Status: f.details.Status,
		Manifest: f.result.Object.URI(), Files: len(set.Parts), Bytes: set.Size(), Stats: stats,
	}
	return deps.Write(doc, func() string { return statsText(deps, &doc) })
}

// showItem shows the prediction of one item.
func (f *foundResult) showItem(ctx context.Context, deps *Deps, o *resultsShowOptions) error {
	set := f.result.Set
	page, err := set.Find(ctx, results.Cursor{}, 1, int64(o.scan)<<20, results.WithID(o.item))
	if err != nil {
		return err
	}
	if len(page.Items) == 0 {
		if page.More {
			return fault.New(fault.NotFound, "item %s is not among the first %.0f %% of the results", o.item, 100*set.Share(page.Next)).
				WithHint("Raise --scan: %s are left.", render.Bytes(set.Size()-int64(o.scan)<<20))
		}
		return fault.New(fault.NotFound, "no result of execution %s has the id %s", f.details.Name, o.item).
			WithHint("Run `pipelinetui results failed %s %s` for the items that failed.", f.id, f.details.Name)
	}
	page.From = page.Items[0].At
	f.fill(ctx, deps, page)
	return f.show(deps, page.Items[0])
}

func (f *foundResult) show(deps *Deps, it results.Item) error {
	it.Execution, it.At = f.details.Name, results.Cursor{}
	doc := resultDoc{Header: console.NewHeader("Result"), Pipeline: f.id.String(), Item: it}
	if f.result.Object.Key != "" {
		doc.URI = f.result.Object.URI()
	}
	return deps.Write(doc, func() string {
		st := deps.OutStyle
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n", st.Title.Render(render.Line(strings.TrimSpace(f.details.Name+" "+it.Key()), 0)))
		if doc.URI != "" {
			fmt.Fprintf(&b, "%s\n", st.Muted.Render(render.Line(doc.URI, 0)))
		}
		if len(it.Input) > 0 {
			fmt.Fprintf(&b, "%s\n%s\n", st.Key.Render("Input"), render.JSON(string(it.Input), ""))
		}
		text := render.JSON(string(it.Prediction), "")
		if it.Head != "" {
			text = render.Safe(it.Head) + "\n" + st.Muted.Render(fmt.Sprintf("the beginning of %s: results get --link has all of it", render.Bytes(it.Size)))
		}
		fmt.Fprintf(&b, "%s\n%s\n", st.Key.Render("Prediction"), text)
		return b.String()
	})
}

// Bounds of what is shown of statistics.
const (
	labelsShown = 10
	fieldsShown = 12
)

func statsText(deps *Deps, d *resultStatsDoc) string {
	st := deps.OutStyle
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", st.Title.Render(render.Line(d.Execution, 0)), render.StatusStyle(st, d.Status).Render(string(d.Status)))
	of := render.Number(d.Count) + " predictions"
	if d.Sampled {
		of = fmt.Sprintf("about %s predictions; the statistics are of a sample of %s", render.Number(d.Of), render.Number(d.Count))
	}
	fmt.Fprintf(&b, "%s, %s, %s\n%s\n", of, render.Count(d.Files, "file", "files"), render.Bytes(d.Bytes), st.Muted.Render(render.Line(d.Manifest, 0)))
	for i := range d.Fields {
		if i == fieldsShown {
			fmt.Fprintf(&b, "%s\n", st.Muted.Render("and "+render.Count(len(d.Fields)-i, "more field: -o json has it", "more fields: -o json has them")))
			break
		}
		b.WriteString(fieldText(deps, &d.Fields[i]))
	}
	return b.String()
}

func fieldText(deps *Deps, f *results.FieldStats) string {
	st := deps.OutStyle
	name := "prediction"
	if f.Path != "" {
		name = f.Path
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", st.Key.Render(render.Line(name, 80)))
	if f.Numbers > 0 {
		q := f.Quantiles
		fmt.Fprintf(&b, "  %s  min %s  p10 %s  p50 %s  p90 %s  max %s  mean %s\n", render.Spark(floats(f.Histogram)),
			render.Short(f.Min), render.Short(q.P10), render.Short(q.P50), render.Short(q.P90), render.Short(f.Max), render.Short(f.Mean))
	}
	var most int64 = 1
	for i, l := range f.Labels {
		if i == labelsShown {
			fmt.Fprintf(&b, "  %s\n", st.Muted.Render("and "+render.Count(len(f.Labels)-i, "more value", "more values")))
			break
		}
		most = max(most, l.Count)
		fmt.Fprintf(&b, "  %-24s %10s  %s\n", render.Line(l.Value, 24), render.Number(l.Count), strings.Repeat("#", int(l.Count*20/most)))
	}
	return b.String()
}

func floats(in []int64) []float64 {
	out := make([]float64, len(in))
	for i, n := range in {
		out[i] = float64(n)
	}
	return out
}

// linkLife is how long a link lives: S3's own bounds.
const (
	linkLife    = time.Hour
	maxLinkLife = 7 * 24 * time.Hour
)
