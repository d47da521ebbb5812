package program

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// SpecResource is the name of the resource that keeps the spec in the stack's
// state: a pulumi:index:Stash. Its current value is the property "input"; the
// engine leaves "output" at the first value for ever.
const SpecResource = "spec"

// RegionResource is the name of the resource that keeps the region in which the
// pipeline was made, for as long as the stack lives.
const RegionResource = "region"

// readDocument decodes the spec's document, so that a preview can show what
// changed in it property by property.
func (p *plan) readDocument() fault.List {
	doc, err := decodeJSON(p.pipe.Document)
	if err != nil {
		return fault.List{fault.New(fault.Internal, "the document of pipeline %s is not JSON: %v", p.pipe.ID, err).Because(err)}
	}
	if _, ok := doc.(map[string]any); !ok {
		return fault.List{fault.New(fault.Internal, "the document of pipeline %s is not a JSON object", p.pipe.ID)}
	}
	p.document = doc
	return nil
}

// checkRegion refuses another region than the first. Resources would have to be
// replaced all at once, while half of the names, those of the roles, are taken
// in every region: the engine makes the new one before it deletes the old one.
func (b *build) checkRegion() (pulumi.Resource, error) {
	stash, err := pulumi.NewStash(b.ctx, RegionResource, &pulumi.StashArgs{Input: pulumi.String(b.env.Region)},
		pulumi.IgnoreChanges([]string{"input"}))
	if err != nil {
		return nil, err
	}
	first, err := internals.UnsafeAwaitOutput(b.ctx.Context(), stash.Output)
	if err != nil {
		return nil, err
	}
	if was, ok := first.Value.(string); ok && was != b.env.Region {
		return nil, fault.New(fault.Invalid, "pipeline %s is in region %s and can't move to %s", b.pipe.ID, was, b.env.Region).
			WithHint("Set region: %s, or run `pipelinetui destroy %s` first. A copy in the other region needs another env, such as %s/%s/%s.",
				was, b.pipe.ID, b.pipe.Tenant, b.pipe.Model, regionEnv(b.env.Region))
	}
	return stash, nil
}

// regionEnv is an example of an env for a region: usw2 for us-west-2.
func regionEnv(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) != 3 {
		return "other"
	}
	return parts[0] + parts[1][:1] + parts[2]
}

// addSpec registers the spec first, and makes everything else wait for it: it is
// in the state even if the very first resource fails, and it leaves the state
// last, even if a destroy stops halfway. So any machine with the same backend
// can always go on.
func (b *build) addSpec(first pulumi.Resource) error {
	// Where the artifacts lie on the machine that made the pipeline is no part of
	// what it is: another checkout of the same spec must not count as a change.
	stash, err := pulumi.NewStash(b.ctx, SpecResource, &pulumi.StashArgs{Input: b.documentInput()},
		pulumi.IgnoreChanges([]string{"input.directory"}), pulumi.DependsOn([]pulumi.Resource{first}))
	if err != nil {
		return err
	}
	after := pulumi.DependsOn([]pulumi.Resource{stash})
	return b.ctx.RegisterStackTransformation(func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		b.made = append(b.made, args.Resource)
		b.planned = append(b.planned, Planned{Block: b.block, Type: args.Type, Name: args.Name})
		return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: append(slices.Clip(args.Opts), after)}
	})
}

// documentInput is the document as an input of the engine. What is secret in it
// becomes a secret: a parameter whose template says so as a whole, and of any other
// what stands in the form of a secret (spec.Secret).
func (b *build) documentInput() pulumi.Input {
	doc, _ := b.document.(map[string]any) // checked by readDocument
	out := pulumi.Map{}
	for k, item := range doc {
		params, ok := item.(map[string]any)
		if !ok || k != "parameters" && k != "dormant" {
			out[k] = toInput(item)
			continue
		}
		values := pulumi.Map{}
		for name, v := range params {
			values[name] = b.parameterInput(name, v)
		}
		out[k] = values
	}
	if copies := b.copiesInput(); len(copies) > 0 {
		out["artifacts"] = copies
	}
	return out
}

// parameterInput is a parameter's value in the document, which may nest names with
// dots or not.
func (b *build) parameterInput(name string, value any) pulumi.Input {
	m, isMap := value.(map[string]any)
	param, known := b.tmpl.Parameter(name)
	entries := known && param.Type == spec.TypeMap
	switch {
	case isMap && !known && b.hasGroup(name):
		group := pulumi.Map{}
		for k, item := range m {
			if item != nil {
				group[k] = b.parameterInput(name+"."+k, item)
			}
		}
		return group
	case isMap && !entries: // no value of another type is a map
		return formInput(m)
	case known && param.Secret:
		return pulumi.ToSecret(toInput(value))
	case !isMap:
		return toInput(value)
	}
	out := pulumi.Map{}
	for k, item := range m {
		if form, ok := item.(map[string]any); ok {
			out[k] = formInput(form)
		} else {
			out[k] = toInput(item)
		}
	}
	return out
}

// hasGroup tells whether parameters of the template begin with a name and a dot.
func (b *build) hasGroup(name string) bool {
	return slices.ContainsFunc(b.tmpl.Parameters, func(p spec.Parameter) bool { return strings.HasPrefix(p.Name, name+".") })
}

// secretForm is the key under which a document has the text of a secret.
const secretForm = "secret"

// formInput is a value in the form of a secret: its text is the secret, a reference is
// none.
func formInput(form map[string]any) pulumi.Input {
	out := pulumi.Map{}
	for k, v := range form {
		if k == secretForm {
			out[k] = pulumi.ToSecret(toInput(v))
		} else {
			out[k] = toInput(v)
		}
	}
	return out
}

// toInput turns a JSON value into Pulumi inputs.
func toInput(value any) pulumi.Input {
	switch v := value.(type) {
	case map[string]any:
		m := pulumi.Map{}
		for k, item := range v {
			if item == nil {
				continue // null and absent are the same to the engine
			}
			m[k] = toInput(item)
		}
		return m
	case []any:
		l := pulumi.Array{}
		for _, item := range v {
			l = append(l, toInput(item))
		}
		return l
	case string:
		return pulumi.String(v)
	case bool:
		return pulumi.Bool(v)
	case json.Number:
		// The engine's numbers are float64; an int parameter fits.
		f, err := v.Float64()
		if err != nil {
			return pulumi.String(v.String())
		}
		return pulumi.Float64(f)
	default: // null in a list
		return pulumi.String("")
	}
}

// decodeJSON reads one JSON value and nothing after it; numbers stay as they
// are written.
func decodeJSON(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errTrailing
	}
	return v, nil
}
