package lambda

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/peer"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// urls serves function URLs, on a port of its own of the loopback interface and to this
// user's own programs only: their callers sign nothing. It is opened when there is a
// first URL. On AWS each URL is a host of its own; here it is the first part of the path.
type urls struct {
	s      *Service
	mu     sync.Mutex
	server *http.Server
	base   string
}

// dbURLPort remembers the port, so that URLs stay the same.
const dbURLPort = "lambda.urlport"

// open begins to serve, if that has not begun.
func (u *urls) open() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.server != nil {
		return nil
	}
	port := ""
	if err := u.s.DB.View(func(tx *store.Tx) (err error) {
		port, _, err = store.Get[string](tx, dbURLPort, "port")
		return err
	}); err != nil {
		return err
	}
	listen := func(port string) (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", port))
	}
	ln, err := listen(port)
	if err != nil && port != "" {
		u.s.Log.Warn("the port of function URLs is taken by another program: all function URLs change", "port", port, "error", err.Error())
		ln, err = listen("0")
	}
	if err != nil {
		return err
	}
	u.base = "http://" + ln.Addr().String() + "/"
	_, port, err = net.SplitHostPort(ln.Addr().String())
	if err == nil {
		err = u.s.DB.Update(func(tx *store.Tx) error { return store.Put(tx, dbURLPort, "port", port) })
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	server := &http.Server{Handler: http.HandlerFunc(u.serve), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ln = peer.Listener(ln, u.s.Log)
	if !u.s.pool.spawn(func(ctx context.Context) {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		_ = server.Serve(ln)
	}) {
		return errors.Join(errStopping(), ln.Close())
	}
	u.server = server
	return nil
}

// resume opens the port again if there are URLs.
func (u *urls) resume() error {
	some := false
	err := u.s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, dbURLs, "", "", func(string, urlOwner) bool { some = true; return false })
	})
	if err != nil || !some {
		return err
	}
	return u.open()
}

// address is the URL of an id.
func (u *urls) address(id string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.base + id + "/"
}

func (u *urls) serve(w http.ResponseWriter, r *http.Request) {
	err := guard.Run(u.s.Log, "a function URL", func() error { return u.answer(w, r) })
	if err == nil {
		return
	}
	e := wire.AsError(err)
	status, text := e.Status, e.Message
	switch {
	case e.Status == http.StatusForbidden:
		text = "Forbidden"
	case e.Status >= http.StatusInternalServerError || e.Status == 0:
		status, text = http.StatusBadGateway, "Internal Server Error"
		u.s.Log.Error("function URL", "error", err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Message": text}) // the client has gone
}

// answer invokes the function that the path names.
func (u *urls) answer(w http.ResponseWriter, r *http.Request) error {
	id, path, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	var owner urlOwner
	err := u.s.DB.View(func(tx *store.Tx) error {
		o, found, err := store.Get[urlOwner](tx, dbURLs, id)
		if owner = o; err == nil && !found {
			err = wire.Errorf(http.StatusForbidden, "AccessDeniedException", "Forbidden")
		}
		return err
	})
	if err != nil {
		return err
	}
	ref := reference{owner.Scope, owner.Name, owner.Qualifier}
	f, v, err := u.s.read(ref)
	if err != nil {
		return err
	}
	config := f.URLs[ref.qualifier]
	if preflight(w, r, config.Cors) {
		return nil
	}
	if err := u.s.mayByURL(ref, config); err != nil {
		return err
	}
	body, err := u.body(w, r)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(urlEvent(r, id, "/"+path, body, u.s.Clock.Now()))
	if err != nil {
		return err
	}
	if len(payload) > maxPayload { // base64 and the envelope count
		return errTooLarge()
	}
	inv := &invocation{id: wire.NewID(), payload: payload, arn: ref.arn(), traceID: newTraceID(u.s.Clock.Now()), done: make(chan result, 1)}
	res, err := u.s.run(r.Context(), f, v, inv)
	if err != nil {
		return err
	}
	w.Header().Set("X-Amzn-Requestid", inv.id)
	if res.functionError != "" {
		return wire.Errorf(http.StatusBadGateway, "FunctionError", "Internal Server Error")
	}
	allow(w, r, config.Cors)
	return reply(w, res.payload)
}

func errTooLarge() error {
	return wire.Errorf(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than %d bytes", maxPayload)
}

// body reads that of a request, which may be neither too large nor too slow.
func (u *urls) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if u.s.Doorstep != nil {
		r = u.s.Doorstep(w, r)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = errTooLarge()
	}
	return body, err
}

// mayByURL asks the function's policy whether everybody may call its URL; both actions
// are needed. Requests that have to be signed are refused: nobody checks signatures here.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func (s *Service) mayByURL(ref reference, u functionURL) error {
	forbidden := wire.Errorf(http.StatusForbidden, "AccessDeniedException", "Forbidden")
	if u.Auth != types.FunctionUrlAuthTypeNone {
		return forbidden
	}
	t, err := s.target(wire.Inside(nil, ref.scope, wire.Principal{}, s.Clock.Now()), ref.arn())
	if err != nil {
		return err
	}
	if t.Policy == nil {
		return forbidden
	}
	keys := map[string][]string{"lambda:FunctionUrlAuthType": {string(u.Auth)}, "lambda:InvokedViaFunctionUrl": {"true"}}
	for _, action := range []string{"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"} {
		if t.Policy.Grant(policy.NewRequest(wire.Principal{}, action, ref.arn(), keys, s.Clock.Now())).Decision != policy.Allow {
			return forbidden
		}
	}
	return nil
}

// urlEvent is the event that a function gets of a request, payload format 2.0.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func urlEvent(r *http.Request, id, path string, body []byte, now time.Time) map[string]any {
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		if !strings.EqualFold(name, "Cookie") {
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	raw, err := url.PathUnescape(path)
	if err != nil {
		raw = path
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	event := map[string]any{
		"version": "2.0", "routeKey": "$default", "rawPath": raw, "rawQueryString": r.URL.RawQuery, "headers": headers, "isBase64Encoded": false,
		"requestContext": map[string]any{
			"accountId": "anonymous", "apiId": id, "domainName": r.Host, "domainPrefix": id, "requestId": wire.NewID(), "routeKey": "$default", "stage": "$default",
			"time": now.UTC().Format("02/Jan/2006:15:04:05 -0700"), "timeEpoch": now.UnixMilli(),
			"http": map[string]any{"method": r.Method, "path": raw, "protocol": r.Proto, "sourceIp": host, "userAgent": r.UserAgent()},
		},
	}
	if query := r.URL.Query(); len(query) > 0 {
		parameters := map[string]string{}
		for name, values := range query {
			parameters[name] = strings.Join(values, ",")
		}
		event["queryStringParameters"] = parameters
	}
	if cookies := r.Cookies(); len(cookies) > 0 {
		var list []string
		for _, c := range cookies {
			list = append(list, c.Name+"="+c.Value)
		}
		event["cookies"] = list
	}
	if len(body) > 0 {
		event["body"] = string(body)
		if !utf8.Valid(body) {
			event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString(body), true
		}
	}
	return event
}

// reply sends what a function returned: a response with a status, or else the value
// itself as JSON.
func reply(w http.ResponseWriter, payload []byte) error {
	var out struct {
		StatusCode      *int
		Headers         map[string]any
		Body            any
		Cookies         []string
		IsBase64Encoded bool
	}
	body, status := payload, http.StatusOK
	if json.Unmarshal(payload, &out) != nil || out.StatusCode == nil {
		w.Header().Set("Content-Type", "application/json")
		var text string
		if json.Unmarshal(payload, &text) == nil {
			body = []byte(text)
		}
	} else {
		status = *out.StatusCode
		if status < 200 || status > 599 {
			return wire.Errorf(http.StatusBadGateway, "FunctionError", "the function returned the status %d", status)
		}
		w.Header().Set("Content-Type", "application/json")
		for name, value := range out.Headers {
			switch x := value.(type) {
			case string:
				w.Header().Set(name, x)
			case float64:
				w.Header().Set(name, strconv.FormatFloat(x, 'f', -1, 64))
			case bool:
				w.Header().Set(name, strconv.FormatBool(x))
			}
		}
		for _, c := range out.Cookies {
			w.Header().Add("Set-Cookie", c)
		}
		switch x := out.Body.(type) {
		case nil:
			body = nil
		case string:
			body = []byte(x)
		default:
			body, _ = json.Marshal(x) // what JSON made, JSON writes
		}
		if out.IsBase64Encoded {
			var err error
			if body, err = base64.StdEncoding.DecodeString(string(body)); err != nil {
				return wire.Errorf(http.StatusBadGateway, "FunctionError", "the function's body is not base64")
			}
		}
	}
	w.WriteHeader(status)
	_, _ = io.Copy(w, bytes.NewReader(body)) // the client has gone
	return nil
}

// preflight answers what a browser asks before a request to another site.
func preflight(w http.ResponseWriter, r *http.Request, c *types.Cors) bool {
	if c == nil || r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	allow(w, r, c)
	if len(c.AllowMethods) > 0 {
		w.Header().Set("Access-Control-Allow-Methods", strings.Join(c.AllowMethods, ","))
	}
	if len(c.AllowHeaders) > 0 {
		w.Header().Set("Access-Control-Allow-Headers", strings.Join(c.AllowHeaders, ","))
	}
	if c.MaxAge != nil {
		w.Header().Set("Access-Control-Max-Age", strconv.Itoa(int(*c.MaxAge)))
	}
	w.WriteHeader(http.StatusOK)
	return true
}

// allow tells a browser which sites may read an answer.
func allow(w http.ResponseWriter, r *http.Request, c *types.Cors) {
	origin := r.Header.Get("Origin")
	if c == nil || origin == "" || !slices.Contains(c.AllowOrigins, "*") && !slices.Contains(c.AllowOrigins, origin) {
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", origin)
	w.Header().Add("Vary", "Origin")
	if aws.ToBool(c.AllowCredentials) {
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposeHeaders) > 0 {
		w.Header().Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}
