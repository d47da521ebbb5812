// Package schema owns what a resource type looks like to Pulumi: its properties
// with their types and rules, read from the tags of Go structs, and everything
// that follows from them without asking a server: checking, comparing,
// translating to and from the structs. It imports only the engine's property
// types, no provider protocol and no AWS client.
package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"
)

// Kind is the type of a property.
type Kind int

// The kinds.
const (
	String Kind = iota
	Int
	Number
	Bool
	List
	Map
	Object
	Source // an asset, or an archive, or both, as Prop.Asset and Prop.Archive say
)

// Text says when two texts mean the same.
type Text int

// The texts. JSON and Policy also may be given as an object, which becomes text.
const (
	Plain  Text = iota
	JSON        // equal as JSON values
	Policy      // equal as IAM policy documents
	Named       // an ARN, or what it ends with
)

// Prop is one property.
type Prop struct {
	Name string
	Kind Kind
	Elem *Prop // of List and Map
	Type *Type // of Object
	// Asset and Archive say what a Source may be.
	Asset, Archive bool

	Required bool
	// Replace: a change needs a new resource.
	Replace bool
	// Computed: the server fills it in if it is absent; absent is no change.
	Computed bool
	// Local: the server does not give it back; state keeps what was given.
	Local bool
	// Secret: its value is one wherever it is told, whatever the program calls it.
	Secret bool
	// Managed: the provider sets it among the inputs, not the program.
	Managed bool
	// Set: the order of the list does not matter.
	Set     bool
	Text    Text
	Default resource.PropertyValue // null if there is none
	Rules   []Rule

	index []int // of the field in the struct
}

// Type is the schema of an object.
type Type struct {
	Props  []*Prop
	byName map[string]*Prop
	goType reflect.Type
}

// Blob is a field for an asset or an archive.
type Blob struct {
	Asset   *asset.Asset
	Archive *archive.Archive
}

// Of reads the schema of struct type T from its tags
//
//	pulumi:"name,option..."  check:"rule;rule"  default:"value"
//
// with the options required, replace, computed, local, secret, managed, set, json,
// policy, asset, archive. Embedded structs count as part of T. An error in a
// tag is a mistake in this program and panics.
func Of[T any]() *Type { return typeOf(reflect.TypeFor[T](), false) }

// Prop returns the property of that name, nil if there is none.
func (t *Type) Prop(name string) *Prop { return t.byName[name] }

func typeOf(rt reflect.Type, replace bool) *Type {
	t := &Type{byName: map[string]*Prop{}, goType: rt}
	t.collect(rt, nil, replace)
	slices.SortFunc(t.Props, func(a, b *Prop) int { return strings.Compare(a.Name, b.Name) })
	return t
}

func (t *Type) collect(rt reflect.Type, prefix []int, replace bool) {
	for i := range rt.NumField() {
		f := rt.Field(i)
		index := append(slices.Clone(prefix), i)
		if f.Anonymous {
			t.collect(f.Type, index, replace)
			continue
		}
		tag, ok := f.Tag.Lookup("pulumi")
		if !ok {
			continue
		}
		p := newProp(f, tag, replace)
		p.index = index
		if t.byName[p.Name] != nil {
			panic(fmt.Sprintf("schema: %s has two properties %q", rt, p.Name))
		}
		t.Props = append(t.Props, p)
		t.byName[p.Name] = p
	}
}

func newProp(f reflect.StructField, tag string, replace bool) *Prop {
	name, opts, _ := strings.Cut(tag, ",")
	p := &Prop{Name: name, Replace: replace}
	for opt := range strings.SplitSeq(opts, ",") {
		p.option(f, opt)
	}
	p.shape(f, f.Type)
	p.Rules = parseRules(f)
	if d, ok := f.Tag.Lookup("default"); ok {
		v, err := p.coerceText(d)
		if err != nil {
			panic(fmt.Sprintf("schema: default of %s: %v", f.Name, err))
		}
		p.Default = v
	}
	return p
}

func (p *Prop) option(f reflect.StructField, opt string) {
	switch opt {
	case "":
	case "required":
		p.Required = true
	case "replace":
		p.Replace = true
	case "computed":
		p.Computed = true
	case "local":
		p.Local = true
	case "secret":
		p.Secret = true
	case "managed":
		p.Managed = true
	case "set":
		p.Set = true
	case "json":
		p.Text = JSON
	case "policy":
		p.Text = Policy
	case "named":
		p.Text = Named
	case "asset":
		p.Asset = true
	case "archive":
		p.Archive = true
	default:
		panic(fmt.Sprintf("schema: unknown option %q of %s", opt, f.Name))
	}
}

// shape sets the kind and what is below from the Go type.
func (p *Prop) shape(f reflect.StructField, rt reflect.Type) {
	if rt.Kind() == reflect.Pointer {
		rt = rt.Elem()
	}
	if rt == reflect.TypeFor[Blob]() {
		p.Kind = Source
		return
	}
	switch rt.Kind() {
	case reflect.String:
		p.Kind = String
	case reflect.Int:
		p.Kind = Int
	case reflect.Float64:
		p.Kind = Number
	case reflect.Bool:
		p.Kind = Bool
	case reflect.Slice, reflect.Map:
		p.Kind = List
		if rt.Kind() == reflect.Map {
			p.Kind = Map
		}
		p.Elem = &Prop{Name: p.Name, Replace: p.Replace}
		p.Elem.shape(f, rt.Elem())
	case reflect.Struct:
		p.Kind = Object
		p.Type = typeOf(rt, p.Replace)
	default:
		panic(fmt.Sprintf("schema: %s has the unsupported type %s", f.Name, rt))
	}
}

// Hide returns the properties with those that are secrets marked as such.
func (t *Type) Hide(m resource.PropertyMap) resource.PropertyMap {
	for _, p := range t.Props {
		key := resource.PropertyKey(p.Name)
		if v, ok := m[key]; ok && p.Secret {
			m[key] = rewrap(v)
		}
	}
	return m
}
