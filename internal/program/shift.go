package program

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// ShiftOf says what an alias is of.
type ShiftOf string

// What has an alias that moves over bit by bit.
const (
	ShiftMachine  ShiftOf = "state machine"
	ShiftFunction ShiftOf = "function"
)

// Shift is an alias that is to lead to another version bit by bit. Neither Step Functions
// nor Lambda does that by itself: whoever has no CodeDeploy changes the weights step by
// step. (docs/decisions/0028-aliases-bit-by-bit.md)
type Shift struct {
	Of  ShiftOf
	URN string
	// Alias is its ARN. From is the version that the stack says it leads to ("": a refresh has
	// found two), To the one that it is to lead to: the ARN of a version of the state machine,
	// the number of one of the function.
	Alias, From, To string
	// Steps are what is to be done before it leads to To alone.
	Steps []spec.AliasStep
	// Alarms are those that turn it back, by name.
	Alarms []string
	// Alike tells whether a definition is that of To, but for what names its revision: then
	// there is nothing to be tried. nil of a function.
	Alike func(definition string) bool
}

// guarded tells whether changes take over bit by bit, or are watched when they have. A
// template without an endpoint has no rollout.
func (p *plan) guarded() bool { return p.rollout.Strategy != "" && p.rollout.Guarded() }

// bitByBit is how an alias moves over by the rollout, after its alarms are there. Without a
// rollout that waits it is nothing.
func (b *build) bitByBit(name string, s Shift, alarms []alarm) ([]pulumi.ResourceOption, error) {
	if !b.guarded() {
		return nil, nil
	}
	var watched []pulumi.Resource
	for _, a := range alarms {
		made, err := b.addAlarm(a)
		if err != nil {
			return nil, err
		}
		watched = append(watched, made)
		s.Alarms = append(s.Alarms, b.alarmName(a.name))
	}
	s.Alarms = append(s.Alarms, b.rollout.Alarms...)
	opts := []pulumi.ResourceOption{pulumi.DependsOn(watched)}
	s.Steps = b.rollout.AliasSteps()
	if b.env.Shift == nil || b.env.AtOnce || len(s.Steps) == 0 {
		return opts, nil
	}
	// It runs between the engine's decision to update the alias and the provider's call. A
	// preview does not run it.
	hook, err := b.ctx.RegisterResourceHook("rollout-"+name, func(args *pulumi.ResourceHookArgs) error {
		now := s
		now.URN, now.Alias = string(args.URN), string(args.ID)
		now.From, now.To = leadsTo(args.OldInputs), leadsTo(args.NewInputs)
		if now.To == "" {
			return nil
		}
		return b.env.Shift(b.ctx.Context(), now)
	}, nil)
	if err != nil {
		return nil, err
	}
	return append(opts, pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeUpdate: []*pulumi.ResourceHook{hook}})), nil
}

// leadsTo is the version that the inputs of an alias name. Of two of a state machine it is
// neither: a refresh has found a rollout that was cut off, and which of them is the new one
// no weight tells. A function's alias names the old one first, as whoever moves it writes it.
func leadsTo(inputs resource.PropertyMap) string {
	in := inputs.Mappable()
	if number, ok := in["functionVersion"].(string); ok {
		return number
	}
	version := ""
	routes, _ := in["routingConfiguration"].([]any)
	for _, r := range routes {
		route, _ := r.(map[string]any)
		if weight, said := route["weight"].(float64); said && weight == 0 {
			continue
		}
		if version != "" {
			return ""
		}
		version, _ = route["stateMachineVersionArn"].(string)
	}
	return version
}

// ofRevision are the values that name a revision in a definition, and change nothing of
// what it does.
var ofRevision = []string{"revision", "modelDigest", "codeDigest"}

// gap stands in a definition for what names its revision; no definition has it.
const gap = "\x00"

// alike tells whether a deployed definition is the plan's, but for what names its revision.
func (p *plan) alike(deployed string) bool {
	values := maps.Clone(p.expected)
	for _, name := range ofRevision {
		values[name] = gap
	}
	want, err := fill(p.definition.tree, values)
	if err != nil {
		return false
	}
	got, err := decodeJSON([]byte(deployed))
	return err == nil && sameButGaps(want, got)
}

// sameButGaps compares a definition with gaps with one without.
func sameButGaps(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k, v := range w {
			if other, ok := g[k]; !ok || !sameButGaps(v, other) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(w, g, sameButGaps)
	case string:
		if w == gap {
			return true // a number, perhaps
		}
		g, ok := got.(string)
		return ok && fits(strings.Split(w, gap), g)
	}
	a, errA := json.Marshal(want)
	b, errB := json.Marshal(got)
	return errA == nil && errB == nil && string(a) == string(b)
}

// fits tells whether a text is parts in their order with something in between.
func fits(parts []string, text string) bool {
	last := parts[len(parts)-1]
	if len(parts) == 1 {
		return text == last
	}
	for i, part := range parts[:len(parts)-1] {
		at := strings.Index(text, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		text = text[at+len(part):]
	}
	return strings.HasSuffix(text, last)
}
