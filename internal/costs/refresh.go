package costs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// PriceList is where AWS's price list is, for everybody.
// (awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api.html)
const PriceList = "https://pricing.us-east-1.amazonaws.com"

// silence is how long nothing may come of an offer, maxIndex how long an index may be.
const (
	silence  = time.Minute
	maxIndex = 4 << 20
)

// Refresh asks AWS's price list.
type Refresh struct {
	// Base is its address, PriceList if empty.
	Base    string
	Regions []string // each is asked for once
	// Kept is a price file, nil if there is none: what it has of other regions stays.
	Kept []byte
	// Told is called before each offer is read; it may be nil.
	Told func(service, region string)
}

// Refreshed are prices as AWS gives them.
type Refreshed struct {
	// File is the price file, for Parse.
	File []byte
	// Prices is how many it has, Published the day of the newest offer.
	Prices    int
	Published string
	// Missing are the regions that a service has no offer for: "AmazonECR in xx-east-1".
	Missing []string
	// Odd are prices that were left out because they are for another unit than AWS's were so
	// far.
	Odd []string
	// Regions are those that were asked for, each once; Kept those that stay as they were.
	Regions, Kept []string
}

// Run reads the offers of all services in the regions, one after the other, and makes a
// price file of them. Errors are Canceled, NotFound, Invalid (what came is no price list)
// or Internal (the network).
func (r *Refresh) Run(ctx context.Context) (*Refreshed, error) {
	base, err := url.Parse(cmp.Or(r.Base, PriceList))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" || base.User != nil {
		return nil, fault.New(fault.Invalid, "%q is no address of a price list", short(r.Base)).WithHint("Give one such as %s.", PriceList)
	}
	doc := fileDoc{Format: format, Currency: Currency, Sources: map[string]Source{}, Regions: map[string]map[Item]filePriceDoc{}}
	out := &Refreshed{}
	for _, region := range r.Regions {
		if !slices.Contains(out.Regions, region) {
			out.Regions = append(out.Regions, region)
		}
	}
	for _, s := range offers() {
		index, err := r.index(ctx, base, s.service)
		if err != nil {
			return nil, err
		}
		for _, region := range out.Regions {
			at := index[region]
			if at == "" {
				out.Missing = append(out.Missing, s.service+" in "+region)
				continue
			}
			if r.Told != nil {
				r.Told(s.service, region)
			}
			o, err := r.offer(ctx, base, at, s.service, s.wanted)
			if err != nil {
				return nil, fault.Wrap(err, "%s", region)
			}
			published := o.published[:10]
			id := s.service + "-" + region
			if len(o.prices) > 0 {
				doc.Sources[id] = Source{Text: "AWS Price List, " + s.service + " in " + region, URL: base.JoinPath(at).String(), Date: published}
			}
			out.Published = max(out.Published, published)
			for _, odd := range o.odd {
				out.Odd = append(out.Odd, region+": "+odd)
			}
			if doc.Regions[region] == nil {
				doc.Regions[region] = map[Item]filePriceDoc{}
			}
			for item, usd := range o.prices {
				doc.Regions[region][item] = filePriceDoc{USD: usd.Exact(), Per: item.Unit(), Source: id}
				out.Prices++
			}
		}
	}
	if out.Prices == 0 {
		return nil, fault.New(fault.NotFound, "the price list at %s has no price that is looked for in %s", base.Redacted(), strings.Join(r.Regions, ", ")).
			WithHint("Check the names of the regions.")
	}
	doc.Date = out.Published
	if out.Kept, err = doc.keep(r.Kept); err != nil {
		return nil, err
	}
	if out.File, err = json.MarshalIndent(doc, "", "  "); err != nil {
		return nil, fault.Wrap(err, "write the prices")
	}
	out.File = append(out.File, '\n')
	_, err = Parse("what was made of AWS's price list", out.File)
	return out, err
}

// keep takes over what a price file has of regions that are not there, and says which.
func (d *fileDoc) keep(raw []byte) ([]string, error) {
	if raw == nil {
		return nil, nil
	}
	if _, err := Parse("the price file that is there", raw); err != nil {
		return nil, err
	}
	var old fileDoc
	if err := json.Unmarshal(raw, &old); err != nil {
		return nil, fault.Wrap(err, "read the price file that is there")
	}
	var kept []string
	for _, region := range slices.Sorted(maps.Keys(old.Regions)) {
		if len(d.Regions[region]) > 0 || len(old.Regions[region]) == 0 {
			continue
		}
		kept = append(kept, region)
		d.Regions[region] = map[Item]filePriceDoc{}
		for item, x := range old.Regions[region] {
			source, id := old.Sources[x.Source], x.Source
			for other, taken := d.Sources[id]; taken && other != source; other, taken = d.Sources[id] {
				id += "-" + cmp.Or(source.Date, "old") // of another day: two of one name stay two
			}
			d.Sources[id] = source
			x.Source = id
			d.Regions[region][item] = x
		}
	}
	return kept, nil
}

// index is where the offers of a service are, by region.
func (r *Refresh) index(ctx context.Context, base *url.URL, service string) (map[string]string, error) {
	at := "/offers/v1.0/aws/" + service + "/current/region_index.json"
	var doc struct {
		Regions map[string]struct {
			CurrentVersionURL string `json:"currentVersionUrl"`
		} `json:"regions"`
	}
	err := r.get(ctx, base, at, func(body io.Reader) error {
		limited := &io.LimitedReader{R: body, N: maxIndex + 1}
		err := json.NewDecoder(limited).Decode(&doc)
		switch {
		case limited.N == 0:
			return notList(base, at, errors.New("it is too long"))
		case err != nil:
			return notList(base, at, err)
		case doc.Regions == nil:
			return notList(base, at, errors.New("it names no regions"))
		}
		return nil
	})
	out := map[string]string{}
	for _, region := range slices.Sorted(maps.Keys(doc.Regions)) {
		// Only a path: an index leads to nobody else.
		path := doc.Regions[region].CurrentVersionURL
		if !strings.HasPrefix(path, "/offers/v1.0/aws/"+service+"/") || strings.ContainsAny(path, "?#\\") || strings.Contains(path, "..") {
			return nil, cmp.Or(err, notList(base, at, fmt.Errorf("the offer of %s is at %q", short(region), short(path))))
		}
		out[region] = path
	}
	return out, err
}

func notList(base *url.URL, at string, err error) error {
	return fault.New(fault.Invalid, "%s is no index of AWS's price list: %v", base.JoinPath(at).Redacted(), err).Because(err).
		WithHint("Look whether the address is that of AWS's price list. Nothing was changed.")
}

func (r *Refresh) offer(ctx context.Context, base *url.URL, at, service string, list []wanted) (o *offer, err error) {
	err = r.get(ctx, base, at, func(body io.Reader) error {
		o, err = readOffer(body, service, list)
		return err
	})
	return o, err
}

// listed asks the server of the price list, and nobody that it names.
var listed = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// get asks for a file and hands on what comes, as it comes.
func (r *Refresh) get(ctx context.Context, base *url.URL, at string, read func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	address := base.JoinPath(at)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return fault.Wrap(err, "ask %s", address.Redacted())
	}
	resp, err := listed.Do(req)
	if err != nil {
		return r.broken(ctx, address, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if to := resp.Header.Get("Location"); to != "" {
		return fault.New(fault.Invalid, "%s leads to %q, which is not followed", address.Redacted(), short(to)).
			WithHint("Look whether the address is that of AWS's price list; if it has moved, name the new one. Nothing was changed.")
	}
	if resp.StatusCode != http.StatusOK {
		kind := fault.Internal
		if resp.StatusCode == http.StatusNotFound {
			kind = fault.NotFound
		}
		return fault.New(kind, "%s answers %s", address.Redacted(), resp.Status).WithHint("Look whether the address is that of AWS's price list. Nothing was changed.")
	}
	body := &heard{from: resp.Body, quiet: quiet}
	err = read(body)
	if body.err != nil {
		return r.broken(ctx, address, body.err) // it explains what is wrong with what came
	}
	return err
}

var errSilent = errors.New("nothing came for a minute")

func (r *Refresh) broken(ctx context.Context, address *url.URL, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errSilent) {
		return fault.New(fault.Canceled, "stopped while AWS's price list was read: nothing was changed").Because(err)
	} else if cause != nil {
		err = cause
	}
	kind := fault.KindOf(err)
	if errors.Is(err, errSilent) {
		kind = fault.Unreachable
	}
	return fault.New(kind, "%s cannot be read: %s", address.Redacted(), fault.Reason(err)).Because(err).
		WithHint("Check the network and HTTPS_PROXY. The prices that were there stay.")
}

// heard notes that something came, and why no more does.
type heard struct {
	from  io.Reader
	quiet *time.Timer
	err   error
}

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	if n > 0 {
		h.quiet.Reset(silence)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		h.err = err
	}
	return n, err
}
