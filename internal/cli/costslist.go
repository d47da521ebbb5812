package cli

import (
	"context"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// idleAfter is how long nobody has asked an endpoint that a list calls idle.
const idleAfter = 24 * time.Hour

// addCosts adds what pipelines cost, and if AWS may be asked which endpoints are idle. What
// could not be asked is a warning as everywhere in a list.
func (deps *Deps) addCosts(ctx context.Context, list []pipelines.Pipeline, docs []pipelineDoc, l *asking) error {
	found, err := deps.app().CostsOf(ctx, list)
	if err != nil {
		return err
	}
	for i := range docs {
		docs[i].Costs = newCostsDoc(found[i])
	}
	if !l.asked {
		return nil
	}
	now := deps.now()
	all, _, err := deps.app().Health(ctx, list, health.Question{Since: now.Add(-idleAfter), Until: now, Brief: true})
	if err != nil {
		l.warn(deps, "", err)
		return nil
	}
	for i := range all {
		docs[i].Idle = all[i].Idle
		if !all[i].LastInvoked.IsZero() {
			docs[i].LastInvoked = &all[i].LastInvoked
		}
	}
	return nil
}

// monthText is what a pipeline costs in a month, "-" if that was not asked or is not known.
func (d *pipelineDoc) monthText() string {
	switch {
	case d.Costs == nil:
		return "-"
	case !d.Costs.Complete():
		return d.Costs.Month.String() + "+?"
	}
	return d.Costs.Month.String()
}

// idleText is how long an endpoint was not invoked which costs money all the same.
func (d *pipelineDoc) idleText(now time.Time) string {
	switch {
	case !d.Idle || d.Costs == nil || d.Costs.Month.Sign() == 0:
		return ""
	case d.LastInvoked == nil:
		return "15 days or more"
	}
	return render.ShortAge(*d.LastInvoked, now)
}
