package wire

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"
)

// writeXML writes v as the content of an element, as query services do: lists
// are <member> elements, maps <entry> elements of key and value, times ISO 8601,
// blobs base64; what was never set is left out.
func writeXML(b *strings.Builder, v reflect.Value) error {
	if !v.IsValid() {
		return nil
	}
	if t, ok := v.Interface().(time.Time); ok {
		b.WriteString(t.UTC().Format("2006-01-02T15:04:05.999Z"))
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return writeXML(b, v.Elem())
	case reflect.Struct:
		return structXML(b, v)
	case reflect.Map:
		return mapXML(b, v)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b.WriteString(base64.StdEncoding.EncodeToString(v.Bytes()))
			return nil
		}
		for i := range v.Len() {
			b.WriteString("<member>")
			if err := writeXML(b, v.Index(i)); err != nil {
				return err
			}
			b.WriteString("</member>")
		}
		return nil
	case reflect.String:
		return xml.EscapeText(b, []byte(v.String()))
	case reflect.Bool:
		b.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		b.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Float32, reflect.Float64:
		b.WriteString(floatXML(v.Float()))
	default:
		return fmt.Errorf("cannot write %s as XML", v.Type())
	}
	return nil
}

func floatXML(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func structXML(b *strings.Builder, v reflect.Value) error {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" || absent(v.Field(i)) {
			continue
		}
		name, _ := memberName(f, false)
		b.WriteString("<" + name + ">")
		if err := writeXML(b, v.Field(i)); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		b.WriteString("</" + name + ">")
	}
	return nil
}

func mapXML(b *strings.Builder, v reflect.Value) error {
	keys := v.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	for _, k := range keys {
		b.WriteString("<entry>")
		element(b, "key", k.String())
		b.WriteString("<value>")
		if err := writeXML(b, v.MapIndex(k)); err != nil {
			return err
		}
		b.WriteString("</value></entry>")
	}
	return nil
}
