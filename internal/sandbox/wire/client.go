package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// Operations that read and write HTTP themselves (StreamOp) are called from inside
// as a client calls them from outside: the document becomes a request by the model
// of the API, and the answer a document. So there is one implementation of each.

// maxReply bounds what an answer to a call from inside may have for a body: it is
// held in memory.
const maxReply = 16 << 20

// exchange calls a StreamOp with a document and returns its answer as one. The
// call counts as one over TLS.
func (s *Service) exchange(ctx context.Context, req *Request, op *entry, doc any) (map[string]any, error) {
	if s == nil || s.api == nil || s.api.Operations[req.Operation] == nil {
		return nil, Errorf(http.StatusBadRequest, "UnknownOperationException", "the sandbox serves %s:%s over HTTP only", req.Service, req.Operation)
	}
	members, _ := doc.(map[string]any)
	c := client{s.api, s.api.Operations[req.Operation]}
	h, err := c.request(ctx, members)
	if err != nil {
		return nil, err
	}
	req.HTTP = h
	if err := op.permit(ctx, req, members); err != nil {
		return nil, err
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	if err := op.stream(w, h, req); err != nil {
		return nil, err
	}
	if w.full {
		return nil, Errorf(http.StatusBadRequest, "EntityTooLarge", "The answer is larger than %d bytes.", maxReply)
	}
	return c.reply(w)
}

// recorder is the http.ResponseWriter of calls from inside.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	full   bool
}

func (w *recorder) Header() http.Header    { return w.header }
func (w *recorder) WriteHeader(status int) { w.status = status }

func (w *recorder) Write(p []byte) (int, error) {
	if w.body.Len()+len(p) > maxReply {
		w.full = true
		return 0, io.ErrShortWrite
	}
	return w.body.Write(p)
}

// client writes requests and reads answers of one operation.
type client struct {
	api *model.API
	op  *model.Operation
}

func (c client) request(ctx context.Context, doc map[string]any) (*http.Request, error) {
	path, rawQuery, _ := strings.Cut(c.op.URI, "?")
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, fmt.Errorf("binding of %s: %w", c.op.Name, err)
	}
	header := http.Header{}
	var body []byte
	if in := c.api.Shape(c.op.Input); in != nil {
		for i := range in.Members {
			m := &in.Members[i]
			v, given := docMember(doc, m.Name)
			if !given {
				if m.In == "uri" {
					return nil, Errorf(http.StatusBadRequest, "ValidationException", "%s cannot be empty.", m.Name)
				}
				continue
			}
			switch m.In {
			case "uri":
				path = label(path, m.Wire(), c.text(m, v))
			case "querystring":
				query.Set(m.Wire(), c.text(m, v))
			case "header":
				header.Set(m.Wire(), c.text(m, v))
			case "headers":
				entries, _ := v.(map[string]any)
				for k, x := range entries {
					header.Set(m.Wire()+k, fmt.Sprint(x))
				}
			}
		}
		if body, err = c.body(in, doc); err != nil {
			return nil, err
		}
	}
	h, err := http.NewRequestWithContext(ctx, c.op.Method, "https://inside"+path+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, Errorf(http.StatusBadRequest, "ValidationException", "%s", err)
	}
	if h.Header = header; c.op.Checksum {
		withChecksum(header, body)
	}
	h.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
	return h, nil
}

// withChecksum adds what AWS's SDKs send with a body where nothing else is given.
func withChecksum(h http.Header, body []byte) {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Checksum-") || name == "Content-Md5" {
			return
		}
	}
	if a := h.Get("X-Amz-Sdk-Checksum-Algorithm"); a != "" && a != "CRC32" {
		return // for the service to compute
	}
	h.Set("X-Amz-Sdk-Checksum-Algorithm", "CRC32")
	h.Set("X-Amz-Checksum-Crc32", base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body))))
}

func docMember(doc map[string]any, name string) (any, bool) {
	if v, ok := doc[name]; ok {
		return v, v != nil
	}
	for k, v := range doc {
		if strings.EqualFold(k, name) {
			return v, v != nil
		}
	}
	return nil, false
}

// label puts a value into a path. One that takes the rest keeps its slashes.
func label(path, name, value string) string {
	if greedy := "{" + name + "+}"; strings.Contains(path, greedy) {
		return strings.Replace(path, greedy, strings.ReplaceAll(url.PathEscape(value), "%2F", "/"), 1)
	}
	return strings.Replace(path, "{"+name+"}", url.PathEscape(value), 1)
}

// text writes a value for the head of a request.
func (c client) text(m *model.Member, v any) string {
	shape := c.api.Shape(&m.Ref)
	if list, ok := v.([]any); ok {
		parts := make([]string, len(list))
		for i, x := range list {
			parts[i] = fmt.Sprint(x)
		}
		return strings.Join(parts, ",")
	}
	if shape.Type == "timestamp" {
		if t, ok := docTime(v); ok && m.In == "header" && m.Format == "" && shape.Format == "" {
			return t.Format(http.TimeFormat)
		} else if ok {
			return t.Format(time.RFC3339)
		}
	}
	return fmt.Sprint(v)
}

// docTime reads a document's time: epoch seconds, or RFC 3339.
func docTime(v any) (time.Time, bool) {
	text := fmt.Sprint(v)
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMilli(int64(f * 1000)).UTC(), true
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.UTC(), err == nil
}

func (c client) body(in *model.Shape, doc map[string]any) ([]byte, error) {
	p := in.Body()
	if p == nil {
		return nil, nil
	}
	v, given := docMember(doc, p.Name)
	if !given {
		return nil, nil
	}
	switch c.api.Shape(&p.Ref).Type {
	case "blob":
		text, ok := v.(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		if !ok || err != nil {
			return nil, malformed(fmt.Errorf("%s: want a blob in base64", p.Name))
		}
		return raw, nil
	case "structure":
		var b bytes.Buffer
		if err := c.element(&b, p.Wire(), &p.Ref, v); err != nil {
			return nil, err
		}
		return b.Bytes(), nil
	}
	return []byte(fmt.Sprint(v)), nil
}

// element writes a value as XML, members in the model's order.
func (c client) element(b *bytes.Buffer, name string, ref *model.Ref, v any) error {
	shape := c.api.Shape(ref)
	switch x := v.(type) {
	case map[string]any:
		b.WriteString("<" + name)
		if ref.XMLNS != "" {
			space := " xmlns"
			if ref.Prefix != "" {
				space += ":" + ref.Prefix
			}
			attribute(b, space, ref.XMLNS)
		}
		var rest []*model.Member
		for i := range shape.Members {
			m := &shape.Members[i]
			if value, given := docMember(x, m.Name); given && m.XMLAttribute {
				attribute(b, " "+m.Wire(), fmt.Sprint(value))
			} else if given {
				rest = append(rest, m)
			}
		}
		b.WriteString(">")
		for _, m := range rest {
			value, _ := docMember(x, m.Name)
			if err := c.element(b, m.Wire(), &m.Ref, value); err != nil {
				return err
			}
		}
		b.WriteString("</" + name + ">")
		return nil
	case []any:
		return c.list(b, name, ref, shape, x)
	}
	text := fmt.Sprint(v)
	if t, ok := docTime(v); ok && shape.Type == "timestamp" {
		text = t.Format("2006-01-02T15:04:05.999Z")
	}
	b.WriteString("<" + name + ">")
	if err := xml.EscapeText(b, []byte(text)); err != nil {
		return malformed(err)
	}
	b.WriteString("</" + name + ">")
	return nil
}

func (c client) list(b *bytes.Buffer, name string, ref *model.Ref, shape *model.Shape, items []any) error {
	if shape.Type != "list" {
		return malformed(fmt.Errorf("%s: want %s, got a list", name, shape.Type))
	}
	flat, inner := itemName(name, ref, shape)
	if !flat {
		b.WriteString("<" + name + ">")
	}
	for _, x := range items {
		if err := c.element(b, inner, shape.Member, x); err != nil {
			return err
		}
	}
	if !flat {
		b.WriteString("</" + name + ">")
	}
	return nil
}

// itemName tells whether the items of a list stand without an element around
// them, and the name of theirs.
func itemName(name string, ref *model.Ref, list *model.Shape) (flat bool, item string) {
	if flat = ref.Flattened || list.Flattened; flat {
		if list.Member.As != "" {
			name = list.Member.As
		}
		return flat, name
	}
	if list.Member.As != "" {
		return flat, list.Member.As
	}
	return flat, "member"
}

func attribute(b *bytes.Buffer, name, value string) {
	b.WriteString(name + `="`)
	_ = xml.EscapeText(b, []byte(value)) // a buffer takes all
	b.WriteString(`"`)
}

// reply reads an answer as a document: times are epoch seconds, blobs base64.
func (c client) reply(w *recorder) (map[string]any, error) {
	out := map[string]any{}
	shape := c.api.Shape(c.op.Output)
	if shape == nil {
		return out, nil
	}
	for i := range shape.Members {
		m := &shape.Members[i]
		switch m.In {
		case "statusCode":
			out[m.Name] = w.status
		case "headers":
			out[m.Name] = prefixed(w.header, m.Wire())
		case "header":
			if v := w.header.Get(m.Wire()); v != "" {
				out[m.Name] = scalar(c.api.Shape(&m.Ref).Type, v)
			}
		}
	}
	p := shape.Body()
	if p != nil && c.api.Shape(&p.Ref).Type == "blob" {
		out[p.Name] = base64.StdEncoding.EncodeToString(w.body.Bytes())
		return out, nil
	}
	if p != nil && c.api.Shape(&p.Ref).Type == "string" {
		out[p.Name] = w.body.String()
		return out, nil
	}
	if len(bytes.TrimSpace(w.body.Bytes())) == 0 {
		return out, nil
	}
	root := new(xmlNode)
	if err := xml.Unmarshal(w.body.Bytes(), root); err != nil {
		return nil, fmt.Errorf("answer of %s: %w", c.op.Name, err)
	}
	if p != nil {
		out[p.Name] = c.value(&p.Ref, root)
		return out, nil
	}
	c.members(out, shape, root, true)
	return out, nil
}

type xmlNode struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Nodes   []*xmlNode `xml:",any"`
}

func (n *xmlNode) all(name string) (out []*xmlNode) {
	for _, c := range n.Nodes {
		if c.XMLName.Local == name {
			out = append(out, c)
		}
	}
	return out
}

// members reads the members of a structure. The lists of an answer itself are
// there even if they are empty, as AWS's SDK for Java has them.
func (c client) members(out map[string]any, shape *model.Shape, n *xmlNode, answer bool) {
	for i := range shape.Members {
		m := &shape.Members[i]
		of := c.api.Shape(&m.Ref)
		name := m.Wire()
		if m.In != "" {
			continue
		}
		if m.XMLAttribute {
			_, local, _ := strings.Cut(name, ":")
			for _, a := range n.Attrs {
				if a.Name.Local == local {
					out[m.Name] = a.Value
				}
			}
			continue
		}
		if of.Type == "list" {
			items := n.all(name)
			if flat, item := itemName(name, &m.Ref, of); flat {
				items = n.all(item)
			} else if len(items) > 0 {
				items = items[0].all(item)
			}
			if len(items) == 0 && !answer && len(n.all(name)) == 0 {
				continue
			}
			list := make([]any, len(items))
			for i, x := range items {
				list[i] = c.value(of.Member, x)
			}
			out[m.Name] = list
			continue
		}
		if found := n.all(name); len(found) > 0 {
			out[m.Name] = c.value(&m.Ref, found[0])
		} else if answer && n.XMLName.Local == name && len(n.Nodes) == 0 && n.Text != "" {
			out[m.Name] = scalar(of.Type, n.Text) // the answer is the member (GetBucketLocation)
		}
	}
}

func (c client) value(ref *model.Ref, n *xmlNode) any {
	shape := c.api.Shape(ref)
	if shape.Type == "structure" {
		out := map[string]any{}
		c.members(out, shape, n, false)
		return out
	}
	return scalar(shape.Type, n.Text)
}

// scalar reads a text by its type; what is not of that type stays text.
func scalar(kind, text string) any {
	switch kind {
	case "integer", "long", "float", "double":
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return json.Number(text)
		}
	case "boolean":
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	case "timestamp":
		for _, layout := range []string{http.TimeFormat, time.RFC3339Nano} {
			if t, err := time.Parse(layout, text); err == nil {
				return json.Number(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64))
			}
		}
	}
	return text
}
