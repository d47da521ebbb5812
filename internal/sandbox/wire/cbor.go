package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// The rpc-v2-cbor protocol, https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html:
// POST /service/NAME/operation/OPERATION with header Smithy-Protocol. New SDKs
// speak it to services that had the query protocol before (CloudWatch), so every
// service that the Router serves itself takes it beside its own.

const cborType = "application/cbor"

// cborOperation returns the operation of an rpc-v2-cbor request; ok is false if
// it is none.
func cborOperation(h *http.Request) (operation string, ok bool) {
	if h.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		return "", false
	}
	_, operation, _ = strings.Cut(h.URL.Path, "/operation/")
	return operation, true
}

// decodeCBOR turns a CBOR document into the JSON document that operations take.
func decodeCBOR(body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, nil
	}
	v, err := cbor.Decode(body)
	if err != nil {
		return nil, Errorf(http.StatusBadRequest, "SerializationException", "not a CBOR document: %s", err)
	}
	doc, err := fromCBOR(v)
	if err != nil {
		return nil, Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
	}
	return json.Marshal(doc)
}

func fromCBOR(v cbor.Value) (any, error) {
	switch v := v.(type) {
	case cbor.Map:
		out := make(map[string]any, len(v))
		for k, x := range v {
			var err error
			if out[k], err = fromCBOR(x); err != nil {
				return nil, err
			}
		}
		return out, nil
	case cbor.List:
		out := make([]any, len(v))
		for i, x := range v {
			var err error
			if out[i], err = fromCBOR(x); err != nil {
				return nil, err
			}
		}
		return out, nil
	case cbor.String:
		return string(v), nil
	case cbor.Slice:
		return base64.StdEncoding.EncodeToString(v), nil
	case cbor.Bool:
		return bool(v), nil
	case cbor.Uint:
		return json.Number(strconv.FormatUint(uint64(v), 10)), nil
	case cbor.NegInt:
		n, err := cbor.AsInt64(v)
		return n, err
	case cbor.Float32:
		return float(float64(v)), nil
	case cbor.Float64:
		return float(float64(v)), nil
	case *cbor.Tag:
		return fromCBOR(v.Value) // 1: a time, in epoch seconds as in JSON
	case *cbor.Nil, *cbor.Undefined:
		return nil, nil
	default:
		return nil, fmt.Errorf("unexpected CBOR value %T", v)
	}
}

// float keeps NaN and the infinities, which JSON has no numbers for.
func float(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

func writeCBOR(w http.ResponseWriter, out any) {
	v, err := toCBOR(reflect.ValueOf(out))
	if err != nil {
		writeCBORError(w, NewID(), AsError(err))
		return
	}
	if v == nil {
		v = cbor.Map{}
	}
	w.Header().Set("Content-Type", cborType)
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(cbor.Encode(v))
}

func writeCBORError(w http.ResponseWriter, id string, e *Error) {
	body := cbor.Map{"__type": cbor.String(e.Code)}
	if e.Message != "" {
		body["message"], body["Message"] = cbor.String(e.Message), cbor.String(e.Message)
	}
	for k, x := range e.Fields {
		if v, err := toCBOR(reflect.ValueOf(x)); err == nil && v != nil {
			body[k] = v
		}
	}
	setQueryError(w, e)
	w.Header().Set("Content-Type", cborType)
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("X-Amzn-Requestid", id)
	w.WriteHeader(status(e))
	_, _ = w.Write(cbor.Encode(body))
}

// toCBOR follows the rules of Encode. It returns nil for what is absent.
func toCBOR(v reflect.Value) (cbor.Value, error) {
	if !v.IsValid() {
		return nil, nil
	}
	if t, ok := v.Interface().(time.Time); ok {
		return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(t.UnixMilli()) / 1000)}, nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
		return toCBOR(v.Elem())
	case reflect.Struct:
		out := cbor.Map{}
		t := v.Type()
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" || absent(v.Field(i)) {
				continue
			}
			x, err := toCBOR(v.Field(i))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Name, err)
			}
			name, _ := memberName(f, false)
			out[name] = x
		}
		return out, nil
	case reflect.Map:
		out := cbor.Map{}
		for _, k := range v.MapKeys() {
			x, err := toCBOR(v.MapIndex(k))
			if err != nil {
				return nil, err
			}
			out[k.String()] = x
		}
		return out, nil
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return cbor.Slice(v.Bytes()), nil
		}
		out := make(cbor.List, v.Len())
		for i := range out {
			var err error
			if out[i], err = toCBOR(v.Index(i)); err != nil {
				return nil, err
			}
		}
		return out, nil
	case reflect.String:
		return cbor.String(v.String()), nil
	case reflect.Bool:
		return cbor.Bool(v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := v.Int(); n < 0 {
			return cbor.NegInt(-n), nil
		}
		return cbor.Uint(v.Int()), nil
	case reflect.Float32, reflect.Float64:
		return cbor.Float64(v.Float()), nil
	default:
		return nil, fmt.Errorf("cannot write %s as CBOR", v.Type())
	}
}
