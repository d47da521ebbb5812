package wire

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// Of a service with a REST protocol, method, path, query and headers name the
// operation: https://smithy.io/2.0/spec/http-bindings.html. The bindings come from
// the model of the service's API.

// binding is how one operation is asked for.
type binding struct {
	op       *model.Operation
	input    *model.Shape
	segments []string   // "{Name}" is a label, "{Name+}" takes the rest of the path
	literals url.Values // of the query
	required []required
}

// required is what has to be in the query or the headers.
type required struct {
	name   string
	header bool
}

func (q required) given(h *http.Request, query url.Values) bool {
	if q.header {
		return h.Header.Get(q.name) != ""
	}
	return query.Has(q.name)
}

// match is a request's operation with the labels of its path.
type match struct {
	op     *model.Operation
	input  *model.Shape
	labels map[string]string
}

func (s *Service) bind() {
	add := func(op *model.Operation) {
		path, query, _ := strings.Cut(op.URI, "?")
		b := &binding{op: op, input: s.api.Shape(op.Input), segments: strings.Split(strings.Trim(path, "/"), "/")}
		b.literals, _ = url.ParseQuery(query)
		if b.input != nil {
			for _, name := range b.input.Required {
				if m := b.input.Find(name); m.In == "querystring" || m.In == "header" {
					b.required = append(b.required, required{m.Wire(), m.In == "header"})
				}
			}
		}
		s.routes = append(s.routes, b)
	}
	for _, name := range sortedKeys(s.api.Operations) {
		add(s.api.Operations[name])
	}
	for i := range s.Extra {
		add(&s.Extra[i])
	}
}

// telling are the names in a query that tell operations of one method and path
// apart ("acl", "uploadId").
func (s *Service) telling(query url.Values) (names []string) {
	for name := range query {
		if slices.ContainsFunc(s.routes, func(b *binding) bool {
			v, literal := b.literals[name]
			return literal && (v[0] == "" || v[0] == query.Get(name)) || slices.Contains(b.required, required{name: name})
		}) {
			names = append(names, name)
		}
	}
	return names
}

// takes reports whether the operation has a use for a name in the query.
func (b *binding) takes(name string) bool {
	if _, ok := b.literals[name]; ok {
		return true
	}
	return b.input != nil && slices.ContainsFunc(b.input.Members, func(m model.Member) bool { return m.In == "querystring" && m.Wire() == name })
}

// score tells how well a request fits; negative is not at all. What has all that
// it requires comes before what lacks something, and then the more special.
func (b *binding) score(h *http.Request, query url.Values, telling []string) int {
	for name, v := range b.literals {
		if !query.Has(name) || v[0] != "" && v[0] != query.Get(name) {
			return -1
		}
	}
	if slices.ContainsFunc(telling, func(name string) bool { return !b.takes(name) }) {
		return -1
	}
	n, complete := len(b.literals), 100
	for _, q := range b.required {
		if q.given(h, query) {
			n++
		} else {
			complete = 0
		}
	}
	return complete + n
}

// path is the escaped path by which the service knows what a request is about.
func (s *Service) path(h *http.Request) string {
	if s.Path != nil {
		return s.Path(h)
	}
	return h.URL.EscapedPath()
}

// match finds the operation of a request; nil if there is none. Of operations
// that AWS tells apart by the host's name one is taken that is served.
func (s *Service) match(h *http.Request, served func(operation string) bool) *match {
	segments := strings.Split(strings.TrimPrefix(s.path(h), "/"), "/")
	query := h.URL.Query()
	telling := s.telling(query)
	var found *match
	best := -1
	for _, b := range s.routes {
		if b.op.Method != h.Method {
			continue
		}
		labels, ok := b.labels(segments)
		if !ok {
			continue
		}
		score := b.score(h, query, telling)
		if score > best || score == best && score >= 0 && served(b.op.Name) && !served(found.op.Name) {
			best, found = score, &match{op: b.op, input: b.input, labels: labels}
		}
	}
	return found
}

// labels compares a path with the binding's. A slash at the end is not told from
// none, unless a label takes the rest.
func (b *binding) labels(path []string) (map[string]string, bool) {
	labels := map[string]string{}
	for i, want := range b.segments {
		if i >= len(path) {
			return nil, false
		}
		name, label := strings.CutPrefix(want, "{")
		name, greedy := strings.CutSuffix(strings.TrimSuffix(name, "}"), "+")
		got := path[i]
		if greedy {
			got = strings.Join(path[i:], "/")
		}
		text, err := url.PathUnescape(got)
		switch {
		case err != nil, label && text == "", !label && text != want:
			return nil, false
		case label:
			labels[name] = text
		}
		if greedy {
			return labels, true
		}
	}
	rest := path[len(b.segments):]
	return labels, len(rest) == 0 || len(rest) == 1 && rest[0] == ""
}

// restInput reads a request as the document that operations take. Values of
// labels, query and headers are text, which the decoder converts; a body that is
// a blob is []byte.
func (s *Service) restInput(m *match, h *http.Request, body []byte) (any, error) {
	doc := map[string]any{}
	if p := m.input.Body(); p != nil && s.api.Shape(&p.Ref).Type == "blob" {
		doc[p.Name] = body
	} else if len(bytes.TrimSpace(body)) > 0 {
		v, err := Parse(body)
		if err != nil {
			return nil, malformed(err)
		}
		if p != nil {
			doc[p.Name] = v
		} else if o, ok := v.(map[string]any); ok {
			doc = o
		}
	}
	s.readHead(m, h, doc)
	return doc, nil
}

// head is what the head of a request tells of the document.
func (s *Service) head(m *match, h *http.Request) Input {
	doc := map[string]any{}
	if m != nil {
		s.readHead(m, h, doc)
	}
	return doc
}

func (s *Service) readHead(m *match, h *http.Request, doc map[string]any) {
	if m.input == nil {
		return
	}
	query := h.URL.Query()
	for i := range m.input.Members {
		f := &m.input.Members[i]
		switch f.In {
		case "uri":
			doc[f.Name] = m.labels[f.Wire()]
		case "querystring":
			if v := query[f.Wire()]; len(v) > 0 {
				doc[f.Name] = s.queryValue(f, v)
			}
		case "header":
			if v := h.Header.Get(f.Wire()); v != "" {
				doc[f.Name] = v
			}
		case "headers":
			doc[f.Name] = prefixed(h.Header, f.Wire())
		}
	}
}

func (s *Service) queryValue(f *model.Member, values []string) any {
	if s.api.Shape(&f.Ref).Type != "list" {
		return values[0]
	}
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

// prefixed collects the headers of a prefix, whose names are the user's.
func prefixed(h http.Header, prefix string) map[string]any {
	out := map[string]any{}
	for name, v := range h {
		if len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			out[strings.ToLower(name[len(prefix):])] = v[0]
		}
	}
	return out
}

// writeREST writes an operation's output: members whose place is the head go
// there, and the body is a blob as it is or the rest in JSON.
func (s *Service) writeREST(w http.ResponseWriter, op *model.Operation, out any) error {
	shape, code := s.api.Shape(op.Output), op.Status
	if code == 0 {
		code = http.StatusOK
	}
	v := reflect.ValueOf(out)
	located := map[string]bool{}
	contentType := contentType(s.Protocol)
	if shape != nil {
		for i := range shape.Members {
			m := &shape.Members[i]
			if m.In == "" {
				continue
			}
			located[m.Name] = true
			field := memberOf(v, m.Name)
			if !field.IsValid() || absent(field) {
				continue
			}
			switch text := headerText(field); {
			case m.In == "statusCode":
				if n, err := strconv.Atoi(text); err == nil && n != 0 {
					code = n
				}
			case strings.EqualFold(m.Wire(), "Content-Type"):
				contentType = text
			case m.In == "header":
				w.Header().Set(m.Wire(), text)
			}
		}
	}
	if code == http.StatusNoContent {
		w.WriteHeader(code)
		return nil
	}
	body, err := s.restBody(shape, v, located)
	if err != nil {
		return err
	}
	reply(w, contentType, code, body)
	return nil
}

func (s *Service) restBody(shape *model.Shape, v reflect.Value, located map[string]bool) ([]byte, error) {
	if p := shape.Body(); p != nil {
		field := memberOf(v, p.Name)
		if s.api.Shape(&p.Ref).Type == "blob" {
			b, _ := indirect(field).Interface().([]byte)
			return b, nil
		}
		return Encode(field.Interface(), s.Casing)
	}
	doc, err := toDoc(v, s.Casing)
	if err != nil {
		return nil, err
	}
	if o, ok := doc.(map[string]any); ok {
		for name := range located {
			delete(o, name)
		}
	}
	return Encode(doc, s.Casing)
}

func indirect(v reflect.Value) reflect.Value {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	return v
}

// memberOf is a member of an output, which is a struct or a map by the API's
// names.
func memberOf(v reflect.Value, name string) reflect.Value {
	switch v = indirect(v); v.Kind() {
	case reflect.Struct:
		return v.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, name) })
	case reflect.Map:
		return indirect(v.MapIndex(reflect.ValueOf(name)))
	default:
		return reflect.Value{}
	}
}

func headerText(v reflect.Value) string {
	switch x := indirect(v).Interface().(type) {
	case time.Time:
		return x.UTC().Format(http.TimeFormat)
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	default:
		return fmt.Sprint(x)
	}
}
