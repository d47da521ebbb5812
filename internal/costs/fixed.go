package costs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// HoursAMonth is how long a month is, as AWS's own calculator has it.
const HoursAMonth = 730

// scalingAlarms are what a policy of target tracking makes of CloudWatch alarms by itself:
// one to add instances, one to take them away.
// (autoscaling/application/userguide/application-auto-scaling-target-tracking.html)
const scalingAlarms = 2

// Parts are what of a pipeline costs money by time.
type Parts struct {
	Region string
	// Instance is the endpoint's machine type, "" if it has no endpoint or a serverless one.
	Instance string
	// Initial is with how many instances it starts, and how many it has without autoscaling;
	// Min and Max are autoscaling's, both 0 without it.
	Initial, Min, Max int
	// VolumeGB is the volume of each instance, 0 if none was asked for.
	VolumeGB int
	// Memory is that of a serverless endpoint in MB, and Kept its kept capacity.
	Memory, Kept int
	// Alarms and Keys are how many there are; alarms without those of autoscaling.
	Alarms, Keys int
}

// PartsOf are the parts of a pipeline that consists of resources of these types: those that
// are planned, or those of its state.
func PartsOf(p *spec.Pipeline, types []string) Parts {
	v := p.Parameters
	parts := Parts{Region: p.Region}
	var endpoint, scales bool
	for _, t := range types {
		switch t {
		case kinds.Endpoint, kinds.FormerEndpoint:
			endpoint = true
		case kinds.ScalingTarget:
			scales = true
		case kinds.MetricAlarm:
			parts.Alarms++
		case kinds.Key:
			parts.Keys++
		}
	}
	switch {
	case !endpoint:
	case v.String("endpointKind") == "serverless":
		parts.Memory, parts.Kept = v.Int("serverlessMemoryMb"), v.Int("provisionedConcurrency")
	default:
		parts.Instance, parts.Initial, parts.VolumeGB = v.String("instanceType"), max(1, v.Int("initialInstances")), v.Int("volumeGb")
		if scales {
			parts.Min, parts.Max = max(1, v.Int("minInstances")), v.Int("maxInstances")
		}
	}
	return parts
}

// Line is one thing that is counted.
type Line struct {
	// What is it in words: "2 x ml.m5.large".
	What string `json:"what"`
	Item Item   `json:"item"`
	// Quantity is how many units of it, and Unit what a unit is.
	Quantity Quantity `json:"quantity"`
	Unit     string   `json:"unit"`
	// Price is that of a unit, and Amount the product; both are nil if no price is known.
	Price  *Price `json:"price,omitempty"`
	Amount *Money `json:"amount,omitempty"`
	// Most is the amount at the most that autoscaling may add, nil if that is Amount.
	Most *Money `json:"most,omitempty"`
	// Basis is what was assumed, "" if nothing was.
	Basis string `json:"basis,omitempty"`
}

// Fixed is what a pipeline costs in a month by being there, whether it is used or not.
type Fixed struct {
	Region string `json:"region"`
	// Month is what it costs with the instances that it starts with, Least and Most with
	// the fewest and the most that autoscaling leaves; all three are the same without it.
	Month Money `json:"month"`
	Least Money `json:"least"`
	Most  Money `json:"most"`
	// Unknown are what no price is known for; the sums lack it.
	Unknown []string `json:"unknown,omitempty"`
	Lines   []Line   `json:"lines"`
}

// Complete tells whether everything has a price.
func (f *Fixed) Complete() bool { return len(f.Unknown) == 0 }

// Monthly is the fixed part of parts.
func (p *Prices) Monthly(parts Parts) Fixed {
	f := &Fixed{Region: parts.Region, Lines: []Line{}}
	hours := Whole(HoursAMonth)
	if parts.Instance != "" {
		n := counts{start: parts.Initial, least: parts.Initial, most: parts.Initial}
		if parts.Max > 0 {
			n.least, n.most = parts.Min, max(parts.Max, parts.Initial)
		}
		p.add(f, n.text(parts.Instance), Hosting(parts.Instance), hours, n)
		if parts.VolumeGB > 0 {
			p.add(f, fmt.Sprintf("%d GB of storage for each instance", parts.VolumeGB), EndpointStorage, Whole(int64(parts.VolumeGB)), n)
		}
	}
	if parts.Kept > 0 {
		p.add(f, fmt.Sprintf("kept capacity for %s of %d MB", fault.Count(parts.Kept, "request", "requests"), parts.Memory), Kept(parts.Memory), hours.Of(Whole(3600)), always(parts.Kept))
	}
	alarms := parts.Alarms
	if parts.Max > 0 {
		alarms += scalingAlarms
	}
	if alarms > 0 {
		p.add(f, count(alarms, "alarm"), Alarm, Whole(1), always(alarms))
	}
	if parts.Keys > 0 {
		p.add(f, count(parts.Keys, "KMS key"), Key, Whole(1), always(parts.Keys))
	}
	return *f
}

// counts is how many there are of something at the start, at least and at most.
type counts struct{ start, least, most int }

func always(n int) counts { return counts{n, n, n} }

func (c counts) text(what string) string {
	if c.least == c.most {
		return fmt.Sprintf("%d x %s", c.start, what)
	}
	return fmt.Sprintf("%d x %s (%d to %d)", c.start, what, c.least, c.most)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// add counts n times a quantity of an item.
func (p *Prices) add(f *Fixed, what string, item Item, each Quantity, n counts) {
	l := Line{What: what, Item: item, Quantity: each.Of(Whole(int64(n.start))), Unit: item.Unit()}
	if price, ok := p.Of(f.Region, item); ok {
		one := price.USD.Times(each)
		amount, most := one.Times(Whole(int64(n.start))), one.Times(Whole(int64(n.most)))
		l.Price, l.Amount = &price, &amount
		if n.most != n.start {
			l.Most = &most
		}
		f.Month, f.Most = f.Month.Plus(amount), f.Most.Plus(most)
		f.Least = f.Least.Plus(one.Times(Whole(int64(n.least))))
	} else {
		f.Unknown = append(f.Unknown, noPrice(what, f.Region))
	}
	f.Lines = append(f.Lines, l)
}

// noPrice says that something has none.
func noPrice(what, region string) string {
	return fmt.Sprintf("no price known for %s in %s", what, region)
}

// PricesOf are the prices that lines were counted with.
func PricesOf(lines []Line) []Price {
	var out []Price
	for _, l := range lines {
		if l.Price != nil {
			out = append(out, *l.Price)
		}
	}
	return out
}

// Sum is what several pipelines cost in a month.
func Sum(list []Fixed) Fixed {
	all := Fixed{Lines: []Line{}}
	for _, f := range list {
		all.Month, all.Least, all.Most = all.Month.Plus(f.Month), all.Least.Plus(f.Least), all.Most.Plus(f.Most)
		for _, u := range f.Unknown {
			if !slices.Contains(all.Unknown, u) {
				all.Unknown = append(all.Unknown, u)
			}
		}
	}
	return all
}

// Within refuses what costs more in a month than a limit, at the most that autoscaling may
// add, or of which that is not known.
func Within(f Fixed, limit Money) error {
	const counted = "Counted are instances at the most that autoscaling may add, kept capacity, volumes, alarms and KMS keys, not what is paid by use. "
	switch {
	case f.Most.Cmp(limit) > 0:
		return fault.New(fault.Invalid, "this would cost about %s USD a month by being there, and %s USD is the most that it may (an estimate)", f.Most, limit).
			WithHint(counted + "Take fewer or smaller instances, or raise the limit: --max-monthly-cost of up, or the setting maxMonthlyCost. An update that " +
				"costs no more than what is there, and a rollback, are never refused.")
	case len(f.Unknown) > 0:
		return fault.New(fault.Invalid, "it is not known whether this stays within %s USD a month: %s", limit, strings.Join(f.Unknown, "; ")).
			WithHint(counted + "`pipelinetui costs refresh` gets AWS's prices; or leave the limit out.")
	}
	return nil
}

// Rises tells whether pipelines together cost more than before, at the most that
// autoscaling may add, or whether that is not known: of what has no price and was not there.
// Both lists have the same pipelines in the same order.
func Rises(before, after []Fixed) bool {
	for i := range after {
		for _, u := range after[i].Unknown {
			if !slices.Contains(before[i].Unknown, u) {
				return true
			}
		}
	}
	return Sum(after).Most.Cmp(Sum(before).Most) > 0
}

// Text is what a pipeline costs by being there, for a reader.
func (f *Fixed) Text() string {
	text := f.Month.String()
	if f.Least.Cmp(f.Most) != 0 {
		text = fmt.Sprintf("%s to %s", f.Least, f.Most)
	}
	if !f.Complete() {
		text = "at least " + text
	}
	return text + " " + Currency + " a month"
}
