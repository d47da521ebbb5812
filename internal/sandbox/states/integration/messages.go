package integration

import (
	"encoding/base64"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// Messages are the input and output of one operation as a task has them. On AWS
// the Java SDK stands between the language and the service: members of replies
// begin with a capital, times are texts, and blobs have no place in JSON. A value
// that is given for a blob is sent as its JSON text, a string with its quotes; a
// blob in a reply is read as UTF-8.
type Messages struct {
	api           *model.API
	input, output *model.Shape
}

// MessagesOf are those of an operation.
func MessagesOf(service, op string) Messages {
	api := model.Of(service)
	if api == nil || api.Operations[op] == nil {
		return Messages{}
	}
	o := api.Operations[op]
	return Messages{api, api.Shape(o.Input), api.Shape(o.Output)}
}

// textContent is the type that the SDK gives to a stream that it makes of a text.
const textContent = "text/plain; charset=UTF-8"

// Request turns a task's arguments into the operation's document.
func (m Messages) Request(args any) any {
	o, ok := args.(*value.Object)
	if !ok || m.input == nil {
		return args
	}
	if body := m.input.Body(); body != nil && body.Streaming && m.input.Find("ContentType") != nil {
		_, given := o.Get(body.Name)
		if kind, set := o.Get("ContentType"); given && (!set || kind == nil) {
			o = o.With("ContentType", textContent)
		}
	}
	return m.encode(m.input, o)
}

func (m Messages) encode(s *model.Shape, v any) any {
	if s == nil || v == nil {
		return v
	}
	switch x := v.(type) {
	case *value.Object:
		if s.Type == "structure" || s.Type == "map" {
			out := value.NewObject(x.Len())
			for i := range x.Len() {
				k, e := x.At(i)
				_, of := m.below(s, k)
				out.Set(k, m.encode(of, e))
			}
			return out
		}
	case []any:
		if s.Type == "list" {
			out := make([]any, len(x))
			for i, e := range x {
				out[i] = m.encode(m.api.Shape(s.Member), e)
			}
			return out
		}
	}
	if s.Type == "blob" {
		return base64.StdEncoding.EncodeToString([]byte(value.String(v)))
	}
	return v
}

// below is a member of a structure or a map by its key, with the name that it has
// in the SDK; keys of maps are the user's own.
func (m Messages) below(s *model.Shape, key string) (name string, of *model.Shape) {
	if s != nil && s.Type == "map" {
		return key, m.api.Shape(s.Value)
	}
	if f := s.Find(key); f != nil {
		return upper(key), m.api.Shape(&f.Ref)
	}
	return upper(key), nil
}

// Reply turns an operation's document into a task's result.
func (m Messages) Reply(v any) any { return m.decode(m.output, v) }

func (m Messages) decode(s *model.Shape, v any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			if s != nil && s.Type == "list" {
				out[i] = m.decode(m.api.Shape(s.Member), e)
			} else {
				out[i] = m.decode(nil, e)
			}
		}
		return out
	case *value.Object:
		out := value.NewObject(x.Len())
		for i := range x.Len() {
			k, e := x.At(i)
			name, of := m.below(s, k)
			out.Set(name, m.decode(of, e))
		}
		return out
	case value.Number:
		if s != nil && s.Type == "timestamp" {
			return javaTime(x.Float64())
		}
	case string:
		if s != nil && s.Type == "blob" {
			raw, err := base64.StdEncoding.DecodeString(x)
			if err != nil {
				return x
			}
			return strings.ToValidUTF8(string(raw), "\uFFFD")
		}
	}
	return v
}
