package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func newPromote(deps *Deps, do action[deployOptions]) *cobra.Command {
	o := &deployOptions{operation: stack.OperationUp}
	cmd := &cobra.Command{
		Use:   "promote FROM TO",
		Short: "let a pipeline run what another one runs",
		Long: `Brings the image, the model, the code (with its handler and runtime) and the template of the
revision that FROM runs to TO, by digest: from one env to the next, in another region or account if need be. The objects
are copied out of FROM's bucket with the credentials of FROM, and into TO's with those of
TO. Instances, limits, tags, secrets and whatever else TO has of its own stay.

The checks of both are asked of FROM first, by their names those of TO before those of
FROM: nothing is promoted that does not answer as it should (exit code 4).

It is an up of TO like any other: it shows what will change and asks. The history of TO
says where the revision comes from.`,
		Example: `  pipelinetui promote acme/fraud/dev acme/fraud/prod`,
		Args:    cobra.ExactArgs(2),
		RunE:    func(cmd *cobra.Command, args []string) error { return do(cmd.Context(), deps, o.of(cmd, args)) },
	}
	cmd.Flags().StringVarP(&o.message, "message", "m", "", "message for the history")
	o.refreshFlag(cmd)
	o.runningFlag(cmd, "on what is replaced")
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(arguments(manyPipelines, manyPipelines))
	deps.flag(cmd, "running", howRunning)
	return instead(changes(cmd), "diff")
}

func runPromote(ctx context.Context, deps *Deps, o *deployOptions) error {
	if err := o.check(deps); err != nil {
		return err
	}
	var ids [2]spec.ID
	var found [2]*app.Existing
	for i, name := range o.args {
		var err error
		if ids[i], err = spec.ParseID(name); err != nil {
			return err
		}
	}
	if ids[0] == ids[1] {
		return fault.New(fault.Invalid, "%s can't be promoted to itself", ids[0]).
			WithHint("Name two pipelines, such as %s/%s/dev and %s/%s/prod.", ids[0].Tenant, ids[0].Model, ids[0].Tenant, ids[0].Model)
	}
	for i, id := range ids {
		var err error
		if found[i], err = deps.app().Find(ctx, id); err != nil {
			return err
		}
	}
	from, to := found[0], found[1]
	p, record, err := deps.app().Promote(ctx, from, to)
	if err != nil {
		return err
	}
	deps.Note("%s gets what %s runs: revision %d%s", to.ID, from.ID, record.Number, madeBy(deps, record))
	if ledger, err := pipelines.Ledger(to.State); err == nil {
		deps.tellChanged(ledger.Find(ledger.Current), record)
	}
	if app.ByTag(record) {
		deps.Note("the image %s is named by a tag: what it stands for may change", render.Line(record.Image, 0))
	}
	if err := deps.gate(ctx, from, p); err != nil {
		return err
	}
	o.origin = map[spec.ID]*revisions.Origin{to.ID: {PromotedFrom: from.ID.String(), PromotedRevision: record.Number}}
	return deploy(ctx, deps, o, &chosen{pipelines: []*spec.Pipeline{p}, all: 1, seen: map[spec.ID]string{to.ID: to.State.Basis}})
}

// gate asks FROM what TO has to answer, before anything of TO is changed.
func (deps *Deps) gate(ctx context.Context, from *app.Existing, to *spec.Pipeline) error {
	got, err := deps.ask(from.ID, func(told func(app.CheckResult)) ([]app.CheckResult, error) {
		return deps.app().Gate(ctx, from, to, told)
	})
	for _, r := range got {
		if r.Check != "" && !r.Passed {
			deps.Note("%s", render.Line(r.String(), 0))
		}
	}
	if err == nil && len(got) > 0 {
		deps.Note("%s answers %s as it should", from.ID, render.Count(len(got), "check", "checks"))
	}
	return err
}

// tellChanged says which of what a pipeline runs changes.
func (deps *Deps) tellChanged(now, next *revisions.Record) {
	if now == nil {
		return
	}
	for _, x := range []struct{ what, old, new string }{
		{"image", revisions.Pinned(now.Image, now.ImageDigest), revisions.Pinned(next.Image, next.ImageDigest)}, {"model", now.Model, next.Model}, {"code", now.Code, next.Code},
	} {
		if x.old != x.new {
			deps.Note("  %s: %s → %s", x.what, render.Dash(render.Line(revisions.Short(x.old), 0)), render.Dash(render.Line(revisions.Short(x.new), 0)))
		}
	}
}
