package s3

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// destination is where a configuration sends which events.
type destination struct {
	ID, Kind       string // the name of its member: "Queue", "Topic", "CloudFunction"
	ARN            string
	Events         []string // "s3:ObjectCreated:*"
	Prefix, Suffix string
}

// notifications are what a bucket tells, and whom.
type notifications struct {
	To  []destination
	Bus bool // the default bus of EventBridge
}

// The texts of this file are those that users quote AWS with; where none was found it says so.
const (
	cannotValidate = "Unable to validate the following destination configurations"
	overlapping    = "Configurations overlap. Configurations on the same bucket cannot share a common event type."
	ambiguous      = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type."
)

// checkNotification checks and completes a configuration: what has no ID gets one.
func checkNotification(n *node) error {
	if n.XMLName.Local != "NotificationConfiguration" {
		return errMalformed()
	}
	for _, c := range n.Nodes {
		switch c.XMLName.Local {
		case "EventBridgeConfiguration":
		case "QueueConfiguration", "TopicConfiguration", "CloudFunctionConfiguration":
			if err := checkDestination(c); err != nil {
				return err
			}
		default:
			return errMalformed()
		}
	}
	return checkOverlaps(readNotifications(n).To)
}

func checkDestination(c *node) error {
	kind := strings.TrimSuffix(c.XMLName.Local, "Configuration")
	known := types.Event("").Values()
	if c.text("Id") == "" {
		c.Nodes = append([]*node{newNode("Id", wire.NewID())}, c.Nodes...)
	}
	if c.text(kind) == "" || len(c.all("Event")) == 0 {
		return errMalformed()
	}
	for _, e := range c.all("Event") {
		if text := strings.TrimSpace(e.Text); !slices.Contains(known, types.Event(text)) {
			return errInvalid("Event", text, "The event '"+text+"' is not supported for notifications") // the words are ours
		}
	}
	seen := map[string]bool{}
	for _, r := range filterRules(c) {
		name := strings.ToLower(r.text("Name"))
		switch {
		case name != "prefix" && name != "suffix":
			return errInvalid("FilterRule.Name", r.text("Name"), "filter rule name must be either prefix or suffix")
		case seen[name]:
			return errInvalid("FilterRule.Name", r.text("Name"), "Cannot specify more than one "+name+" rule in a filter.")
		case len(r.text("Value")) > maxKey:
			return errInvalid("FilterRule.Value", r.text("Value"), "filter rule value cannot be longer than 1024 characters") // the words are ours
		}
		seen[name] = true
		r.set("Name", strings.ToUpper(name[:1])+name[1:]) // as S3 gives it back
	}
	return nil
}

func filterRules(c *node) (out []*node) {
	for _, f := range c.all("Filter") {
		for _, k := range f.all("S3Key") {
			out = append(out, k.all("FilterRule")...)
		}
	}
	return out
}

// readNotifications reads a configuration that was checked.
func readNotifications(n *node) (out notifications) {
	for _, c := range n.Nodes {
		kind := strings.TrimSuffix(c.XMLName.Local, "Configuration")
		if kind == "EventBridge" {
			out.Bus = true
			continue
		}
		d := destination{ID: c.text("Id"), Kind: kind, ARN: c.text(kind)}
		for _, e := range c.all("Event") {
			d.Events = append(d.Events, strings.TrimSpace(e.Text))
		}
		for _, r := range filterRules(c) {
			if strings.EqualFold(r.text("Name"), "prefix") {
				d.Prefix = r.text("Value")
			} else {
				d.Suffix = r.text("Value")
			}
		}
		out.To = append(out.To, d)
	}
	return out
}

// covers tells whether a configured event stands for a name.
func covers(configured, name string) bool {
	all, wild := strings.CutSuffix(configured, "*")
	return configured == name || wild && strings.HasPrefix(name, all)
}

func (d destination) shares(other destination) bool {
	return slices.ContainsFunc(d.Events, func(a string) bool {
		return slices.ContainsFunc(other.Events, func(b string) bool { return covers(a, b) || covers(b, a) })
	})
}

// checkOverlaps refuses that one event be told twice.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
func checkOverlaps(all []destination) error {
	ids := map[string]bool{}
	for i, a := range all {
		if ids[a.ID] {
			return errInvalid("Id", a.ID, "Same ID used for multiple configurations. IDs must be unique") // the words are ours
		}
		ids[a.ID] = true
		for _, b := range all[:i] {
			prefixes := strings.HasPrefix(a.Prefix, b.Prefix) || strings.HasPrefix(b.Prefix, a.Prefix)
			suffixes := strings.HasSuffix(a.Suffix, b.Suffix) || strings.HasSuffix(b.Suffix, a.Suffix)
			if !prefixes || !suffixes || !a.shares(b) {
				continue
			}
			if a.Prefix+a.Suffix+b.Prefix+b.Suffix == "" {
				return fail(http.StatusBadRequest, "InvalidArgument", overlapping)
			}
			return fail(http.StatusBadRequest, "InvalidArgument", ambiguous)
		}
	}
	return nil
}

// notification checks a configuration that is to be set, and tells each destination of it
// by a test event, as which S3 finds out whether it may send there.
func (c *call) notification(b bucketMeta, raw []byte) (string, error) {
	doc, err := normalise(raw, checkNotification)
	if err != nil {
		return "", err
	}
	n, err := parseNode([]byte(doc))
	if err != nil {
		return "", err
	}
	skip := strings.EqualFold(c.h.Header.Get("X-Amz-Skip-Destination-Validation"), "true")
	for _, d := range readNotifications(n).To {
		a, ok := wire.ParseARN(d.ARN)
		switch {
		case !ok || a.Service != map[string]string{"Queue": "sqs", "Topic": "sns", "CloudFunction": "lambda"}[d.Kind]:
			return "", errInvalid(d.ARN, "", "The ARN could not be parsed") // unsure: no recording of AWS was found
		case a.Region != b.Scope.Region:
			return "", errInvalid(d.ARN, "The notification destination service region is not valid for the bucket location constraint", cannotValidate)
		case strings.HasSuffix(a.Resource, ".fifo"): // https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
			return "", errInvalid(d.ARN, "FIFO destinations are not supported", cannotValidate) // unsure
		case skip:
			continue
		}
		if why := c.try(c.ctx(), b, d); why != "" {
			return "", errInvalid(d.ARN, why, cannotValidate)
		}
	}
	return doc, nil
}

// try says why a destination takes nothing from the bucket, "" if it does.
func (c *call) try(ctx context.Context, b bucketMeta, d destination) string {
	what := map[string]string{"Queue": "queue", "Topic": "topic"}[d.Kind]
	if what == "" {
		a, _ := wire.ParseARN(d.ARN)
		req := c.s.router.Inside(wire.ScopeOfARN(a), sender(b), "lambda")
		if !c.s.router.Has("lambda", "Invoke") || req.May(ctx, "lambda:InvokeFunction", d.ARN, nil) != nil {
			return "Not authorized to invoke function [" + d.ARN + "]"
		}
		return ""
	}
	body, err := json.Marshal(map[string]string{
		"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": xmlTime(c.s.Clock.Now()), "Bucket": b.Name, "RequestId": c.req.ID, "HostId": c.req.ID,
	})
	if err == nil {
		err = c.s.hand(ctx, letter{Kind: d.Kind, To: d.ARN, Bucket: b.Name, Owner: b.Scope, Body: body})
	}
	switch {
	case err == nil:
		return ""
	case permanentlyGone(err):
		return "The destination " + what + " does not exist"
	}
	return "Permissions on the destination " + what + " do not allow S3 to publish notifications from this bucket"
}

// sender is S3 telling of a bucket, whose ARN has no account.
func sender(b bucketMeta) wire.Principal {
	return wire.Principal{Service: "s3.amazonaws.com", Source: bucketARN(b.Scope, b.Name), SourceAccount: b.Scope.Account}
}
