package s3

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dbLetters: number -> letter. What happens to an object and who is to be told of it are
// one transaction: what was acknowledged is told, also after a crash.
const dbLetters = "s3.letters"

// Bus is the default bus of EventBridge, as the service keeps what it is told.
type Bus interface {
	// KeepEvent puts an event on the default bus; it is on disk when that returns.
	KeepEvent(sc wire.Scope, source, detailType string, resources []string, detail any) error
}

// SetBus gives S3 the bus for buckets that tell EventBridge. It is called before Start.
func (s *Service) SetBus(b Bus) { s.bus = b }

// Start begins to tell of what happens to objects, and to make inventories. The services
// that are told have to run.
func (s *Service) Start(ctx context.Context) error {
	return errors.Join(s.courier.Start(ctx), s.reports.Start(ctx))
}

// Close ends it; what is left is told after the next Start.
func (s *Service) Close() error { return errors.Join(s.reports.Close(), s.courier.Close()) }

// cause is why an object changes, and by whom.
type cause struct {
	event  string // "ObjectCreated:Put"
	reason string // "PutObject", as EventBridge has it
	req    *wire.Request
}

// letter is one event for one destination, as it is kept until it was told.
type letter struct {
	Kind, To string // "Bus" goes to the default bus of the owner
	Bucket   string
	Owner    wire.Scope
	Body     json.RawMessage
	Type     string `json:",omitempty"` // the detail's, for the bus
	First    time.Time
	Tries    int `json:",omitempty"`
}

// notices keeps the letters about a version.
func (s *Service) notices(tx *store.Tx, b bucketMeta, v *version, why cause) (out []courier.Ticket, err error) {
	if b.Notify == nil || why.event == "" {
		return nil, nil
	}
	now := s.Clock.Now().UTC()
	for _, l := range s.letters(b, v, why, now) {
		t, err := s.courier.Keep(tx, l, now)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (s *Service) letters(b bucketMeta, v *version, why cause, now time.Time) (out []letter) {
	one := letter{Bucket: b.Name, Owner: b.Scope, First: now}
	for _, d := range b.Notify.To {
		name := "s3:" + why.event
		if !strings.HasPrefix(v.Key, d.Prefix) || !strings.HasSuffix(v.Key, d.Suffix) {
			continue
		}
		for _, e := range d.Events {
			if !covers(e, name) {
				continue
			}
			one.Kind, one.To = d.Kind, d.ARN
			one.Body = encodeJSON(map[string]any{"Records": []any{record(b, v, why, d.ID, now)}})
			out = append(out, one)
			break
		}
	}
	if b.Notify.Bus {
		one.Kind, one.To = "Bus", ""
		one.Type, one.Body = busType(why.event), encodeJSON(busDetail(b, v, why))
		out = append(out, one)
	}
	return out
}

// encodeJSON writes what was made here of texts, numbers and maps.
func encodeJSON(v any) json.RawMessage {
	raw, _ := json.Marshal(v)
	return raw
}

// sequencer orders the events of a key.
func sequencer(v *version) string { return fmt.Sprintf("%018X", v.Seq) }

// from is the address that a request came from.
func (c cause) from() string {
	if c.req.HTTP != nil {
		if host, _, err := net.SplitHostPort(c.req.HTTP.RemoteAddr); err == nil {
			return host
		}
	}
	return "127.0.0.1"
}

// record is an event as queues, topics and functions get it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
func record(b bucketMeta, v *version, why cause, config string, now time.Time) map[string]any {
	object := map[string]any{"key": strings.ReplaceAll(url.QueryEscape(v.Key), "%2F", "/"), "sequencer": sequencer(v)}
	removed := why.event == "ObjectRemoved:Delete"
	switch {
	case v.Marker && !removed:
		object["eTag"] = "d41d8cd98f00b204e9800998ecf8427e" // of no data
	case !removed:
		object["size"], object["eTag"] = v.Size, v.ETag
	}
	if v.ID != nullID {
		object["versionId"] = v.ID
	}
	return map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": b.Scope.Region, "eventTime": xmlTime(now), "eventName": why.event,
		"userIdentity":      map[string]any{"principalId": "AWS:" + cmp.Or(why.req.Principal.UserID, why.req.Principal.Account)},
		"requestParameters": map[string]any{"sourceIPAddress": why.from()},
		"responseElements":  map[string]any{"x-amz-request-id": why.req.ID, "x-amz-id-2": why.req.ID},
		"s3": map[string]any{
			"s3SchemaVersion": "1.0", "configurationId": config,
			"bucket": map[string]any{"name": b.Name, "ownerIdentity": map[string]any{"principalId": b.owner().ID}, "arn": bucketARN(b.Scope, b.Name)},
			"object": object,
		},
	}
}

func busType(event string) string {
	switch kind, what, _ := strings.Cut(event, ":"); {
	case kind == "ObjectCreated":
		return "Object Created"
	case kind == "ObjectRemoved":
		return "Object Deleted"
	case what == "Put":
		return "Object Tags Added"
	}
	return "Object Tags Deleted"
}

// busDetail is the detail of an event as EventBridge gets it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
func busDetail(b bucketMeta, v *version, why cause) map[string]any {
	object := map[string]any{"key": v.Key, "sequencer": sequencer(v)}
	out := map[string]any{
		"version": "0", "bucket": map[string]any{"name": b.Name}, "object": object, "request-id": why.req.ID,
		"requester": cmp.Or(why.req.Principal.Account, why.req.Principal.Service), "source-ip-address": why.from(),
	}
	if v.ID != nullID {
		object["version-id"] = v.ID
	}
	switch why.event {
	case "ObjectRemoved:Delete":
		out["deletion-type"] = "Permanently Deleted"
	case "ObjectRemoved:DeleteMarkerCreated":
		out["deletion-type"], object["etag"] = "Delete Marker Created", "d41d8cd98f00b204e9800998ecf8427e"
	case "ObjectCreated:Put", "ObjectCreated:Post", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload":
		object["size"], object["etag"] = v.Size, v.ETag
	default:
		object["etag"] = v.ETag
		return out // tags: no reason
	}
	out["reason"] = why.reason
	return out
}

// maxLetterAge is how long S3 goes on trying, which AWS does not document.
const maxLetterAge = 24 * time.Hour

// bring tells a destination once. Missing permissions and destinations are not tried again.
func (s *Service) bring(ctx context.Context, l *letter) (pause time.Duration, again bool) {
	err := s.hand(ctx, *l)
	if err == nil {
		return 0, false
	}
	if ctx.Err() != nil || wire.Transient(err) && s.Clock.Now().Sub(l.First) < maxLetterAge {
		l.Tries++
		return courier.Backoff(l.Tries), true
	}
	s.Log.Warn("a notification of a bucket was not told", "bucket", l.Bucket, "destination", l.To, "error", err.Error())
	return 0, false
}

// permanentlyGone tells whether an error says that there is no such destination.
func permanentlyGone(err error) bool {
	lower := strings.ToLower(wire.AsError(err).Code)
	return strings.Contains(lower, "notfound") || strings.Contains(lower, "doesnotexist") || strings.Contains(lower, "nonexistent")
}

// hand gives a letter to its destination, as S3.
func (s *Service) hand(ctx context.Context, l letter) error {
	b := bucketMeta{Name: l.Bucket, Scope: l.Owner}
	if l.Kind == "Bus" {
		if s.bus == nil {
			return nil
		}
		return s.bus.KeepEvent(l.Owner, "aws.s3", l.Type, []string{bucketARN(b.Scope, b.Name)}, l.Body)
	}
	a, _ := wire.ParseARN(l.To)
	var service, operation string
	var in map[string]any
	switch l.Kind {
	case "Queue":
		service, operation = "sqs", "SendMessage"
		in = map[string]any{"QueueUrl": "http://sqs/" + a.AccountID + "/" + a.Resource, "MessageBody": string(l.Body)}
	case "Topic":
		service, operation = "sns", "Publish"
		in = map[string]any{"TopicArn": l.To, "Subject": "Amazon S3 Notification", "Message": string(l.Body)}
	default:
		service, operation = "lambda", "Invoke"
		in = map[string]any{"FunctionName": l.To, "InvocationType": "Event", "Payload": base64.StdEncoding.EncodeToString(l.Body)}
	}
	_, err := s.router.Invoke(ctx, wire.ScopeOfARN(a), sender(b), service, operation, encodeJSON(in))
	return err
}
