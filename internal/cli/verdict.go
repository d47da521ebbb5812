package cli

import (
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// report writes the one summary at the end and decides the exit code.
func report(deps *Deps, o *deployOptions, target *app.Target, v *view, results []app.PipelineResult, waves *fleetDoc) error {
	doc := newDeployment(o.command, target, deps.app().Backend(), v, results)
	doc.Fleet, doc.details = waves, o.details
	if doc.Plan = o.saved.apply; o.saved.save != "" && doc.Summary.Succeeded == len(results) && len(results) > 0 {
		doc.Plan = o.saved.save
	}
	err := verdict(o, results)
	if werr := deps.Write(doc, func() string { return deploySummary(deps.OutStyle, o, v, results) + fleetText(deps, waves, results) }); werr != nil {
		return werr
	}
	return err
}

// verdict is the error the command ends with: nil, the pipeline's own, or one
// for several.
func verdict(o *deployOptions, results []app.PipelineResult) error {
	var errs fault.List
	changed := 0
	for _, r := range results {
		switch {
		case fault.KindOf(r.Err) == fault.Damaged && len(results) > 1:
			// One of several that fails, like others.
			errs = append(errs, fault.New(fault.Deployment, "%s %s: %v", o.named(), r.ID, r.Err).WithHint("%s", fault.HintOf(r.Err)).Because(r.Err))
		case r.Err != nil:
			errs = append(errs, fault.Wrap(r.Err, "%s %s", o.named(), r.ID))
		}
		if r.Changed() {
			changed++
		}
	}
	if len(errs) > 0 {
		return worst(errs)
	}
	if o.expect && changed > 0 {
		return fault.New(fault.Changes, "%s would change, and no changes were expected", render.Count(changed, "pipeline", "pipelines")).
			WithHint("Look at the changes above; `pipelinetui up` applies them.")
	}
	return nil
}

// worst puts the error that decides the exit code first: a failed deployment
// counts more than what was cancelled because of it.
func worst(errs fault.List) error {
	for i, err := range errs {
		if fault.KindOf(err) != fault.Canceled {
			errs[0], errs[i] = errs[i], errs[0]
			break
		}
	}
	return errs
}

func deploySummary(st theme.Styles, o *deployOptions, v *view, results []app.PipelineResult) string {
	var b strings.Builder
	for _, r := range results {
		if o.operation == stack.OperationPreview && v.progress[r.ID] != nil {
			fmt.Fprintf(&b, "%s\n%s", st.Title.Render(r.ID.String()), v.plan(st, r.ID, o.details))
		}
		for _, d := range r.Result.Drift {
			fmt.Fprintf(&b, "%s\n", render.Drift(st, d))
		}
	}
	for _, r := range results {
		done := o.operation != stack.OperationPreview
		text, style := render.Changes(r.Result.Changes, done), st.Good
		switch ending := r.Ending(); {
		case ending == pipelines.EndNotBegun:
			text, style = "not begun", st.Warn
		case ending == pipelines.EndCancelled:
			text, style = "cancelled: "+text, st.Warn
		case ending == pipelines.EndFailed:
			text, style = "failed: "+text, st.Bad
		case o.operation == stack.OperationRefresh && len(r.Result.Drift) == 0:
			text = "no drift"
		}
		switch {
		case r.Revision > 0 && r.Skipped:
			text += fmt.Sprintf(", on revision %d", r.Revision)
		case r.Revision > 0 && o.operation == stack.OperationUp:
			text = fmt.Sprintf("revision %d: %s", r.Revision, text)
		}
		fmt.Fprintf(&b, "%s  %s %s\n", st.Title.Render(r.ID.String()), style.Render(text), st.Muted.Render("("+render.Duration(r.Result.Duration)+")"))
		if o.operation == stack.OperationUp && len(results) == 1 {
			b.WriteString(render.Outputs(st, r.Result.Outputs))
		}
	}
	if len(results) > 1 {
		b.WriteString(tally(results) + "\n")
	}
	return b.String()
}

func tally(results []app.PipelineResult) string {
	return render.Count(len(results), "pipeline", "pipelines") + ": " + pipelines.Summarize(results).String()
}
