package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// metricsOptions are those of metrics.
type metricsOptions struct {
	pipelines []string
	all       bool
	since     string
	watch     bool
	every     time.Duration
}

func newMetrics(deps *Deps, do action[metricsOptions]) *cobra.Command {
	o := &metricsOptions{}
	cmd := &cobra.Command{
		Use:   "metrics PIPELINE...",
		Short: "how pipelines are: invocations, errors, latencies, executions",
		Long: `Shows what CloudWatch knows of a pipeline: invocations and errors of its endpoint, the
latency of the model and what SageMaker adds, the function, executions by how they ended,
and failures that wait in the queue; with the endpoint's instances and the rates of Map
Runs. Percentiles are of each period: the newest and the worst are shown.

Several pipelines ('acme/*', --all) are a line each. An endpoint that was not invoked is
marked with how long that is so: it costs all the same.

All pipelines are asked about in calls of 500 metrics: up to 32 for one pipeline, 7 for
each of several. AWS wants about 0.01 USD for 1,000 metrics, so --watch on 40 pipelines
costs 0.17 USD an hour. Metrics reach CloudWatch a minute or two late.`,
		Example: `  pipelinetui metrics acme/fraud --since 24h
  pipelinetui metrics 'acme/*' --watch`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipelines = args
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "all pipelines")
	f.StringVar(&o.since, "since", "1h", "from when on: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	f.BoolVarP(&o.watch, "watch", "w", false, "ask again and again, until it is interrupted")
	durationFlag(f, &o.every, "every", time.Minute, "how often --watch asks, 10s at least")
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	return reads(cmd)
}

// healthDoc is one pipeline in machine output.
type healthDoc struct {
	Pipeline string `json:"pipeline"`
	health.Report
	EndpointStatus string `json:"endpointStatus,omitempty"`
	Instances      *int32 `json:"instances,omitempty"`
	Wanted         *int32 `json:"instancesWanted,omitempty"`
	Idle           bool   `json:"idle"`
	idleSince      time.Time
	LastInvoked    *time.Time `json:"lastInvoked,omitempty"`
	// MonthlyCost is what an idle one costs in a month by being there, in USD, an estimate.
	MonthlyCost *costs.Money `json:"monthlyCost,omitempty"`
	MapRuns     []rateDoc    `json:"mapRuns,omitempty"`
	Error       *errorDoc    `json:"error,omitempty"`
}

// rateDoc is how fast a Map Run goes.
type rateDoc struct {
	executions.MapRun
	ItemsPerSecond float64 `json:"itemsPerSecond"`
}

// metricsDoc is a look at several pipelines.
type metricsDoc struct {
	console.Header
	At        time.Time   `json:"at"`
	Calls     int         `json:"calls"`
	Pipelines []healthDoc `json:"pipelines"`
}

func runMetrics(ctx context.Context, deps *Deps, o *metricsOptions) error {
	switch {
	case len(o.pipelines) == 0 && !o.all:
		return fault.New(fault.Invalid, "metrics needs a pipeline").WithHint("Name one, a pattern such as 'acme/*', or --all.")
	case len(o.pipelines) > 0 && o.all:
		return wrongFlag("all", nil, "--all and names cannot go together").WithHint("Leave one of them out.")
	case o.every < 10*time.Second:
		return wrongFlag("every", nil, "it has to be 10s or more").WithHint("Metrics are of whole minutes.")
	}
	if o.watch {
		if err := deps.endless(); err != nil {
			return err
		}
	}
	list, err := deps.app().Existing(ctx, o.pipelines, nil)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.New(fault.NotFound, "no pipeline matches").WithHint("Run `pipelinetui list` to see what there is.")
	}
	if !o.watch {
		doc, unasked, err := lookAtHealth(ctx, deps, o, list)
		if err != nil {
			return err
		}
		if err := deps.Write(doc, func() string { return metricsText(deps, doc) }); err != nil {
			return err
		}
		return unasked
	}
	return watchHealth(ctx, deps, o, list)
}

// watchHealth looks again and again. Interrupting it is how it ends.
func watchHealth(ctx context.Context, deps *Deps, o *metricsOptions, list []app.Existing) error {
	l, err := deps.Stream()
	if err != nil {
		return err
	}
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		doc, _, err := lookAtHealth(ctx, deps, o, list)
		if err != nil {
			return err
		}
		if err := l.Emit(struct {
			Type string `json:"type"`
			*metricsDoc
		}{"metrics", doc}); err != nil {
			return err
		}
		if l == nil {
			fmt.Fprint(deps.Out, deps.OutStyle.Muted.Render(render.Stamp(doc.At))+"\n"+metricsText(deps, doc)+"\n")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fault.New(fault.Canceled, "stopped watching")
		}
	}
}

// lookAtHealth asks about the pipelines. unasked is why AWS could not be asked about some.
func lookAtHealth(ctx context.Context, deps *Deps, o *metricsOptions, list []app.Existing) (doc *metricsDoc, unasked, err error) {
	now := deps.now()
	since, err := executions.ParseSince(o.since, now)
	if err != nil {
		return nil, nil, aboutFlag("since", o.since, err)
	}
	if !since.Before(now.Add(-time.Minute)) {
		return nil, nil, wrongFlag("since", nil, "it has to be a minute ago or more").WithHint("Metrics are of whole minutes.")
	}
	all, calls, err := deps.app().Health(ctx, list, health.Question{Since: since, Until: now, Brief: len(list) > 1})
	if err != nil {
		return nil, nil, err
	}
	doc = &metricsDoc{Header: console.NewHeader("Metrics"), At: now.UTC(), Calls: calls, Pipelines: []healthDoc{}}
	month, err := deps.app().CostsOf(ctx, list)
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		d := newHealthDoc(deps, &all[i], now)
		if c := month[i]; c != nil && d.Idle && c.Fixed.Complete() {
			d.MonthlyCost = &c.Fixed.Month
		}
		doc.Pipelines = append(doc.Pipelines, d)
	}
	return doc, unaskedOf(all), nil
}

// unaskedOf is why AWS could not be asked, each reason once: a role that can't be assumed is
// that of all pipelines of a place. It is no failure that an endpoint is gone, which is
// shown, or that some of several pipelines are in another account.
func unaskedOf(all []app.Health) error {
	var list, elsewhere fault.List
	for i := range all {
		err := all[i].Err
		switch {
		case err == nil || fault.KindOf(err) == fault.NotFound:
		case fault.KindOf(err) == fault.Unsupported:
			elsewhere = append(elsewhere, fault.Wrap(err, "%s", all[i].ID))
		case !slices.ContainsFunc(list, func(o error) bool { return errors.Is(o, err) }):
			list = append(list, fault.Wrap(err, "ask about %s", all[i].ID))
		}
	}
	if len(list) == 0 && len(elsewhere) == len(all) {
		return elsewhere.OrNil()
	}
	return list.OrNil()
}

func newHealthDoc(deps *Deps, h *app.Health, now time.Time) healthDoc {
	d := healthDoc{Pipeline: h.ID.String(), Report: h.Report, EndpointStatus: h.Status, Instances: h.Instances, Wanted: h.Wanted, Idle: h.Idle, idleSince: h.IdleSince()}
	if d.Metrics == nil {
		d.Metrics = []health.Metric{}
	}
	if !h.LastInvoked.IsZero() {
		d.LastInvoked = &h.LastInvoked
	}
	if h.Err != nil {
		e := describe(deps, h.Err)
		d.Error = &e
	}
	for _, r := range h.MapRuns {
		x := rateDoc{MapRun: r}
		if took := now.Sub(r.Start).Seconds(); took > 0 {
			x.ItemsPerSecond = float64(r.Items.Succeeded+r.Items.Failed) / took
		}
		d.MapRuns = append(d.MapRuns, x)
	}
	return d
}

func metricsText(deps *Deps, d *metricsDoc) string {
	if len(d.Pipelines) == 1 {
		return healthText(deps, &d.Pipelines[0], d.At)
	}
	st := deps.OutStyle
	rows := make([][]render.Cell, len(d.Pipelines))
	for i := range d.Pipelines {
		p := &d.Pipelines[i]
		value := func(name string, total bool) render.Cell {
			m := p.Of(name)
			switch {
			case m == nil:
				return render.T("-")
			case total:
				return render.T(render.Amount(m.Total, m.Unit, "0"))
			}
			return render.T(render.Amount(m.Worst, m.Unit, "-"))
		}
		line := ""
		if m := p.Of(health.Invocations); m != nil {
			line = render.Spark(m.Series())
		}
		note := ""
		switch {
		case p.Error != nil:
			note = p.Error.Message
		case p.Idle:
			note = idleText(p, d.At)
		}
		rows[i] = []render.Cell{
			render.T(p.Pipeline), value(health.Invocations, true), value(health.ServerFails, true), value(health.ModelP50, false), value(health.ModelP99, false),
			value(health.Started, true), value(health.NotWell, true), render.T(line), render.S(render.Line(note, valueWidth), st.Warn),
		}
	}
	return render.Table(st, []string{"PIPELINE", "CALLS", "5XX", "P50", "P99", "STARTED", "FAILED", "CALLS OVER TIME", ""}, rows)
}

// idleText says how long an endpoint was not invoked.
func idleText(p *healthDoc, now time.Time) string {
	month := ""
	if p.MonthlyCost != nil && p.MonthlyCost.Sign() > 0 {
		month = fmt.Sprintf("%s %s", p.MonthlyCost, costs.Currency)
	}
	return render.Idle(p.idleSince, month, now)
}

func healthText(deps *Deps, p *healthDoc, now time.Time) string {
	st := deps.OutStyle
	var b strings.Builder
	head := []string{st.Title.Render(p.Pipeline)}
	if p.EndpointStatus != "" {
		head = append(head, "endpoint "+render.Line(p.EndpointStatus, 0))
	}
	if p.Instances != nil && p.Wanted != nil {
		head = append(head, fmt.Sprintf("%d of %s", *p.Instances, render.Count(int(*p.Wanted), "instance", "instances")))
	}
	if p.Idle {
		head = append(head, st.Warn.Render(idleText(p, now)))
	}
	fmt.Fprintln(&b, strings.Join(head, "  "))
	if p.Error != nil {
		fmt.Fprintln(&b, st.Bad.Render(render.Line(p.Error.Message, 0)))
	}
	rows := [][]render.Cell{}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		total := render.Dash("")
		if m.Total != nil {
			total = render.Amount(m.Total, m.Unit, "-")
		}
		rows = append(rows, []render.Cell{
			render.T(m.Name), render.T(total), render.T(render.Amount(m.Last, m.Unit, "-")),
			render.T(render.Amount(m.Worst, m.Unit, "-")), render.T(render.Spark(m.Series())),
		})
	}
	if len(rows) > 0 {
		b.WriteString(render.Table(st, []string{
			"METRIC", "TOTAL", "LAST", "MOST",
			fmt.Sprintf("SINCE %s, BY %s", p.Since.Format("15:04"), render.Period(time.Duration(p.Seconds)*time.Second)),
		}, rows))
	}
	for i := range p.MapRuns {
		r := &p.MapRuns[i]
		fmt.Fprintf(&b, "Map Run %s  %s of %s items  %s\n", render.Line(r.Label, 60), render.Number(r.Items.Succeeded+r.Items.Failed),
			render.Number(r.Items.Total), render.Rate(r.ItemsPerSecond))
	}
	return b.String()
}
