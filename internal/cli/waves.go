package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/waves"
)

// fleetOptions are how an up goes through many pipelines, as it was typed.
type fleetOptions struct {
	waves  string
	order  []string
	bake   time.Duration
	stopAt string
}

// fleetFlags are added to up.
func (o *fleetOptions) fleetFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.waves, "waves", "", "update in waves: how many are done after each, as numbers or percents of all (1,10%,100%)")
	f.StringSliceVar(&o.order, "order", nil, "who comes first in waves: tags, tenants or envs (tier=canary,env=dev); the rest as in the spec")
	durationFlag(f, &o.bake, "bake", 0, "how long executions and alarms are watched after each wave but the last")
	f.StringVar(&o.stopAt, "stop-at", "0%", "stop before the next wave if more than this share of updates, or of executions, failed")
}

// byWaves is how it is meant.
type byWaves struct {
	sizes waves.Sizes
	limit waves.Limit
}

// parse refuses what cannot be meant; nil if there are no waves.
func (o *fleetOptions) parse(cmd *cobra.Command) (*byWaves, error) {
	if o.waves == "" {
		for _, name := range []string{"order", "bake", "stop-at"} {
			if cmd.Flags().Changed(name) {
				return nil, wrongFlag(name, cmd.Flags().Lookup(name).Value.String(), "it says something of waves only").
					WithHint("Add --waves 1,10%%,100%%.")
			}
		}
		return nil, nil
	}
	sizes, err := waves.ParseSizes(o.waves)
	if err != nil {
		return nil, err
	}
	if _, err := waves.Order(nil, o.order); err != nil {
		return nil, err
	}
	var share float64
	if text, ok := strings.CutSuffix(o.stopAt, "%"); !ok || floatUpTo(&share, 100).Set(text) != nil {
		return nil, wrongFlag("stop-at", o.stopAt, "it is no share from 0%% to 100%%").WithHint("Write it in percent: --stop-at 2%%.")
	}
	return &byWaves{sizes, waves.Limit{StopAt: share}}, nil
}

// fleetDoc is what came of the waves in the document of up.
type fleetDoc struct {
	// Waves are the names of the pipelines, in the order of the waves.
	Waves [][]string `json:"waves"`
	// Done is how many waves ended well; the last of them was not watched.
	Done int `json:"done"`
	// Stopped says why the fleet was stopped.
	Stopped string `json:"stopped,omitempty"`
}

// inWaves updates the pipelines wave by wave. Those of the waves that were not begun are
// among the results, with the revision that they are on.
func inWaves(ctx context.Context, deps *Deps, o *deployOptions, q *question) (*view, []app.PipelineResult, *fleetDoc, error) {
	list, err := waves.Order(q.pipelines, o.fleetOptions.order)
	if err != nil {
		return nil, nil, nil, err
	}
	groups := waves.Split(list, o.fleet.sizes)
	doc := &fleetDoc{Waves: make([][]string, len(groups))}
	for i, wave := range groups {
		for _, p := range wave {
			doc.Waves[i] = append(doc.Waves[i], p.ID.String())
		}
	}
	v, err := newView(deps, false, 0, false)
	if err != nil {
		return nil, nil, nil, err
	}
	v.expect(q.planned)
	var results []app.PipelineResult
	since := deps.app().Clock().Now()
	for i, wave := range groups {
		deps.Note("wave %d of %d: %s", i+1, len(groups), someOf(doc.Waves[i]))
		v.board = newBoard(deps, len(wave), false)
		part := *q
		part.pipelines = wave
		some, err := operate(ctx, deps, o.request(&part), v)
		if results = append(results, some...); err != nil && len(results) == 0 {
			return v, nil, doc, err
		}
		kind := fault.Deployment
		if err == nil {
			doc.Stopped = o.fleet.updates(results)
		}
		if err == nil && doc.Stopped == "" && i < len(groups)-1 {
			doc.Stopped, err = o.watch(ctx, deps, list[:len(results)], since)
		}
		if err != nil {
			kind, doc.Stopped = fault.KindOf(err), err.Error()
		}
		if fault.KindOf(err) == fault.Canceled || pipelines.Summarize(results).Cancelled > 0 {
			kind, doc.Stopped = fault.Canceled, "it was interrupted"
		}
		if doc.Stopped != "" {
			return v, append(results, deps.notBegun(ctx, list[len(results):],
				fault.New(kind, "not begun: after wave %d of %d the fleet was stopped: %s", i+1, len(groups), doc.Stopped))...), doc, nil
		}
		doc.Done = i + 1
	}
	return v, results, doc, nil
}

// updates tells why the results so far stop the fleet.
func (f *byWaves) updates(results []app.PipelineResult) string {
	failed := 0
	for _, r := range results {
		if r.Err != nil {
			failed++
		}
	}
	return f.limit.Updates(failed, len(results))
}

// watch looks at what was updated for as long as it is to bake.
func (o *deployOptions) watch(ctx context.Context, deps *Deps, list []*spec.Pipeline, since time.Time) (string, error) {
	if o.bake > 0 {
		deps.Note("watching executions and alarms for %s", render.Duration(o.bake))
	}
	return waves.Bake(ctx, deps.app().Clock(), o.bake, o.fleet.limit, func(ctx context.Context) (waves.Seen, error) {
		return deps.app().FleetHealth(ctx, list, since)
	})
}

// notBegun are the results of pipelines that were left as they are.
func (deps *Deps) notBegun(ctx context.Context, list []*spec.Pipeline, why error) []app.PipelineResult {
	out := make([]app.PipelineResult, 0, len(list))
	for _, p := range list {
		r := app.PipelineResult{ID: p.ID, Skipped: true, Err: why}
		if x, err := deps.app().Find(context.WithoutCancel(ctx), p.ID); err == nil {
			if ledger, err := pipelines.Ledger(x.State); err == nil {
				r.Revision = ledger.Current
			}
		}
		out = append(out, r)
	}
	return out
}

// fleetText tells what the waves came to, and how to go on.
func fleetText(deps *Deps, d *fleetDoc, results []app.PipelineResult) string {
	if d == nil || d.Stopped == "" {
		return ""
	}
	left := "No pipeline is"
	if n := pipelines.Summarize(results).NotBegun; n > 0 {
		left = render.Count(n, "pipeline is", "pipelines are")
	}
	return deps.OutStyle.Warn.Render(fmt.Sprintf("stopped after wave %d of %d: %s", d.Done+1, len(d.Waves), render.Line(d.Stopped, 0))) + "\n" +
		fmt.Sprintf("%s left as they are. The same command goes on, --failed with those that failed; `pipelinetui rollback PIPELINE` takes one back that was up before.\n", left)
}
