package costs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// list is AWS's price list in its own format, as its documentation has it
// (awsaccountbilling/latest/aboutv2/bulk-api-reading-price-list-files.html): an index by
// region for each service, and offers with products, then terms.
type list struct {
	offers map[string]string // by service
	index  func(service string) string
	asked  []string
	away   string // where the index has moved to, "" if nowhere
}

func (l *list) serve(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.asked = append(l.asked, r.URL.Path)
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/offers/v1.0/aws/"), "/")
		switch {
		case strings.HasSuffix(r.URL.Path, "/current/region_index.json"):
			if l.away != "" {
				http.Redirect(w, r, l.away, http.StatusFound)
				return
			}
			_, _ = io.WriteString(w, l.index(parts[0]))
		case l.offers[parts[0]] != "":
			_, _ = io.WriteString(w, l.offers[parts[0]])
		default:
			_, _ = fmt.Fprintf(w, `{"formatVersion":"v1.0","offerCode":%q,"version":"1","publicationDate":"2026-11-02T00:00:00Z","products":{},"terms":{"OnDemand":{}}}`, parts[0])
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func indexOf(service string) string {
	return fmt.Sprintf(`{"formatVersion":"v1.0","disclaimer":"none","publicationDate":"2026-11-01T00:00:00Z","regions":{
		"eu-north-1":{"regionCode":"eu-north-1","currentVersionUrl":"/offers/v1.0/aws/%s/20261101/eu-north-1/index.json"}}}`, service)
}

// offerOf is an offer: each product is "SKU usagetype unit price attributes".
func offerOf(service string, products ...string) string {
	var p, t []string
	for _, text := range products {
		f := strings.Fields(text)
		attributes := fmt.Sprintf(`"servicecode":%q,"location":"EU (Stockholm)","usagetype":%q`, service, f[1])
		for _, more := range f[4:] {
			name, value, _ := strings.Cut(more, "=")
			attributes += fmt.Sprintf(`,%q:%q`, name, value)
		}
		p = append(p, fmt.Sprintf(`%q:{"sku":%q,"productFamily":"it","attributes":{%s}}`, f[0], f[0], attributes))
		t = append(t, fmt.Sprintf(`%q:{"%s.JRTCKXETXF":{"offerTermCode":"JRTCKXETXF","sku":%q,"effectiveDate":"2026-10-01T00:00:00Z","termAttributes":{},"priceDimensions":{
			"%s.JRTCKXETXF.FREE":{"rateCode":"x","description":"free","beginRange":"0","endRange":"100","unit":%q,"pricePerUnit":{"USD":"0.0000000000"},"appliesTo":[]},
			"%s.JRTCKXETXF.MORE":{"rateCode":"x","description":"much","beginRange":"1000","endRange":"Inf","unit":%q,"pricePerUnit":{"USD":"0.0000000001"},"appliesTo":[]},
			"%s.JRTCKXETXF.THIS":{"rateCode":"x","description":"it","beginRange":"100","endRange":"1000","unit":%q,"pricePerUnit":{"USD":%q},"appliesTo":[]}}}}`,
			f[0], f[0], f[0], f[0], f[2], f[0], f[2], f[0], f[2], f[3]))
	}
	return fmt.Sprintf(`{"formatVersion":"v1.0","disclaimer":"none","offerCode":%q,"version":"20261102","publicationDate":"2026-11-02T10:00:00Z",
		"products":{%s},"terms":{"Reserved":{"A":{"B":{"priceDimensions":{"C":{"pricePerUnit":{"USD":"nonsense"}}}}}},"OnDemand":{%s}},"attributesList":{}}`,
		service, strings.Join(p, ","), strings.Join(t, ","))
}

// Prices come from AWS's own files, with their day, and what is not looked for is passed over.
func TestRefresh(t *testing.T) {
	t.Parallel()
	l := &list{index: indexOf, offers: map[string]string{
		"AmazonSageMaker": offerOf("AmazonSageMaker", "A EUN1-Host:ml.m5.large Hrs 0.1220000000", "B EUN1-Notebk:ml.m5.large Hrs 9", "C EUN1-ServerlessInf:Mem-2GB seconds 0.0000410000",
			"D EUN1-ProvisionedConcurrency:Mem-2GB Seconds 0.0000150000", "E EUN1-Tsform:ml.m5.large Hours 0.1230000000"),
		"AWSLambda": offerOf("AWSLambda", "A EUN1-Lambda-GB-Second Lambda-GB-Second 0.0000166667 group=AWS-Lambda-Duration",
			"B EUN1-Lambda-GB-Second Lambda-GB-Second 7 group=AWS-Lambda-Edge-Duration",
			"C EUN1-Lambda-GB-Second-ARM Lambda-GB-Second 0.0000133334 group=AWS-Lambda-Duration-ARM", "D EUN1-Request Requests 0.0000002 group=AWS-Lambda-Requests"),
		"AmazonStates":     offerOf("AmazonStates", "A EUN1-StateTransition StateTransitions 0.0000250000", "B EUN1-StepFunctions-Request Fortnights 0.000001"),
		"AmazonCloudWatch": offerOf("AmazonCloudWatch", "A EUN1-CW:AlarmMonitorUsage Alarms 0.1 alarmType=Standard", "B EUN1-CW:AlarmMonitorUsage Alarms 0.3 alarmType=High"),
		"awskms":           offerOf("awskms", "A eu-north-1-KMS-Keys Keys 1.0000000000"),
	}}
	var told []string
	got, err := (&Refresh{Base: l.serve(t).URL, Regions: []string{"eu-north-1", "eu-west-9", "eu-north-1"}, Told: func(s, r string) { told = append(told, s+" "+r) }}).Run(t.Context())
	require.NoError(t, err)
	require.Contains(t, told, "AmazonSageMaker eu-north-1")
	require.Contains(t, got.Missing, "AmazonECR in eu-west-9")
	require.Equal(t, []string{`eu-north-1: states/express-request is per "Fortnights" there, not per request`}, got.Odd)
	require.Equal(t, []string{"eu-north-1", "eu-west-9"}, got.Regions)
	require.Equal(t, "2026-11-02", got.Published)
	p, err := Parse("it", got.File)
	require.NoError(t, err)
	for item, want := range map[Item]string{
		Hosting("ml.m5.large"): "0.122", Serverless(2048): "0.000041", Kept(2048): "0.000015", "sagemaker/transform/ml.m5.large": "0.123",
		FunctionTime("x86_64"): "0.0000166667", FunctionTime("arm64"): "0.0000133334", FunctionCall("x86_64"): "0.0000002",
		Transition: "0.000025", Alarm: "0.1", Key: "1",
	} {
		x, ok := p.Of("eu-north-1", item)
		require.True(t, ok, item)
		require.Equal(t, want, x.USD.Exact(), item)
		require.Equal(t, "2026-11-02", x.Source.Date)
	}
	require.Equal(t, 10, got.Prices)
	_, ok := p.Of("eu-north-1", ExpressRequest)
	require.False(t, ok)
}

// AWS's tiers begin at billions: of Lambda's time on x86 at 6 and 15 billion GB-seconds, of
// SQS's requests at 100 and 200 billion. (aws.amazon.com/lambda/pricing, aws.amazon.com/sqs/pricing)
// A beginning that is no number leaves that item out, and no other.
func TestRefreshTiers(t *testing.T) {
	t.Parallel()
	tiers := func(service, usage, unit, attributes string, begins ...string) (*offer, error) {
		var dims []string
		for i, begin := range begins {
			dims = append(dims, fmt.Sprintf(`"%d":{"unit":%q,"beginRange":%q,"pricePerUnit":{"USD":"0.000%d"}}`, i, unit, begin, 9-i))
		}
		return readOffer(strings.NewReader(fmt.Sprintf(`{"offerCode":%q,"publicationDate":"2026-11-02T10:00:00Z","products":{"A":{"attributes":{%s"usagetype":%q}}},
			"terms":{"OnDemand":{"A":{"A.B":{"priceDimensions":{%s}}}}}}`, service, attributes, usage, strings.Join(dims, ","))), service, offersOf(t, service))
	}
	lambda := func(begins ...string) (*offer, error) {
		return tiers("AWSLambda", "Lambda-GB-Second", "Lambda-GB-Second", `"group":"AWS-Lambda-Duration",`, begins...)
	}
	o, err := lambda("0", "6000000000", "15000000000")
	require.NoError(t, err)
	require.Empty(t, o.odd)
	require.Equal(t, "0.0009", o.prices[FunctionTime("x86_64")].Exact())
	o, err = tiers("AWSQueueService", "EUN1-Requests-Tier1", "Requests", "", "200000000000", "1000000", "100000000000", "")
	require.NoError(t, err)
	require.Equal(t, "0.0006", o.prices["sqs/request"].Exact(), "the first of all")
	for _, begin := range []string{"Inf", "-1", "1e9", strings.Repeat("9", 31)} {
		o, err = lambda("0", begin)
		require.NoError(t, err)
		require.Empty(t, o.prices)
		require.Len(t, o.odd, 1)
		require.Contains(t, o.odd[0], "lambda/gb-second/x86_64 begins at")
	}
}

// endless gives a text again and again.
type endless struct {
	head, body string
	at         int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	n := 0
	for n < len(p) {
		c := copy(p[n:], e.body[e.at:])
		n, e.at = n+c, (e.at+c)%len(e.body)
	}
	return n, nil
}

// What is no price list, is damaged or never ends is an error that says so, and keeps no
// memory.
func TestRefreshRefuses(t *testing.T) {
	t.Parallel()
	good := offerOf("awskms", "A us-east-1-KMS-Keys Keys 1")
	read := func(r io.Reader) error {
		_, err := readOffer(r, "awskms", []wanted{})
		return err
	}
	require.NoError(t, read(strings.NewReader(good)))
	for _, c := range []struct {
		name, says string
		from       io.Reader
	}{
		{"cut off", "in the middle", strings.NewReader(good[:len(good)/2])},
		{"empty", "in the middle", strings.NewReader("")},
		{"a page", "cannot be read", strings.NewReader("<html>no</html>")},
		{"an array", "belongs", strings.NewReader("[1,2]")},
		{"of another service", "the offer of", strings.NewReader(strings.Replace(good, `"awskms"`, `"AmazonEC2"`, 1))},
		{"terms first", "before its products", strings.NewReader(`{"offerCode":"awskms","terms":{}}`)},
		{"no day", "publicationDate", strings.NewReader(strings.Replace(good, "2026-11-02T10", "yesterday", 1))},
		{"one endless product", "has more than 1024 kB", &endless{head: `{"offerCode":"awskms","products":{"A":{"attributes":{"x":"`, body: "aaaaaaaa"}},
		{"an endless name", "has more than 1024 kB", &endless{head: `{"`, body: "aaaaaaaa"}},
	} {
		err := read(c.from)
		require.ErrorIs(t, err, fault.Invalid, c.name)
		require.ErrorContains(t, err, c.says, c.name)
	}
	_, err := readOffer(strings.NewReader(offerOf("awskms", "A us-east-1-KMS-Keys Keys -1")), "awskms", offersOf(t, "awskms"))
	require.ErrorContains(t, err, "not an amount")
}

func offersOf(t *testing.T, service string) []wanted {
	t.Helper()
	for _, o := range offers() {
		if o.service == service {
			return o.wanted
		}
	}
	t.Fatal("no such service")
	return nil
}

// An index that leads elsewhere is followed nowhere.
func TestRefreshStaysWithItsServer(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"https://elsewhere.example/offers/v1.0/aws/AmazonSageMaker/x", "//elsewhere.example/x",
		"/offers/v1.0/aws/AmazonSageMaker/../../secret", "/etc/passwd",
	} {
		l := &list{index: func(service string) string {
			return fmt.Sprintf(`{"regions":{"eu-north-1":{"currentVersionUrl":%q}}}`, path)
		}}
		_, err := (&Refresh{Base: l.serve(t).URL, Regions: []string{"eu-north-1"}}).Run(t.Context())
		require.ErrorIs(t, err, fault.Invalid, path)
		require.ErrorContains(t, err, "eu-north-1 is at")
		require.Len(t, l.asked, 1)
	}
	elsewhere := &list{index: indexOf}
	for _, away := range []string{elsewhere.serve(t).URL + "/offers/v1.0/aws/AmazonSageMaker/current/region_index.json", "/offers/v1.0/aws/other"} {
		l := &list{index: indexOf, away: away}
		_, err := (&Refresh{Base: l.serve(t).URL, Regions: []string{"eu-north-1"}}).Run(t.Context())
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, "which is not followed")
		require.Len(t, l.asked, 1)
	}
	require.Empty(t, elsewhere.asked, "no other server was asked")
	for base, says := range map[string]string{"ftp://x": "no address", "file:///etc": "no address", "https://user:secret@host": "no address", "%": "no address"} {
		_, err := (&Refresh{Base: base, Regions: []string{"eu-north-1"}}).Run(t.Context())
		require.ErrorContains(t, err, says, base)
		require.NotContains(t, err.Error(), "secret")
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(gone.Close)
	_, err := (&Refresh{Base: gone.URL, Regions: []string{"eu-north-1"}}).Run(t.Context())
	require.ErrorIs(t, err, fault.NotFound)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err = (&Refresh{Base: gone.URL, Regions: []string{"eu-north-1"}}).Run(stopped)
	require.ErrorIs(t, err, fault.Canceled)
	l := &list{index: indexOf}
	_, err = (&Refresh{Base: l.serve(t).URL, Regions: []string{"eu-north-1"}}).Run(t.Context())
	require.ErrorIs(t, err, fault.NotFound, "a list without a price is none")
}
