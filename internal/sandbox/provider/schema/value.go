package schema

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// plain returns v without a secret or output around it; what is below may still
// have some. An unknown output becomes a computed value.
func plain(v resource.PropertyValue) resource.PropertyValue {
	for {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case v.IsOutput():
			if !v.OutputValue().Known {
				return resource.MakeComputed(resource.NewStringProperty(""))
			}
			v = v.OutputValue().Element
		default:
			return v
		}
	}
}

// rewrap makes v a secret, unless there is nothing to hide.
func rewrap(v resource.PropertyValue) resource.PropertyValue {
	if v.IsNull() || v.IsSecret() || v.IsComputed() {
		return v
	}
	return resource.MakeSecret(v)
}

// Strip returns v without any secrets and outputs, on every level.
func Strip(v resource.PropertyValue) resource.PropertyValue {
	v = plain(v)
	switch {
	case v.IsArray():
		list := make([]resource.PropertyValue, len(v.ArrayValue()))
		for i, e := range v.ArrayValue() {
			list[i] = Strip(e)
		}
		return resource.NewArrayProperty(list)
	case v.IsObject():
		return resource.NewObjectProperty(StripMap(v.ObjectValue()))
	default:
		return v
	}
}

// StripMap is Strip for a map.
func StripMap(m resource.PropertyMap) resource.PropertyMap {
	out := make(resource.PropertyMap, len(m))
	for k, v := range m {
		out[k] = Strip(v)
	}
	return out
}

// CarrySecrets returns out with secret marks wherever the same property of one
// of ins has them.
func CarrySecrets(out resource.PropertyMap, ins ...resource.PropertyMap) resource.PropertyMap {
	for _, in := range ins {
		if !in.ContainsSecrets() {
			continue
		}
		out = carry(resource.NewObjectProperty(out), resource.NewObjectProperty(in)).ObjectValue()
	}
	return out
}

func carry(out, in resource.PropertyValue) resource.PropertyValue {
	switch {
	case out.IsSecret() || !in.ContainsSecrets():
		return out
	case out.IsObject() && in.IsObject():
		m := resource.PropertyMap{}
		for k, v := range out.ObjectValue() {
			if from, ok := in.ObjectValue()[k]; ok {
				v = carry(v, from)
			}
			m[k] = v
		}
		return resource.NewObjectProperty(m)
	case out.IsArray() && in.IsArray() && len(out.ArrayValue()) == len(in.ArrayValue()):
		list := make([]resource.PropertyValue, len(out.ArrayValue()))
		for i, v := range out.ArrayValue() {
			list[i] = carry(v, in.ArrayValue()[i])
		}
		return resource.NewArrayProperty(list)
	default:
		return rewrap(out)
	}
}

// zero reports whether a value says as much as no value: "", 0, false, empty.
func zero(v resource.PropertyValue) bool {
	v = plain(v)
	switch {
	case v.IsNull():
		return true
	case v.IsString():
		return v.StringValue() == ""
	case v.IsNumber():
		return v.NumberValue() == 0
	case v.IsBool():
		return !v.BoolValue()
	case v.IsArray():
		return len(v.ArrayValue()) == 0
	case v.IsObject():
		for _, e := range v.ObjectValue() {
			if !zero(e) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
