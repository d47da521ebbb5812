package events

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/theory/jsonpath"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerTargets(r *wire.Router) {
	rule := wire.On(onRule)
	wire.Handle(r, id, "PutTargets", s.putTargets, rule)
	wire.Handle(r, id, "RemoveTargets", s.removeTargets, rule)
	wire.Handle(r, id, "ListTargetsByRule", s.listTargets, rule)
	wire.Handle(r, id, "PutEvents", s.putEvents, wire.Access{On: onBus, Keys: entryKeys})
}

func onBus(req *wire.Request, _ wire.Input) []string {
	return []string{req.ARN("events", "event-bus/default")}
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

const maxTargets = 5

// target is a target as it is kept.
type target struct {
	ID, ARN, Role    string
	Input, InputPath *string
	Transformer      *transformer
	DeadLetters      string // ARN of a queue
	Retry            *types.RetryPolicy
}

type transformer struct {
	Paths    map[string]string
	Template string
}

// body is what the target gets of the event.
func (t target) body(d delivery) (string, error) {
	switch {
	case t.Input != nil:
		return *t.Input, nil
	case t.InputPath != nil:
		raw, err := pick(*t.InputPath, d.event)
		return string(raw), err
	case t.Transformer != nil:
		return t.Transformer.apply(d)
	default:
		return d.text, nil
	}
}

// pick selects a part of the event; what is not there is null.
func pick(path string, event any) ([]byte, error) {
	p, err := jsonpath.Parse(path)
	if err != nil {
		return nil, err
	}
	found := p.Select(event)
	if len(found) == 0 {
		return []byte("null"), nil
	}
	return marshal(found[0])
}

var placeholder = regexp.MustCompile(`<[A-Za-z0-9_.-]+>`)

// apply fills the template. Inside quotes a text goes in without its own quotes;
// elsewhere values go in as JSON.
func (t *transformer) apply(d delivery) (string, error) {
	values := map[string][]byte{}
	for name, path := range t.Paths {
		raw, err := pick(path, d.event)
		if err != nil {
			return "", err
		}
		values[name] = raw
	}
	values["aws.events.event"] = []byte(d.text)
	values["aws.events.event.json"] = []byte(d.text)
	rule, err := marshal(d.rule)
	if err != nil {
		return "", err
	}
	values["aws.events.rule-arn"] = rule
	var b strings.Builder
	rest := t.Template
	quoted := false
	for {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			b.WriteString(rest)
			return b.String(), nil
		}
		before := rest[:at[0]]
		if quotes := strings.Count(before, `"`) - strings.Count(before, `\"`); quotes%2 == 1 {
			quoted = !quoted
		}
		b.WriteString(before)
		name := rest[at[0]+1 : at[1]-1]
		if raw, ok := values[name]; ok {
			b.Write(inQuotes(raw, quoted))
		} else {
			b.WriteString(rest[at[0]:at[1]])
		}
		rest = rest[at[1]:]
	}
}

func inQuotes(raw []byte, quoted bool) []byte {
	if !quoted {
		return raw
	}
	if len(raw) > 1 && raw[0] == '"' {
		return raw[1 : len(raw)-1]
	}
	escaped, err := marshal(string(raw))
	if err != nil {
		return raw
	}
	return escaped[1 : len(escaped)-1]
}

// checkTarget refuses what the sandbox cannot deliver to, rather than lose
// events in silence.
func checkTarget(t types.Target) (target, error) {
	out := target{ID: aws.ToString(t.Id), ARN: aws.ToString(t.Arn), Role: aws.ToString(t.RoleArn), Input: t.Input, InputPath: t.InputPath, Retry: t.RetryPolicy}
	if !wire.IsARN(out.ARN, "sqs") || t.SqsParameters != nil {
		return out, wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox delivers events to standard SQS queues only, not to %s", out.ARN)
	}
	given := 0
	if t.Input != nil {
		given++
		if !json.Valid([]byte(*t.Input)) {
			return out, validation("JSON syntax error in input for target %s", out.ID)
		}
	}
	if t.InputPath != nil {
		given++
		if _, err := jsonpath.Parse(*t.InputPath); err != nil {
			return out, validation("Invalid InputPath for target %s.", out.ID)
		}
	}
	if t.InputTransformer != nil {
		given++
		out.Transformer = &transformer{Paths: t.InputTransformer.InputPathsMap, Template: aws.ToString(t.InputTransformer.InputTemplate)}
		for _, p := range out.Transformer.Paths {
			if _, err := jsonpath.Parse(p); err != nil {
				return out, validation("InputPath for target %s is invalid.", out.ID)
			}
		}
	}
	if given > 1 {
		return out, validation("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", out.ID)
	}
	if t.DeadLetterConfig != nil {
		out.DeadLetters = aws.ToString(t.DeadLetterConfig.Arn)
		if out.DeadLetters != "" && !wire.IsARN(out.DeadLetters, "sqs") {
			return out, validation("The dead-letter queue of target %s must be an SQS queue.", out.ID)
		}
	}
	return out, nil
}

func (t target) output() types.Target {
	out := types.Target{Id: aws.String(t.ID), Arn: aws.String(t.ARN), RoleArn: optional(t.Role), Input: t.Input, InputPath: t.InputPath, RetryPolicy: t.Retry}
	if t.Transformer != nil {
		out.InputTransformer = &types.InputTransformer{InputPathsMap: t.Transformer.Paths, InputTemplate: &t.Transformer.Template}
	}
	if t.DeadLetters != "" {
		out.DeadLetterConfig = &types.DeadLetterConfig{Arn: aws.String(t.DeadLetters)}
	}
	return out
}

func (s *Service) putTargets(_ context.Context, req *wire.Request, in *sdk.PutTargetsInput) (*sdk.PutTargetsOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	var targets []target
	for _, t := range in.Targets {
		c, err := checkTarget(t)
		if err != nil {
			return nil, err
		}
		targets = append(targets, c)
	}
	err := s.change(req, in.Rule, func(r *rule) error {
		for _, t := range targets {
			if i := slices.IndexFunc(r.Targets, func(old target) bool { return old.ID == t.ID }); i >= 0 {
				r.Targets[i] = t
			} else {
				r.Targets = append(r.Targets, t)
			}
		}
		if len(r.Targets) > maxTargets {
			return wire.Errorf(http.StatusBadRequest, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
		}
		return nil
	})
	return &sdk.PutTargetsOutput{FailedEntries: []types.PutTargetsResultEntry{}}, err
}

func (s *Service) removeTargets(_ context.Context, req *wire.Request, in *sdk.RemoveTargetsInput) (*sdk.RemoveTargetsOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	err := s.change(req, in.Rule, func(r *rule) error {
		r.Targets = slices.DeleteFunc(r.Targets, func(t target) bool { return slices.Contains(in.Ids, t.ID) })
		return nil
	})
	return &sdk.RemoveTargetsOutput{FailedEntries: []types.RemoveTargetsResultEntry{}}, err
}

func (s *Service) listTargets(_ context.Context, req *wire.Request, in *sdk.ListTargetsByRuleInput) (*sdk.ListTargetsByRuleOutput, error) {
	if err := checkBus(req, in.EventBusName); err != nil {
		return nil, err
	}
	r, err := s.read(req, in.Rule)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListTargetsByRuleOutput{Targets: []types.Target{}} // never more than maxTargets: one page
	for _, t := range r.Targets {
		out.Targets = append(out.Targets, t.output())
	}
	return out, nil
}

func (s *Service) putEvents(_ context.Context, req *wire.Request, in *sdk.PutEventsInput) (*sdk.PutEventsOutput, error) {
	out := &sdk.PutEventsOutput{}
	for _, e := range in.Entries {
		if err := checkBus(req, e.EventBusName); err != nil {
			return nil, err
		}
		id := wire.NewID()
		code, text := s.putEntry(req, id, e)
		if code != "" {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, types.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: &text})
			continue
		}
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: &id})
	}
	return out, nil
}

// putEntry returns the code and text of why an entry fails, or "".
func (s *Service) putEntry(req *wire.Request, id string, e types.PutEventsRequestEntry) (code, text string) {
	source := aws.ToString(e.Source)
	switch {
	case source == "":
		return "InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."
	case aws.ToString(e.DetailType) == "":
		return "InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."
	case strings.HasPrefix(source, "aws."):
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	detail, err := decode(aws.ToString(e.Detail))
	if _, ok := detail.(map[string]any); err != nil || !ok {
		return "MalformedDetail", "Detail is malformed."
	}
	at := s.now()
	if e.Time != nil {
		at = *e.Time
	}
	if err := s.publish(req.Scope, id, source, *e.DetailType, e.Resources, detail, at); err != nil {
		return "InternalFailure", err.Error()
	}
	return "", ""
}
