package costs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// AWS's price list has a file for each service and region, an offer: its products with
// their attributes, then the terms with the prices. The greatest have gigabytes, so that
// none is ever held whole: products are looked at one by one, and of those that are known
// here the price is.
// (awsaccountbilling/latest/aboutv2/price-changes.html, "Reading the service price list files")

// wanted is a product that is looked for in the offer of a service.
type wanted struct {
	// usage is what its usage type is, behind the prefix of the region ("USE1-", "EUC1-";
	// older services have none in us-east-1). It may hold one group: what goes into item.
	usage *lazyregexp.Regexp
	// attributes are others that it must have, or have in them.
	attributes map[string]string
	item       func(group string) Item
}

func is(i Item) func(string) Item { return func(string) Item { return i } }

func family(name string) func(string) Item {
	return func(group string) Item { return Item(name + "/" + group) }
}

// memory makes of gigabytes what endpoints are configured with.
func memory(name string) func(string) Item {
	return func(group string) Item {
		gb, _ := strconv.Atoi(group)
		return Item(name + "/" + strconv.Itoa(gb*1024))
	}
}

// wantedOf are the products of a service.
type wantedOf struct {
	service string
	wanted  []wanted
}

// offers are the services whose prices are kept, by their codes in the price list.
func offers() []wantedOf {
	return []wantedOf{
		{"AmazonSageMaker", []wanted{
			{lazyregexp.New(`^Host:(ml\.[a-z0-9.-]+)$`), nil, family("sagemaker/hosting")},
			{lazyregexp.New(`^AsyncInf:(ml\.[a-z0-9.-]+)$`), nil, family("sagemaker/async")},
			{lazyregexp.New(`^Tsform:(ml\.[a-z0-9.-]+)$`), nil, family("sagemaker/transform")},
			{lazyregexp.New(`^ServerlessInf:Mem-([1-6])GB$`), nil, memory("sagemaker/serverless")},
			{lazyregexp.New(`^ProvisionedConcurrency:Mem-([1-6])GB$`), nil, memory("sagemaker/kept")},
			{lazyregexp.New(`^Host:VolumeUsage\.gp2$`), nil, is(EndpointStorage)},
			{lazyregexp.New(`^Hst:Data-Bytes-Out$`), nil, is("sagemaker/data")},
		}},
		{"AWSLambda", []wanted{
			{lazyregexp.New(`^Lambda-GB-Second$`), map[string]string{"group": "AWS-Lambda-Duration"}, is(FunctionTime("x86_64"))},
			{lazyregexp.New(`^Lambda-GB-Second-ARM$`), map[string]string{"group": "AWS-Lambda-Duration-ARM"}, is(FunctionTime("arm64"))},
			{lazyregexp.New(`^Request$`), map[string]string{"group": "AWS-Lambda-Requests"}, is(FunctionCall("x86_64"))},
			{lazyregexp.New(`^Request-ARM$`), map[string]string{"group": "AWS-Lambda-Requests-ARM"}, is(FunctionCall("arm64"))},
		}},
		{"AmazonStates", []wanted{
			{lazyregexp.New(`^StateTransition$`), nil, is(Transition)},
			{lazyregexp.New(`^StepFunctions-Request$`), nil, is(ExpressRequest)},
			{lazyregexp.New(`^StepFunctions-GB-Second$`), nil, is(ExpressTime)},
		}},
		{"AmazonS3", []wanted{
			{lazyregexp.New(`^TimedStorage-ByteHrs$`), nil, is("s3/storage")},
			{lazyregexp.New(`^Requests-Tier1$`), nil, is(ObjectPut)},
			{lazyregexp.New(`^Requests-Tier2$`), nil, is("s3/get")},
		}},
		{"AmazonCloudWatch", []wanted{
			{lazyregexp.New(`^CW:AlarmMonitorUsage$`), map[string]string{"alarmType": "Standard"}, is(Alarm)},
			{lazyregexp.New(`^DataProcessing-Bytes$`), nil, is("logs/ingest")},
			{lazyregexp.New(`^TimedStorage-ByteHrs$`), nil, is("logs/storage")},
		}},
		{"awskms", []wanted{
			{lazyregexp.New(`^KMS-Keys$`), nil, is(Key)},
			{lazyregexp.New(`^KMS-Requests$`), nil, is("kms/request")},
		}},
		{"AWSQueueService", []wanted{{lazyregexp.New(`^Requests-Tier1$`), nil, is("sqs/request")}}},
		{"AmazonSNS", []wanted{{lazyregexp.New(`^Requests-Tier1$`), nil, is("sns/request")}}},
		{"AmazonECR", []wanted{{lazyregexp.New(`^TimedStorage-ByteHrs$`), nil, is("ecr/storage")}}},
	}
}

// prefix is what stands for the region before a usage type.
var prefix = lazyregexp.New(`^(?:[A-Z]{2,4}[0-9]{0,2}-|[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}-)`)

// words are AWS's for the units, in lower case, without what is no letter and without the s
// of a plural.
var words = map[string][]string{
	"hour": {"hr", "hour"}, "second": {"second", "sec"}, "GB-second": {"gbsecond", "lambdagbsecond"}, "GB": {"gb"}, "GB-month": {"gbmo", "gbmonth"},
	"request": {"request", "apirequest"}, "transition": {"statetransition", "transition"}, "month": {"alarm", "key", "month", "mo"},
}

// means tells whether AWS's word for a unit is that of ours.
func means(word, unit string) bool {
	bare := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(word))
	return slices.Contains(words[unit], strings.TrimSuffix(bare, "s"))
}

// What an offer may have at most, so that one which is damaged or hostile ends: the
// greatest of AWS has some gigabytes, its greatest product some kilobytes.
const (
	maxOffer   = 8 << 30
	maxValue   = 1 << 20
	maxMatches = 20_000
)

// offer is what is taken from one.
type offer struct {
	service, published string
	prices             map[Item]Money
	// odd are prices that were left out, and why, each once.
	odd []string
}

func (o *offer) leaveOut(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(o.odd, text) {
		o.odd = append(o.odd, text)
	}
}

type product struct {
	Attributes map[string]any `json:"attributes"`
}

type term struct {
	PriceDimensions map[string]struct {
		Unit         string            `json:"unit"`
		BeginRange   string            `json:"beginRange"`
		PricePerUnit map[string]string `json:"pricePerUnit"`
	} `json:"priceDimensions"`
}

// readOffer reads the offer of a service from r, as it comes.
func readOffer(r io.Reader, service string, list []wanted) (*offer, error) {
	o := &offer{service: service, prices: map[Item]Money{}}
	in := &reader{from: &io.LimitedReader{R: r, N: maxOffer + 1}}
	d := &decoder{Decoder: json.NewDecoder(in), in: in}
	found := map[string]Item{}
	var code string
	var products, terms bool
	err := d.members(func(key string) error {
		switch key {
		case "offerCode":
			return d.value(&code)
		case "publicationDate":
			return d.value(&o.published)
		case "products":
			products = true
			return d.members(func(sku string) error {
				var p product
				if err := d.value(&p); err != nil {
					return err
				}
				if item, ok := matching(p, list); ok {
					found[sku] = item
				}
				if len(found) > maxMatches {
					return fmt.Errorf("it has more than %d products that are looked for", maxMatches)
				}
				return nil
			})
		case "terms":
			if !products {
				return errors.New("its terms come before its products")
			}
			terms = true
			return d.members(func(kind string) error {
				if kind != "OnDemand" {
					return d.skip()
				}
				return d.members(func(sku string) error { return o.price(d, sku, found) })
			})
		}
		return d.skip()
	})
	switch {
	case err != nil:
	case code != service:
		err = fmt.Errorf("it is the offer of %q", short(code))
	case !products || !terms:
		err = errors.New("it has no products, or no terms")
	case len(o.published) < len("2006-01-02") || !day(o.published[:10]):
		err = fmt.Errorf("its publicationDate is %q", short(o.published))
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "the price list of %s cannot be read: %v", service, err).Because(err).
			WithHint("Try again later, or look whether the address is that of AWS's price list. Nothing was changed.")
	}
	return o, nil
}

// matching is the item that a product is.
func matching(p product, list []wanted) (Item, bool) {
	text := func(name string) string { s, _ := p.Attributes[name].(string); return s }
	usage := text("usagetype")
	bare := usage[len(prefix.FindString(usage)):]
	for _, w := range list {
		m := w.usage.FindStringSubmatch(bare)
		if m == nil {
			continue
		}
		fits := true
		for name, want := range w.attributes {
			fits = fits && strings.Contains(text(name), want)
		}
		if !fits {
			continue
		}
		return w.item(m[len(m)-1]), true
	}
	return "", false
}

// price takes the price of a product in: that of the first units that are not free, as AWS
// has it for all that a pipeline uses. Two products of one item that differ, as of S3 with
// its storage classes, are one too many: the dearest counts. One whose tiers cannot be told
// apart is left out.
func (o *offer) price(d *decoder, sku string, found map[string]Item) error {
	item, ok := found[sku]
	if !ok {
		return d.skip()
	}
	var terms map[string]term
	if err := d.value(&terms); err != nil {
		return err
	}
	for _, t := range terms {
		best, begin, some, odd := Money{}, Quantity{}, false, false
		for _, dim := range t.PriceDimensions {
			text, usd := dim.PricePerUnit[Currency]
			if !usd {
				continue // in China prices are in CNY
			}
			price, ok := ParseMoney(text)
			from, known := parseBound(dim.BeginRange)
			switch {
			case !ok:
				return fmt.Errorf("the price of %s is %q, not an amount", sku, short(text))
			case !means(dim.Unit, item.Unit()):
				o.leaveOut("%s is per %q there, not per %s", item, short(dim.Unit), item.Unit())
				continue
			case price.Sign() == 0:
				continue // what is free at the beginning is for the whole account
			case !known:
				o.leaveOut("a price of %s begins at %q there, which is no number", item, short(dim.BeginRange))
				odd = true
			case !some || from.rat().Cmp(begin.rat()) < 0:
				best, begin, some = price, from, true
			}
		}
		if some && !odd && best.Cmp(o.prices[item]) > 0 {
			o.prices[item] = best
		}
	}
	return nil
}

// decoder walks through a JSON text without holding it.
type decoder struct {
	*json.Decoder
	in *reader
}

// members calls do for each member of an object; do reads its value.
func (d *decoder) members(do func(key string) error) error {
	if err := d.delim('{'); err != nil {
		return err
	}
	for d.More() {
		d.in.reset()
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("it has %v where a name belongs", t)
		}
		if err := do(key); err != nil {
			return err
		}
	}
	return d.delim('}')
}

func (d *decoder) delim(want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return ended(err)
	}
	if t != want {
		return fmt.Errorf("it has %v where %v belongs", short(fmt.Sprint(t)), want)
	}
	return nil
}

// value reads a value of bounded size.
func (d *decoder) value(into any) error {
	d.in.reset()
	return ended(d.Decode(into))
}

// skip passes over a value of any size.
func (d *decoder) skip() error {
	for depth := 0; ; {
		d.in.reset()
		t, err := d.Token()
		if err != nil {
			return ended(err)
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// ended says in words that a text ended before its end.
func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // the decoder gives them as they are
		return fmt.Errorf("it ends in the middle: %w", err)
	}
	return err
}

// reader bounds how much is read for one value.
type reader struct {
	from *io.LimitedReader
	some int64
}

func (r *reader) reset() { r.some = 0 }

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) > 64<<10 {
		p = p[:64<<10]
	}
	n, err := r.from.Read(p)
	switch r.some += int64(n); {
	case r.from.N == 0:
		return n, fmt.Errorf("it has more than %d GB", maxOffer>>30)
	case r.some > maxValue:
		return n, fmt.Errorf("a value of it has more than %d kB", maxValue>>10)
	}
	return n, err
}
