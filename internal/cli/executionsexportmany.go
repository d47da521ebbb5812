package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// manyExported is what became of an export of several executions, in machine output.
type manyExported struct {
	console.Header
	Out    string `json:"out"`
	Chosen int    `json:"chosen"`
	// Written were written now, Existed by an earlier run that was cut off.
	Written int `json:"written"`
	Existed int `json:"existed"`
	// Files are those of inputs, by pipeline.
	Files    map[string]string `json:"files,omitempty"`
	Failed   []fleetFailed     `json:"failed"`
	Warnings []fleetNotice     `json:"warnings"`
}

// exportMany writes all executions that are chosen into a folder or a file of lines.
func exportMany(ctx context.Context, deps *Deps, o *executionsExportOptions) error {
	if err := o.fleet.check(o.args, "executions export"); err != nil {
		return err
	}
	if o.out == "" || o.out == "-" {
		return wrongFlag("out", nil, "several executions need a place to be written to").WithHint("Add --out FOLDER, or --out FILE.jsonl for one file of lines.")
	}
	export := &fleet.Export{
		Out: o.out, Inputs: o.inputs, Force: o.force, Note: deps.Note, Far: deps.nowAndThen(),
		Wrong: func(place string, err error) error { return takenFlag("out", place, err) },
	}
	if export.Lines() { // before all are listed
		if err := export.Vacant(ctx, o.out); err != nil {
			return err
		}
	}
	o.fleet.statuses = o.statuses
	f, err := o.fleet.gather(ctx, deps, false)
	if err != nil {
		return err
	}
	warn(deps, f)
	done, err := export.Write(ctx, f.List)
	if err != nil && ctx.Err() == nil {
		return err
	}
	doc := manyExported{
		Header: console.NewHeader("ExecutionsExported"), Out: o.out, Chosen: len(f.List), Written: done.Written, Existed: done.Existed, Files: done.Files,
		Failed: failedDocs(deps, done.Failed), Warnings: noticeDocs(deps, f),
	}
	if err := deps.Write(doc, func() string { return manyExportedText(deps, &doc) }); err != nil {
		return err
	}
	canceled, failed := "Run it again: it goes on with the rest.", "The summary says why. Run it again for these alone."
	if o.inputs {
		canceled, failed = "Nothing was written. Run it again: it begins anew.",
			"The summary says why. What was read is in files that end in "+fleet.PartialInputs+"; the next run begins anew."
	}
	switch {
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "stopped after %d of %d", doc.Written+doc.Existed, doc.Chosen).WithHint("%s", canceled)
	case len(doc.Failed) > 0:
		return fault.New(fault.Kind(doc.Failed[0].Error.Kind), "%d of %d could not be exported", len(doc.Failed), doc.Chosen).WithHint("%s", failed)
	}
	return f.Unasked()
}

func manyExportedText(deps *Deps, d *manyExported) string {
	if d.Chosen == 0 {
		return "no executions\n"
	}
	text := fmt.Sprintf("%s: %s of %s written", render.Line(d.Out, 0), render.Number(int64(d.Written)), render.Number(int64(d.Chosen)))
	if d.Existed > 0 {
		text += fmt.Sprintf(", %s were there already", render.Number(int64(d.Existed)))
	}
	text += "\n"
	names := slices.Sorted(maps.Keys(d.Files))
	if len(names) > 1 && len(d.Failed) == 0 {
		text += deps.OutStyle.Muted.Render(commandLine("pipelinetui", "run", "--inputs", d.Out)) + "\n"
	} else {
		for i, name := range names {
			if i == maxShown {
				text += fmt.Sprintf("and %d more\n", len(names)-maxShown)
				break
			}
			text += deps.OutStyle.Muted.Render(commandLine("pipelinetui", "run", name, "--inputs", d.Files[name])) + "\n"
		}
	}
	for i, f := range d.Failed {
		if i == maxShown {
			text += fmt.Sprintf("and %d more\n", len(d.Failed)-maxShown)
			break
		}
		text += deps.OutStyle.Bad.Render(render.Line(f.Pipeline+": "+f.Error.Message, 0)) + "\n"
	}
	return text
}
