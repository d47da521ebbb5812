package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Failure says what is wrong with a property of the program.
type Failure struct {
	Property string // path
	Reason   string
}

// Check returns the inputs in canonical form (numbers given as text become
// numbers, policies given as objects become text, nulls go) and what is wrong
// with them. Unknown and secret values stay so. Defaults are not filled in.
func (t *Type) Check(in resource.PropertyMap) (resource.PropertyMap, []Failure) {
	c := &checker{}
	out := c.object(nil, t, in)
	return out, c.failures
}

// Require reports the required properties that are absent, on every level.
func (t *Type) Require(in resource.PropertyMap) []Failure {
	c := &checker{}
	c.require(nil, t, in)
	return c.failures
}

// Defaults fills in the defaults of absent properties, on every level, and
// returns the names of the properties of the top level that it filled in.
func (t *Type) Defaults(in resource.PropertyMap) []string {
	var names []string
	for _, p := range t.Props {
		key := resource.PropertyKey(p.Name)
		v, ok := in[key]
		switch {
		case !ok && !p.Default.IsNull():
			in[key] = p.Default
			names = append(names, p.Name)
		case ok:
			p.defaultsBelow(v)
		}
	}
	return names
}

func (p *Prop) defaultsBelow(v resource.PropertyValue) {
	v = plain(v)
	switch {
	case p.Kind == Object && v.IsObject():
		p.Type.Defaults(v.ObjectValue())
	case p.Kind == List && v.IsArray():
		for _, e := range v.ArrayValue() {
			p.Elem.defaultsBelow(e)
		}
	}
}

type checker struct{ failures []Failure }

func (c *checker) fail(path resource.PropertyPath, format string, args ...any) {
	c.failures = append(c.failures, Failure{Property: path.String(), Reason: fmt.Sprintf(format, args...)})
}

func (c *checker) object(path resource.PropertyPath, t *Type, in resource.PropertyMap) resource.PropertyMap {
	out := resource.PropertyMap{}
	for _, key := range in.StableKeys() {
		if strings.HasPrefix(string(key), "__") {
			continue
		}
		at := join(path, string(key))
		p := t.byName[string(key)]
		if p == nil {
			c.fail(at, "the sandbox provider does not support the property %q", at.String())
			continue
		}
		if v := c.value(at, p, in[key]); !v.IsNull() {
			out[key] = v
		}
	}
	return out
}

func (c *checker) require(path resource.PropertyPath, t *Type, in resource.PropertyMap) {
	for _, p := range t.Props {
		v, ok := in[resource.PropertyKey(p.Name)]
		at := join(path, p.Name)
		if !ok {
			if p.Required {
				c.fail(at, "missing required property %q", at.String())
			}
			continue
		}
		c.requireBelow(at, p, plain(v))
	}
}

func (c *checker) requireBelow(path resource.PropertyPath, p *Prop, v resource.PropertyValue) {
	switch {
	case p.Kind == Object && v.IsObject():
		c.require(path, p.Type, v.ObjectValue())
	case p.Kind == List && v.IsArray():
		for i, e := range v.ArrayValue() {
			c.requireBelow(join(path, i), p.Elem, plain(e))
		}
	}
}

// value returns v in canonical form, null if it is to be left out.
func (c *checker) value(path resource.PropertyPath, p *Prop, v resource.PropertyValue) resource.PropertyValue {
	switch {
	case v.IsNull():
		return v
	case v.IsSecret():
		return rewrap(c.value(path, p, v.SecretValue().Element))
	case v.IsOutput():
		return c.output(path, p, v.OutputValue())
	case v.IsComputed():
		return v
	}
	v, err := p.coerce(v)
	if err != nil {
		c.fail(path, "%s", err)
		return v
	}
	for _, rule := range p.Rules {
		if reason := rule(p.Name, v); reason != "" {
			c.fail(path, "%s", reason)
		}
	}
	return c.below(path, p, v)
}

func (c *checker) output(path resource.PropertyPath, p *Prop, o resource.Output) resource.PropertyValue {
	v := resource.MakeComputed(resource.NewStringProperty(""))
	if o.Known {
		v = c.value(path, p, o.Element)
	}
	if o.Secret {
		v = rewrap(v)
	}
	return v
}

func (c *checker) below(path resource.PropertyPath, p *Prop, v resource.PropertyValue) resource.PropertyValue {
	switch p.Kind {
	case Object:
		return resource.NewObjectProperty(c.object(path, p.Type, v.ObjectValue()))
	case List:
		list := make([]resource.PropertyValue, 0, len(v.ArrayValue()))
		for i, e := range v.ArrayValue() {
			if e := c.value(join(path, i), p.Elem, e); !e.IsNull() {
				list = append(list, e)
			}
		}
		return resource.NewArrayProperty(list)
	case Map:
		m := resource.PropertyMap{}
		for k, e := range v.ObjectValue() {
			if strings.HasPrefix(string(k), "__defaults") {
				continue
			}
			if e := c.value(join(path, string(k)), p.Elem, e); !e.IsNull() {
				m[k] = e
			}
		}
		return resource.NewObjectProperty(m)
	default:
		return v
	}
}

// coerce turns a known value into the property's kind, or says why not.
func (p *Prop) coerce(v resource.PropertyValue) (resource.PropertyValue, error) {
	switch p.Kind {
	case String:
		return p.coerceString(v)
	case Int, Number, Bool:
		if v.IsString() {
			return p.coerceText(v.StringValue())
		}
		if p.Kind == Bool && v.IsBool() {
			return v, nil
		}
		if p.Kind != Bool && v.IsNumber() {
			if n := v.NumberValue(); p.Kind == Int && n != math.Trunc(n) {
				return v, fmt.Errorf("expected a whole number for %s, got %v", p.Name, n)
			}
			return v, nil
		}
	case List:
		if v.IsArray() {
			return v, nil
		}
	case Map, Object:
		if v.IsObject() {
			return v, nil
		}
	case Source:
		if v.IsAsset() && p.Asset || v.IsArchive() && p.Archive {
			return v, nil
		}
	}
	return v, fmt.Errorf("expected %s for %s, got %s", p.Kind, p.Name, v.TypeString())
}

func (p *Prop) coerceString(v resource.PropertyValue) (resource.PropertyValue, error) {
	switch {
	case v.IsString():
		if p.document() && !json.Valid([]byte(v.StringValue())) {
			return v, fmt.Errorf("%q contains an invalid JSON: %s", p.Name, jsonError(v.StringValue()))
		}
		return v, nil
	case v.IsNumber(), v.IsBool():
		return resource.NewStringProperty(text(v)), nil
	case p.document() && (v.IsObject() || v.IsArray()):
		if v.ContainsUnknowns() {
			return resource.MakeComputed(resource.NewStringProperty("")), nil
		}
		b, err := json.Marshal(Strip(v).Mappable())
		if err != nil {
			return v, fmt.Errorf("expected JSON for %s: %w", p.Name, err)
		}
		s := resource.NewStringProperty(string(b))
		if v.ContainsSecrets() {
			s = resource.MakeSecret(s)
		}
		return s, nil
	}
	return v, fmt.Errorf("expected %s for %s, got %s", p.Kind, p.Name, v.TypeString())
}

// coerceText reads text as the property's kind, as configuration gives it.
func (p *Prop) coerceText(s string) (resource.PropertyValue, error) {
	null := resource.NewNullProperty()
	switch p.Kind {
	case String:
		return resource.NewStringProperty(s), nil
	case Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return null, fmt.Errorf("expected a boolean for %s, got %q", p.Name, s)
		}
		return resource.NewBoolProperty(b), nil
	case Int, Number:
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || p.Kind == Int && n != math.Trunc(n) {
			return null, fmt.Errorf("expected %s for %s, got %q", p.Kind, p.Name, s)
		}
		return resource.NewNumberProperty(n), nil
	default:
		return null, fmt.Errorf("expected %s for %s, got a string", p.Kind, p.Name)
	}
}

// String names the kind as an error message does.
func (k Kind) String() string {
	switch k {
	case String:
		return "a string"
	case Int:
		return "a whole number"
	case Number:
		return "a number"
	case Bool:
		return "a boolean"
	case List:
		return "a list"
	case Map:
		return "a map"
	case Object:
		return "an object"
	default:
		return "an asset or archive"
	}
}

func jsonError(s string) string {
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return err.Error()
	}
	return ""
}

// join returns path with one more step, sharing nothing with path.
func join(path resource.PropertyPath, step any) resource.PropertyPath {
	return append(append(make(resource.PropertyPath, 0, len(path)+1), path...), step)
}
