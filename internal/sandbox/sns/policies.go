package sns

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
)

// retries is how an endpoint of HTTP(S) is tried again, in the words of delivery policies:
// delays in seconds, and how many of all the retries come at once, after the least delay, and
// after the greatest.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html#creating-delivery-policy
type retries struct {
	MinDelay float64 `json:"minDelayTarget"`
	MaxDelay float64 `json:"maxDelayTarget"`
	Retries  int     `json:"numRetries"`
	AtMax    int     `json:"numMaxDelayRetries"`
	AtOnce   int     `json:"numNoDelayRetries"`
	AtMin    int     `json:"numMinDelayRetries"`
	Backoff  string  `json:"backoffFunction"`
}

// usual is what a delivery policy does not say.
var usual = retries{MinDelay: 20, MaxDelay: 20, Retries: 3, Backoff: "linear"}

// UnmarshalJSON gives what is left out its usual value.
func (r *retries) UnmarshalJSON(raw []byte) error {
	type plain retries
	given := plain(usual)
	err := strictly(string(raw), &given)
	*r = retries(given)
	return err
}

// strictly reads one JSON document with no members but those of v: of a word that nobody
// knows nothing would become.
func strictly(text string, v any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the document")
	}
	return nil
}

// check refuses what is out of bounds, which the documentation has in a table.
func (r *retries) check() error {
	switch {
	case r == nil:
		return nil
	case r.Retries < 0 || r.Retries > 100:
		return invalid("DeliveryPolicy: healthyRetryPolicy.numRetries must be between 0 and 100")
	case r.MinDelay < 1 || r.MaxDelay > 3600 || r.MaxDelay < r.MinDelay:
		return invalid("DeliveryPolicy: healthyRetryPolicy: minDelayTarget must be at least 1, maxDelayTarget at most 3600 and not less than minDelayTarget")
	case r.AtOnce < 0 || r.AtMin < 0 || r.AtMax < 0 || r.AtOnce+r.AtMin+r.AtMax > r.Retries:
		return invalid("DeliveryPolicy: healthyRetryPolicy: numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries must not be negative, nor together more than numRetries")
	}
	switch r.Backoff {
	case "linear", "arithmetic", "geometric", "exponential":
		return nil
	}
	return invalid("DeliveryPolicy: healthyRetryPolicy.backoffFunction must be one of linear, arithmetic, geometric, exponential")
}

// pause is how many seconds to wait after so many retries: first none, then the least delay,
// then what grows from the least to the greatest, then the greatest.
func (r retries) pause(tries int) float64 {
	growing := r.Retries - r.AtOnce - r.AtMin - r.AtMax
	switch n := tries - r.AtOnce; {
	case n < 0:
		return 0
	case n < r.AtMin:
		return r.MinDelay
	case n >= r.AtMin+growing:
		return r.MaxDelay
	case growing < 2:
		return r.MinDelay
	default:
		return r.grown(float64(n-r.AtMin) / float64(growing-1))
	}
}

// grown is the delay at a share of the way from the least to the greatest. AWS draws the
// functions as curves without formulas, all but the line rising late: these do so.
func (r retries) grown(share float64) float64 {
	span := r.MaxDelay - r.MinDelay
	switch r.Backoff {
	case "arithmetic":
		return r.MinDelay + span*share*(1+share)/2
	case "geometric":
		return r.MinDelay * math.Pow(r.MaxDelay/r.MinDelay, share)
	case "exponential":
		const bend = 4
		return r.MinDelay + span*(math.Exp2(bend*share)-1)/(math.Exp2(bend)-1)
	}
	return r.MinDelay + span*share
}

// subscriptionPolicy is the delivery policy of a subscription.
// https://docs.aws.amazon.com/sns/latest/dg/set-sub-attributes-delivery-policy-json.html
type subscriptionPolicy struct {
	Healthy    *retries        `json:"healthyRetryPolicy"`
	Sickly     json.RawMessage `json:"sicklyRetryPolicy"`
	Throttle   json.RawMessage `json:"throttlePolicy"`
	Request    json.RawMessage `json:"requestPolicy"`
	Guaranteed bool            `json:"guaranteed"`
}

// shown is the policy as attributes have it.
func (p subscriptionPolicy) shown() string {
	raw, _ := json.Marshal(p) // of raw members that were read
	return string(raw)
}

// ownPolicy reads the delivery policy of a subscription; of none nothing is said.
func ownPolicy(text string) (p subscriptionPolicy, err error) {
	if text == "" {
		return p, nil
	}
	if err := strictly(text, &p); err != nil {
		return p, invalid("DeliveryPolicy: failed to parse JSON. %s", err)
	}
	return p, p.Healthy.check()
}

// topicPolicy is the delivery policy of a topic.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html#creating-delivery-policy
type topicPolicy struct {
	HTTP struct {
		Healthy  *retries        `json:"defaultHealthyRetryPolicy"`
		Sickly   json.RawMessage `json:"defaultSicklyRetryPolicy,omitempty"`
		Alone    bool            `json:"disableSubscriptionOverrides"`
		Throttle json.RawMessage `json:"defaultThrottlePolicy,omitempty"`
		Request  json.RawMessage `json:"defaultRequestPolicy"`
	} `json:"http"`
}

// topicPolicyOf reads the delivery policy of a topic, and gives it what it does not say.
func topicPolicyOf(text string) (p topicPolicy, err error) {
	if text != "" {
		if err := strictly(text, &p); err != nil {
			return p, invalid("DeliveryPolicy: failed to parse JSON. %s", err)
		}
		err = p.HTTP.Healthy.check()
	}
	if h := &p.HTTP; h.Healthy == nil {
		standard := usual
		h.Healthy = &standard
	}
	if p.HTTP.Request == nil {
		p.HTTP.Request = json.RawMessage(`{"headerContentType":"text/plain; charset=UTF-8"}`)
	}
	return p, err
}

// shown is the policy as attributes have it.
func (p topicPolicy) shown() string {
	raw, _ := json.Marshal(p) // of raw members that were read
	return string(raw)
}

// effective is the policy of a subscription of a topic: what its own one says unless the
// topic allows no other, else what the topic's says. Both were checked when they were set.
func effective(ofTopic, ofSubscription string) subscriptionPolicy {
	t, _ := topicPolicyOf(ofTopic)
	p := subscriptionPolicy{}
	if !t.HTTP.Alone {
		p, _ = ownPolicy(ofSubscription)
	}
	if p.Healthy == nil {
		p.Healthy = t.HTTP.Healthy
	}
	if p.Throttle == nil {
		p.Throttle = t.HTTP.Throttle
	}
	if p.Request == nil {
		p.Request = t.HTTP.Request
	}
	return p
}
