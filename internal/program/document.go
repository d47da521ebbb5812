package program

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// SpecResource is the name of the resource that keeps the spec in the stack's
// state: a pulumi:index:Stash. Its current value is the property "input"; the
// engine leaves "output" at the first value for ever.
const SpecResource = "spec"

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

// addSpec registers the spec first, and makes everything else wait for it: it is
// in the state even if the very first resource fails, and it leaves the state
// last, even if a destroy stops halfway. So any machine with the same backend
// can always go on.
func (b *build) addSpec() error {
	// Where the artifacts lie on the machine that made the pipeline is no part of
	// what it is: another checkout of the same spec must not count as a change.
	stash, err := pulumi.NewStash(b.ctx, SpecResource, &pulumi.StashArgs{Input: b.toInput(b.document, "")},
		pulumi.IgnoreChanges([]string{"input.directory"}))
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
