package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// costsOptions are those of costs.
type costsOptions struct {
	pipelines []string
	all       bool
	since     string
	csv       bool
}

// costColumns are the columns of costs of several pipelines.
var costColumns = []string{"PIPELINE", "A MONTH", "USED", "A 1,000", "A MILLION", "IDLE", "REGION", "LEAST", "MOST"}

func newCosts(deps *Deps, do action[costsOptions], refresh action[pricesOptions]) *cobra.Command {
	o := &costsOptions{}
	cmd := &cobra.Command{
		Use:   "costs [PIPELINE...]",
		Short: "what pipelines cost, and have cost: an estimate",
		Long: `Tells what pipelines cost in a month by being there, what 1,000 executions cost (or a data
set of 1,000,000 items), and what was used since a time: instances as they are now for as
long as the endpoint is there, calls and answers by CloudWatch, transitions by executions.

All of it is an estimate, from AWS's public prices in USD, before taxes, discounts and free
tiers; docs/costs.md says what is counted. What has no price here is said, and counted as
nothing. In the sandbox nothing costs anything: it tells what would in an account.

AWS is asked for up to 6 metrics of each pipeline and for its endpoint.`,
		Example: `  pipelinetui costs acme/fraud --since 168h
  pipelinetui costs --all -o json
  pipelinetui costs 'acme/*' --csv > costs.csv`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pipelines = args
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "all pipelines")
	f.StringVar(&o.since, "since", "720h", "from when on: a duration (24h) or a time (2026-01-31T08:00:00Z)")
	f.BoolVar(&o.csv, "csv", false, "all lines as CSV on standard output")
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	cmd.AddCommand(newCostsRefresh(deps, refresh))
	return reads(columns(cmd, costColumns))
}

// costsDoc is what a pipeline costs, in machine output.
type costsDoc struct {
	Currency string `json:"currency"`
	// Estimate says that it is none of AWS's bills.
	Estimate bool `json:"estimate"`
	costs.Fixed
	// Before is the month of what is deployed, and Difference what the change adds to it.
	Before     *costs.Money `json:"before,omitempty"`
	Difference *costs.Money `json:"difference,omitempty"`
	// PerThousand and PerMillion are what executions cost.
	PerThousand *costs.Use     `json:"perThousandExecutions,omitempty"`
	PerMillion  *costs.Use     `json:"perMillionItems,omitempty"`
	Sources     []costs.Source `json:"sources"`
}

func newCostsDoc(c *app.Costs) *costsDoc {
	if c == nil {
		return nil
	}
	d := &costsDoc{Currency: costs.Currency, Estimate: true, Fixed: c.Fixed, PerThousand: c.PerThousand, PerMillion: c.PerMillion}
	if c.Before != nil {
		difference := c.Fixed.Month.Minus(c.Before.Month)
		d.Before, d.Difference = &c.Before.Month, &difference
	}
	prices := costs.PricesOf(c.Fixed.Lines)
	for _, u := range []*costs.Use{c.PerThousand, c.PerMillion} {
		if u != nil {
			prices = append(prices, costs.PricesOf(u.Lines)...)
		}
	}
	d.Sources = costs.Sources(prices)
	return d
}

// text is what a pipeline costs, a line or two.
func (d *costsDoc) text(st theme.Styles) string {
	parts := []string{d.Fixed.Text()}
	if d.Difference != nil {
		parts[0] += " (" + d.Difference.Signed() + " to what is there)"
	}
	if u := d.PerThousand; u != nil {
		parts = append(parts, u.Text()+" for 1,000 executions")
	}
	if u := d.PerMillion; u != nil {
		parts = append(parts, u.Text()+" for 1,000,000 items")
	}
	text := "  costs about " + strings.Join(parts, " · ")
	if len(d.Sources) > 0 && d.Sources[0].Date != "" {
		text += ", by prices of " + d.Sources[0].Date
	}
	lines := st.Muted.Render(text+" (estimate)") + "\n"
	for _, u := range d.Unknown {
		lines += st.Warn.Render("  ! "+render.Line(u, 0)) + "\n"
	}
	return lines
}

// usedDoc is a pipeline of costs.
type usedDoc struct {
	Pipeline string `json:"pipeline"`
	*costsDoc
	// Since is from when on was measured, whole periods; Used what was found.
	Since       *time.Time `json:"since,omitempty"`
	Used        *costs.Use `json:"used,omitempty"`
	Instances   *int32     `json:"instances,omitempty"`
	Idle        bool       `json:"idle"`
	LastInvoked *time.Time `json:"lastInvoked,omitempty"`
	Error       *errorDoc  `json:"error,omitempty"`
}

// costsListDoc is the document of costs.
type costsListDoc struct {
	console.Header
	At        time.Time `json:"at"`
	Currency  string    `json:"currency"`
	Estimate  bool      `json:"estimate"`
	Since     time.Time `json:"since"`
	PriceDate string    `json:"priceDate"`
	// Month and Used are the sums of all pipelines.
	Month     costs.Money `json:"month"`
	Used      costs.Money `json:"used"`
	Calls     int         `json:"calls"`
	Pipelines []usedDoc   `json:"pipelines"`
}

func runCosts(ctx context.Context, deps *Deps, o *costsOptions) error {
	switch {
	case len(o.pipelines) == 0 && !o.all:
		return fault.New(fault.Invalid, "costs needs a pipeline").WithHint("Name one, a pattern such as 'acme/*', or --all.")
	case len(o.pipelines) > 0 && o.all:
		return wrongFlag("all", nil, "--all and names cannot go together").WithHint("Leave one of them out.")
	case o.csv && deps.Machine():
		return wrongFlag("csv", nil, "it is another form of output than -o").WithHint("Leave one of them out.")
	}
	now := deps.now()
	since, err := executions.ParseSince(o.since, now)
	if err != nil {
		return aboutFlag("since", o.since, err)
	}
	if !since.Before(now.Add(-time.Minute)) {
		return wrongFlag("since", nil, "it has to be a minute ago or more").WithHint("Metrics are of whole minutes.")
	}
	list, err := deps.app().Existing(ctx, o.pipelines, nil)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.New(fault.NotFound, "no pipeline matches").WithHint("Run `pipelinetui list` to see what there is.")
	}
	prices, err := deps.app().Prices(ctx)
	if err != nil {
		return err
	}
	found, calls, err := deps.app().UsedCosts(ctx, list, health.Question{Since: since, Until: now})
	if err != nil {
		return err
	}
	doc := &costsListDoc{
		Header: console.NewHeader("Costs"), At: now.UTC(), Currency: costs.Currency, Estimate: true, Since: since.UTC(), PriceDate: prices.Date,
		Calls: calls, Pipelines: []usedDoc{},
	}
	all := make([]app.Health, len(found))
	for i := range found {
		all[i] = found[i].Health
		doc.add(newUsedDoc(deps, &found[i]))
	}
	if o.csv {
		if err := costsCSV(deps.Out, doc); err != nil {
			return err
		}
	} else if err := deps.Write(doc, func() string { return costsText(deps, doc) }); err != nil {
		return err
	}
	return unaskedOf(all)
}

func (d *costsListDoc) add(p usedDoc) {
	if p.costsDoc != nil {
		d.Month = d.Month.Plus(p.Month)
	}
	if p.Used != nil {
		d.Used = d.Used.Plus(p.Used.Total)
	}
	d.Pipelines = append(d.Pipelines, p)
}

func newUsedDoc(deps *Deps, c *app.UsedCosts) usedDoc {
	d := usedDoc{Pipeline: c.ID.String(), costsDoc: newCostsDoc(c.Costs), Used: c.Used, Instances: c.Instances, Idle: c.Idle}
	if c.Used != nil {
		d.Since = &c.Report.Since
	}
	if !c.LastInvoked.IsZero() {
		d.LastInvoked = &c.LastInvoked
	}
	if c.Err != nil {
		e := describe(deps, c.Err)
		d.Error = &e
	}
	return d
}

func costsText(deps *Deps, d *costsListDoc) string {
	foot := deps.OutStyle.Muted.Render(fmt.Sprintf("an estimate in %s by prices of %s, without taxes, discounts and free tiers", costs.Currency, d.PriceDate)) + "\n"
	if len(d.Pipelines) == 1 {
		return oneCosts(deps, &d.Pipelines[0], d.At) + foot
	}
	st := deps.OutStyle
	rows := make([][]render.Cell, len(d.Pipelines))
	for i := range d.Pipelines {
		p := &d.Pipelines[i]
		row := []render.Cell{render.T(p.Pipeline), render.T("?"), usedCell(p.Used), usedCell(nil), usedCell(nil), render.S(idleCost(p, d.At), st.Warn)}
		if c := p.costsDoc; c != nil {
			month := c.Month.String()
			if !c.Complete() {
				month += "+?"
			}
			row[1], row[3], row[4] = render.T(month), usedCell(c.PerThousand), usedCell(c.PerMillion)
			row = append(row, render.T(c.Region), render.T(c.Least.String()), render.T(c.Most.String()))
		}
		rows[i] = row
	}
	text := deps.Tabulate(console.Listing{Head: costColumns, Rows: rows, Shown: 6})
	for i := range d.Pipelines {
		if p := &d.Pipelines[i]; p.Error != nil {
			text += st.Bad.Render(p.Pipeline+": "+render.Line(p.Error.Message, 0)) + "\n"
		}
		text += unknownText(deps, &d.Pipelines[i])
	}
	month, used := d.Month.String(), d.Used.String()
	for i := range d.Pipelines {
		p := &d.Pipelines[i]
		month, used = atLeast(month, p.costsDoc != nil && p.Complete()), atLeast(used, p.Used != nil && p.Used.Complete())
	}
	return text + fmt.Sprintf("all together %s %s a month, %s used since %s\n", month, costs.Currency, used, render.Stamp(d.Since)) + foot
}

// atLeast says of a sum that a part of it is not known.
func atLeast(sum string, complete bool) string {
	const words = "at least "
	if complete || strings.HasPrefix(sum, words) {
		return sum
	}
	return words + sum
}

func usedCell(u *costs.Use) render.Cell {
	switch {
	case u == nil:
		return render.T("-")
	case !u.Complete():
		return render.T(u.Total.String() + "+?")
	}
	return render.T(u.Total.String())
}

// idleCost says how long an endpoint was not invoked, of one that costs money all the same.
func idleCost(p *usedDoc, now time.Time) string {
	if !p.Idle || p.costsDoc == nil || p.Month.Sign() == 0 {
		return ""
	}
	if p.LastInvoked == nil {
		return "15 days or more"
	}
	return render.ShortAge(*p.LastInvoked, now)
}

func unknownText(deps *Deps, p *usedDoc) string {
	var b strings.Builder
	said := []string{}
	say := func(list []string) {
		for _, u := range list {
			if !slices.Contains(said, u) {
				said = append(said, u)
				fmt.Fprintln(&b, deps.OutStyle.Warn.Render("! "+p.Pipeline+": "+render.Line(u, 0)))
			}
		}
	}
	if p.costsDoc != nil {
		say(p.Unknown)
	}
	if p.Used != nil {
		say(p.Used.Unknown)
	}
	return b.String()
}

func oneCosts(deps *Deps, p *usedDoc, now time.Time) string {
	st := deps.OutStyle
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", st.Title.Render(p.Pipeline))
	if p.Error != nil {
		fmt.Fprintln(&b, st.Bad.Render(render.Line(p.Error.Message, 0)))
	}
	if idle := idleCost(p, now); idle != "" {
		fmt.Fprintln(&b, st.Warn.Render(fmt.Sprintf("idle for %s, at %s", idle, p.Fixed.Text())))
	}
	part := func(title string, lines []costs.Line, total string) {
		rows := [][]render.Cell{}
		for _, l := range lines {
			price, amount := "?", "?"
			if l.Price != nil {
				price, amount = l.Price.USD.Exact()+" per "+l.Unit, l.Amount.String()
			}
			rows = append(rows, []render.Cell{render.T(l.What), render.T(l.Quantity.String()), render.T(price), render.T(amount), render.S(l.Basis, st.Muted)})
		}
		fmt.Fprintf(&b, "%s  %s\n", st.Key.Render(title), total)
		if len(rows) > 0 {
			b.WriteString(render.TableBelow(st, []string{"WHAT", "QUANTITY", "PRICE", costs.Currency, ""}, rows))
		}
	}
	if p.costsDoc != nil {
		part("By being there", p.Fixed.Lines, p.Fixed.Text())
		if u := p.PerThousand; u != nil {
			part("1,000 executions", u.Lines, u.Text())
		}
		if u := p.PerMillion; u != nil {
			part("1,000,000 items", u.Lines, u.Text())
		}
	}
	if u := p.Used; u != nil {
		part("Used since "+render.Stamp(*p.Since), u.Lines, u.Text())
	}
	return b.String() + unknownText(deps, p)
}

// costsCSV writes each line of each pipeline.
func costsCSV(out io.Writer, d *costsListDoc) error {
	w := csv.NewWriter(out)
	_ = w.Write([]string{"pipeline", "part", "what", "item", "quantity", "unit", "price", "amount", "currency", "basis"}) // Flush tells
	for i := range d.Pipelines {
		p := &d.Pipelines[i]
		part := func(name string, lines []costs.Line) {
			for _, l := range lines {
				price, amount := "", ""
				if l.Price != nil {
					price, amount = l.Price.USD.Exact(), l.Amount.Exact()
				}
				_ = w.Write([]string{p.Pipeline, name, l.What, string(l.Item), l.Quantity.String(), l.Unit, price, amount, costs.Currency, l.Basis})
			}
		}
		if p.costsDoc != nil {
			part("month", p.Fixed.Lines)
			if p.PerThousand != nil {
				part("1000 executions", p.PerThousand.Lines)
			}
			if p.PerMillion != nil {
				part("1000000 items", p.PerMillion.Lines)
			}
		}
		if p.Used != nil {
			part("used", p.Used.Lines)
		}
	}
	w.Flush()
	return w.Error()
}

// pricesOptions are those of costs refresh.
type pricesOptions struct {
	from    string
	regions []string
}

func newCostsRefresh(deps *Deps, do action[pricesOptions]) *cobra.Command {
	o := &pricesOptions{}
	cmd := &cobra.Command{
		Use:   "refresh",
		Short: "get AWS's public prices",
		Long: `Reads AWS's public price list, which needs no credentials, and keeps what is counted here
in the file prices.json of the home: about 10 MB a region pass by, nothing of them is kept.
The prices of other regions that are there stay, and for what the list has not those that
come with the program. If anything is wrong with what comes, nothing is changed.`,
		Example: `  pipelinetui costs refresh
  pipelinetui costs refresh --regions eu-central-1,ap-southeast-2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd.Context(), deps, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", costs.PriceList, "address of the price list, or of a copy")
	f.StringSliceVar(&o.regions, "regions", nil, "regions (default those that there are prices for, and the session's)")
	return changes(cmd)
}

func runCostsRefresh(ctx context.Context, deps *Deps, o *pricesOptions) error {
	got, err := deps.app().RefreshPrices(ctx, o.from, o.regions, func(service, region string) { deps.Note("%s in %s", service, region) })
	if err != nil {
		return err
	}
	for _, m := range got.Missing {
		deps.Note("the price list has no %s", render.Line(m, 0))
	}
	if len(got.Kept) > 0 {
		deps.Note("as they were are the prices of %s", someOf(got.Kept))
	}
	for _, m := range got.Odd {
		deps.Note("left out: %s", render.Line(m, 0))
	}
	doc := struct {
		console.Header
		File      string   `json:"file"`
		Prices    int      `json:"prices"`
		Published string   `json:"published"`
		Regions   []string `json:"regions"`
		Kept      []string `json:"kept,omitempty"`
		Missing   []string `json:"missing,omitempty"`
		LeftOut   []string `json:"leftOut,omitempty"`
	}{console.NewHeader("Prices"), got.File, got.Prices, got.Published, got.Regions, got.Kept, got.Missing, got.Odd}
	return deps.Write(doc, func() string {
		return fmt.Sprintf("%s of %s, published up to %s, are in %s\n", render.Count(got.Prices, "price", "prices"),
			render.Count(len(got.Regions), "region", "regions"), got.Published, got.File)
	})
}

// costFlag adds --max-monthly-cost.
func (o *deployOptions) costFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.maxCost, "max-monthly-cost", "",
		"USD a month that the pipelines may cost together by being there (default by the setting maxMonthlyCost); more is refused before anything is changed")
}

// withinCosts refuses an up that would cost more than it may, before anything is asked.
func (o *deployOptions) withinCosts(ctx context.Context, deps *Deps, c *chosen) error {
	if o.operation != stack.OperationUp {
		return nil
	}
	return aboutCost(o.maxCost, deps.app().WithinCosts(ctx, c.pipelines, o.origin, o.maxCost))
}

func aboutCost(given string, err error) error {
	if given == "" {
		return err
	}
	return aboutFlag("max-monthly-cost", given, err)
}

// costsBefore are what the pipelines of a preview or a question will cost, and what is there
// now. That it cannot be told is no reason not to go on.
func costsBefore(ctx context.Context, deps *Deps, list []*spec.Pipeline) map[spec.ID]*app.Costs {
	found := make([]*app.Costs, len(list))
	var g errgroup.Group
	g.SetLimit(fleet.Askers)
	for i, p := range list {
		g.Go(func() error { found[i] = costBefore(ctx, deps, p); return nil })
	}
	_ = g.Wait() // none gives an error
	out := map[spec.ID]*app.Costs{}
	for i, p := range list {
		out[p.ID] = found[i]
	}
	return out
}

func costBefore(ctx context.Context, deps *Deps, p *spec.Pipeline) *app.Costs {
	deployed, err := deps.app().Find(ctx, p.ID)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		deployed = &app.Existing{ID: p.ID}
	case err != nil:
		deployed = nil
	}
	c, err := deps.app().Costs(ctx, p, deployed)
	if err != nil {
		deps.Note("%s: it is not known what it will cost: %s", p.ID, render.Line(err.Error(), 0))
	}
	return c
}
