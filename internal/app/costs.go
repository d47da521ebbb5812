package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// pricesFile is where `costs refresh` keeps what it was given.
func (a *App) pricesFile() string {
	return filepath.Join(a.opts.Settings.Paths.Home, "prices.json")
}

// Prices are those that come with the program, and those of `costs refresh`: the newer
// ones count.
func (a *App) Prices(ctx context.Context) (*costs.Prices, error) {
	return a.prices.get(ctx, "the prices", func(ctx context.Context) (*costs.Prices, error) {
		own, err := costs.Builtin()
		if err != nil {
			return nil, err
		}
		fetched, _, err := a.fetched(ctx)
		if err != nil {
			return nil, err
		}
		if fetched == nil {
			return own, nil
		}
		return fetched.Over(own), nil
	})
}

// fetched are the prices of the file in the home, and its text; nil if there is none.
func (a *App) fetched(ctx context.Context) (*costs.Prices, []byte, error) {
	raw, err := outside.ReadFile(ctx, "the price file", a.pricesFile(), costs.MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := costs.Parse("the price file "+a.pricesFile(), raw)
	return p, raw, err
}

// RefreshedPrices are what `costs refresh` has brought.
type RefreshedPrices struct {
	costs.Refreshed
	File string
}

// RefreshPrices reads AWS's price list for the regions, without which for all that there
// are prices for already and the one of the settings, and keeps it in the home, whole or
// not at all; what is there of other regions stays. base is the list's address, "" for
// AWS's own.
func (a *App) RefreshPrices(ctx context.Context, base string, regions []string, told func(service, region string)) (*RefreshedPrices, error) {
	file := a.pricesFile()
	// Before anything is read: a list of 100 MB that cannot be kept is for nothing.
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, outside.WriteFault("the price file", file, err)
	}
	own, err := costs.Builtin()
	if err != nil {
		return nil, err
	}
	there, kept, err := a.fetched(ctx)
	if fault.KindOf(err) == fault.Damaged {
		there, kept, err = nil, nil, nil // it is got anew, which is the way out of that
	}
	if err != nil {
		return nil, err
	}
	if len(regions) == 0 {
		if there != nil {
			own = there.Over(own)
		}
		if regions = own.Regions(); a.opts.Settings.String(settings.Region) != "" && !slices.Contains(regions, a.opts.Settings.String(settings.Region)) {
			regions = append(regions, a.opts.Settings.String(settings.Region))
		}
	}
	got, err := (&costs.Refresh{Base: base, Regions: regions, Kept: kept, Told: told}).Run(ctx)
	if err != nil {
		return nil, err
	}
	if err := wholefile.WriteFile(file, got.File, 0o600); err != nil {
		return nil, outside.WriteFault("the price file", file, err)
	}
	return &RefreshedPrices{Refreshed: *got, File: file}, nil
}

// Costs are what a pipeline costs, as far as that can be told beforehand.
type Costs struct {
	Fixed costs.Fixed
	// Before is the fixed part of what is deployed; nil if it was not asked for, and nothing
	// if there is nothing.
	Before *costs.Fixed
	// PerThousand is what 1,000 executions cost by being run, PerMillion an execution over
	// a data set of 1,000,000 items. One of them is nil, or both if there is no definition.
	PerThousand, PerMillion *costs.Use
}

// Costs tells what a pipeline will cost, without asking AWS. Deployed is what there is of
// it now, if that was looked at.
func (a *App) Costs(ctx context.Context, p *spec.Pipeline, deployed *Existing) (*Costs, error) {
	prices, err := a.Prices(ctx)
	if err != nil {
		return nil, err
	}
	d, err := a.outline(ctx, p)
	if err != nil {
		return nil, err
	}
	types := make([]string, len(d.Planned))
	for i, x := range d.Planned {
		types[i] = x.Type
	}
	out := costsOf(prices, p, types, workload(p, d.Definition))
	if deployed != nil {
		before := deployedCosts(prices, deployed)
		out.Before = &before
	}
	return out, nil
}

// CostsOf tells what pipelines that there are cost, by their states, in the order of the
// list; nil for one of which too little is known.
func (a *App) CostsOf(ctx context.Context, list []Existing) ([]*Costs, error) {
	prices, err := a.Prices(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]*Costs, len(list))
	for i := range list {
		x := &list[i]
		if x.Spec == nil || x.State == nil {
			continue
		}
		out[i] = costsOf(prices, x.Spec, typesOf(x.State), workloadOf(x))
	}
	return out, nil
}

// workloadOf is how a pipeline works that there is.
func workloadOf(x *Existing) *costs.Workload {
	m, err := pipelines.NewMachine(x)
	if err != nil {
		return nil
	}
	return workload(x.Spec, m.Definition)
}

func typesOf(s *stack.State) []string {
	types := make([]string, len(s.Resources))
	for i, r := range s.Resources {
		types[i] = r.Type
	}
	return types
}

// deployedCosts is the fixed part of a pipeline as its state has it.
func deployedCosts(prices *costs.Prices, x *Existing) costs.Fixed {
	if x.Spec == nil || x.State == nil {
		return costs.Fixed{}
	}
	return prices.Monthly(costs.PartsOf(x.Spec, typesOf(x.State)))
}

func costsOf(prices *costs.Prices, p *spec.Pipeline, types []string, w *costs.Workload) *Costs {
	out := &Costs{Fixed: prices.Monthly(costs.PartsOf(p, types))}
	if w == nil {
		return out
	}
	var use costs.Use
	if w.DataSet() {
		const million = 1_000_000
		use = prices.Executions(w, 1, million)
		out.PerMillion = &use
	} else {
		const thousand = 1000
		use = prices.Executions(w, thousand, 0)
		out.PerThousand = &use
	}
	return out
}

// workload is how a pipeline works, nil if there is no definition that can be read: then
// others say what is wrong with it.
func workload(p *spec.Pipeline, definition string) *costs.Workload {
	m, err := asl.Parse(definition, asl.Options{})
	if definition == "" || err != nil {
		return nil
	}
	v := p.Parameters
	w := &costs.Workload{
		Region: p.Region, Machine: m, Arch: cmp.Or(v.String("preprocess.arch"), "arm64"), Memory: v.Int("preprocess.memoryMb"),
		Invoker: p.Names("").Invoker, InvokerMemory: program.InvokerMemory,
	}
	if v.String("endpointKind") == "serverless" {
		w.Serverless = v.Int("serverlessMemoryMb")
	}
	return w
}

// WithinCosts refuses pipelines that together cost more in a month than limit, in USD, or
// than the setting says if limit is "": by their fixed parts, with the most instances that
// autoscaling may add. What has no price is refused too, since nobody can say that it is
// within. What costs no more than what is there is let through, since it is no better to
// leave that; and a rollback, by the origins of the request, is not looked at.
func (a *App) WithinCosts(ctx context.Context, list []*spec.Pipeline, origin map[spec.ID]*revisions.Origin, limit string) error {
	text := cmp.Or(limit, a.opts.Settings.String(settings.MaxMonthlyCost))
	if text == "" {
		return nil
	}
	most, ok := costs.ParseMoney(text)
	if !ok {
		return fault.New(fault.Invalid, "%q is not an amount in USD", text).WithHint("Give it as 200 or 99.50.")
	}
	var after, before []costs.Fixed
	var asked []*spec.Pipeline
	for _, p := range list {
		if o := origin[p.ID]; o != nil && o.RollbackTo > 0 {
			continue
		}
		c, err := a.Costs(ctx, p, nil)
		if err != nil {
			return fault.Wrap(err, "%s", p.ID)
		}
		asked, after = append(asked, p), append(after, c.Fixed)
	}
	refused := costs.Within(costs.Sum(after), most)
	if refused == nil {
		return nil
	}
	prices, err := a.Prices(ctx)
	if err != nil {
		return err
	}
	for _, p := range asked {
		x, err := a.Find(ctx, p.ID)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			x = &Existing{ID: p.ID}
		case err != nil:
			return refused // what is there now is not known
		}
		before = append(before, deployedCosts(prices, x))
	}
	if !costs.Rises(before, after) {
		return nil
	}
	return refused
}

// UsedCosts are what a pipeline has cost over a time, by what was measured.
type UsedCosts struct {
	Health
	// Costs is nil if too little is known of the pipeline.
	*Costs
	// Used is nil if AWS could not be asked; Health.Err says why.
	Used *costs.Use
}

// UsedCosts asks CloudWatch and SageMaker what pipelines have done, and tells what that
// costs, in the order of the list. calls is how many GetMetricData it took.
func (a *App) UsedCosts(ctx context.Context, list []Existing, q health.Question) (out []UsedCosts, calls int, err error) {
	prices, err := a.Prices(ctx)
	if err != nil {
		return nil, 0, err
	}
	q.Paid = true
	found, calls, err := a.Health(ctx, list, q)
	if err != nil {
		return nil, calls, err
	}
	out = make([]UsedCosts, len(list))
	for i := range list {
		out[i].Health = found[i]
		x := &list[i]
		if x.Spec == nil || x.State == nil {
			continue
		}
		parts, w := costs.PartsOf(x.Spec, typesOf(x.State)), workloadOf(x)
		if found[i].Report.Seconds > 0 {
			m := measures(&found[i], parts, x.Created(), q.Until)
			m.Time(w)
			used := prices.Used(parts, w, m)
			out[i].Used = &used
		}
		out[i].Costs = costsOf(prices, x.Spec, typesOf(x.State), w)
	}
	return out, calls, nil
}

// measures are what is known of a pipeline of these parts, made at a time if that is not
// zero, up to another.
func measures(h *Health, parts costs.Parts, made, until time.Time) costs.Measures {
	of := func(name string) float64 {
		if m := h.Report.Of(name); m != nil && m.Total != nil {
			return *m.Total
		}
		return 0
	}
	since := h.Report.Since
	if made.After(since) {
		since = made
	}
	m := costs.Measures{
		Hours: max(0, until.Sub(since).Hours()), Executions: of(health.Started), Calls: of(health.Calls), CallMS: of(health.CallTime),
		Answers: of(health.Invocations), AnswerMS: of(health.ModelTime),
	}
	if h.Instances != nil {
		m.Instances = int(*h.Instances)
	}
	m.Unseen = h.Created.IsZero() || h.Instances == nil && parts.Instance != ""
	m.EndpointHours = max(0, until.Sub(h.Report.Since).Hours())
	if h.Created.After(h.Report.Since) {
		m.EndpointHours = max(0, until.Sub(h.Created).Hours())
	}
	return m
}

// priceIdle adds to what planned resources cost while nothing runs how much that is.
func priceIdle(prices *costs.Prices, p *spec.Pipeline, planned []spec.Planned) {
	for i := range planned {
		x := &planned[i]
		if x.Idle == "" {
			continue
		}
		f := prices.Monthly(costs.PartsOf(p, []string{x.Type}))
		switch {
		case len(f.Unknown) > 0:
			x.Idle += ": " + f.Unknown[0]
		case len(f.Lines) > 0:
			x.Idle += fmt.Sprintf(": about %s (estimate, prices of %s)", f.Text(), prices.Date)
		}
	}
}

// measuredSince is how far back the times of calls are looked at for an estimate, and
// measuredWithin how long that may take.
const (
	measuredSince  = 24 * time.Hour
	measuredWithin = 2 * time.Second
)

// BatchCosts is what executions of a pipeline will cost, each over so many items of a data
// set (0 of one input), with the times of calls and answers that CloudWatch has measured; if
// it can't be asked, or does not answer at once, with what is assumed. It is nil if the
// definition is not known.
func (a *App) BatchCosts(ctx context.Context, m *Machine, executions, items int64) (*costs.Use, error) {
	if m.Pipeline == nil || m.Pipeline.Spec == nil {
		return nil, nil
	}
	prices, err := a.Prices(ctx)
	if err != nil {
		return nil, err
	}
	w := workload(m.Pipeline.Spec, m.Definition)
	if w == nil {
		return nil, nil
	}
	now := a.opts.Clock.Now()
	timed(ctx, w, func(ctx context.Context) (costs.Measures, error) {
		found, _, err := a.Health(ctx, []Existing{*m.Pipeline}, health.Question{Since: now.Add(-measuredSince), Until: now, Paid: true, Bare: true})
		if err != nil {
			return costs.Measures{}, err
		}
		return measures(&found[0], costs.Parts{}, time.Time{}, now), nil
	})
	use := prices.Executions(w, executions, items)
	return &use, nil
}

// timed gives a workload the times that were measured, if they are told soon.
func timed(ctx context.Context, w *costs.Workload, ask func(context.Context) (costs.Measures, error)) {
	ctx, cancel := context.WithTimeout(ctx, measuredWithin)
	defer cancel()
	if m, err := ask(ctx); err == nil {
		m.Time(w)
	}
}
