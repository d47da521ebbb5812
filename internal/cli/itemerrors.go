package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// itemErrorsShown is how many item errors the view of an execution names.
const itemErrorsShown = 5

// itemErrorsDoc is the items of an execution that the pipeline's function could
// not take, in machine output.
type itemErrorsDoc struct {
	// Count is how many they are, of so many items; Items is 0 if that is not known.
	Count  int64                `json:"count"`
	Items  int64                `json:"items,omitempty"`
	URI    string               `json:"uri"`
	Counts []app.ItemErrorCount `json:"counts"`
	// First are the first of them, without the item itself.
	First []app.ItemError `json:"first"`
}

// itemErrors looks for the item errors of an execution that has Map Runs. What can't
// be had is told and left out: the execution itself matters more.
func itemErrors(ctx context.Context, deps *Deps, id spec.ID, out executions.Outcome, runs []mapRunDoc) *itemErrorsDoc {
	if len(runs) == 0 {
		return nil
	}
	x, err := findItemErrors(ctx, deps, id, out)
	if err == nil && (x == nil || x.Count == 0) {
		return nil
	}
	var doc *itemErrorsDoc
	if err == nil {
		doc = &itemErrorsDoc{Count: x.Count, URI: x.URI(), Counts: x.Counts, First: []app.ItemError{}}
		for i := range runs {
			doc.Items += runs[i].Items.Total
		}
		err = x.Each(ctx, func(one app.ItemError) (bool, error) {
			one.Item = nil
			doc.First = append(doc.First, one)
			return len(doc.First) < itemErrorsShown, nil
		})
	}
	if err != nil {
		deps.Note("the items that failed can't be shown: %s", render.Line(err.Error(), 0))
	}
	return doc
}

// findItemErrors is nil where it is known that there are none, or where nothing
// tells in which bucket they would be.
func findItemErrors(ctx context.Context, deps *Deps, id spec.ID, out executions.Outcome) (*app.ItemErrors, error) {
	var output struct{ ItemErrorsURI string }
	_ = json.Unmarshal([]byte(out.Output), &output) // another template's output is another thing
	switch {
	case id.Tenant == "" && output.ItemErrorsURI != "":
		return deps.app().ItemErrorsAt(ctx, out.ARN, output.ItemErrorsURI)
	case id.Tenant == "", out.Status == executions.Succeeded && output.ItemErrorsURI == "":
		return nil, nil // documented
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return nil, err
	}
	return deps.app().ItemErrorsOf(ctx, m, out.Name)
}

// itemErrorsText is the item errors under an execution; pipeline is "" if that is
// named by its ARN.
func itemErrorsText(deps *Deps, d *itemErrorsDoc, pipeline, name string) string {
	if d == nil {
		return ""
	}
	st := deps.OutStyle
	var b strings.Builder
	of := ""
	if d.Items > 0 {
		of = " of " + render.Number(d.Items)
	}
	fmt.Fprintf(&b, "%s\n", st.Bad.Render(fmt.Sprintf("%s%s items failed in the function", render.Number(d.Count), of)))
	for _, c := range d.Counts {
		fmt.Fprintf(&b, "  %s\n", st.Bad.Render(fmt.Sprintf("%s × %s", render.Number(c.Count), render.Line(c.Error, 100))))
	}
	for _, x := range d.First {
		fmt.Fprintf(&b, "      %s\n", st.Muted.Render(itemErrorLine(x)))
	}
	if rest := d.Count - int64(len(d.First)); rest > 0 {
		fmt.Fprintf(&b, "      %s\n", st.Muted.Render("and "+render.Number(rest)+" more"))
	}
	fmt.Fprintf(&b, "  %s\n", st.Muted.Render(render.Line(d.URI, 0)))
	if pipeline != "" {
		fmt.Fprintf(&b, "  %s\n", st.Muted.Render(fmt.Sprintf("all of them: pipelinetui executions errors %s %s", pipeline, render.Line(name, 0))))
	}
	return b.String()
}

func itemErrorLine(x app.ItemError) string {
	text := strings.TrimSuffix(strings.TrimSpace(x.Error+": "+x.Cause), ":")
	return render.Line(fmt.Sprintf("item %s: %s", idText(x.ID), text), 140)
}

// idText is an id as one reads it.
func idText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// itemErrorsOptions are those of executions errors.
type itemErrorsOptions struct {
	pipeline, execution string
	items               string // the file to write them to
	force               bool
	limit               int
}

func newExecutionsErrors(deps *Deps, do action[itemErrorsOptions]) *cobra.Command {
	o := &itemErrorsOptions{}
	cmd := &cobra.Command{
		Use:   "errors PIPELINE EXECUTION",
		Short: "list the items that the function of a batch pipeline could not take",
		Long: `Lists the items of an execution for which the pipeline's function returned an error,
while the rest of their batch went on to the model. With --items they are written to a
file in the format of the data set, so that, once function or data are repaired,
"run --input-file" works through these alone.

The items of batches that failed as a whole are not among them: "executions redrive"
runs those again.

EXECUTION is a name, or @latest for the newest one of the pipeline.`,
		Example: `  pipelinetui executions errors acme/churn @latest
  pipelinetui executions errors acme/churn monday --items again.jsonl
  pipelinetui run acme/churn --input-file again.jsonl --wait`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipeline, o.execution = args[0], args[1]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().StringVar(&o.items, "items", "", "file to write the items to, as run --input-file takes them")
	cmd.Flags().BoolVar(&o.force, "force", false, "overwrite the file")
	countFlag(cmd.Flags(), &o.limit, "limit", 100, 0, noLimit, "how many to list at most; 0 for all")
	cmd.ValidArgsFunction = deps.completes(anExecution)
	files(cmd, "items")
	return reads(columns(cmd, itemErrorColumns))
}

func runExecutionsErrors(ctx context.Context, deps *Deps, o *itemErrorsOptions) error {
	if err := notThere(ctx, "items", o.items, o.force); err != nil {
		return err
	}
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	m, err := deps.app().Machine(ctx, id)
	if err != nil {
		return err
	}
	arn, err := m.Client.Resolve(ctx, m.ARN, o.execution)
	if err != nil {
		return err
	}
	d, err := m.Client.Describe(ctx, arn)
	if err != nil {
		return err
	}
	format, _ := m.Parameters["inputFormat"].(string)
	if o.items != "" && (format == "S3LIST" || format == "INVENTORY") {
		return fault.New(fault.Unsupported, "the items of %s are objects in S3 (inputFormat %s), which no file can hold", id, format).
			WithHint("Leave --items out: the list names each object.")
	}
	x, err := deps.app().ItemErrorsOf(ctx, m, d.Name)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		Pipeline  string               `json:"pipeline"`
		Execution string               `json:"execution"`
		Count     int64                `json:"count"`
		Counts    []app.ItemErrorCount `json:"counts"`
		URI       string               `json:"uri"`
		Errors    []app.ItemError      `json:"errors"`
	}{console.NewHeader("ItemErrors"), id.String(), d.Name, x.Count, append([]app.ItemErrorCount{}, x.Counts...), x.URI(), []app.ItemError{}}
	w := newItemWriter("items", format)
	err = x.Each(ctx, func(one app.ItemError) (bool, error) {
		if o.limit == 0 || len(doc.Errors) < o.limit {
			doc.Errors = append(doc.Errors, one)
		}
		if o.items == "" {
			return o.limit == 0 || len(doc.Errors) < o.limit, nil
		}
		return true, w.add(one.Item)
	})
	if err != nil {
		return err
	}
	if o.items != "" {
		if err := w.write(o.items); err != nil {
			return err
		}
		deps.Note("%s: %s", render.Line(o.items, 0), render.Count(w.count, "item", "items"))
	}
	return deps.Write(doc, func() string {
		if len(doc.Errors) == 0 {
			return "no item failed in the function\n"
		}
		rows := make([][]render.Cell, len(doc.Errors))
		for i, one := range doc.Errors {
			rows[i] = []render.Cell{render.T(render.Line(idText(one.ID), 40)), render.T(one.Error), render.T(render.Line(one.Cause, 100))}
		}
		text := deps.Tabulate(console.Listing{Head: itemErrorColumns, Rows: rows})
		if rest := doc.Count - int64(len(doc.Errors)); rest > 0 {
			text += deps.OutStyle.Muted.Render(fmt.Sprintf("and %s more: add --limit 0", render.Number(rest))) + "\n"
		}
		return text
	})
}

// itemErrorColumns are the columns of executions errors.
var itemErrorColumns = []string{"ITEM", "ERROR", "CAUSE"}

// itemWriter collects items in the format in which the pipeline reads a data set.
type itemWriter struct {
	format string
	flag   string // that names the file
	text   bytes.Buffer
	count  int
	header []string // of a CSV file
}

func newItemWriter(flag, format string) *itemWriter { return &itemWriter{flag: flag, format: format} }

func (w *itemWriter) add(item json.RawMessage) error {
	if len(item) == 0 {
		return fault.New(fault.Damaged, "the record of an item that failed does not hold the item: it cannot be written").
			WithHint("Leave --%s out to list what failed.", w.flag)
	}
	w.count++
	switch w.format {
	case "CSV":
		return w.addRow(item)
	case "JSON":
		if w.count > 1 {
			w.text.WriteString(",\n")
		}
		w.text.Write(item)
		return nil
	}
	if err := json.Compact(&w.text, item); err != nil {
		return fault.New(fault.Invalid, "an item is not JSON: %s", err).Because(err)
	}
	w.text.WriteByte('\n')
	return nil
}

// addRow writes an item of a CSV file, an object of texts. In a field a backslash
// escapes what follows, so one of its own is doubled.
// (step-functions/latest/dg/input-output-itemreader.html)
func (w *itemWriter) addRow(item json.RawMessage) error {
	var fields map[string]string
	if err := json.Unmarshal(item, &fields); err != nil {
		return fault.New(fault.Invalid, "an item is not a row of a CSV file: %s", err).Because(err)
	}
	out := csv.NewWriter(&w.text)
	escaped := func(list []string, of func(string) string) []string {
		row := make([]string, len(list))
		for i, name := range list {
			row[i] = strings.ReplaceAll(of(name), `\`, `\\`)
		}
		return row
	}
	if w.header == nil {
		for name := range fields {
			w.header = append(w.header, name)
		}
		slices.Sort(w.header)
		if err := out.Write(escaped(w.header, func(name string) string { return name })); err != nil {
			return err
		}
	}
	if err := out.Write(escaped(w.header, func(name string) string { return fields[name] })); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// write writes the file, whole or not at all; items are the users' data, so it is
// for its owner alone.
func (w *itemWriter) write(path string) error {
	text := w.text.Bytes()
	if w.format == "JSON" {
		text = slices.Concat([]byte("["), text, []byte("]\n"))
	}
	if err := wholefile.WriteFile(path, text, 0o600); err != nil {
		return aboutFlag(w.flag, path, outside.WriteFault("the file", path, err))
	}
	return nil
}
