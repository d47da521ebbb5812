package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/theory/jsonpath"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/eventpattern"
)

type transformer struct {
	Paths    map[string]string
	Template string
}

// subject is what the input of a target is made of.
type subject struct {
	text     string // the envelope
	rule     string // ARN
	ingested time.Time
}

// body is what the target gets of the event.
func (t target) body(about subject) (string, error) {
	if t.Input != nil {
		return *t.Input, nil
	}
	if t.InputPath == nil && t.Transformer == nil {
		return about.text, nil
	}
	event, err := eventpattern.Decode(about.text)
	if err != nil {
		return "", err
	}
	if t.InputPath != nil {
		raw, _, err := pick(*t.InputPath, event)
		return string(raw), err
	}
	return t.Transformer.apply(event, about)
}

// pick selects a part of the event; what is not there is null.
func pick(path string, event any) (raw []byte, found bool, err error) {
	p, err := parsePath(path)
	if err != nil {
		return nil, false, err
	}
	list := p.Select(event)
	if len(list) == 0 {
		return []byte("null"), false, nil
	}
	raw, err = marshal(list[0])
	return raw, true, err
}

// hyphened are names that RFC 9535 wants in brackets and EventBridge takes after a dot, the
// first of them in its guide: $.detail-type.
var hyphened = lazyregexp.New(`\.([A-Za-z_][A-Za-z0-9_]*-[A-Za-z0-9_-]*)`)

func parsePath(path string) (*jsonpath.Path, error) {
	return jsonpath.Parse(hyphened.ReplaceAllString(path, "['$1']"))
}

var placeholder = lazyregexp.New(`<[A-Za-z0-9_.-]+>`)

// predefined are the variables that every template has.
var predefined = []string{"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.ingestion-time", "aws.events.event", "aws.events.event.json"}

// variables are what a template may name: its own, and those of EventBridge.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
func (t *transformer) variables(event any, about subject) (map[string][]byte, map[string]bool, error) {
	values, absent := map[string][]byte{}, map[string]bool{}
	for name, path := range t.Paths {
		raw, found, err := pick(path, event)
		if err != nil {
			return nil, nil, err
		}
		values[name], absent[name] = raw, !found
	}
	slim := map[string]any{} // AWS calls the type by another name here
	if obj, ok := event.(map[string]any); ok {
		for k, v := range obj {
			switch k {
			case "detail":
			case "detail-type":
				slim["detailType"] = v
			default:
				slim[k] = v
			}
		}
	}
	values["aws.events.event.json"] = []byte(about.text)
	for name, v := range map[string]any{
		"aws.events.event": slim, "aws.events.rule-arn": about.rule, "aws.events.rule-name": about.rule[strings.LastIndexByte(about.rule, '/')+1:],
		"aws.events.event.ingestion-time": about.ingested.UTC().Format("2006-01-02T15:04:05Z"),
	} {
		raw, err := marshal(v)
		if err != nil {
			return nil, nil, err
		}
		values[name] = raw
	}
	return values, absent, nil
}

// apply fills the template. In a template that is a text, values go in without their
// quotes; in one that is JSON a text inside quotes goes in without its own, and other values
// as JSON, which must leave JSON: else nothing is delivered. What the event does not have
// leaves nothing, or "" outside of quotes. All of it is recorded from AWS in
// https://github.com/localstack/localstack, tests/aws/services/events/test_events_inputs.snapshot.json.
func (t *transformer) apply(event any, about subject) (string, error) {
	values, absent, err := t.variables(event, about)
	if err != nil {
		return "", err
	}
	text := strings.HasPrefix(strings.TrimSpace(t.Template), `"`)
	var b strings.Builder
	rest := t.Template
	quoted := false
	for {
		at := placeholder.FindStringIndex(rest)
		if at == nil {
			b.WriteString(rest)
			break
		}
		before := rest[:at[0]]
		if quotes := strings.Count(before, `"`) - strings.Count(before, `\"`); quotes%2 == 1 {
			quoted = !quoted
		}
		b.WriteString(before)
		name := rest[at[0]+1 : at[1]-1]
		raw, known := values[name]
		switch {
		case !known:
			b.WriteString(rest[at[0]:at[1]])
		case absent[name] && !quoted:
			b.WriteString(`""`)
		case !absent[name]:
			b.Write(inTemplate(raw, quoted, text))
		}
		rest = rest[at[1]:]
	}
	if !text && !json.Valid([]byte(b.String())) {
		return "", fmt.Errorf("the input that the template makes is not JSON: %s", b.String())
	}
	return b.String(), nil
}

func inTemplate(raw []byte, quoted, text bool) []byte {
	switch {
	case !quoted:
		return raw
	case len(raw) > 1 && raw[0] == '"':
		return raw[1 : len(raw)-1]
	case text:
		return bytes.ReplaceAll(raw, []byte(`"`), nil)
	}
	return raw
}

// checkInput refuses what no input of a target may be.
func checkInput(t types.Target) (*transformer, error) {
	name := aws.ToString(t.Id)
	given := 0
	if t.Input != nil {
		given++
		if !json.Valid([]byte(*t.Input)) {
			return nil, validation("JSON syntax error in input for target %s", name)
		}
	}
	if t.InputPath != nil {
		given++
		if _, err := parsePath(*t.InputPath); err != nil {
			return nil, validation("Invalid InputPath for target %s.", name)
		}
	}
	var out *transformer
	if t.InputTransformer != nil {
		given++
		out = &transformer{Paths: t.InputTransformer.InputPathsMap, Template: aws.ToString(t.InputTransformer.InputTemplate)}
		for _, p := range out.Paths {
			if _, err := parsePath(p); err != nil {
				return nil, validation("InputPath for target %s is invalid.", name)
			}
		}
		for _, at := range placeholder.FindAllStringIndex(out.Template, -1) {
			variable := out.Template[at[0]+1 : at[1]-1]
			if _, known := out.Paths[variable]; !known && !slices.Contains(predefined, variable) {
				return nil, validation("InputTemplate for target %s contains invalid placeholder %s.", name, variable)
			}
		}
	}
	if given > 1 {
		return nil, validation("Only one of Input, InputPath, or InputTransformer must be provided for target %s.", name)
	}
	return out, nil
}

// marshal writes v without HTML escapes.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}
