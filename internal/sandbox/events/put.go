package events

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// envelope is an event as targets get it.
type envelope struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Replay     string   `json:"replay-name,omitempty"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

// posting is an event that has come to a bus.
type posting struct {
	bus  busRef
	id   string
	text string   // the envelope
	only []string // ARNs of the rules that may look at it, of a replay; nil is all
	hops int      // from how many buses it was passed on
}

func (s *Service) post(ref busRef, e envelope) (posting, error) {
	if e.Resources == nil {
		e.Resources = []string{}
	}
	text, err := marshal(e)
	return posting{bus: ref, id: e.ID, text: string(text)}, err
}

// matched is what is to be done with events.
type matched struct {
	deliveries []delivery
	archived   []archiving
}

// match finds the rules of an event's bus that take it.
func (s *Service) match(into *matched, p posting) error {
	rules, err := s.compiled()
	if err != nil || len(rules) == 0 {
		return err
	}
	var event any
	for i := range rules {
		r := &rules[i]
		if r.rule.bus() != p.bus || p.only != nil && !slices.Contains(p.only, r.rule.ARN) {
			continue
		}
		if event == nil { // only now, since most events are for nobody
			if event, err = eventpattern.Decode(p.text); err != nil {
				return err
			}
			event = eventpattern.Nested(event)
		}
		if r.pattern.Matches(event) {
			into.add(r.rule, p, s.Clock.Now().UTC())
		}
	}
	return nil
}

// add notes an event for the targets of a rule.
func (m *matched) add(r rule, p posting, now time.Time) {
	for _, t := range r.Targets {
		if t.Archive != "" {
			m.archived = append(m.archived, archiving{r.Scope, t.Archive, json.RawMessage(p.text)})
			continue
		}
		m.deliveries = append(m.deliveries, delivery{
			Scope: r.Scope, Rule: r.ARN, Target: t, Event: json.RawMessage(p.text), ID: p.id, First: now, Hops: p.hops,
		})
	}
}

// store puts on disk what is to be done.
func (s *Service) store(tx *store.Tx, m matched, now time.Time) (out []courier.Ticket, err error) {
	for _, d := range m.deliveries {
		t, err := s.courier.Keep(tx, d, d.First)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	for _, a := range m.archived {
		if err := a.store(tx, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keep puts on disk what is to be done, and begins with it.
func (s *Service) keep(m matched) error {
	if len(m.deliveries) == 0 && len(m.archived) == 0 {
		return nil
	}
	var list []courier.Ticket
	err := s.DB.Batch(func(tx *store.Tx) (err error) {
		list, err = s.store(tx, m, s.now())
		return err
	})
	if err == nil {
		s.courier.Begin(list...)
	}
	return err
}

// PutEvent implements wire.Events. It returns at once; without a rule that
// matches it does nothing.
func (s *Service) PutEvent(ctx context.Context, sc wire.Scope, source, detailType string, resources []string, detail any) {
	rules, err := s.compiled()
	if err == nil && len(rules) == 0 {
		return
	}
	var p posting
	if err == nil {
		p, err = s.post(busRef{sc, defaultBus}, envelope{
			Version: "0", ID: wire.NewID(), DetailType: detailType, Source: source, Account: sc.Account,
			Time: s.now().Format(time.RFC3339), Region: sc.Region, Resources: resources, Detail: detail,
		})
	}
	if err != nil {
		s.Log.WarnContext(ctx, "event lost", "source", source, "detail_type", detailType, "error", err.Error())
		return
	}
	select {
	case s.posts <- []posting{p}:
	default:
		s.Log.WarnContext(ctx, "too many events wait to be kept, one is lost", "source", source, "detail_type", detailType)
	}
}

// KeepEvent puts an event of a service on the default bus. Unlike PutEvent it returns when
// what the event is for is on disk.
func (s *Service) KeepEvent(sc wire.Scope, source, detailType string, resources []string, detail any) error {
	rules, err := s.compiled()
	if err != nil || len(rules) == 0 {
		return err
	}
	p, err := s.post(busRef{sc, defaultBus}, envelope{
		Version: "0", ID: wire.NewID(), DetailType: detailType, Source: source, Account: sc.Account,
		Time: s.now().Format(time.RFC3339), Region: sc.Region, Resources: resources, Detail: detail,
	})
	if err != nil {
		return err
	}
	return s.publish([]posting{p})
}

// mostTogether bounds the events of services that share a commit.
const mostTogether = 256

// keepPosts keeps the events of services until the service is closed, and then those that
// have come before.
func (s *Service) keepPosts() {
	for {
		var some []posting
		select {
		case some = <-s.posts:
		case <-s.ctx.Done():
			select {
			case some = <-s.posts:
			default:
				return
			}
		}
	gather:
		for len(some) < mostTogether {
			select {
			case more := <-s.posts:
				some = append(some, more...)
			default:
				break gather
			}
		}
		m, err := s.matching(some)
		if err != nil { // the rules cannot be read
			s.Log.Error("events are lost", "count", len(some), "error", err.Error())
			continue
		}
		_ = persist.Until(s.ctx, s.Clock, s.Log, "the events of services", func() error { return s.keep(m) }, "count", len(some))
	}
}

// publish hands events to the rules of their buses.
func (s *Service) publish(some []posting) error {
	m, err := s.matching(some)
	if err != nil {
		return err
	}
	return s.keep(m)
}

// matching finds the rules of their buses that events are for.
func (s *Service) matching(some []posting) (m matched, err error) {
	for _, p := range some {
		if err := s.match(&m, p); err != nil {
			return m, err
		}
	}
	return m, nil
}

// onEntries are the buses that the entries of a call are for.
func onEntries(req *wire.Request, in wire.Input) (arns []string) {
	for _, e := range in.Each("Entries") {
		if ref, err := busNamed(req.Scope, e.Text("EventBusName")); err == nil && !slices.Contains(arns, ref.arn()) {
			arns = append(arns, ref.arn())
		}
	}
	return arns
}

// entryKeys are the condition keys of events that are put, of all of a call.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
func entryKeys(_ *wire.Request, in wire.Input) map[string][]string {
	keys := map[string][]string{}
	for _, e := range in.Each("Entries") {
		keys["events:source"] = append(keys["events:source"], e.Text("Source"))
		keys["events:detail-type"] = append(keys["events:detail-type"], e.Text("DetailType"))
	}
	return keys
}

// maxEntries bounds the entries of a call together.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
const maxEntries = 256 << 10

// size is that of an entry, as it is documented there.
func size(e types.PutEventsRequestEntry) int {
	n := len(aws.ToString(e.Source)) + len(aws.ToString(e.DetailType)) + len(aws.ToString(e.Detail))
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// putEvents takes also what is for a bus that does not exist: AWS acknowledges it and
// drops it (recorded in https://github.com/localstack/localstack,
// tests/aws/services/events/test_events.snapshot.json, nonexistent_event_bus).
func (s *Service) putEvents(_ context.Context, req *wire.Request, in *sdk.PutEventsInput) (*sdk.PutEventsOutput, error) {
	if in.EndpointId != nil {
		return nil, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox has no global endpoints")
	}
	total := 0
	for _, e := range in.Entries {
		total += size(e)
	}
	if total >= maxEntries {
		return nil, validation("Total size of the entries in the request is over the limit.")
	}
	out := &sdk.PutEventsOutput{}
	var some []posting
	for _, e := range in.Entries {
		p, code, text := s.entry(req, e)
		if code != "" {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, types.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &text})
			continue
		}
		some = append(some, p)
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: &p.id})
	}
	if err := s.publish(some); err != nil {
		return nil, err
	}
	return out, nil
}

// entry returns the event of an entry, or the code and text of why it fails.
func (s *Service) entry(req *wire.Request, e types.PutEventsRequestEntry) (p posting, code, text string) {
	source := aws.ToString(e.Source)
	for _, m := range []struct{ name, text string }{{"Source", source}, {"DetailType", aws.ToString(e.DetailType)}, {"Detail", aws.ToString(e.Detail)}} {
		if m.text == "" {
			return p, "InvalidArgument", "Parameter " + m.name + " is not valid. Reason: " + m.name + " is a required argument."
		}
	}
	if strings.HasPrefix(source, "aws.") {
		return p, "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	detail, err := eventpattern.Decode(*e.Detail)
	if _, ok := detail.(map[string]any); err != nil || !ok {
		return p, "MalformedDetail", "Detail is malformed."
	}
	at := s.now()
	if e.Time != nil {
		at = *e.Time
	}
	ref, err := busNamed(req.Scope, aws.ToString(e.EventBusName))
	if err != nil {
		return p, "InvalidArgument", err.Error()
	}
	p, err = s.post(ref, envelope{
		Version: "0", ID: wire.NewID(), DetailType: *e.DetailType, Source: source, Account: cmp.Or(req.Principal.Account, req.Account),
		Time: at.UTC().Format(time.RFC3339), Region: ref.Region, Resources: e.Resources, Detail: detail,
	})
	if err != nil {
		return p, "InternalFailure", err.Error()
	}
	return p, "", ""
}
