package app

import (
	"context"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/checks"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// CheckResult is what came of one check.
type CheckResult = checks.Result

// ChecksOf are the checks of an existing pipeline, those of its template among them.
func (a *App) ChecksOf(ctx context.Context, x *Existing) (spec.Checks, error) {
	if x.State == nil || x.State.Spec == nil {
		return nil, x.Err
	}
	cat, err := a.catalogFor(ctx, x)
	if err != nil {
		return nil, err
	}
	t, _ := cat.Lookup(x.Template()) // one that is not known has no checks of its own
	list, err := spec.ChecksIn(x.State.Spec, t)
	return list, fault.Wrap(err, "%s", x.ID)
}

// Check asks checks of an existing pipeline: of what is in service. told hears of each
// result as it comes; it may be nil.
func (a *App) Check(ctx context.Context, x *Existing, list spec.Checks, told func(CheckResult)) ([]CheckResult, error) {
	m, err := pipelines.NewMachine(x)
	if err != nil {
		return nil, err
	}
	t, err := a.checkTarget(ctx, x.Spec, m.Alias)
	if err != nil {
		return nil, err
	}
	return t.Run(ctx, list, told)
}

// checkTarget is whom checks of a pipeline are asked: a version or an alias of its machine.
func (a *App) checkTarget(ctx context.Context, p *spec.Pipeline, machine string) (*checks.Target, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return nil, err
	}
	client, err := a.Executions(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return nil, err
	}
	return &checks.Target{Client: client, Machine: machine, Results: artifacts.Client(cfg), Clock: a.opts.Clock}, nil
}

// Gate asks a pipeline what another one has to answer that is to run the same: the checks
// of both, where they have one of the same name that of the other one. It returns nil
// results if there is nothing to ask, and an error if an answer is not as it should be.
func (a *App) Gate(ctx context.Context, from *Existing, to *spec.Pipeline, told func(CheckResult)) ([]CheckResult, error) {
	own, err := a.ChecksOf(ctx, from)
	if err != nil {
		return nil, err
	}
	list := slices.Clone(to.Checks)
	for _, c := range own {
		if !slices.ContainsFunc(list, func(o spec.Check) bool { return o.Name == c.Name }) {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	slices.SortFunc(list, func(x, y spec.Check) int { return strings.Compare(x.Name, y.Name) })
	got, err := a.Check(ctx, from, list, told)
	if err != nil {
		return got, err
	}
	if failed := checks.Failed(got); len(failed) > 0 {
		return got, fault.New(fault.NotReady, "%s is not promoted to %s: %s", from.ID, to.ID, failed[0]).
			WithHint("Nothing was changed. Mend %s, or correct the check in the spec of %s.", from.ID, to.ID)
	}
	return got, nil
}
