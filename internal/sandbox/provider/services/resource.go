package services

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

// Resource is a resource type, whatever its structs are. Property maps hold no
// secrets and, except in Check, no unknown values.
type Resource interface {
	// Token is the Pulumi type.
	Token() string
	Inputs() *schema.Type
	// Outputs are the inputs and what the server adds.
	Outputs() *schema.Type
	// Naming says how a name is made up; nil if none is.
	Naming() *Naming
	// Timeout is how long the operation ("create", "update", "delete") may take
	// if the program does not say.
	Timeout(operation string) time.Duration

	// Check finds what is wrong between properties.
	Check(in resource.PropertyMap) []schema.Failure
	// Unsettled names the outputs that an update to those inputs changes.
	Unsettled(changed map[string]bool, in resource.PropertyMap) []string
	// Tainted returns the property to blame if a resource in that state has to be
	// replaced, else "".
	Tainted(state resource.PropertyMap) string
	// Anew names inputs whose change from the state needs a new resource, though others
	// of the same inputs do not.
	Anew(state, in resource.PropertyMap) []string
	// InPlace reports whether replacing because of these changes alone would make
	// a resource with the identity of the old one, so that the old one must go
	// first.
	InPlace(changed map[string]bool) bool

	// Create returns the id as soon as there is something to keep, with an error
	// too, and the state as far as it is known.
	Create(ctx context.Context, c *Call, in resource.PropertyMap) (id string, state resource.PropertyMap, err error)
	// Read returns ErrGone, or the live state and the inputs that describe it.
	Read(ctx context.Context, c *Call, id string, in, state resource.PropertyMap) (newID string, newIn, newState resource.PropertyMap, err error)
	// Update returns the state as it is then, with an error too.
	Update(ctx context.Context, c *Call, id string, state, in resource.PropertyMap) (resource.PropertyMap, error)
	Delete(ctx context.Context, c *Call, id string, state resource.PropertyMap) error
}

// Naming is how a name is made of the logical name: NAME-1a2b3c4, as pulumi-aws
// does it.
type Naming struct {
	Property string
	// Prefix is the property with which the program may begin the name; "" if
	// there is none.
	Prefix string
	Max    int
	Lower  bool
	// Before goes before the name.
	Before string
	// After returns what goes after the name.
	After func(in resource.PropertyMap) string
	// Exact takes the logical name as it is.
	Exact bool
}

// Def describes a resource type by its structs: I has the inputs, O embeds I and
// has the other outputs too.
type Def[I, O any] struct {
	Type string
	// Title completes "creating ..." in errors.
	Title string
	Named *Naming
	// Slow is how long create, update and delete may take; 0 means 10 minutes.
	Slow time.Duration

	CheckFn     func(in *I, known func(property string) bool) []schema.Failure
	UnsettledFn func(changed map[string]bool, in *I) []string
	TaintedFn   func(o *O) string
	AnewFn      func(last *O, in *I) []string
	InPlaceFn   func(changed map[string]bool) bool

	CreateFn func(ctx context.Context, c *Call, in *I) (id string, err error)
	// ReadFn gets the last state, with only what ImportFn sets for a resource that
	// is new to Pulumi, and returns the live one. Local properties are kept.
	ReadFn func(ctx context.Context, c *Call, id string, last *O) (*O, error)
	// UpdateFn is nil if every change replaces.
	UpdateFn func(ctx context.Context, c *Call, id string, last *O, in *I) error
	DeleteFn func(ctx context.Context, c *Call, id string, last *O) error
	// ImportFn reads the id that is given for an import and returns the real one.
	ImportFn func(ctx context.Context, c *Call, id string, o *O) (string, error)
	// DriftFn takes out of the inputs what the live state shows to be untrue and
	// cannot be seen by comparing properties.
	DriftFn func(last, live *O, in resource.PropertyMap)

	in, out *schema.Type
}

// define finishes a description.
func define[I, O any](d Def[I, O]) Resource {
	d.in, d.out = schema.Of[I](), schema.Of[O]()
	return &d
}

// Token implements Resource.
func (d *Def[I, O]) Token() string { return d.Type }

// Inputs implements Resource.
func (d *Def[I, O]) Inputs() *schema.Type { return d.in }

// Outputs implements Resource.
func (d *Def[I, O]) Outputs() *schema.Type { return d.out }

// Naming implements Resource.
func (d *Def[I, O]) Naming() *Naming { return d.Named }

// Timeout implements Resource.
func (d *Def[I, O]) Timeout(string) time.Duration {
	if d.Slow > 0 {
		return d.Slow
	}
	return 10 * time.Minute
}

// Check implements Resource.
func (d *Def[I, O]) Check(in resource.PropertyMap) []schema.Failure {
	if d.CheckFn == nil {
		return nil
	}
	var i I
	if err := d.in.Decode(in, &i); err != nil {
		return []schema.Failure{{Reason: err.Error()}}
	}
	known := func(property string) bool {
		v, ok := in[resource.PropertyKey(property)]
		return !ok || !v.ContainsUnknowns()
	}
	return d.CheckFn(&i, known)
}

// Unsettled implements Resource.
func (d *Def[I, O]) Unsettled(changed map[string]bool, in resource.PropertyMap) []string {
	var i I
	if d.UnsettledFn == nil || d.in.Decode(in, &i) != nil {
		return nil
	}
	return d.UnsettledFn(changed, &i)
}

// Tainted implements Resource.
func (d *Def[I, O]) Tainted(state resource.PropertyMap) string {
	if d.TaintedFn == nil {
		return ""
	}
	var o O
	if err := d.out.Decode(state, &o); err != nil {
		return ""
	}
	return d.TaintedFn(&o)
}

// Anew implements Resource.
func (d *Def[I, O]) Anew(state, in resource.PropertyMap) []string {
	var (
		o O
		i I
	)
	if d.AnewFn == nil || d.out.Decode(state, &o) != nil || d.in.Decode(in, &i) != nil {
		return nil
	}
	return d.AnewFn(&o, &i)
}

// InPlace implements Resource.
func (d *Def[I, O]) InPlace(changed map[string]bool) bool {
	return d.InPlaceFn != nil && d.InPlaceFn(changed)
}

// Create implements Resource.
func (d *Def[I, O]) Create(ctx context.Context, c *Call, in resource.PropertyMap) (string, resource.PropertyMap, error) {
	var i I
	if err := d.in.Decode(in, &i); err != nil {
		return "", nil, fmt.Errorf("creating %s: %w", d.Title, err)
	}
	id, err := d.CreateFn(ctx, c, &i)
	if err != nil {
		err = fmt.Errorf("creating %s (%s): %w", d.Title, d.nameOf(c, in), err)
	}
	if id == "" {
		return "", nil, err
	}
	state, rerr := d.live(ctx, c, id, in)
	if rerr != nil {
		state = in.Copy()
		err = errors.Join(err, fmt.Errorf("reading %s (%s) after it was created: %w", d.Title, id, rerr))
	}
	return id, state, err
}

// nameOf is how errors call a resource that has no id yet.
func (d *Def[I, O]) nameOf(c *Call, in resource.PropertyMap) string {
	if d.Named != nil {
		if v := in[resource.PropertyKey(d.Named.Property)]; v.IsString() {
			return v.StringValue()
		}
	}
	return c.Name
}

// live reads the state; base is what was known, for ReadFn and for the
// properties that the server does not give back.
func (d *Def[I, O]) live(ctx context.Context, c *Call, id string, base resource.PropertyMap) (resource.PropertyMap, error) {
	var last O
	if err := d.out.Decode(base, &last); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		// The time for the operation is over; what it left behind must be known all
		// the same, so that state tells the truth.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
	}
	o, err := d.ReadFn(ctx, c, id, &last)
	if err != nil {
		return nil, err
	}
	return d.encode(o, base)
}

func (d *Def[I, O]) encode(o *O, base resource.PropertyMap) (resource.PropertyMap, error) {
	state, err := d.out.Encode(o)
	if err != nil {
		return nil, err
	}
	for _, p := range d.out.Props {
		key := resource.PropertyKey(p.Name)
		if v, ok := base[key]; p.Local && ok {
			state[key] = v
		} else if p.Local && !p.Default.IsNull() {
			state[key] = p.Default
		}
	}
	return state, nil
}

// Read implements Resource.
func (d *Def[I, O]) Read(ctx context.Context, c *Call, id string, in, state resource.PropertyMap) (string, resource.PropertyMap, resource.PropertyMap, error) {
	var last O
	imported := len(in) == 0
	if imported && d.ImportFn != nil {
		real, err := d.ImportFn(ctx, c, id, &last)
		if err != nil {
			return "", nil, nil, err
		}
		id = real
	} else if err := d.out.Decode(state, &last); err != nil {
		return "", nil, nil, fmt.Errorf("reading %s (%s): %w", d.Title, id, err)
	}
	o, err := d.ReadFn(ctx, c, id, &last)
	if err != nil {
		if errors.Is(err, ErrGone) {
			return "", nil, nil, ErrGone
		}
		return "", nil, nil, fmt.Errorf("reading %s (%s): %w", d.Title, id, err)
	}
	now, err := d.encode(o, state)
	if err != nil {
		return "", nil, nil, err
	}
	if imported {
		return id, d.in.Import(now), now, nil
	}
	newIn := d.in.Refresh(in, now)
	if d.DriftFn != nil {
		d.DriftFn(&last, o, newIn)
	}
	for _, p := range d.in.Props {
		// What is not true any more is not kept in the state either, or the next
		// update would find nothing to do.
		if _, ok := newIn[resource.PropertyKey(p.Name)]; p.Local && !ok {
			delete(now, resource.PropertyKey(p.Name))
		}
	}
	return id, newIn, now, nil
}

// Update implements Resource.
func (d *Def[I, O]) Update(ctx context.Context, c *Call, id string, state, in resource.PropertyMap) (resource.PropertyMap, error) {
	var (
		last O
		i    I
	)
	if err := errors.Join(d.out.Decode(state, &last), d.in.Decode(d.in.KeepComputed(state, in), &i)); err != nil {
		return state, fmt.Errorf("updating %s (%s): %w", d.Title, id, err)
	}
	c.changed = map[string]bool{}
	for _, ch := range d.in.Diff(state, in) {
		c.changed[ch.Top()] = true
	}
	var err error
	if d.UpdateFn != nil {
		err = d.UpdateFn(ctx, c, id, &last, &i)
	}
	base := state
	if err != nil {
		err = fmt.Errorf("updating %s (%s): %w", d.Title, id, err)
	} else {
		base = d.overlay(state, in)
	}
	now, rerr := d.live(ctx, c, id, base)
	if rerr != nil {
		return state, errors.Join(err, fmt.Errorf("reading %s (%s) after the update: %w", d.Title, id, rerr))
	}
	return now, err
}

// overlay is the state with the new inputs in place of the old ones.
func (d *Def[I, O]) overlay(state, in resource.PropertyMap) resource.PropertyMap {
	out := in.Copy()
	for k, v := range state {
		if d.in.Prop(string(k)) == nil {
			out[k] = v
		}
	}
	return out
}

// Delete implements Resource.
func (d *Def[I, O]) Delete(ctx context.Context, c *Call, id string, state resource.PropertyMap) error {
	var last O
	if err := d.out.Decode(state, &last); err != nil {
		return fmt.Errorf("deleting %s (%s): %w", d.Title, id, err)
	}
	if err := d.DeleteFn(ctx, c, id, &last); err != nil && !errors.Is(err, ErrGone) {
		return fmt.Errorf("deleting %s (%s): %w", d.Title, id, err)
	}
	return nil
}
