package program

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Recording is what a pipeline's program asks the engine for, taken down without
// an engine. Where a text is made of what a resource will only have once it
// exists, the text holds a mark; Parts tells marks from text.
type Recording struct {
	// Resources are in an order in which each comes after those it refers to.
	Resources []Recorded
	// Outputs are the stack's outputs.
	Outputs resource.PropertyMap

	mark *regexp.Regexp
	refs []Reference
}

// Recorded is one resource as the program asks for it.
type Recorded struct {
	Type, Name string
	// Inputs may hold secrets, assets and archives; their texts may hold marks.
	Inputs resource.PropertyMap
	// Version and PluginURL are those of the provider's plugin, "" for the
	// engine's own types.
	Version, PluginURL string
	// DependsOn are the names of the resources that it waits for, those that its
	// inputs refer to among them.
	DependsOn []string

	Protect, RetainOnDelete bool
	DeleteBeforeReplace     *bool
	IgnoreChanges           []string
	ReplaceOnChanges        []string
	SecretOutputs           []string
	// Create, Update and Delete limit how long each may take ("60m"), "" is the
	// provider's default.
	Create, Update, Delete string
	// ReplacementTrigger is a value whose change makes the resource new; null if
	// there is none.
	ReplacementTrigger resource.PropertyValue
}

// Reference names an output of a resource.
type Reference struct{ Resource, Property string }

// Part is a piece of a text: plain text, or a reference if Ref is set.
type Part struct {
	Text string
	Ref  *Reference
}

// Parts takes a text apart. A text without marks is one part, an empty one none.
func (r *Recording) Parts(s string) []Part {
	var parts []Part
	last := 0
	for _, m := range r.mark.FindAllStringSubmatchIndex(s, -1) {
		n, err := strconv.Atoi(s[m[2]:m[3]])
		if err != nil || n >= len(r.refs) {
			continue // not a mark of ours
		}
		if m[0] > last {
			parts = append(parts, Part{Text: s[last:m[0]]})
		}
		parts = append(parts, Part{Ref: &r.refs[n]})
		last = m[1]
	}
	if last < len(s) {
		parts = append(parts, Part{Text: s[last:]})
	}
	return parts
}

// Record runs the same blocks as Pipeline, without an engine and without a
// request to anybody, and returns what they ask for.
func Record(ctx context.Context, p *spec.Pipeline, t *spec.Template, env Env) (*Recording, error) {
	if err := checkSecrets(p, env); err != nil {
		return nil, err
	}
	pl, err := newPlan(p, t, env)
	if err != nil {
		return nil, err
	}
	tape := newTape()
	pctx, err := pulumi.NewContext(ctx, pulumi.RunInfo{Project: "pipelinetui", Stack: p.StackName(), Mocks: tape})
	if err != nil {
		return nil, fault.Wrap(err, "record %s", p.ID)
	}
	outputs := resource.PropertyMap{}
	err = pulumi.RunWithContext(pctx, func(ctx *pulumi.Context) error {
		// Not the newer transforms: they do not show the resource.
		if err := ctx.RegisterStackTransformation(tape.watch); err != nil {
			return err
		}
		b, err := pl.build(ctx)
		if err != nil {
			return err
		}
		for name, in := range b.exports {
			v, err := await(ctx.Context(), in)
			if err != nil {
				return fault.Wrap(err, "output %s", name)
			}
			outputs[resource.PropertyKey(name)] = v
		}
		return nil
	})
	if err == nil {
		err = pctx.Close()
	}
	if err == nil {
		err = tape.bad
	}
	if err != nil {
		return nil, fault.Wrap(err, "record %s", p.ID)
	}
	return &Recording{Resources: inOrder(tape.made), Outputs: outputs, mark: tape.pattern(), refs: tape.refs}, nil
}

// await is the value of an output of the program.
func await(ctx context.Context, in pulumi.Input) (resource.PropertyValue, error) {
	got, err := internals.UnsafeAwaitOutput(ctx, pulumi.ToOutput(in))
	if err != nil {
		return resource.PropertyValue{}, err
	}
	value := resource.NewPropertyValue(got.Value)
	if got.Secret {
		value = resource.MakeSecret(value)
	}
	return value, nil
}

// inOrder sorts resources so that each comes after those it depends on, and
// otherwise as they were asked for: the program's calls arrive in any order.
func inOrder(made map[string]taken) []Recorded {
	byCall := make([]taken, 0, len(made))
	for _, m := range made {
		byCall = append(byCall, m)
	}
	slices.SortFunc(byCall, func(a, b taken) int { return a.order - b.order })
	var out []Recorded
	done := map[string]bool{}
	var add func(taken)
	add = func(m taken) {
		if done[m.Name] {
			return
		}
		done[m.Name] = true
		for _, name := range m.DependsOn {
			add(made[name])
		}
		out = append(out, m.Recorded)
	}
	for _, m := range byCall {
		add(m)
	}
	return out
}

// taken is a resource with its place in the order of the program.
type taken struct {
	Recorded
	order int
}

// tape stands in for the engine and takes everything down. It gives every
// output that is a text a mark for its value.
type tape struct {
	nonce string

	mu    sync.Mutex
	made  map[string]taken
	texts map[string][]string // the outputs that are texts, by type
	order map[string]int      // of the program's calls, by name
	refs  []Reference
	bad   error // what can't be recorded
}

func newTape() *tape {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return &tape{nonce: hex.EncodeToString(b[:]), made: map[string]taken{}, texts: map[string][]string{}, order: map[string]int{}}
}

// A mark is letters, digits and hyphens: it passes unchanged through JSON, URLs
// and whatever else a block makes of it.
func (t *tape) pattern() *regexp.Regexp {
	return regexp.MustCompile("output-" + t.nonce + `-(\d+)-end`)
}

func (t *tape) newMark(of Reference) string {
	t.refs = append(t.refs, of)
	return fmt.Sprintf("output-%s-%d-end", t.nonce, len(t.refs)-1)
}

// watch sees each resource before it is registered, in the order of the program,
// and takes down which of its outputs are texts.
func (t *tape) watch(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.order[args.Name] = len(t.order)
	if _, known := t.texts[args.Type]; !known {
		t.texts[args.Type] = textOutputs(reflect.TypeOf(args.Resource))
	}
	return nil
}

// textOutputs are the outputs of a resource's struct whose values are texts.
func textOutputs(of reflect.Type) []string {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("pulumi"), ",")
		out, ok := reflect.Zero(f.Type).Interface().(pulumi.Output)
		if !ok || name == "" || f.Anonymous {
			continue
		}
		elem := out.ElementType()
		if elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.String {
			names = append(names, name)
		}
	}
	return names
}

// NewResource takes a resource down and answers with marks.
func (t *tape) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rpc := args.RegisterRPC
	if rpc == nil {
		return "", nil, fmt.Errorf("%s is read, not made: a program of blocks only makes resources", args.Name)
	}
	rec, err := recorded(args, rpc)
	if other, ok := t.made[args.Name]; ok && err == nil {
		err = fault.New(fault.Unsupported, "two resources are named %s: a %s and a %s", args.Name, other.Type, args.TypeToken)
	}
	if err != nil {
		t.bad = err
		return "", nil, err
	}
	t.made[args.Name] = taken{rec, t.order[args.Name]}
	state := args.Inputs.Copy()
	if args.TypeToken == "pulumi:index:Stash" {
		state["output"] = args.Inputs["input"]
		return t.newMark(Reference{args.Name, "id"}), state, nil
	}
	for _, name := range t.texts[args.TypeToken] {
		mark := resource.NewStringProperty(t.newMark(Reference{args.Name, name}))
		if state[resource.PropertyKey(name)].IsSecret() {
			mark = resource.MakeSecret(mark)
		}
		state[resource.PropertyKey(name)] = mark
	}
	return t.newMark(Reference{args.Name, "id"}), state, nil
}

// Call answers no question: the blocks ask none.
func (t *tape) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("a program may not ask for %s", args.Token)
}

// recorded reads a request for a resource. What blocks do not use is refused, so
// that it is never lost without a word.
func recorded(args pulumi.MockResourceArgs, rpc *pulumirpc.RegisterResourceRequest) (Recorded, error) {
	parent := rpc.GetParent()
	if parent != "" && resource.URN(parent).QualifiedType() != resource.RootStackType || rpc.GetProvider() != "" || rpc.GetImportId() != "" ||
		rpc.GetDeletedWith() != "" || len(rpc.GetReplaceWith()) > 0 || len(rpc.GetHideDiffs()) > 0 || !rpc.GetCustom() {
		return Recorded{}, fault.New(fault.Unsupported, "the resource %s has an option (parent, provider, import, deletedWith, replaceWith, hideDiffs) that can't be recorded", args.Name)
	}
	rec := Recorded{
		Type: args.TypeToken, Name: args.Name, Inputs: args.Inputs,
		Version: rpc.GetVersion(), PluginURL: rpc.GetPluginDownloadURL(),
		Protect: rpc.GetProtect(), RetainOnDelete: rpc.GetRetainOnDelete(),
		IgnoreChanges: rpc.GetIgnoreChanges(), ReplaceOnChanges: rpc.GetReplaceOnChanges(), SecretOutputs: rpc.GetAdditionalSecretOutputs(),
		Create: rpc.GetCustomTimeouts().GetCreate(), Update: rpc.GetCustomTimeouts().GetUpdate(), Delete: rpc.GetCustomTimeouts().GetDelete(),
	}
	if rpc.GetDeleteBeforeReplaceDefined() {
		first := rpc.GetDeleteBeforeReplace()
		rec.DeleteBeforeReplace = &first
	}
	for _, urn := range rpc.GetDependencies() {
		rec.DependsOn = append(rec.DependsOn, resource.URN(urn).Name())
	}
	slices.Sort(rec.DependsOn)
	if trigger := rpc.GetReplacementTrigger(); trigger != nil {
		v, err := plugin.UnmarshalPropertyValue("replacementTrigger", trigger, plugin.MarshalOptions{})
		if err != nil {
			return Recorded{}, err
		}
		if v != nil {
			rec.ReplacementTrigger = *v
		}
	}
	return rec, nil
}
