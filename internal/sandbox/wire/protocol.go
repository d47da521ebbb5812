package wire

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

func writeJSON(w http.ResponseWriter, svc *Service, out any) {
	raw, err := Encode(out, svc.Casing)
	if err != nil {
		WriteJSONError(w, svc.Protocol, NewID(), AsError(err))
		return
	}
	reply(w, contentType(svc.Protocol), http.StatusOK, raw)
}

// reply writes a whole body with its length. Without the length Go would send it
// in chunks, whose end SDKs do not read after the last brace: they would have to
// drop the connection and make a new one for the next request.
func reply(w http.ResponseWriter, contentType string, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func contentType(p Protocol) string {
	switch p {
	case JSON11:
		return "application/x-amz-json-1.1"
	case RESTJSON:
		return "application/json"
	default:
		return "application/x-amz-json-1.0"
	}
}

// WriteJSONError writes e as awsJson and restJson services do.
func WriteJSONError(w http.ResponseWriter, p Protocol, id string, e *Error) {
	body := map[string]any{"__type": e.Code}
	if e.Message != "" { // CloudWatch has errors without
		body["message"], body["Message"] = e.Message, e.Message
	}
	for k, v := range e.Fields {
		body[k] = v
	}
	raw, err := json.Marshal(body)
	if err != nil {
		raw = []byte(`{"__type":"InternalFailure"}`)
	}
	// Services that had the query protocol before say it in another header, and
	// the code in the body alone.
	if e.QueryCode == "" {
		w.Header().Set("X-Amzn-Errortype", e.Code)
	}
	w.Header().Set("X-Amzn-Requestid", id)
	setQueryError(w, e)
	reply(w, contentType(p), status(e), raw)
}

// setQueryError tells clients of a service that had the query protocol before
// (SQS, CloudWatch) the error's old code.
func setQueryError(w http.ResponseWriter, e *Error) {
	if e.QueryCode == "" {
		return
	}
	fault := "Sender"
	if e.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	w.Header().Set("X-Amzn-Query-Error", e.QueryCode+";"+fault)
}

func status(e *Error) int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// writeXMLError writes e as services of the REST protocol in XML do; a HEAD
// request gets the status only, and so does who has the current state already.
func writeXMLError(w http.ResponseWriter, h *http.Request, id string, e *Error) {
	w.Header().Set("X-Amz-Request-Id", id)
	if h.Method == http.MethodHead || e.Status == http.StatusNotModified {
		w.WriteHeader(status(e))
		return
	}
	var b strings.Builder
	b.WriteString(xml.Header + "<Error>")
	element(&b, "Code", e.Code)
	element(&b, "Message", e.Message)
	for _, k := range sortedKeys(e.Fields) {
		element(&b, k, fmt.Sprint(e.Fields[k]))
	}
	element(&b, "RequestId", id)
	b.WriteString("</Error>")
	reply(w, "application/xml", status(e), []byte(b.String()))
}

func writeQueryError(w http.ResponseWriter, svc *Service, req *Request, e *Error) {
	var b strings.Builder
	kind, code := "Sender", e.Code
	if e.Status >= 500 {
		kind = "Receiver"
	}
	if e.QueryCode != "" {
		code = e.QueryCode
	}
	fmt.Fprintf(&b, `<ErrorResponse xmlns=%q><Error>`, svc.Namespace)
	element(&b, "Type", kind)
	element(&b, "Code", code)
	if e.Message != "" {
		element(&b, "Message", e.Message)
	}
	b.WriteString("</Error>")
	element(&b, "RequestId", req.ID)
	b.WriteString("</ErrorResponse>")
	reply(w, "text/xml", status(e), []byte(b.String()))
}

// decodeQuery turns Action=X&A.member.1.B=v into the operation and a JSON
// document {"A":[{"B":"v"}]}. All leaves are strings; Decode converts them.
func decodeQuery(body []byte, rawQuery string) (string, []byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, Errorf(http.StatusBadRequest, "MalformedQueryString", "%s", err)
	}
	if form.Get("Action") == "" {
		if q, err := url.ParseQuery(rawQuery); err == nil {
			for k, v := range q {
				form[k] = append(form[k], v...)
			}
		}
	}
	action := form.Get("Action")
	if action == "" {
		return "", nil, Errorf(http.StatusBadRequest, "MissingAction", "the request has no Action parameter")
	}
	root := map[string]any{}
	for _, key := range sortedKeys(form) {
		if key == "Action" || key == "Version" || strings.HasPrefix(key, "X-Amz-") {
			continue
		}
		put(root, strings.Split(key, "."), form.Get(key))
	}
	raw, err := json.Marshal(lists(root))
	return action, raw, err
}

func put(m map[string]any, path []string, v string) {
	for ; len(path) > 1; path = path[1:] {
		next, ok := m[path[0]].(map[string]any)
		if !ok {
			next = map[string]any{}
			m[path[0]] = next
		}
		m = next
	}
	m[path[0]] = v
}

// lists turns {"member":{"1":x,"2":y}} into [x,y], and entry maps of
// key/value pairs into objects.
func lists(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for _, wrap := range []string{"member", "entry"} {
		inner, ok := m[wrap].(map[string]any)
		if !ok || len(m) != 1 {
			continue
		}
		idx := make([]int, 0, len(inner))
		for k := range inner {
			n, err := strconv.Atoi(k)
			if err != nil {
				return m
			}
			idx = append(idx, n)
		}
		sort.Ints(idx)
		out := make([]any, 0, len(idx))
		for _, n := range idx {
			out = append(out, lists(inner[strconv.Itoa(n)]))
		}
		if wrap == "entry" {
			obj := map[string]any{}
			for _, e := range out {
				kv, ok := e.(map[string]any)
				if name, named := kv["Name"]; ok && named { // as attributes of messages are sent
					obj[fmt.Sprint(name)] = kv["Value"]
				} else if ok {
					obj[fmt.Sprint(kv["key"])] = kv["value"]
				}
			}
			return obj
		}
		return out
	}
	for k, x := range m {
		m[k] = lists(x)
	}
	return m
}

func writeQuery(w http.ResponseWriter, svc *Service, req *Request, out any) {
	var b strings.Builder
	fmt.Fprintf(&b, `<%sResponse xmlns=%q><%sResult>`, req.Operation, svc.Namespace, req.Operation)
	if err := writeXML(&b, reflect.ValueOf(out)); err != nil {
		writeQueryError(w, svc, req, AsError(err))
		return
	}
	fmt.Fprintf(&b, `</%sResult><ResponseMetadata>`, req.Operation)
	element(&b, "RequestId", req.ID)
	fmt.Fprintf(&b, `</ResponseMetadata></%sResponse>`, req.Operation)
	reply(w, "text/xml", http.StatusOK, []byte(b.String()))
}

func element(b *strings.Builder, name, text string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(text))
	b.WriteString("</" + name + ">")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
