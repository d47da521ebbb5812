package schema

import (
	"fmt"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Decode fills the struct that dst points to, which must be of the type that t
// was read from. Properties that are unknown or that t does not have are left
// out; secrets are uncovered.
func (t *Type) Decode(m resource.PropertyMap, dst any) error {
	rv := reflect.ValueOf(dst).Elem()
	if rv.Type() != t.goType {
		return fmt.Errorf("decode %s into %s", t.goType, rv.Type())
	}
	return t.decode(m, rv)
}

func (t *Type) decode(m resource.PropertyMap, dst reflect.Value) error {
	for _, p := range t.Props {
		v := plain(m[resource.PropertyKey(p.Name)])
		if v.IsNull() || v.IsComputed() {
			continue
		}
		if err := p.decode(v, dst.FieldByIndex(p.index)); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

func (p *Prop) decode(v resource.PropertyValue, dst reflect.Value) error {
	v = plain(v)
	if v.IsNull() || v.IsComputed() {
		return nil
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		dst = dst.Elem()
	}
	switch {
	case p.Kind == String && v.IsString():
		dst.SetString(v.StringValue())
	case p.Kind == Int && v.IsNumber():
		dst.SetInt(int64(v.NumberValue()))
	case p.Kind == Number && v.IsNumber():
		dst.SetFloat(v.NumberValue())
	case p.Kind == Bool && v.IsBool():
		dst.SetBool(v.BoolValue())
	case p.Kind == Object && v.IsObject():
		return p.Type.decode(v.ObjectValue(), dst)
	case p.Kind == List && v.IsArray():
		return p.decodeList(v.ArrayValue(), dst)
	case p.Kind == Map && v.IsObject():
		return p.decodeMap(v.ObjectValue(), dst)
	case p.Kind == Source && v.IsAsset():
		dst.Set(reflect.ValueOf(Blob{Asset: v.AssetValue()}))
	case p.Kind == Source && v.IsArchive():
		dst.Set(reflect.ValueOf(Blob{Archive: v.ArchiveValue()}))
	default:
		return fmt.Errorf("expected %s, got %s", p.Kind, v.TypeString())
	}
	return nil
}

func (p *Prop) decodeList(list []resource.PropertyValue, dst reflect.Value) error {
	out := reflect.MakeSlice(dst.Type(), len(list), len(list))
	for i, e := range list {
		if err := p.Elem.decode(e, out.Index(i)); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	dst.Set(out)
	return nil
}

func (p *Prop) decodeMap(m resource.PropertyMap, dst reflect.Value) error {
	out := reflect.MakeMapWithSize(dst.Type(), len(m))
	for k, e := range m {
		ev := reflect.New(dst.Type().Elem()).Elem()
		if err := p.Elem.decode(e, ev); err != nil {
			return fmt.Errorf("[%q]: %w", k, err)
		}
		out.SetMapIndex(reflect.ValueOf(string(k)), ev)
	}
	dst.Set(out)
	return nil
}

// Encode is the reverse of Decode. Nil pointers, nil lists and maps, and empty
// strings that are not behind a pointer are left out.
func (t *Type) Encode(src any) (resource.PropertyMap, error) {
	rv := reflect.Indirect(reflect.ValueOf(src))
	if rv.Type() != t.goType {
		return nil, fmt.Errorf("encode %s as %s", rv.Type(), t.goType)
	}
	return t.encode(rv), nil
}

func (t *Type) encode(src reflect.Value) resource.PropertyMap {
	m := resource.PropertyMap{}
	for _, p := range t.Props {
		f := src.FieldByIndex(p.index)
		if f.Kind() == reflect.String && f.Len() == 0 {
			continue
		}
		if v := p.encode(f); !v.IsNull() {
			m[resource.PropertyKey(p.Name)] = v
		}
	}
	return m
}

func (p *Prop) encode(src reflect.Value) resource.PropertyValue {
	switch src.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if src.IsNil() {
			return resource.NewNullProperty()
		}
	}
	src = reflect.Indirect(src)
	switch p.Kind {
	case String:
		return resource.NewStringProperty(src.String())
	case Int:
		return resource.NewNumberProperty(float64(src.Int()))
	case Number:
		return resource.NewNumberProperty(src.Float())
	case Bool:
		return resource.NewBoolProperty(src.Bool())
	case Object:
		return resource.NewObjectProperty(p.Type.encode(src))
	case List:
		list := make([]resource.PropertyValue, src.Len())
		for i := range list {
			list[i] = p.Elem.encode(src.Index(i))
		}
		return resource.NewArrayProperty(list)
	case Map:
		m := resource.PropertyMap{}
		for _, k := range src.MapKeys() {
			m[resource.PropertyKey(k.String())] = p.Elem.encode(src.MapIndex(k))
		}
		return resource.NewObjectProperty(m)
	default:
		return encodeBlob(src)
	}
}

func encodeBlob(src reflect.Value) resource.PropertyValue {
	b, ok := src.Interface().(Blob)
	switch {
	case ok && b.Asset != nil:
		return resource.NewAssetProperty(b.Asset)
	case ok && b.Archive != nil:
		return resource.NewArchiveProperty(b.Archive)
	default:
		return resource.NewNullProperty()
	}
}
