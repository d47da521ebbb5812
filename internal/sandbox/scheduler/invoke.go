package scheduler

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// invoke invokes a target once; what fails for a while is tried again as the retry policy
// has it, and what does not go is told to the dead-letter queue.
func (s *Service) invoke(ctx context.Context, i *invocation) (pause time.Duration, again bool) {
	p, err := s.Roles.AssumeServiceRole(ctx, i.Scope, ServiceName, *i.Target.RoleArn, i.Group, i.ID)
	var in map[string]any
	if err == nil {
		in, err = s.call(ctx, p, *i)
	}
	if err == nil {
		return 0, false
	}
	if ctx.Err() != nil {
		return 0, true
	}
	exhausted := ""
	if transient(err) {
		pause = courier.Backoff(i.Tries + 1)
		switch {
		case i.Tries >= int(*i.Target.RetryPolicy.MaximumRetryAttempts):
			exhausted = "MaximumRetryAttempts"
		case s.now().Add(pause).Sub(i.At) > i.age():
			exhausted = "MaximumEventAgeInSeconds"
		default:
			i.Tries++
			return pause, true
		}
	}
	s.Log.Warn("a schedule's target was not invoked", "schedule", i.ARN, "target", *i.Target.Arn, "error", err.Error())
	s.bury(ctx, p, *i, in, err, exhausted)
	return 0, false
}

// transient tells whether a call may succeed later. Missing permissions, targets and
// parameters are not tried again.
func transient(err error) bool {
	return wire.Transient(err) || strings.Contains(strings.ToLower(wire.AsError(err).Code), "limitexceeded")
}

// call makes the call of an invocation, and returns what was sent.
func (s *Service) call(ctx context.Context, p wire.Principal, i invocation) (in map[string]any, err error) {
	sc := i.Scope
	service, operation, _ := universal(*i.Target.Arn)
	if service != "" {
		if in, err = i.parameters(); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "ValidationException", "the input is no JSON object: %s", err)
		}
	} else {
		service, operation, in = i.template()
	}
	sent := any(in)
	if api := model.Of(service); api != nil && api.Operations[operation] != nil {
		sent = encode(api, api.Shape(api.Operations[operation].Input), in)
	}
	raw, err := json.Marshal(sent)
	if err != nil {
		return in, err
	}
	out, err := s.router.Invoke(ctx, sc, p, service, operation, raw)
	switch {
	case err == nil && service == "eventbridge" && operation == "PutEvents":
		err = failedEntry(out)
	case service == "sfn" && in["Name"] == i.ID && wire.IsCode(err, "ExecutionAlreadyExists"):
		err = nil // it is this invocation's, begun before a crash
	}
	return in, err
}

// failedEntry is the error of an event that the bus did not take.
func failedEntry(out json.RawMessage) error {
	var x struct {
		Entries []struct{ ErrorCode, ErrorMessage string }
	}
	if err := json.Unmarshal(out, &x); err != nil {
		return err
	}
	for _, e := range x.Entries {
		if e.ErrorCode != "" {
			return wire.Errorf(http.StatusBadRequest, e.ErrorCode, "%s", e.ErrorMessage)
		}
	}
	return nil
}

// input is the target's input with the values of the keywords in it.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
func (i invocation) input() string {
	return strings.NewReplacer(
		"<aws.scheduler.schedule-arn>", i.ARN, "<aws.scheduler.scheduled-time>", i.time(), "<aws.scheduler.execution-id>", i.ID,
		"<aws.scheduler.attempt-number>", strconv.Itoa(i.Tries+1),
	).Replace(aws.ToString(i.Target.Input))
}

func (i invocation) time() string { return i.At.UTC().Format(time.RFC3339) }

func (i invocation) parameters() (in map[string]any, err error) {
	text := i.input()
	if text == "" {
		return map[string]any{}, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	return in, dec.Decode(&in)
}

// body is what a template's target gets. Without an input it is the event of a schedule.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
func (i invocation) body() string {
	if i.Target.Input != nil {
		return i.input()
	}
	raw, _ := json.Marshal(struct { // texts only
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     string   `json:"detail"`
	}{"0", i.ID, "Scheduled Event", "aws.scheduler", i.Scope.Account, i.time(), i.Scope.Region, []string{i.ARN}, "{}"})
	return string(raw)
}

// template is the call of a template for an ARN, which was checked.
func (i invocation) template() (service, operation string, in map[string]any) {
	target := *i.Target.Arn
	a, _ := wire.ParseARN(target)
	operation = templateOf(a)
	switch a.Service {
	case "lambda":
		return "lambda", operation, map[string]any{"FunctionName": target, "InvocationType": "Event", "Payload": i.body()}
	case "states": // the name makes a repeated call the same execution
		return "sfn", operation, map[string]any{"StateMachineArn": target, "Input": i.body(), "Name": i.ID}
	case "sqs":
		in = map[string]any{"QueueUrl": queueURL(target), "MessageBody": i.body()}
		if p := i.Target.SqsParameters; p != nil && p.MessageGroupId != nil {
			in["MessageGroupId"] = *p.MessageGroupId
		}
		return "sqs", operation, in
	case "sns":
		return "sns", operation, map[string]any{"TopicArn": target, "Message": i.body()}
	}
	p := i.Target.EventBridgeParameters
	return "eventbridge", operation, map[string]any{"Entries": []any{map[string]any{
		"EventBusName": target, "Source": *p.Source, "DetailType": *p.DetailType, "Detail": i.body(), "Time": i.At.Unix(), "Resources": []string{i.ARN},
	}}}
}

// queueURL is the URL of a queue's ARN; what it stands on does not count.
func queueURL(text string) string {
	a, _ := wire.ParseARN(text)
	return "http://sqs/" + a.AccountID + "/" + a.Resource
}

// encode writes texts where the API has blobs.
func encode(api *model.API, s *model.Shape, v any) any {
	if s == nil {
		return v
	}
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			of := (*model.Shape)(nil)
			if s.Type == "map" {
				of = api.Shape(s.Value)
			} else if f := s.Find(k); f != nil {
				of = api.Shape(&f.Ref)
			}
			out[k] = encode(api, of, e)
		}
		return out
	case []any:
		if s.Type == "list" {
			out := make([]any, len(x))
			for i, e := range x {
				out[i] = encode(api, api.Shape(s.Member), e)
			}
			return out
		}
	case string:
		if s.Type == "blob" {
			return base64.StdEncoding.EncodeToString([]byte(x))
		}
	}
	return v
}

// bury tells the dead-letter queue of an invocation that did not go, as its execution
// role: the request, and why it failed.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
func (s *Service) bury(ctx context.Context, p wire.Principal, i invocation, sent map[string]any, cause error, exhausted string) {
	if i.Target.DeadLetterConfig == nil || i.Target.DeadLetterConfig.Arn == nil {
		return
	}
	if sent == nil {
		sent = map[string]any{}
	}
	body, err := json.Marshal(sent)
	if err != nil {
		s.Log.Error("a dead letter cannot be written", "schedule", i.ARN, "error", err.Error())
		return
	}
	e := wire.AsError(cause)
	attributes := map[string]any{}
	for name, text := range map[string]string{
		"ERROR_CODE": cmp.Or(e.QueryCode, e.Code), "ERROR_MESSAGE": e.Message, "EXECUTION_ID": i.ID, "EXHAUSTED_RETRY_CONDITION": exhausted, "IS_PAYLOAD_TRUNCATED": "false",
		"RETRY_ATTEMPTS": strconv.Itoa(i.Tries), "SCHEDULED_TIME": i.time(), "SCHEDULE_ARN": i.ARN, "TARGET_ARN": *i.Target.Arn,
	} {
		if text != "" {
			attributes[name] = map[string]string{"DataType": "String", "StringValue": text}
		}
	}
	queue := *i.Target.DeadLetterConfig.Arn
	raw, err := json.Marshal(map[string]any{"QueueUrl": queueURL(queue), "MessageBody": string(body), "MessageAttributes": attributes})
	if err == nil {
		_, err = s.router.Invoke(ctx, i.Scope, p, "sqs", "SendMessage", raw)
	}
	if err != nil {
		s.Log.Warn("a schedule's dead letter was not sent", "schedule", i.ARN, "queue", queue, "error", err.Error())
	}
}
