package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/plans"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/version"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// A plan is saved by preview and applied by up: exactly what was shown, or nothing. What
// would be done is looked at again before, of all pipelines, and held against the plan.

// savedPlan are the two ends of it, as they were typed.
type savedPlan struct {
	// save is --save-plan of preview, apply is --plan of up.
	save, apply string
}

func (s *savedPlan) saveFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.save, "save-plan", "", "write what is shown to a file, for up --plan")
	files(cmd, "save-plan")
}

func (s *savedPlan) applyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.apply, "plan", "", "apply the plan of preview --save-plan: exactly what was shown, or nothing")
	files(cmd, "plan")
}

// recall reads the plan that is to be applied, and takes over how its pipelines were chosen
// where the command line chooses none; nil if there is none.
func (o *deployOptions) recall(ctx context.Context) (*plans.Plan, error) {
	if o.saved.apply == "" {
		return nil, nil
	}
	raw, err := outside.ReadFile(ctx, "the plan", o.saved.apply, plans.MaxBytes)
	if err != nil {
		return nil, err
	}
	p, err := plans.Decode(o.saved.apply, raw)
	if err != nil {
		return nil, err
	}
	if o.refresh && !p.Refresh {
		return nil, wrongFlag("refresh", nil, "the plan was made without it, and what it finds is not in the plan").
			WithHint("Leave it out, or make the plan with --refresh.")
	}
	o.refresh = p.Refresh
	if o.file == "" && !o.chooses() && !o.failed {
		was := p.Selection
		o.args, o.file, o.tenant, o.labels, o.failed = was.Pipelines, was.File, was.Tenant, was.Labels, was.Failed
		if o.template == "" {
			o.template = was.Template
		}
	}
	if o.rollout == "" {
		o.rollout = p.Selection.Rollout
	}
	if missing := unset(p.Selection.Set, o.set); len(missing) > 0 {
		return nil, wrongFlag("set", nil, "the plan was made with --set of %s, whose values are not in it", strings.Join(missing, ", ")).
			WithHint("Give the same --set again.")
	}
	return p, nil
}

// unset are the names that are not among name=value.
func unset(names, set []string) (out []string) {
	for _, name := range names {
		if !slices.ContainsFunc(set, func(one string) bool { return setName(one) == name }) {
			out = append(out, name)
		}
	}
	return out
}

// setName is the name in name=value.
func setName(one string) string {
	name, _, _ := strings.Cut(one, "=")
	return name
}

// selected is how the pipelines were chosen, without values that may be secret.
func (o *deployOptions) selected() plans.Selection {
	s := plans.Selection{Pipelines: o.args, File: o.file, Template: o.template, Tenant: o.tenant, Labels: o.labels, Failed: o.failed, Rollout: o.rollout}
	for _, one := range o.set {
		if name := setName(one); !slices.Contains(s.Set, name) {
			s.Set = append(s.Set, name)
		}
	}
	return s
}

// canSave refuses a file that cannot be written, before anything is looked at.
func (s *savedPlan) canSave(ctx context.Context) error {
	if s.save == "" {
		return nil
	}
	_, err := outside.Do(ctx, s.save, func() (struct{}, error) {
		dir, err := os.Stat(filepath.Dir(s.save))
		if err == nil && !dir.IsDir() {
			err = fault.New(fault.Invalid, "%s is no folder", filepath.Dir(s.save))
		}
		if at, statErr := os.Stat(s.save); err == nil && statErr == nil && !at.Mode().IsRegular() {
			err = fault.New(fault.Invalid, "%s is there, and no file", s.save)
		}
		return struct{}{}, err
	})
	if err != nil && fault.KindOf(err) != fault.Canceled {
		return wrongFlag("save-plan", s.save, "the plan cannot be written there: %v", fault.Reason(err)).WithHint("Name a file in a folder that is there.")
	}
	return err
}

// placeOf is where a plan is to be applied.
func placeOf(deps *Deps, t *app.Target) plans.Place {
	where := plans.Place{Target: t.Name, Account: t.Account, Backend: deps.app().Backend()}
	if t.Name != app.TargetSandbox {
		where.Endpoint = t.Endpoint // that of the sandbox is another one after each start
	}
	return where
}

// planOf is what was found of pipelines as a plan. The error is that of one that has none.
func (o *deployOptions) planOf(deps *Deps, t *app.Target, v *view, results []app.PipelineResult, salt []byte) (*plans.Plan, error) {
	p := plans.New(deps.now(), version.Version, placeOf(deps, t), salt)
	p.Selection, p.Refresh, p.Policies = o.selected(), o.refresh, o.policies.known
	for _, r := range results {
		var rows []stack.Row
		if progress := v.progress[r.ID]; progress != nil {
			rows = progress.Rows()
		}
		if err := p.Add(r, rows); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// write saves a preview. There is no plan of a preview that failed, and the file is whole or
// as it was.
func (o *deployOptions) write(deps *Deps, t *app.Target, v *view, results []app.PipelineResult, salt []byte) error {
	for _, r := range results {
		if r.Err != nil {
			deps.Note("no plan is written: not all pipelines could be looked at")
			return nil //nolint:nilerr // the error of the preview is the command's
		}
	}
	if len(results) == 0 {
		deps.Note("no plan is written: there is nothing to look at")
		return nil
	}
	p, err := o.planOf(deps, t, v, results, salt)
	if err != nil {
		return err
	}
	raw, err := p.Encode()
	if err != nil {
		return err
	}
	if err := wholefile.WriteFile(o.saved.save, raw, 0o600); err != nil {
		return aboutFlag("save-plan", o.saved.save, outside.WriteFault("the plan", o.saved.save, err))
	}
	deps.Note("the plan of %s is in %s: `pipelinetui up --plan %s` applies it", render.Count(len(results), "pipeline", "pipelines"), o.saved.save, fault.Shell(o.saved.save))
	return nil
}

// mostDifferences is how many differences from a plan are told.
const mostDifferences = 20

// hold looks at what would be done now and holds it against the plan. Nothing has been
// changed if it is not the same.
func (q *question) hold(ctx context.Context, p *plans.Plan) error {
	if len(q.aside) > 0 {
		return q.aside[0].Err
	}
	if where := p.Elsewhere(placeOf(q.deps, q.target)); where != "" {
		return fault.New(fault.Conflict, "%s cannot be applied here: %s", q.o.saved.apply, where).
			WithHint("Apply it with the target, the credentials and the backend that it was made with.")
	}
	if p.Tool != version.Version {
		q.deps.Note("the plan was made by version %s, and this is %s", render.Line(p.Tool, 0), version.Version)
	}
	q.salt = p.Salt
	var v *view
	var results []app.PipelineResult
	if len(q.pipelines) > 0 {
		var err error
		if v, results, err = q.look(ctx); err != nil {
			return err
		}
	}
	now, err := q.o.planOf(q.deps, q.target, v, results, p.Salt)
	if err != nil {
		return err
	}
	found := p.Differences(now)
	if len(found) == 0 {
		return nil
	}
	errs := fault.List{fault.New(fault.Conflict, "%s is not what would be done now, and nothing was changed: %s", q.o.saved.apply,
		render.Count(len(found), "difference", "differences")).WithHint("Make the plan again with `pipelinetui preview --save-plan`, and look at it.")}
	for i, text := range found {
		if i == mostDifferences {
			errs = append(errs, fault.New(fault.Conflict, "and %d more", len(found)-i))
			break
		}
		errs = append(errs, fault.New(fault.Conflict, "%s", text))
	}
	return errs
}
