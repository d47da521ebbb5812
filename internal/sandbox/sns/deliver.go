package sns

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Kinds of what is delivered.
const (
	notification = "Notification"
	confirmation = "SubscriptionConfirmation"
	farewell     = "UnsubscribeConfirmation"
)

// delivery is one message for one subscription, as it is kept until it is done. The
// subscription is as it was when the message was published.
type delivery struct {
	Subscription subscription
	Kind         string
	Message      notice
	TopicPolicy  string `json:",omitempty"` // the topic's delivery policy, as it was then
	Tries        int    `json:",omitempty"` // that have failed
}

// keep keeps deliveries, which are due at once. What they are begun with is for when the
// transaction is on disk.
func (s *Service) keep(tx *store.Tx, all ...delivery) (out []courier.Ticket, err error) {
	for _, d := range all {
		t, err := s.courier.Keep(tx, d, s.now())
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// finalError is the error of a delivery that is not tried again: the client's own, as SNS
// calls those that the endpoint's owner has to mend.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// deliver tries a delivery once.
func (s *Service) deliver(ctx context.Context, d *delivery) (pause time.Duration, again bool) {
	err := s.hand(ctx, *d)
	if err == nil {
		return 0, false
	}
	if ctx.Err() != nil {
		return 0, true
	}
	var final finalError
	if pause, again = d.pause(); again && !errors.As(err, &final) {
		d.Tries++
		return pause, true
	}
	s.Log.Warn("message not delivered", "topic", d.Subscription.Topic, "endpoint", d.Subscription.shown(), "error", d.Subscription.unnamed(err))
	s.bury(ctx, *d)
	return 0, false
}

// pause is how long to wait before a delivery is tried again; again is false when it was
// tried often enough. AWS jitters the pauses.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func (d delivery) pause() (wait time.Duration, again bool) {
	if d.Subscription.web() {
		p := effective(d.TopicPolicy, d.Subscription.Attributes["DeliveryPolicy"])
		return jittered(p.Healthy.pause(d.Tries)), d.Tries < p.Healthy.Retries
	}
	switch n := d.Tries; {
	case n < 3:
		return 0, true
	case n < 5:
		return jittered(1), true
	case n < 15:
		return jittered(math.Min(math.Pow(20, float64(n-4)/10), 20)), true
	case n < 100_015:
		return jittered(20), true
	}
	return 0, false
}

func jittered(seconds float64) time.Duration {
	return time.Duration(seconds * (0.9 + 0.1*rand.Float64()) * float64(time.Second)) // jitter
}

// hand gives a message to its endpoint.
func (s *Service) hand(ctx context.Context, d delivery) error {
	x := d.Subscription
	switch x.Protocol {
	case "sqs":
		return s.toQueue(ctx, d, x.Endpoint, x.raw() && d.Kind == notification)
	case "lambda":
		return s.toFunction(ctx, d)
	case "http", "https":
		return s.toEndpoint(ctx, d)
	}
	return s.toMailbox(d)
}

// document is a message as queues and endpoints get it.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (s *Service) document(d delivery) (map[string]any, error) {
	x, n := d.Subscription, d.Message
	out := map[string]any{"Type": d.Kind, "MessageId": n.ID, "TopicArn": x.Topic, "Message": n.body(x.Protocol), "Timestamp": n.At.UTC().Format(stamp)}
	if n.Subject != nil {
		out["Subject"] = *n.Subject
	}
	if d.Kind != notification {
		out["Token"] = x.Token
		out["Message"] = fmt.Sprintf("You have chosen to subscribe to the topic %s.\nTo confirm the subscription, visit the SubscribeURL included in this message.", x.Topic)
		out["SubscribeURL"] = s.link(url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {x.Topic}, "Token": {x.Token}})
		if d.Kind == farewell {
			out["Message"] = fmt.Sprintf("You have chosen to deactivate subscription %s.\nTo cancel this operation and restore the subscription, visit the "+
				"SubscribeURL included in this message.", x.ARN)
		}
	} else {
		out["UnsubscribeURL"] = s.link(url.Values{"Action": {"Unsubscribe"}, "SubscriptionArn": {x.ARN}})
	}
	if len(n.Attributes) > 0 {
		out["MessageAttributes"] = n.shown()
	}
	return out, s.sign(out, x.Topic)
}

// stamp is how times stand in messages.
const stamp = "2006-01-02T15:04:05.000Z"

// link is an address of SNS itself; the colons of ARNs stay in it, as on AWS.
func (s *Service) link(q url.Values) string {
	return s.Endpoint + "/?" + strings.ReplaceAll(q.Encode(), "%3A", ":")
}

// as is SNS delivering for a topic.
func (d delivery) as() wire.Principal {
	return wire.Principal{Service: ServiceName, Source: d.Subscription.Topic}
}

// call calls a service of an ARN's account and region. What it refuses to a client is not
// tried again.
func (s *Service) call(ctx context.Context, d delivery, arn, service, operation string, in any) error {
	a, ok := wire.ParseARN(arn)
	if !ok {
		return finalError{errors.New("the endpoint is no ARN")}
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, err = s.router.Invoke(ctx, wire.ScopeOfARN(a), d.as(), service, operation, raw)
	if err != nil && !wire.Transient(err) {
		return finalError{err}
	}
	return err
}

func (s *Service) toQueue(ctx context.Context, d delivery, queue string, raw bool) error {
	in := map[string]any{"MessageBody": d.Message.body(d.Subscription.Protocol)}
	if raw {
		// "If you use raw message delivery to an Amazon SQS queue [...] more than 10 message
		// attributes [...] client-side error"
		// https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html
		if len(d.Message.Attributes) > 10 {
			return finalError{errors.New("more than 10 attributes of a raw message")}
		}
		if len(d.Message.Attributes) > 0 {
			in["MessageAttributes"] = d.Message.Attributes
		}
	} else {
		doc, err := s.document(d)
		if err != nil {
			return err
		}
		text, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		in["MessageBody"] = string(text)
	}
	if d.Message.Group != nil && d.Subscription.Protocol == "sqs" {
		in["MessageGroupId"] = *d.Message.Group
	}
	a, _ := wire.ParseARN(queue)
	in["QueueUrl"] = "http://sqs/" + a.AccountID + "/" + a.Resource // what the path stands on does not count
	return s.call(ctx, d, queue, "sqs", "SendMessage", in)
}

// toFunction invokes a function.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html
func (s *Service) toFunction(ctx context.Context, d delivery) error {
	doc, err := s.document(d)
	if err != nil {
		return err
	}
	for old, name := range map[string]string{"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"} {
		doc[name] = doc[old]
		delete(doc, old)
	}
	doc["Subject"], doc["MessageAttributes"] = d.Message.Subject, d.Message.shown()
	payload, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": d.Subscription.ARN, "Sns": doc,
	}}})
	if err != nil {
		return err
	}
	return s.call(ctx, d, d.Subscription.Endpoint, "lambda", "Invoke", map[string]any{
		"FunctionName": d.Subscription.Endpoint, "InvocationType": "Event", "Payload": base64.StdEncoding.EncodeToString(payload),
	})
}

// toEndpoint posts to an endpoint of HTTP(S). Of its answers those of 400 to 499 but 429
// are for good.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
func (s *Service) toEndpoint(ctx context.Context, d delivery) error {
	x := d.Subscription
	body := []byte(d.Message.body(x.Protocol))
	raw := x.raw() && d.Kind == notification
	if !raw {
		doc, err := s.document(d)
		if err != nil {
			return err
		}
		if body, err = json.MarshalIndent(doc, "", "  "); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.Endpoint, bytes.NewReader(body))
	if err != nil {
		return finalError{err}
	}
	if !loopback(req.URL.Hostname()) {
		return finalError{errors.New("the endpoint is not on this machine")}
	}
	if password, ok := req.URL.User.Password(); ok {
		req.SetBasicAuth(req.URL.User.Username(), password)
	}
	for name, v := range map[string]string{
		"Content-Type": "text/plain; charset=UTF-8", "User-Agent": "Amazon Simple Notification Service Agent", "x-amz-sns-message-type": d.Kind,
		"x-amz-sns-message-id": d.Message.ID, "x-amz-sns-topic-arn": x.Topic, "x-amz-sns-subscription-arn": x.ARN,
	} {
		if name != "x-amz-sns-subscription-arn" || d.Kind != confirmation {
			req.Header.Set(name, v)
		}
	}
	if raw {
		req.Header.Set("x-amz-sns-rawdelivery", "true")
	}
	res, err := s.Client.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	_ = res.Body.Close()
	switch code := res.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 400 && code < 500 && code != http.StatusTooManyRequests:
		return finalError{fmt.Errorf("the endpoint has answered %s", res.Status)}
	}
	return fmt.Errorf("the endpoint has answered %s", res.Status)
}

// bury sends what cannot be delivered to the subscription's dead-letter queue.
// https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
func (s *Service) bury(ctx context.Context, d delivery) {
	queue := deadLetters(d.Subscription.Attributes["RedrivePolicy"])
	if queue == "" || d.Kind != notification {
		return
	}
	if err := s.toQueue(ctx, d, queue, d.Subscription.raw()); err != nil {
		s.Log.Warn("message not delivered to the dead-letter queue", "topic", d.Subscription.Topic, "queue", queue, "error", err.Error())
	}
}
