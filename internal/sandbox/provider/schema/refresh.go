package schema

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Refresh returns the inputs that describe the live state: the inputs of the
// last deployment where they still mean the same, the live values where they do
// not, and what appeared without having been asked for. What the server fills in
// by itself or does not give back is left as it was.
func (t *Type) Refresh(olds, live resource.PropertyMap) resource.PropertyMap {
	out := resource.PropertyMap{}
	for _, p := range t.Props {
		key := resource.PropertyKey(p.Name)
		was, had := olds[key]
		now, has := live[key]
		if v := p.refresh(was, now, had, has); !v.IsNull() {
			out[key] = v
		}
	}
	return out
}

func (p *Prop) refresh(was, now resource.PropertyValue, had, has bool) resource.PropertyValue {
	null := resource.NewNullProperty()
	switch {
	case p.Local && had:
		return was
	case p.Local:
		return null
	case !had:
		if !has || p.Computed || p.Managed || p.nothing(now) {
			return null
		}
		return now
	case !has:
		if zero(was) {
			return was
		}
		return null
	case p.equal(was, now):
		return was
	default:
		return p.merge(was, now)
	}
}

// merge is the live value with what the server does not give back taken from
// the old one.
func (p *Prop) merge(was, now resource.PropertyValue) resource.PropertyValue {
	secret := was.ContainsSecrets()
	old := plain(was)
	switch {
	case p.Kind == Object && old.IsObject() && now.IsObject():
		return resource.NewObjectProperty(p.Type.Refresh(old.ObjectValue(), now.ObjectValue()))
	case p.Kind == List && !p.Set && old.IsArray() && now.IsArray() && len(old.ArrayValue()) == len(now.ArrayValue()):
		list := make([]resource.PropertyValue, len(now.ArrayValue()))
		for i, n := range now.ArrayValue() {
			list[i] = p.Elem.refresh(old.ArrayValue()[i], n, true, true)
		}
		return resource.NewArrayProperty(list)
	}
	if secret {
		return rewrap(now)
	}
	return now
}

// nothing reports whether the value says as much as no value: the default, or
// zero if there is none.
func (p *Prop) nothing(v resource.PropertyValue) bool {
	if p.Default.IsNull() {
		return zero(v)
	}
	return p.equal(p.Default, v)
}

// Import returns the inputs for a live resource that no program has described
// yet: all that is not at its default.
func (t *Type) Import(live resource.PropertyMap) resource.PropertyMap {
	out := resource.PropertyMap{}
	for _, p := range t.Props {
		v, ok := live[resource.PropertyKey(p.Name)]
		if !ok || p.nothing(v) && !p.Required {
			continue
		}
		if p.Kind == Object && v.IsObject() {
			v = resource.NewObjectProperty(p.Type.Import(v.ObjectValue()))
		}
		out[resource.PropertyKey(p.Name)] = v
	}
	return out
}
