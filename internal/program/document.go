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
	stash, err := pulumi.NewStash(b.ctx, SpecResource, &pulumi.StashArgs{Input: b.toInput(b.document, "")},
		pulumi.IgnoreChanges([]string{"input.directory"}), pulumi.DependsOn([]pulumi.Resource{first}))
	if err != nil {
		return err
	}
	after := pulumi.DependsOn([]pulumi.Resource{stash})
	return b.ctx.RegisterStackTransformation(func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
		b.planned = append(b.planned, Planned{Block: b.block, Type: args.Type, Name: args.Name})
		return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: append(slices.Clip(args.Opts), after)}
	})
}

// toInput turns a JSON value into Pulumi inputs. Values of secret parameters
// become secrets: parameters are found by the end of their path, since a
// document may nest them ("preprocess": {"memoryMb": ...}) or not.
func (b *build) toInput(value any, path string) pulumi.Input {
	var in pulumi.Input
	switch v := value.(type) {
	case map[string]any:
		m := pulumi.Map{}
		for k, item := range v {
			if item == nil {
				continue // null and absent are the same to the engine
			}
			m[k] = b.toInput(item, path+"."+k)
		}
		in = m
	case []any:
		l := pulumi.Array{}
		for _, item := range v {
			l = append(l, b.toInput(item, path))
		}
		in = l
	case string:
		in = pulumi.String(v)
	case bool:
		in = pulumi.Bool(v)
	case json.Number:
		// The engine's numbers are float64; an int parameter fits.
		f, err := v.Float64()
		if err != nil {
			in = pulumi.String(v.String())
			break
		}
		in = pulumi.Float64(f)
	default: // null in a list
		in = pulumi.String("")
	}
	if b.isSecret(path) {
		return pulumi.ToSecret(in)
	}
	return in
}

// isSecret tells whether a path of the document is a secret parameter.
func (b *build) isSecret(path string) bool {
	for name, secret := range b.secrets {
		if secret && strings.HasSuffix(path, "."+name) {
			return true
		}
	}
	return false
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
