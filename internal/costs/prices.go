// Package costs owns what pipelines cost: AWS's public on-demand prices, kept in a file
// with their sources and days, and the arithmetic from a pipeline to an amount. All of it
// is an estimate, before taxes, discounts and free tiers, in USD.
//
// What has no price in the file has none: nothing is guessed from another region or type,
// and an estimate says what it could not count. The package asks nobody, except Refresh,
// which reads AWS's price list.
package costs

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Item is something that AWS has a price for, in a region.
type Item string

// The items that are one each. The others are families: see Hosting and those after it.
const (
	EndpointStorage Item = "sagemaker/storage" // a volume of an endpoint's instance
	Transition      Item = "states/transition" // of a standard execution
	ExpressRequest  Item = "states/express-request"
	ExpressTime     Item = "states/express-gb-second"
	ObjectPut       Item = "s3/put"
	Alarm           Item = "cloudwatch/alarm" // a metric alarm of standard resolution
	Key             Item = "kms/key"
)

// Hosting is an instance of a real-time endpoint.
func Hosting(instance string) Item { return Item("sagemaker/hosting/" + instance) }

// Serverless is the time of a serverless endpoint's answers, by its memory in MB.
func Serverless(memory int) Item { return Item("sagemaker/serverless/" + strconv.Itoa(memory)) }

// Kept is a serverless endpoint's kept capacity, for one request at a time.
func Kept(memory int) Item { return Item("sagemaker/kept/" + strconv.Itoa(memory)) }

// FunctionTime is the time of a Lambda function's calls, FunctionCall the calls.
func FunctionTime(arch string) Item { return Item("lambda/gb-second/" + arch) }

// FunctionCall is a call of a Lambda function on an architecture.
func FunctionCall(arch string) Item { return Item("lambda/request/" + arch) }

// units are the items that a price file may have, and what their prices are for: all of a
// family by what is before its last slash.
var units = map[string]string{
	"sagemaker/hosting": "hour", "sagemaker/async": "hour", "sagemaker/transform": "hour",
	"sagemaker/serverless": "second", "sagemaker/kept": "second", "sagemaker/storage": "GB-month", "sagemaker/data": "GB",
	"states/transition": "transition", "states/express-request": "request", "states/express-gb-second": "GB-second",
	"lambda/gb-second": "GB-second", "lambda/request": "request",
	"s3/storage": "GB-month", "s3/put": "request", "s3/get": "request",
	"cloudwatch/alarm": "month", "logs/ingest": "GB", "logs/storage": "GB-month",
	"kms/key": "month", "kms/request": "request", "sqs/request": "request", "sns/request": "request", "ecr/storage": "GB-month",
}

// Unit is what an item's price is for, "" if there is no such item.
func (i Item) Unit() string {
	if u, ok := units[string(i)]; ok {
		return u
	}
	family, rest, ok := cutLast(string(i))
	if !ok || rest == "" || strings.Count(family, "/") != 1 {
		return ""
	}
	return units[family]
}

func cutLast(s string) (before, after string, ok bool) {
	at := strings.LastIndexByte(s, '/')
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+1:], true
}

// Source is where a price comes from.
type Source struct {
	Text string `json:"text"`
	URL  string `json:"url,omitempty"`
	// Date is the day of the price, or of what it was copied from; "" if that is not told.
	Date string `json:"date,omitempty"`
}

// Price is what one unit of an item costs.
type Price struct {
	USD    Money
	Per    string
	Source Source
}

// MarshalJSON has the price with all its digits.
func (p Price) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		USD    json.RawMessage `json:"usd"`
		Per    string          `json:"per"`
		Source Source          `json:"source"`
	}{json.RawMessage(p.USD.Exact()), p.Per, p.Source})
}

// Prices are the prices of a file. They do not change.
type Prices struct {
	// Date is the day of the newest of them.
	Date    string
	regions map[string]map[Item]Price
	// older are asked for what these have not.
	older *Prices
}

// Of is the price of an item in a region; false if none is known.
func (p *Prices) Of(region string, item Item) (Price, bool) {
	if x, ok := p.regions[region][item]; ok {
		return x, true
	}
	if p.older != nil {
		return p.older.Of(region, item)
	}
	return Price{}, false
}

// Regions are those with any price.
func (p *Prices) Regions() []string {
	all := map[string]bool{}
	for at := p; at != nil; at = at.older {
		for r := range at.regions {
			all[r] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Over returns both: where both know a price, the newer file's counts.
func (p *Prices) Over(o *Prices) *Prices {
	first, second := p, o
	if o.Date > p.Date {
		first, second = o, p
	}
	return &Prices{Date: first.Date, regions: first.regions, older: second}
}

//go:embed prices.json
var builtin []byte

// Builtin are the prices that come with the program.
var Builtin = sync.OnceValues(func() (*Prices, error) { return Parse("the file of built-in prices", builtin) })

// What a price file may have at most: that of all of AWS's regions and instance types has
// about 50,000 prices and 5 MB.
const (
	MaxFile   = 16 << 20
	maxPrices = 200_000
	maxText   = 1000
)

const format = "pipelinetui/prices/v1"

type fileDoc struct {
	Format   string                           `json:"format"`
	Currency string                           `json:"currency"`
	Date     string                           `json:"date"`
	Sources  map[string]Source                `json:"sources"`
	Regions  map[string]map[Item]filePriceDoc `json:"regions"`
}

type filePriceDoc struct {
	USD    string `json:"usd"`
	Per    string `json:"per"`
	Source string `json:"source"`
}

var (
	regionRule = lazyregexp.New(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
	itemRule   = lazyregexp.New(`^[a-z0-9]+(/[a-z0-9_.-]+){1,2}$`)
)

// Parse reads a price file; name is what errors call it. They are Damaged, and say what is
// wrong with which price.
func Parse(name string, raw []byte) (*Prices, error) {
	bad := func(f string, args ...any) error {
		return fault.New(fault.Damaged, "%s cannot be used: %s", name, fmt.Sprintf(f, args...)).
			WithHint("Run `pipelinetui costs refresh` to get it again, or remove it: the built-in prices are used then.")
	}
	if len(raw) > MaxFile {
		return nil, bad("it has more than %d MB", MaxFile>>20)
	}
	var doc fileDoc
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, bad("it is no price file: %v", err)
	}
	if dec.More() {
		return nil, bad("there is something after its end")
	}
	switch {
	case doc.Format != format:
		return nil, bad("its format is %q, not %s", short(doc.Format), format)
	case doc.Currency != Currency:
		return nil, bad("its currency is %q, not %s", short(doc.Currency), Currency)
	case !day(doc.Date):
		return nil, bad("its date is %q, not a day such as 2026-01-31", short(doc.Date))
	}
	for _, id := range slices.Sorted(maps.Keys(doc.Sources)) {
		s := doc.Sources[id]
		if s.Text == "" || len(s.Text)+len(s.URL) > maxText || s.Date != "" && !day(s.Date) {
			return nil, bad("source %q has no text, too much of it, or a date that is no day", short(id))
		}
	}
	p := &Prices{Date: doc.Date, regions: map[string]map[Item]Price{}}
	count := 0
	for _, region := range slices.Sorted(maps.Keys(doc.Regions)) {
		if !regionRule.MatchString(region) {
			return nil, bad("%q is no region", short(region))
		}
		of := map[Item]Price{}
		for _, item := range slices.Sorted(maps.Keys(doc.Regions[region])) {
			if count++; count > maxPrices {
				return nil, bad("it has more than %d prices", maxPrices)
			}
			x := doc.Regions[region][item]
			usd, ok := ParseMoney(x.USD)
			source, known := doc.Sources[x.Source]
			switch unit := item.Unit(); {
			case unit == "" || !itemRule.MatchString(string(item)):
				return nil, bad("%s has a price for %q, which is nothing that is known here", region, short(string(item)))
			case x.Per != unit:
				return nil, bad("the price of %s in %s is per %q, not per %s", item, region, short(x.Per), unit)
			case !ok:
				return nil, bad("the price of %s in %s is %q, not an amount such as 0.115", item, region, short(x.USD))
			case !known:
				return nil, bad("the price of %s in %s names the source %q, which the file has not", item, region, short(x.Source))
			}
			of[item] = Price{USD: usd, Per: x.Per, Source: source}
		}
		p.regions[region] = of
	}
	return p, nil
}

// short is a text of a file as an error may have it.
func short(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func day(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// Sources are those of some prices, each once, the newest first.
func Sources(list []Price) []Source {
	var out []Source
	for _, p := range list {
		if !slices.Contains(out, p.Source) {
			out = append(out, p.Source)
		}
	}
	slices.SortStableFunc(out, func(a, b Source) int { return cmp.Compare(b.Date, a.Date) })
	return out
}
