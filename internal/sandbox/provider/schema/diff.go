package schema

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// ChangeKind says what happens to a property.
type ChangeKind int

// The kinds of change.
const (
	Add ChangeKind = iota
	Delete
	Update
)

// Change is one difference between two inputs.
type Change struct {
	Path    resource.PropertyPath
	Kind    ChangeKind
	Replace bool // needs a new resource
}

// Top is the name of the top-level property that the change is in.
func (c Change) Top() string {
	if s, ok := c.Path[0].(string); ok {
		return s
	}
	return ""
}

// Diff returns what changes from the inputs olds to the checked inputs news.
// Absent and zero are the same; texts are compared by what they mean; an unknown
// new value counts as a change, an absent one of a computed property does not.
func (t *Type) Diff(olds, news resource.PropertyMap) []Change {
	var d differ
	d.object(nil, t, olds, news, false)
	return d.changes
}

// KeepComputed returns new inputs with what the server has filled in: an absent
// computed property keeps its value in an update, as Terraform plans an optional and
// computed attribute. The provider then sends it, fitting or not: a key that was the
// bucket's default goes along with another encryption, and S3 refuses the two.
func (t *Type) KeepComputed(state, in resource.PropertyMap) resource.PropertyMap {
	out := in.Copy()
	for _, p := range t.Props {
		key := resource.PropertyKey(p.Name)
		was, now := plain(state[key]), plain(in[key])
		switch {
		case p.Local || zero(was):
		case now.IsNull() && p.Computed:
			out[key] = was
		case p.Kind == Object && was.IsObject() && now.IsObject() && !in[key].ContainsSecrets():
			out[key] = resource.NewObjectProperty(p.Type.KeepComputed(was.ObjectValue(), now.ObjectValue()))
		}
	}
	return out
}

type differ struct{ changes []Change }

func (d *differ) add(path resource.PropertyPath, kind ChangeKind, replace bool) {
	d.changes = append(d.changes, Change{Path: path, Kind: kind, Replace: replace})
}

func (d *differ) object(path resource.PropertyPath, t *Type, olds, news resource.PropertyMap, replace bool) {
	for _, p := range t.Props {
		key := resource.PropertyKey(p.Name)
		d.value(join(path, p.Name), p, olds[key], news[key], replace || p.Replace)
	}
}

func (d *differ) value(path resource.PropertyPath, p *Prop, before, after resource.PropertyValue, replace bool) {
	before, after = p.orDefault(plain(before)), p.orDefault(plain(after))
	switch {
	case after.IsComputed():
		kind := Update
		if before.IsNull() {
			kind = Add
		}
		d.add(path, kind, replace)
	case after.IsNull() && p.Computed, zero(before) && zero(after):
	case after.IsNull():
		d.add(path, Delete, replace)
	case before.IsNull():
		d.add(path, Add, replace)
	case p.equal(before, after):
	case p.Kind == Object && before.IsObject() && after.IsObject():
		d.object(path, p.Type, before.ObjectValue(), after.ObjectValue(), replace)
	case p.Kind == Map && before.IsObject() && after.IsObject():
		d.mapping(path, p, before.ObjectValue(), after.ObjectValue(), replace)
	case p.Kind == List && before.IsArray() && after.IsArray():
		d.list(path, p, before.ArrayValue(), after.ArrayValue(), replace)
	default:
		d.add(path, Update, replace)
	}
}

func (d *differ) mapping(path resource.PropertyPath, p *Prop, before, after resource.PropertyMap, replace bool) {
	keys := before.StableKeys()
	for _, k := range after.StableKeys() {
		if _, ok := before[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		at := join(path, string(k))
		b, inOld := before[k]
		a, inNew := after[k]
		// In a map an empty value is a value: a tag without text.
		switch {
		case !inOld:
			d.add(at, Add, replace)
		case !inNew:
			d.add(at, Delete, replace)
		default:
			d.value(at, p.Elem, b, a, replace)
		}
	}
}

func (d *differ) list(path resource.PropertyPath, p *Prop, before, after []resource.PropertyValue, replace bool) {
	for i := range max(len(before), len(after)) {
		at := join(path, i)
		switch {
		case i >= len(before):
			d.add(at, Add, replace)
		case i >= len(after):
			d.add(at, Delete, replace)
		default:
			d.value(at, p.Elem, before[i], after[i], replace)
		}
	}
}

// equal reports whether two known values mean the same.
func (p *Prop) equal(a, b resource.PropertyValue) bool {
	a, b = plain(a), plain(b)
	if a.ContainsUnknowns() || b.ContainsUnknowns() {
		return false
	}
	switch {
	case p.Kind == String && a.IsString() && b.IsString():
		return SameText(p.Text, a.StringValue(), b.StringValue())
	case p.Kind == Source:
		return sameSource(a, b)
	case p.Kind == List && p.Set && a.IsArray() && b.IsArray():
		return p.sameSet(a.ArrayValue(), b.ArrayValue())
	case p.Kind == List && a.IsArray() && b.IsArray():
		return slices.EqualFunc(a.ArrayValue(), b.ArrayValue(), p.Elem.equal)
	case p.Kind == Object && a.IsObject() && b.IsObject():
		return len(p.Type.Diff(a.ObjectValue(), b.ObjectValue())) == 0
	case p.Kind == Map && a.IsObject() && b.IsObject():
		var d differ
		d.mapping(nil, p, a.ObjectValue(), b.ObjectValue(), false)
		return len(d.changes) == 0
	default:
		return a.DeepEquals(b)
	}
}

func sameSource(a, b resource.PropertyValue) bool {
	switch {
	case a.IsAsset() && b.IsAsset():
		return a.AssetValue().Hash != "" && a.AssetValue().Hash == b.AssetValue().Hash
	case a.IsArchive() && b.IsArchive():
		return a.ArchiveValue().Hash != "" && a.ArchiveValue().Hash == b.ArchiveValue().Hash
	}
	return false
}

// sameSet reports whether each element has its like on the other side. Lists are
// short: the largest has a hundred alarms.
func (p *Prop) sameSet(a, b []resource.PropertyValue) bool {
	if len(a) != len(b) {
		return false
	}
	left := slices.Clone(b)
	for _, v := range a {
		i := slices.IndexFunc(left, func(o resource.PropertyValue) bool { return p.Elem.equal(v, o) })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

// orDefault is the default in place of no value.
func (p *Prop) orDefault(v resource.PropertyValue) resource.PropertyValue {
	if v.IsNull() {
		return p.Default
	}
	return v
}
