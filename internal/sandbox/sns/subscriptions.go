package sns

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// subscription is a subscription as it is kept.
type subscription struct {
	Topic              string // ARN
	ID, ARN            string
	Protocol, Endpoint string
	Owner, Principal   string            // the account and the ARN of who subscribed
	Attributes         map[string]string // those that were set
	Token              string
	Pending            bool `json:",omitempty"`
	// Asked is when the endpoint was last asked to confirm it.
	Asked time.Time
	// Authenticated is whether its confirmation was signed.
	Authenticated bool `json:",omitempty"`
	// Guarded is whether only who is authenticated may unsubscribe.
	Guarded bool `json:",omitempty"`
}

// key is where the store has the subscription.
func (x subscription) key() string { return x.topicKey() + "\x00" + x.ID }

// topicKey is where the store has its topic.
func (x subscription) topicKey() string {
	a, _ := wire.ParseARN(x.Topic)
	return ref{wire.ScopeOfARN(a), a.Resource}.key()
}

func (x subscription) raw() bool { return x.Attributes["RawMessageDelivery"] == "true" }

// unconfirmed is the patience with a subscription that nobody confirms: "automatic
// deletion of unconfirmed subscriptions once they have been in a pending confirmation state for 48 hours".
// https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/
const unconfirmed = 48 * time.Hour

// there reports whether the subscription is there still.
func (s *Service) there(x subscription) bool {
	return !x.Pending || s.now().Sub(x.Asked) < unconfirmed
}

// shown is the endpoint as others may see it: SNS masks the password of an endpoint of
// HTTP(S) in its answers (https://github.com/hashicorp/terraform/issues/11108 has one).
func (x subscription) shown() string {
	scheme, rest, _ := strings.Cut(x.Endpoint, "://")
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	at := strings.LastIndex(authority, "@")
	name, _, secret := strings.Cut(authority[:max(at, 0)], ":")
	if !x.web() || !secret {
		return x.Endpoint
	}
	return scheme + "://" + name + ":****" + rest[at:]
}

// unnamed is the text of an error without the password of the endpoint.
func (x subscription) unnamed(err error) string {
	return strings.ReplaceAll(err.Error(), x.Endpoint, x.shown())
}

// web is whether it is an endpoint of HTTP(S).
func (x subscription) web() bool { return x.Protocol == "http" || x.Protocol == "https" }

// pendingARN is what lists and Subscribe say in place of the ARN of one that nobody has
// confirmed.
const (
	pendingARN   = "PendingConfirmation"
	pendingReply = "pending confirmation"
)

type subscribeInput struct {
	TopicArn, Protocol    string
	Endpoint              *string
	Attributes            map[string]string
	ReturnSubscriptionArn bool
}

type subscriptionOutput struct{ SubscriptionArn string }

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// checkEndpoint refuses what a protocol cannot reach.
func checkEndpoint(protocol, endpoint string) error {
	a, isARN := wire.ParseARN(endpoint)
	switch protocol {
	case "http", "https":
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != protocol || u.Host == "" {
			return invalid("Endpoint must match the specified protocol")
		}
		if !loopback(u.Hostname()) {
			return unserved("calls endpoints on this machine only, not %s", u.Hostname())
		}
	case "email", "email-json":
		if m, err := mail.ParseAddress(endpoint); err != nil || m.Address != endpoint {
			return invalid("Email address")
		}
	case "sqs":
		if !isARN || a.Service != "sqs" {
			return invalid("SQS endpoint ARN")
		}
		if strings.HasSuffix(a.Resource, ".fifo") {
			return invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
		}
	case "lambda":
		if !isARN || a.Service != "lambda" {
			return invalid("Lambda endpoint ARN")
		}
	case "sms", "application", "firehose":
		return unserved("does not deliver by %s", protocol)
	default:
		return invalid("Amazon SNS does not support this protocol string: %s", protocol)
	}
	return nil
}

func newToken() string {
	b := make([]byte, 64)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// subscribe makes a subscription; queues and functions of the subscriber's own account
// need no confirmation. The same one made again is the one that is there.
func (s *Service) subscribe(_ context.Context, req *wire.Request, in *subscribeInput) (*subscriptionOutput, error) {
	t, err := s.readTopic(req, in.TopicArn)
	if err != nil {
		return nil, err
	}
	endpoint := ""
	if in.Endpoint != nil {
		endpoint = *in.Endpoint
	}
	if err := checkEndpoint(in.Protocol, endpoint); err != nil {
		return nil, err
	}
	attributes := make(map[string]string, len(in.Attributes))
	for name, v := range in.Attributes {
		attributes[name] = inCase(name, v)
	}
	x := subscription{
		Topic: t.ARN, ID: wire.NewID(), Protocol: in.Protocol, Endpoint: endpoint, Owner: req.Principal.Account, Principal: req.Principal.ARN,
		Attributes: attributes, Token: newToken(), Authenticated: true,
	}
	x.ARN = t.ARN + ":" + x.ID
	for name, v := range attributes {
		if err := x.checkAttribute(name, v); err != nil {
			return nil, invalid("Attributes Reason: %s", strings.TrimPrefix(wire.AsError(err).Message, "Invalid parameter: "))
		}
	}
	maps.DeleteFunc(x.Attributes, func(name, v string) bool { return !worthKeeping(name, v) })
	if a, ok := wire.ParseARN(endpoint); !ok || a.AccountID != req.Principal.Account {
		x.Pending, x.Authenticated = true, false
	}
	var again []courier.Ticket
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(topicsBucket, t.ref().key()) == nil {
			return noTopic()
		}
		all, err := store.List[subscription](tx, subscriptionsBucket, t.ref().key()+"\x00")
		if err != nil {
			return err
		}
		for _, old := range all {
			if !s.there(old) {
				if err := tx.Delete(subscriptionsBucket, old.key()); err != nil {
					return err
				}
				continue
			}
			if old.Protocol != x.Protocol || old.Endpoint != x.Endpoint {
				continue
			}
			if !maps.Equal(old.Attributes, x.Attributes) && len(in.Attributes) > 0 {
				return invalid("Attributes Reason: Subscription already exists with different attributes")
			}
			x = old
		}
		if x.Pending { // whoever subscribes once more is asked once more
			x.Asked = s.now()
			if again, err = s.keep(tx, delivery{
				Subscription: x, Kind: confirmation, Message: notice{ID: wire.NewID(), At: s.now()},
				TopicPolicy: t.Attributes["DeliveryPolicy"],
			}); err != nil {
				return err
			}
		}
		return store.Put(tx, subscriptionsBucket, x.key(), x)
	})
	if err != nil {
		return nil, err
	}
	s.courier.Begin(again...)
	if x.Pending && !in.ReturnSubscriptionArn {
		return &subscriptionOutput{pendingReply}, nil
	}
	return &subscriptionOutput{x.ARN}, nil
}

// checkAttribute refuses what an attribute of a subscription may not be.
// https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
func (x subscription) checkAttribute(name, v string) error {
	switch name {
	case "RawMessageDelivery":
		if v != "true" && v != "false" {
			return invalid("RawMessageDelivery: Invalid value [%s]. Must be true or false.", v)
		}
		if v == "true" && x.Protocol != "sqs" && x.Protocol != "http" && x.Protocol != "https" {
			return invalid("Delivery protocol [%s] does not support raw message delivery.", x.Protocol)
		}
	case "FilterPolicy":
		if v == "" {
			return nil
		}
		return checkFilter(v, x.Attributes["FilterPolicyScope"])
	case "FilterPolicyScope":
		if v != inAttributes && v != inBody {
			return invalid("FilterPolicyScope: Invalid value [%s]. Please use either MessageBody or MessageAttributes", v)
		}
	case "RedrivePolicy":
		if v == "" {
			return nil
		}
		a, ok := wire.ParseARN(deadLetters(v))
		if !ok || a.Service != "sqs" {
			return invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
		}
		if topic, _ := wire.ParseARN(x.Topic); topic.Region != a.Region || topic.AccountID != a.AccountID {
			return invalid("RedrivePolicy: deadLetterTargetArn must be in the account and region of the subscription")
		}
	case "DeliveryPolicy":
		// "Only HTTP/S supports custom policies."
		// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
		if v != "" && !x.web() {
			return invalid("Delivery protocol [%s] does not support delivery policy.", x.Protocol)
		}
		_, err := ownPolicy(v)
		return err
	default:
		return invalid("AttributeName")
	}
	return nil
}

// worthKeeping reports whether an attribute says something.
func worthKeeping(name, v string) bool {
	return v != "" && (name != "FilterPolicy" || !asksNothing(v))
}

// deadLetters is the queue of a redrive policy.
func deadLetters(policy string) string {
	var p struct {
		Target string `json:"deadLetterTargetArn"`
	}
	_ = json.Unmarshal([]byte(policy), &p) // checked when it was set
	return p.Target
}

type confirmInput struct {
	TopicArn, Token           string
	AuthenticateOnUnsubscribe *string
}

func (s *Service) confirm(_ context.Context, req *wire.Request, in *confirmInput) (*subscriptionOutput, error) {
	guarded := in.AuthenticateOnUnsubscribe != nil && strings.EqualFold(*in.AuthenticateOnUnsubscribe, "true")
	return s.confirmed(req, in.TopicArn, in.Token, guarded, true)
}

// inCase is the value of an attribute as it is kept: RawMessageDelivery may be in any case.
func inCase(name, v string) string {
	if name == "RawMessageDelivery" {
		if l := strings.ToLower(v); l == "true" || l == "false" {
			return l
		}
	}
	return v
}

// tokenForm is what a token looks like; another text is told apart from a token that
// is not known.
var tokenForm = lazyregexp.New(`^[0-9a-f]{64,}$`)

// confirmed confirms the subscription of a token.
func (s *Service) confirmed(req *wire.Request, topicARN, token string, guarded, signed bool) (*subscriptionOutput, error) {
	if !tokenForm.MatchString(token) {
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidParameter", "Invalid token")
	}
	t, err := s.readTopic(req, topicARN)
	if e := wire.AsError(err); err != nil && e.Code == "NotFound" {
		return nil, invalid("Token") // not the topic is named
	}
	if err != nil {
		return nil, err
	}
	var out *subscriptionOutput
	err = s.DB.Update(func(tx *store.Tx) error {
		prefix := t.ref().key() + "\x00"
		all, err := store.List[subscription](tx, subscriptionsBucket, prefix)
		if err != nil {
			return err
		}
		if x, found, err := s.ended(tx, prefix, token); err != nil || found {
			out = &subscriptionOutput{x.ARN}
			return err
		}
		i := slices.IndexFunc(all, func(x subscription) bool { return token != "" && x.Token == token && s.there(x) })
		if i < 0 {
			return invalid("Token")
		}
		x := all[i]
		out = &subscriptionOutput{x.ARN}
		if !x.Pending {
			return nil
		}
		x.Pending, x.Guarded, x.Authenticated = false, guarded, signed
		return store.Put(tx, subscriptionsBucket, x.key(), x)
	})
	return out, err
}

// ended takes up again the subscription that was ended lately and has a token now.
func (s *Service) ended(tx *store.Tx, prefix, token string) (x subscription, found bool, err error) {
	all, err := store.List[subscription](tx, endedBucket, prefix)
	if err != nil {
		return x, false, err
	}
	i := slices.IndexFunc(all, func(x subscription) bool {
		return token != "" && x.Token == token && s.now().Sub(x.Asked) < unconfirmed
	})
	if i < 0 {
		return x, false, nil
	}
	x = all[i]
	if err := tx.Delete(endedBucket, x.key()); err != nil {
		return x, false, err
	}
	return x, true, store.Put(tx, subscriptionsBucket, x.key(), x)
}

// farewells ask an endpoint of HTTP(S) whether the end of its subscription was meant: by
// the link in the message it takes the subscription up again.
// https://docs.aws.amazon.com/sns/latest/dg/http-unsubscribe-confirmation-json.html
func (s *Service) farewells(tx *store.Tx, x subscription, t topic) (keys []courier.Ticket, err error) {
	old, err := store.List[subscription](tx, endedBucket, x.topicKey()+"\x00")
	if err != nil {
		return nil, err
	}
	for _, o := range old {
		if s.now().Sub(o.Asked) >= unconfirmed {
			if err := tx.Delete(endedBucket, o.key()); err != nil {
				return nil, err
			}
		}
	}
	if !x.web() {
		return nil, nil
	}
	x.Token, x.Asked = newToken(), s.now()
	if err := store.Put(tx, endedBucket, x.key(), x); err != nil {
		return nil, err
	}
	return s.keep(tx, delivery{Subscription: x, Kind: farewell, Message: notice{ID: wire.NewID(), At: s.now()}, TopicPolicy: t.Attributes["DeliveryPolicy"]})
}

type subscriptionInput struct {
	SubscriptionArn, AttributeName string
	AttributeValue                 *string
}

// subscriptionOf reads the ARN of a subscription.
func subscriptionOf(req *wire.Request, arn string) (key string, err error) {
	a, ok := wire.ParseARN(arn)
	name, sub, whole := strings.Cut(a.Resource, ":")
	sc := wire.ScopeOfARN(a)
	if !ok || a.Service != "sns" || !whole || sc.Region != req.Region || sc.Partition != req.Partition {
		return "", invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not %d", strings.Count(arn, ":")+1)
	}
	return ref{sc, name}.key() + "\x00" + sub, nil
}

// find loads a subscription that is there still.
func (s *Service) find(tx *store.Tx, key string) (subscription, error) {
	x, err := store.Find[subscription](tx, subscriptionsBucket, key, noSubscription())
	if err == nil && !s.there(x) {
		err = noSubscription()
	}
	return x, err
}

// own loads a subscription that the caller's account has, of its own or on its topic.
func (s *Service) own(tx *store.Tx, req *wire.Request, key string) (subscription, error) {
	x, err := s.find(tx, key)
	if a, _ := wire.ParseARN(x.Topic); err == nil && req.Principal.Account != x.Owner && req.Principal.Account != a.AccountID {
		err = wire.Errorf(http.StatusForbidden, "AuthorizationError", "Not authorized to access the subscription %s", x.ARN)
	}
	return x, err
}

// unsubscribe deletes a subscription; one that is gone is no error.
func (s *Service) unsubscribe(_ context.Context, req *wire.Request, in *subscriptionInput) (*none, error) {
	return &none{}, s.drop(req, in.SubscriptionArn, s.own)
}

func (s *Service) drop(req *wire.Request, arn string, find func(*store.Tx, *wire.Request, string) (subscription, error)) error {
	key, err := subscriptionOf(req, arn)
	if err != nil {
		return err
	}
	var told []courier.Ticket
	err = s.DB.Update(func(tx *store.Tx) error {
		told = nil
		x, err := find(tx, req, key)
		if err != nil {
			if wire.AsError(err).Code == "NotFound" {
				return nil
			}
			return err
		}
		if x.Pending {
			// The words that hashicorp/terraform-provider-aws waits for in answers of AWS,
			// internal/service/sns/topic_subscription.go.
			return invalid("Cannot unsubscribe a subscription that is pending confirmation")
		}
		t, err := store.Change(tx, topicsBucket, x.topicKey(), noTopic(), func(t *topic) error { t.Gone++; return nil })
		if err != nil {
			return err
		}
		if told, err = s.farewells(tx, x, t); err != nil {
			return err
		}
		return tx.Delete(subscriptionsBucket, key)
	})
	if err == nil {
		s.courier.Begin(told...)
	}
	return err
}

type listedSubscription struct{ SubscriptionArn, Owner, Protocol, Endpoint, TopicArn string }

type listSubscriptionsOutput struct {
	Subscriptions []listedSubscription
	NextToken     *string
}

func (s *Service) listSubscriptions(_ context.Context, req *wire.Request, in *tokenInput) (*listSubscriptionsOutput, error) {
	// "Returns a list of the requester's subscriptions", whosoever the topics are.
	// https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptions.html
	return s.listUnder("", in.NextToken, func(x subscription) bool {
		a, _ := wire.ParseARN(x.Topic)
		return x.Owner == req.Principal.Account && a.Region == req.Region
	})
}

func (s *Service) listByTopic(_ context.Context, req *wire.Request, in *tokenInput) (*listSubscriptionsOutput, error) {
	arn := ""
	if in.TopicArn != nil {
		arn = *in.TopicArn
	}
	t, err := s.readTopic(req, arn)
	if err != nil {
		return nil, err
	}
	return s.listUnder(t.ref().key()+"\x00", in.NextToken, func(subscription) bool { return true })
}

func (s *Service) listUnder(prefix string, token *string, keep func(subscription) bool) (*listSubscriptionsOutput, error) {
	all, err := store.Select(s.DB, subscriptionsBucket, prefix, func(x subscription) bool { return keep(x) && s.there(x) })
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(all, token, nil, perPage, subscription.key)
	if err != nil {
		return nil, badToken()
	}
	out := &listSubscriptionsOutput{Subscriptions: []listedSubscription{}, NextToken: next}
	for _, x := range some {
		one := listedSubscription{x.ARN, x.Owner, x.Protocol, x.shown(), x.Topic}
		if x.Pending {
			one.SubscriptionArn = pendingARN
		}
		out.Subscriptions = append(out.Subscriptions, one)
	}
	return out, nil
}

func (s *Service) subscriptionAttributes(_ context.Context, req *wire.Request, in *subscriptionInput) (*attributesOutput, error) {
	key, err := subscriptionOf(req, in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	var t topic
	x, err := store.Look(s.DB, func(tx *store.Tx) (subscription, error) {
		x, err := s.own(tx, req, key)
		if err == nil {
			t, err = store.Find[topic](tx, topicsBucket, x.topicKey(), noTopic())
		}
		return x, err
	})
	if err != nil {
		return nil, err
	}
	out := map[string]string{
		"SubscriptionArn": x.ARN, "TopicArn": x.Topic, "Protocol": x.Protocol, "Endpoint": x.shown(), "Owner": x.Owner, "SubscriptionPrincipal": x.Principal,
		"PendingConfirmation": strconv.FormatBool(x.Pending), "ConfirmationWasAuthenticated": strconv.FormatBool(x.Authenticated), "RawMessageDelivery": "false",
	}
	maps.Copy(out, x.Attributes)
	if out["FilterPolicy"] != "" && out["FilterPolicyScope"] == "" {
		out["FilterPolicyScope"] = inAttributes
	}
	if x.web() {
		out["EffectiveDeliveryPolicy"] = effective(t.Attributes["DeliveryPolicy"], x.Attributes["DeliveryPolicy"]).shown()
	}
	return &attributesOutput{out}, nil
}

func (s *Service) setSubscriptionAttributes(_ context.Context, req *wire.Request, in *subscriptionInput) (*none, error) {
	key, err := subscriptionOf(req, in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	value := ""
	if in.AttributeValue != nil {
		value = inCase(in.AttributeName, *in.AttributeValue)
	}
	x, err := store.Look(s.DB, func(tx *store.Tx) (subscription, error) { return s.own(tx, req, key) })
	if err != nil {
		return nil, err
	}
	if err := x.checkAttribute(in.AttributeName, value); err != nil {
		return nil, err
	}
	return &none{}, s.DB.Update(func(tx *store.Tx) error {
		_, err := store.Change(tx, subscriptionsBucket, key, noSubscription(), func(x *subscription) error {
			if x.Attributes == nil {
				x.Attributes = map[string]string{}
			}
			if x.Attributes[in.AttributeName] = value; !worthKeeping(in.AttributeName, value) {
				delete(x.Attributes, in.AttributeName)
			}
			return nil
		})
		return err
	})
}
