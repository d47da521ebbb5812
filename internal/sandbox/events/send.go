package events

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// send gives an event to its target. It returns nil if that was done.
func (s *Service) send(ctx context.Context, d delivery) *failure {
	a, ok := wire.ParseARN(d.Target.ARN)
	if !ok {
		return &failure{code: "INVALID_PARAMETER", text: "the target has no ARN"}
	}
	p, f := s.principal(ctx, d)
	if f != nil {
		return f
	}
	if a.Service == "events" && strings.HasPrefix(a.Resource, "event-bus/") {
		return s.forward(ctx, d, p)
	}
	body, err := d.Target.body(subject{text: string(d.Event), rule: d.Rule, ingested: d.First})
	if err != nil {
		return &failure{code: "INVALID_JSON", text: err.Error()}
	}
	switch a.Service {
	case "sqs":
		in := map[string]any{"QueueUrl": queueURL(d.Target.ARN), "MessageBody": body}
		if d.Target.Group != "" {
			in["MessageGroupId"] = d.Target.Group
		}
		err = s.call(ctx, d, p, d.Target.ARN, "sqs", "SendMessage", in)
	case "sns":
		// A topic is not told of the rule, so that a statement with a condition on
		// aws:SourceArn or aws:SourceAccount never holds, nor does one in the policy of its key.
		// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions
		// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
		p.Source = ""
		err = s.call(ctx, d, p, d.Target.ARN, "sns", "Publish", map[string]any{"TopicArn": d.Target.ARN, "Message": body})
	case "lambda":
		err = s.call(ctx, d, p, d.Target.ARN, "lambda", "Invoke", map[string]any{
			"FunctionName": d.Target.ARN, "InvocationType": "Event", "Payload": base64.StdEncoding.EncodeToString([]byte(body)),
		})
	case "states":
		// The name makes a repeated delivery the same execution.
		err = s.call(ctx, d, p, d.Target.ARN, "sfn", "StartExecution", map[string]any{
			"stateMachineArn": d.Target.ARN, "input": body, "name": d.ID + "_" + uuidOf(d.Rule+"\x00"+d.Target.ID),
		})
	case "logs":
		err = s.log(ctx, d, p, strings.TrimSuffix(strings.TrimPrefix(a.Resource, "log-group:"), ":*"), body)
	case "events":
		return s.callDestination(ctx, d, p, body)
	default:
		return &failure{code: "INVALID_PARAMETER", text: "the sandbox does not deliver to " + d.Target.ARN}
	}
	return failed(err)
}

// principal is who delivers: the target's role, or EventBridge for the rule.
func (s *Service) principal(ctx context.Context, d delivery) (wire.Principal, *failure) {
	if d.Target.Role == "" {
		return wire.Principal{Service: ServiceName, Source: d.Rule}, nil
	}
	p, err := s.Roles.AssumeServiceRole(ctx, d.Scope, ServiceName, d.Target.Role, d.Rule, "events-"+d.ID)
	if err != nil {
		return p, &failure{code: "FAILED_TO_ASSUME_ROLE", text: wire.AsError(err).Message}
	}
	return p, nil
}

// failed tells by an error what it means for the delivery. Missing permissions and
// targets are not tried again.
func failed(err error) *failure {
	if err == nil {
		return nil
	}
	e := wire.AsError(err)
	f := &failure{code: "ERROR_FROM_TARGET", text: e.Message}
	lower := strings.ToLower(e.Code)
	var denied *wire.DeniedError
	switch {
	case e.Status >= http.StatusInternalServerError:
		f.code, f.again = "INTERNAL_ERROR", true
	case strings.Contains(lower, "throttl"), strings.Contains(lower, "toomanyrequests"), strings.Contains(lower, "limitexceeded"):
		f.code, f.again = "THROTTLING", true
	case errors.As(err, &denied), strings.Contains(lower, "accessdenied"):
		f.code = "NO_PERMISSIONS"
	case strings.Contains(lower, "notfound"), strings.Contains(lower, "doesnotexist"), strings.Contains(lower, "nonexistent"):
		f.code = "NO_RESOURCE"
	case strings.Contains(lower, "alreadyexists"):
		f.code = "RESOURCE_ALREADY_EXISTS"
	case strings.Contains(lower, "validation"), strings.Contains(lower, "invalid"), strings.Contains(lower, "missing"):
		f.code = "INVALID_PARAMETER"
	}
	return f
}

// uuidOf is a name in the form of a UUID that is the same for the same text.
func uuidOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	t := hex.EncodeToString(sum[:16])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}

// log writes to a log group. A transformed input has the event's time and message; of
// AWS's streams only the form of the names is known, so that there is one for each target.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
func (s *Service) log(ctx context.Context, d delivery, p wire.Principal, group, body string) error {
	at, message := d.First.UnixMilli(), body
	if d.Target.Transformer != nil {
		var x struct {
			Timestamp json.Number `json:"timestamp"`
			Message   *string     `json:"message"`
		}
		if json.Unmarshal([]byte(body), &x) == nil && x.Message != nil {
			message = *x.Message
			if n, err := x.Timestamp.Int64(); err == nil {
				at = n
			}
		}
	}
	stream := uuidOf(d.Rule + "\x00" + d.Target.ID)
	put := func() error {
		return s.call(ctx, d, p, d.Target.ARN, "cloudwatchlogs", "PutLogEvents", map[string]any{
			"logGroupName": group, "logStreamName": stream, "logEvents": []any{map[string]any{"timestamp": at, "message": message}},
		})
	}
	err := put()
	if err == nil || wire.AsError(err).Code != "ResourceNotFoundException" {
		return err
	}
	err = s.call(ctx, d, p, d.Target.ARN, "cloudwatchlogs", "CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": stream})
	if err != nil && wire.AsError(err).Code != "ResourceAlreadyExistsException" {
		return err
	}
	return put()
}

// maxHops bounds how often buses pass an event on to one another, which AWS does not
// within an account: a circle would never end.
const maxHops = 10

// forward puts an event on another bus as it is. Through a third account it does not go.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
func (s *Service) forward(ctx context.Context, d delivery, p wire.Principal) *failure {
	ref, err := busNamed(d.Scope, d.Target.ARN)
	if err != nil {
		return failed(err)
	}
	var head struct{ Account, Region, Source string }
	if err := json.Unmarshal(d.Event, &head); err != nil {
		return &failure{code: "INVALID_JSON", text: err.Error()}
	}
	switch {
	case head.Account != d.Scope.Account && ref.Account != d.Scope.Account:
		return &failure{code: "THIRD_ACCOUNT_HOP_DETECTED", text: "the event has come from another account"}
	case d.Hops >= maxHops:
		return &failure{code: "INVALID_PARAMETER", text: "the event has been passed on from bus to bus too often"}
	}
	err = s.DB.View(func(tx *store.Tx) error {
		_, err := getBus(tx, ref)
		return err
	})
	if err != nil {
		return failed(err)
	}
	req := s.router.Inside(ref.Scope, p, id)
	if err := req.May(ctx, "events:PutEvents", ref.arn(), map[string][]string{"events:source": {head.Source}}); err != nil {
		return failed(err)
	}
	err = s.publish([]posting{{bus: ref, id: d.ID, text: string(d.Event), hops: d.Hops + 1}})
	if err != nil {
		return &failure{code: "INTERNAL_ERROR", text: err.Error(), again: true}
	}
	return nil
}
