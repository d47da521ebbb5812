package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxRequest bounds a request's body: the API's limit for CreateFunction with
// inline code, in base64.
const maxRequest = 70167211

func itoa(n int) string { return strconv.Itoa(n) }

// operation runs an API operation on a JSON document.
type operation func(ctx context.Context, req *wire.Request, body []byte, params map[string]any) (any, error)

// typed makes an operation of a function on the SDK's own types.
func typed[In, Out any](fn func(context.Context, *wire.Request, *In) (*Out, error)) operation {
	return func(ctx context.Context, req *wire.Request, body []byte, params map[string]any) (any, error) {
		in := new(In)
		if err := wire.Decode(body, in); err != nil {
			return nil, wire.Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
		}
		if len(params) > 0 {
			raw, err := json.Marshal(params)
			if err != nil {
				return nil, err
			}
			if err := wire.Decode(raw, in); err != nil {
				return nil, wire.Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
			}
		}
		if err := checkInput(req.Operation, body, params); err != nil {
			return nil, err
		}
		out, err := fn(ctx, req, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

// rules are the model's, but for what Lambda words in its own way.
var rules = constraint.For("lambda", "ValidationException", "functionName", "runtime", "resource:pattern", "environment.variables:key")

// checkInput holds an input, as body and parameters together make it, against
// the constraints of the model.
func checkInput(operation string, body []byte, params map[string]any) error {
	doc, err := wire.Parse(body)
	if err != nil {
		return err
	}
	whole := map[string]any{}
	if m, ok := doc.(map[string]any); ok {
		whole = m
	}
	maps.Copy(whole, params)
	return rules.Check(operation, whole)
}

type route struct {
	name, method, path string
	status             int
	op                 operation
}

func (s *Service) routes() []route {
	const fns, fn = "/2015-03-31/functions", "/2015-03-31/functions/{FunctionName}"
	const aliases, tags = fn + "/aliases", "/2017-03-31/tags/{Resource}"
	const events = "/2019-09-25/functions/{FunctionName}/event-invoke-config"
	return []route{
		{"CreateFunction", "POST", fns, 201, typed(s.createFunction)},
		{"ListFunctions", "GET", fns, 200, typed(s.listFunctions)},
		{"GetFunction", "GET", fn, 200, typed(s.getFunction)},
		{"DeleteFunction", "DELETE", fn, 204, typed(s.deleteFunction)},
		{"GetFunctionConfiguration", "GET", fn + "/configuration", 200, typed(s.getConfiguration)},
		{"UpdateFunctionConfiguration", "PUT", fn + "/configuration", 200, typed(s.updateConfiguration)},
		{"UpdateFunctionCode", "PUT", fn + "/code", 200, typed(s.updateCode)},
		{"PublishVersion", "POST", fn + "/versions", 201, typed(s.publishVersion)},
		{"ListVersionsByFunction", "GET", fn + "/versions", 200, typed(s.listVersions)},
		{"CreateAlias", "POST", aliases, 201, typed(s.createAlias)},
		{"ListAliases", "GET", aliases, 200, typed(s.listAliases)},
		{"GetAlias", "GET", aliases + "/{Name}", 200, typed(s.getAlias)},
		{"UpdateAlias", "PUT", aliases + "/{Name}", 200, typed(s.updateAlias)},
		{"DeleteAlias", "DELETE", aliases + "/{Name}", 204, typed(s.deleteAlias)},
		{"AddPermission", "POST", fn + "/policy", 201, typed(s.addPermission)},
		{"GetPolicy", "GET", fn + "/policy", 200, typed(s.getPolicy)},
		{"RemovePermission", "DELETE", fn + "/policy/{StatementId}", 204, typed(s.removePermission)},
		{"PutFunctionConcurrency", "PUT", "/2017-10-31/functions/{FunctionName}/concurrency", 200, typed(s.putConcurrency)},
		{"DeleteFunctionConcurrency", "DELETE", "/2017-10-31/functions/{FunctionName}/concurrency", 204, typed(s.deleteConcurrency)},
		{"GetFunctionConcurrency", "GET", "/2019-09-30/functions/{FunctionName}/concurrency", 200, typed(s.getConcurrency)},
		{"GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/{FunctionName}/code-signing-config", 200, typed(s.getCodeSigning)},
		{"PutFunctionEventInvokeConfig", "PUT", events, 200, typed(s.putEventConfig)},
		{"UpdateFunctionEventInvokeConfig", "POST", events, 200, typed(s.updateEventConfig)},
		{"GetFunctionEventInvokeConfig", "GET", events, 200, typed(s.getEventConfig)},
		{"DeleteFunctionEventInvokeConfig", "DELETE", events, 204, typed(s.deleteEventConfig)},
		{"ListFunctionEventInvokeConfigs", "GET", events + "/list", 200, typed(s.listEventConfigs)},
		{"TagResource", "POST", tags, 204, typed(s.tagResource)},
		{"UntagResource", "DELETE", tags, 204, typed(s.untagResource)},
		{"ListTags", "GET", tags, 200, typed(s.listTags)},
		{"GetAccountSettings", "GET", "/2016-08-19/account-settings", 200, typed(s.accountSettings)},
	}
}

// match compares a path with a pattern and returns the parameters in it.
func match(pattern string, path []string) (map[string]any, bool) {
	want := strings.Split(strings.Trim(pattern, "/"), "/")
	if len(want) != len(path) {
		return nil, false
	}
	params := map[string]any{}
	for i, w := range want {
		if strings.HasPrefix(w, "{") {
			params[strings.Trim(w, "{}")] = path[i]
		} else if w != path[i] {
			return nil, false
		}
	}
	return params, true
}

// serve implements wire.Service.Handler.
func (s *Service) serve(w http.ResponseWriter, h *http.Request, req *wire.Request) {
	if err := s.dispatch(w, h, req); err != nil {
		e := wire.AsError(err)
		if e.Status >= http.StatusInternalServerError {
			s.Log.Error("request failed", "service", "lambda", "operation", req.Operation, "id", req.ID, "error", err)
		} else {
			s.Log.Debug("request", "service", "lambda", "operation", req.Operation, "id", req.ID, "error", e.Code, "message", e.Message)
		}
		wire.WriteJSONError(w, wire.JSON10, req.ID, e)
		return
	}
	s.Log.Debug("request", "service", "lambda", "operation", req.Operation, "id", req.ID)
}

func (s *Service) dispatch(w http.ResponseWriter, h *http.Request, req *wire.Request) error {
	var path []string
	for _, p := range strings.Split(strings.Trim(h.URL.EscapedPath(), "/"), "/") {
		p, err := url.PathUnescape(p)
		if err != nil {
			return wire.Errorf(http.StatusBadRequest, "ValidationException", "bad path")
		}
		path = append(path, p)
	}
	if isLocation(path) && h.Method == http.MethodGet {
		req.Operation = "GetFunctionCode"
		return s.serveLocation(w, h, req, path[3])
	}
	body, err := io.ReadAll(io.LimitReader(h.Body, maxRequest+1))
	if err != nil {
		return err
	}
	if len(body) > maxRequest {
		return wire.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "Request must be smaller than %d bytes", maxRequest)
	}
	if params, ok := match("/2015-03-31/functions/{FunctionName}/invocations", path); ok && h.Method == http.MethodPost {
		req.Operation = "Invoke"
		return s.serveInvoke(w, h, req, params["FunctionName"].(string), body) //nolint:forcetypeassert // made by match
	}
	for _, r := range s.table {
		params, ok := match(r.path, path)
		if !ok || r.method != h.Method {
			continue
		}
		req.Operation = r.name
		for k, v := range h.URL.Query() {
			if params[k] = any(v[0]); k == "tagKeys" {
				params[k] = v
			}
		}
		out, err := r.op(h.Context(), req, body, params)
		if err != nil {
			return err
		}
		return reply(w, r.status, out)
	}
	return wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve %s %s of Lambda", h.Method, h.URL.Path)
}

func reply(w http.ResponseWriter, status int, out any) error {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return nil
	}
	raw, err := wire.Encode(out, false)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
	return nil
}

func (s *Service) serveInvoke(w http.ResponseWriter, h *http.Request, req *wire.Request, name string, body []byte) error {
	out, err := s.invoke(h.Context(), req, invokeInput{
		name: name, qualifier: h.URL.Query().Get("Qualifier"), kind: h.Header.Get("X-Amz-Invocation-Type"), payload: body,
		clientContext: h.Header.Get("X-Amz-Client-Context"), tail: h.Header.Get("X-Amz-Log-Type") == "Tail", traceID: h.Header.Get("X-Amzn-Trace-Id"),
	})
	if err != nil {
		return err
	}
	if out.version != "" {
		w.Header().Set("X-Amz-Executed-Version", out.version)
	}
	if out.functionError != "" {
		w.Header().Set("X-Amz-Function-Error", out.functionError)
	}
	if out.log != nil {
		w.Header().Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(out.log))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(out.status)
	if out.status != http.StatusNoContent {
		_, _ = w.Write(out.payload)
	}
	return nil
}
