package cli

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// resultsGetOptions are those of results get.
type resultsGetOptions struct {
	pipeline, execution string
	format, out         string
	force               bool
	spreadsheet         bool
	inputs              bool
	link                bool
	expires             time.Duration
}

func newResultsGet(deps *Deps, do action[resultsGetOptions]) *cobra.Command {
	o := &resultsGetOptions{}
	cmd := &cobra.Command{
		Use:   "get PIPELINE EXECUTION",
		Short: "write all predictions of an execution as JSON lines, CSV or Parquet",
		Long: `Writes the predictions of an execution as a table: id, input, and a column for each field
of the predictions (prediction.label). What does not fit the columns, which the first 1,000
predictions decide, is in the column rest, so that nothing is lost; JSON lines hold each
prediction as it is. Files are written whole or not at all, as a stream of any length.

In CSV a cell is what the prediction says, for data frames. With --spreadsheet cells that a
spreadsheet would run as formulas begin with an apostrophe, as do those that began with one.

With --link it prints an address from which anybody can download the stored prediction (of
a data set: the manifest and each file) for a time.` + executionHelp,
		Example: `  pipelinetui results get acme/churn @latest --out churn.parquet
  pipelinetui results get acme/churn @latest --format csv | head
  pipelinetui results get acme/fraud @latest --link --expires 15m`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline, o.execution = args[0], args[1]
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "", "jsonl, csv or parquet; without, what the name of the file says, or jsonl")
	f.StringVar(&o.out, "out", "", "file to write; standard output without")
	f.BoolVar(&o.force, "force", false, "overwrite the file")
	f.BoolVar(&o.spreadsheet, "spreadsheet", false, "CSV for a spreadsheet: no cell is a formula")
	f.BoolVar(&o.inputs, "inputs", true, "put inputs beside predictions, as far as they are found")
	f.BoolVar(&o.link, "link", false, "print addresses for downloading instead")
	durationFlag(f, &o.expires, "expires", linkLife, "how long the addresses are good, at most 168h")
	cmd.MarkFlagsMutuallyExclusive("link", "out")
	cmd.MarkFlagsMutuallyExclusive("link", "format")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	deps.flag(cmd, "format", fixed(string(results.JSONL), string(results.CSV), string(results.Parquet)))
	files(cmd, "out", "jsonl", "csv", "parquet")
	return reads(cmd)
}

// formOf is the format that is meant.
func (o *resultsGetOptions) formOf() (results.Format, error) {
	if o.format == "" {
		if form, ok := results.FormatOf(o.out); ok {
			return form, nil
		}
		return results.JSONL, nil
	}
	if form, ok := results.FormatOf("." + o.format); ok {
		return form, nil
	}
	return "", wrongFlag("format", o.format, "%q is not known", o.format).WithHint("Use jsonl, csv or parquet.")
}

// getMemory is how much memory the writing of predictions takes before more of it is collected.
const getMemory = 76 << 20

func runResultsGet(ctx context.Context, deps *Deps, o *resultsGetOptions) error {
	form, err := o.formOf()
	if err != nil {
		return err
	}
	switch {
	case o.spreadsheet && form != results.CSV:
		return wrongFlag("spreadsheet", nil, "it is about CSV").WithHint("Add --format csv.")
	case o.expires < time.Second || o.expires > maxLinkLife:
		return wrongFlag("expires", o.expires.String(), "it has to be from 1s to 168h").WithHint("S3 signs links for up to seven days.")
	case !o.link && o.out == "" && deps.Machine():
		return wrongFlag("output", deps.Form(), "the predictions and a document cannot both go to standard output").
			WithHint("Leave --output out, or add --out FILE.")
	case !o.link && o.out == "" && form == results.Parquet && deps.OutTTY:
		return wrongFlag("format", o.format, "Parquet is no text for a terminal").WithHint("Add --out FILE.")
	}
	if err := notThere(ctx, "out", o.out, o.force); err != nil {
		return err
	}
	f, err := findResult(ctx, deps, o.pipeline, o.execution)
	if err != nil {
		return err
	}
	// What waits for its result is held once, not twice until it is collected.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(getMemory))
	if o.link {
		return f.links(ctx, deps, o.expires)
	}
	if o.out == "" {
		_, err := f.write(ctx, deps, &stdout{deps}, form, o)
		return err
	}
	file, err := wholefile.New(o.out, 0o600) // the users' data
	if err != nil {
		return aboutFlag("out", o.out, outside.WriteFault("the file", o.out, err))
	}
	defer func() { _ = file.Cleanup() }() // nothing is left after the replacement
	count, err := f.write(ctx, deps, file, form, o)
	if err != nil {
		return err
	}
	if err := file.CloseAtomicallyReplace(); err != nil {
		return aboutFlag("out", o.out, outside.WriteFault("the file", o.out, err))
	}
	deps.Note("%s: %s", render.Line(o.out, 0), render.Count(int(count), "prediction", "predictions"))
	return deps.Write(struct {
		console.Header
		File        string         `json:"file"`
		Format      results.Format `json:"format"`
		Predictions int64          `json:"predictions"`
	}{console.NewHeader("ResultFile"), o.out, form, count}, nil)
}

// stdout is standard output as it is, for what another program reads; on a terminal it is
// made safe.
type stdout struct{ deps *Deps }

// Write implements io.Writer.
func (s *stdout) Write(p []byte) (int, error) {
	if s.deps.OutTTY {
		return s.deps.Out.Write(p)
	}
	return len(p), s.deps.WriteText(p)
}

// write writes all predictions in a format.
func (f *foundResult) write(ctx context.Context, deps *Deps, to io.Writer, form results.Format, o *resultsGetOptions) (int64, error) {
	w := results.NewWriter(to, form, o.spreadsheet)
	if it := f.result.Item; it != nil {
		if !o.inputs {
			it.Input = nil
		}
		if err := w.Add(*it); err != nil {
			return 0, err
		}
		return w.Count(), w.Close()
	}
	var inputs *results.Joiner
	if o.inputs {
		data, err := f.store.DataSet(ctx, f.details)
		if err != nil {
			return 0, err
		}
		if data != nil {
			inputs = data.Join(ctx)
		}
	}
	say := deps.nowAndThen()
	_, err := f.result.Set.Each(ctx, results.Cursor{}, func(it results.Item) (bool, error) {
		if inputs != nil {
			if err := inputs.Fill(&it); err != nil {
				return false, err
			}
		}
		say(func() string {
			return fmt.Sprintf("%s predictions, %.0f %%", render.Number(w.Count()), 100*f.result.Set.Share(it.At))
		})
		return true, w.Add(it)
	})
	if err != nil {
		return 0, err
	}
	return w.Count(), w.Close()
}

// linkDoc is an address for downloading.
type linkDoc struct {
	URI string `json:"uri"`
	URL string `json:"url"`
}

func (f *foundResult) links(ctx context.Context, deps *Deps, expires time.Duration) error {
	if f.result.Object.Key == "" {
		return fault.New(fault.Unsupported, "the prediction of %s is the execution's output, not an object", f.details.Name).
			WithHint("Run `pipelinetui results show %s %s` to see it.", f.id, f.details.Name)
	}
	objects := []results.Object{f.result.Object}
	if set := f.result.Set; set != nil {
		for _, p := range set.Parts {
			objects = append(objects, results.Object{Bucket: set.Bucket, Key: p.Key})
		}
	}
	now := deps.now()
	doc := struct {
		console.Header
		Pipeline  string    `json:"pipeline"`
		Execution string    `json:"execution"`
		Expires   time.Time `json:"expires"`
		Links     []linkDoc `json:"links"`
	}{console.NewHeader("ResultLinks"), f.id.String(), f.details.Name, now.Add(expires).UTC(), []linkDoc{}}
	for _, o := range objects {
		url, until, err := f.store.Link(ctx, o, expires)
		if err != nil {
			return err
		}
		if until.Before(doc.Expires) {
			doc.Expires = until
		}
		doc.Links = append(doc.Links, linkDoc{o.URI(), url})
	}
	if left := doc.Expires.Sub(now); left < expires-time.Minute {
		deps.Note("the addresses are good for %s only, as long as the credentials that sign them", render.Duration(left))
	}
	return deps.Write(doc, func() string {
		var b strings.Builder
		for _, l := range doc.Links {
			fmt.Fprintln(&b, l.URL)
		}
		return b.String()
	})
}

// resultsDiffOptions are those of results diff.
type resultsDiffOptions struct {
	pipeline, before, after string
	tolerance               float64
	limit                   int
}

func newResultsDiff(deps *Deps, do action[resultsDiffOptions]) *cobra.Command {
	o := &resultsDiffOptions{}
	cmd := &cobra.Command{
		Use:   "diff PIPELINE EXECUTION OTHER",
		Short: "compare the predictions of two executions",
		Long: `Compares the predictions of two executions field by field: those of two data sets by the
ids of their items. Both data sets are read whole.` + executionHelp,
		Example: "  pipelinetui results diff acme/churn before-retraining @latest --tolerance 0.01",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline, o.before, o.after = args[0], args[1], args[2]
			return do(cmd.Context(), deps, o)
		},
	}
	floatFlag(cmd.Flags(), &o.tolerance, "tolerance", "numbers that differ by no more are equal")
	countFlag(cmd.Flags(), &o.limit, "limit", 20, 0, 1000, "how many items that differ to show at most")
	cmd.ValidArgsFunction = deps.completes(arguments(onePipeline, executionNames, executionNames))
	return reads(cmd)
}

// resultDiffDoc is how predictions differ, in machine output.
type resultDiffDoc struct {
	console.Header
	Pipeline string `json:"pipeline"`
	Before   string `json:"before"`
	After    string `json:"after"`
	Equal    bool   `json:"equal"`
	// Changes are those between two predictions; DataSets those between two data sets.
	Changes  []results.Change    `json:"changes,omitempty"`
	DataSets *results.Comparison `json:"dataSets,omitempty"`
}

func runResultsDiff(ctx context.Context, deps *Deps, o *resultsDiffOptions) error {
	open, err := openResults(ctx, deps, o.pipeline)
	if err != nil {
		return err
	}
	var sides [2]*foundResult
	for i, name := range []string{o.before, o.after} {
		if sides[i], err = open.execution(ctx, name); err != nil {
			return err
		}
		if sides[i].result, err = open.store.Of(ctx, sides[i].details); err != nil {
			return err
		}
	}
	before, after := sides[0], sides[1]
	doc := resultDiffDoc{Header: console.NewHeader("ResultDiff"), Pipeline: open.id.String(), Before: before.details.Name, After: after.details.Name}
	if before.result.Set == nil && after.result.Set == nil {
		doc.Changes = results.Changes(before.result.Item.Prediction, after.result.Item.Prediction, o.tolerance)
		doc.Equal = len(doc.Changes) == 0
	} else {
		a, err := before.set()
		if err != nil {
			return err
		}
		b, err := after.set()
		if err != nil {
			return err
		}
		if doc.DataSets, err = results.Compare(ctx, a, b, o.tolerance, o.limit); err != nil {
			return err
		}
		c := doc.DataSets
		doc.Equal = c.Different+c.OnlyBefore+c.OnlyAfter == 0
	}
	return deps.Write(doc, func() string { return diffText(deps, &doc) })
}

func diffText(deps *Deps, d *resultDiffDoc) string {
	st := deps.OutStyle
	var b strings.Builder
	if d.Equal {
		return "the predictions are equal\n"
	}
	change := func(indent string, c results.Change) {
		name := "prediction"
		if c.Field != "" {
			name = c.Field
		}
		fmt.Fprintf(&b, "%s%s  %s  %s\n", indent, render.Line(name, 60), st.Bad.Render(render.Dash(render.Line(string(c.Before), valueWidth))),
			st.Good.Render(render.Dash(render.Line(string(c.After), valueWidth))))
	}
	for _, c := range d.Changes {
		change("", c)
	}
	if x := d.DataSets; x != nil {
		fmt.Fprintf(&b, "%s equal, %s different, %s only in %s, %s only in %s\n", render.Number(x.Same), render.Number(x.Different),
			render.Number(x.OnlyBefore), render.Line(d.Before, 0), render.Number(x.OnlyAfter), render.Line(d.After, 0))
		for _, n := range x.Numbers {
			fmt.Fprintf(&b, "  %s  %s changed by %s in the mean, by %s at most\n", render.Line(n.Field, 60), render.Number(n.Count), render.Short(n.MeanAbs), render.Short(n.GreatAbs))
		}
		for _, m := range x.Moves {
			fmt.Fprintf(&b, "%8s × ", render.Number(m.Count))
			change("", results.Change{Field: m.Field, Before: m.Before, After: m.After})
		}
		for _, one := range x.First {
			fmt.Fprintf(&b, "%s\n", st.Key.Render(render.Line(idText(one.ID), 60)))
			for _, c := range one.Changes {
				change("  ", c)
			}
		}
	}
	return b.String()
}
