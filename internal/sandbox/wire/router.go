package wire

import (
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// Protocol is how a service's requests and replies look on the wire.
type Protocol int

// The protocols that the Router speaks. It takes rpc-v2-cbor beside those that are
// no REST.
const (
	JSON10 Protocol = iota // X-Amz-Target, application/x-amz-json-1.0
	JSON11
	Query // Action=..., XML replies
	RESTJSON
	RESTXML
)

// rest reports whether method and path name the operation.
func (p Protocol) rest() bool { return p == RESTJSON || p == RESTXML }

func protocolOf(api *model.API) Protocol {
	switch {
	case slices.Contains(api.Protocols, "query"):
		return Query
	case slices.Contains(api.Protocols, "rest-json"):
		return RESTJSON
	case slices.Contains(api.Protocols, "rest-xml"):
		return RESTXML
	case api.JSONVersion == "1.1":
		return JSON11
	}
	return JSON10
}

// maxBody bounds a request's body where the service sets no bound of its own (Step
// Functions takes definitions of 1 MB).
const maxBody = 16 << 20

// Op is an operation on JSON: in is a JSON document with the API's own member
// names and blobs in base64; out is encoded by Encode in the service's style.
type Op func(ctx context.Context, req *Request, in []byte) (out any, err error)

// StreamOp is an operation that reads and writes HTTP itself. An error that it
// returns before it has written anything is written in the service's protocol.
type StreamOp func(w http.ResponseWriter, h *http.Request, req *Request) error

// Service describes a service to the router. What is not given of Scope, Target,
// Protocol, Namespace, Version and Casing is taken from the model of the
// service's API.
type Service struct {
	// ID is the SDK's service id in lower case, as in aws-sdk:ID:operation.
	ID string
	// Scope is the signing name ("states", "monitoring"), Also one by which some clients
	// sign besides, or "".
	Scope, Also string
	// Target is the prefix of X-Amz-Target ("AWSStepFunctions"); JSON services only.
	Target   string
	Protocol Protocol
	// Namespace is the XML namespace of replies; query services only.
	Namespace string
	// Casing is how members begin on the wire.
	Casing Casing
	// MaxBody bounds a request's body, in bytes; 0 is the router's bound.
	MaxBody int
	// Check refuses an input that breaks the constraints of the API's model, with
	// the service's own error; nil takes all. doc is the decoded document.
	Check func(operation string, doc any) error
	// ChecksFirst is set where Check comes before the question whether the caller may:
	// IAM and STS answer "1 validation error detected" also to those who may not.
	ChecksFirst bool
	// Path is the escaped path by which a request's operation is found, where that
	// is not the URL's own (S3 takes buckets in the host's name). It is what old
	// signatures are over, too. REST only.
	Path func(*http.Request) string
	// Cross sets the headers that let a browser show the answer to a page of another
	// origin, and answers what it asks beforehand (OPTIONS), which nobody signs; done is
	// set if that is all. nil: the service has nothing to do with browsers.
	Cross func(w http.ResponseWriter, h *http.Request) (done bool, err error)
	// Linked puts what a signed link has in its query where headers are looked for; nil:
	// the service has all headers as such.
	Linked func(*http.Request)
	// Extra are operations of REST services that AWS's models do not have.
	Extra []model.Operation
	// Actions is the prefix of the service's actions in IAM, where it is not Scope.
	Actions string
	// Guard knows the service's resources; nil: they have neither tags nor policies.
	Guard Guard
	// Refusals are how the service refuses, where it differs from others of its
	// protocol.
	Refusals Refusals
	// Signing is how requests to the service are signed.
	Signing Signing
	// Unsigned are the operations that AWS takes without a signature, by a token of
	// another kind. Nothing here is done for whom the sandbox has given no keys, so they
	// are refused as not served and not as badly signed. Query services only.
	Unsigned []string
	// Quotas are the token buckets of operations, as far as they are published; that
	// of "" is for all others.
	Quotas map[string]Quota

	api    *model.API
	routes []*binding
}

// complete fills in what the model of the API tells.
func (s *Service) complete() {
	s.api = model.Of(s.ID)
	if s.MaxBody == 0 {
		s.MaxBody = maxBody
	}
	if s.api != nil {
		if s.Scope == "" {
			s.Scope = s.api.Signing
		}
		s.Protocol, s.Target, s.Namespace = protocolOf(s.api), s.api.Target, s.api.Namespace
		s.Casing = Casing{s.api.LowerCamel, s.api.Odd}
	}
	if s.Actions == "" {
		s.Actions = s.Scope
	}
	s.Refusals = s.Refusals.or(s.Protocol.Refusals())
	if s.Protocol.rest() {
		s.bind()
	}
}

// entry is what the table has of an operation.
type entry struct {
	call   func(ctx context.Context, req *Request, doc any) (any, error)
	stream StreamOp
	access *Access
}

// Router authenticates requests and dispatches them. Registration is not safe
// for concurrent use and ends before the first request.
type Router struct {
	Log *slog.Logger
	// Clock is the time of requests.
	Clock clock.Clock

	verify Verifier
	auth   Authorizer
	gate   Gate

	mu       sync.RWMutex
	services map[string]*Service // by ID
	scopes   map[string][]*Service
	table    map[string]*entry // "sfn.StartExecution"
}

// NewRouter returns a router without services. With a nil verifier every request
// is refused; with a nil authorizer every authenticated one is allowed.
func NewRouter(verify Verifier, auth Authorizer) *Router {
	return &Router{
		Log: slog.New(slog.DiscardHandler), Clock: clock.Real{}, verify: verify, auth: auth,
		services: map[string]*Service{}, scopes: map[string][]*Service{}, table: map[string]*entry{},
	}
}

// SetSecurity sets who authenticates and who authorises.
func (r *Router) SetSecurity(v Verifier, a Authorizer) { r.verify, r.auth = v, a }

// Gate is asked before each authenticated call, from outside and from inside, once
// its operation is known. It may delay the call, and fail it by an *Error.
type Gate interface {
	Admit(ctx context.Context, req *Request) error
}

// SetGate sets the gate; without one every call passes. Like registration it
// ends before the first request.
func (r *Router) SetGate(g Gate) { r.gate = g }

func (r *Router) admit(ctx context.Context, req *Request) error {
	if r.gate == nil {
		return nil
	}
	return r.gate.Admit(ctx, req)
}

// Register adds a service.
func (r *Router) Register(s Service) {
	s.complete()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.services[s.ID] = &s
	r.scopes[s.Scope] = append(r.scopes[s.Scope], &s)
	if s.Also != "" {
		r.scopes[s.Also] = append(r.scopes[s.Also], &s)
	}
}

func (r *Router) enter(service, operation string, e entry, access []Access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(access) > 0 {
		a := access[0]
		if svc := r.services[service]; a.Action == "" && a.Free == "" && svc != nil {
			a.Action = svc.Actions + ":" + operation
		}
		e.access = &a
	}
	r.table[service+"."+operation] = &e
}

// Signing is in what signatures of a service differ from others of version 4.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
type Signing struct {
	// Stated: requests state the hash of their payload in a header, which is compared
	// while the payload is read; the path is signed as it is; and every header of AWS's
	// own has to be signed.
	Stated bool
	// Old: the service takes what was signed before version 4, in links and in forms,
	// and requests that say nothing of a service are for it.
	Old bool
}

// Signing is how requests to the services of a signing name are signed.
func (r *Router) Signing(scope string) Signing {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.scopes[scope] {
		return s.Signing
	}
	return Signing{}
}

// Old is the signing name of the service that takes old signatures, and the path of a
// request to it.
func (r *Router) Old(h *http.Request) (scope, path string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, list := range r.scopes {
		if len(list) > 0 && list[0].Signing.Old {
			return name, list[0].path(h)
		}
	}
	return "", h.URL.EscapedPath()
}

// Unsigned tells requests to the service of plain requests, which is the one that takes
// old signatures, from those that another protocol, or the binding of another service,
// gives away.
func (r *Router) Unsigned(h *http.Request) string {
	if h.Header.Get("X-Amz-Target") != "" || h.Header.Get("Smithy-Protocol") != "" || strings.HasPrefix(h.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return ""
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.services {
		if !s.Signing.Old && s.match(h, func(string) bool { return false }) != nil {
			return ""
		}
	}
	for name, list := range r.scopes {
		if len(list) > 0 && list[0].Signing.Old {
			return name
		}
	}
	return ""
}

// Access is the IAM side of an operation's row, nil if there is none.
func (r *Router) Access(service, operation string) *Access {
	if e := r.entry(service, operation); e != nil {
		return e.access
	}
	return nil
}

func (r *Router) entry(service, operation string) *entry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.table[service+"."+operation]
}

func (r *Router) service(id string) *Service {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.services[id]
}

// Handle adds an operation to a registered service.
func (r *Router) Handle(service, operation string, op Op, access ...Access) {
	r.enter(service, operation, entry{call: func(ctx context.Context, req *Request, doc any) (any, error) {
		in, err := json.Marshal(doc)
		if err != nil {
			return nil, err
		}
		return op(ctx, req, in)
	}}, access)
}

// Stream adds an operation that reads and writes HTTP itself to a registered REST
// service. From inside it is called by Invoke like any other.
func (r *Router) Stream(service, operation string, op StreamOp, access ...Access) {
	r.enter(service, operation, entry{stream: op}, access)
}

// Handle adds an operation with typed input and output, for example the SDK's
// own XxxInput and XxxOutput (see Decode and Encode). access is what its caller has to
// be allowed, which is asked for once the document can be read and, see ChecksFirst,
// before its constraints are looked at.
func Handle[In, Out any](r *Router, service, operation string, fn func(ctx context.Context, req *Request, in *In) (*Out, error), access Access) {
	r.enter(service, operation, entry{call: func(ctx context.Context, req *Request, doc any) (any, error) {
		in := new(In)
		if err := DecodeDoc(doc, in); err != nil {
			return nil, malformed(err)
		}
		if err := req.gate(ctx, operation, doc); err != nil {
			return nil, err
		}
		out, err := fn(ctx, req, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	}}, []Access{access})
}

// gate asks whether the caller may, and whether the document is what the model wants.
func (r *Request) gate(ctx context.Context, operation string, doc any) error {
	members, _ := doc.(map[string]any)
	permit := func() error { return r.row.permit(ctx, r, members) }
	svc := r.svc
	if svc == nil || svc.Check == nil {
		return permit()
	}
	steps := []func() error{permit, func() error { return svc.Check(operation, doc) }}
	if svc.ChecksFirst {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func malformed(err error) error {
	return Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
}

// Has reports whether the operation is served.
func (r *Router) Has(service, operation string) bool { return r.entry(service, operation) != nil }

// Operations lists the served operations as "service.Operation", sorted.
func (r *Router) Operations() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.table))
}

// Invoke calls an operation from inside in a scope as p. The input is a JSON document with
// the API's member names and blobs in base64, the reply likewise. Errors are *Error.
func (r *Router) Invoke(ctx context.Context, sc Scope, p Principal, service, operation string, in []byte) (json.RawMessage, error) {
	svc, op := r.service(service), r.entry(service, operation)
	if op == nil {
		return nil, Errorf(http.StatusBadRequest, "UnknownOperationException", "the sandbox does not serve %s:%s", service, operation)
	}
	if p.Account != "" {
		sc.Account = p.Account // a caller is at home in its own account
	}
	req := r.request(sc, p, svc, operation)
	req.row = op
	if err := r.admit(ctx, req); err != nil {
		return nil, req.failure(err)
	}
	doc, err := Parse(in)
	if err != nil {
		return nil, malformed(err)
	}
	var out any
	if op.stream != nil {
		out, err = svc.exchange(ctx, req, op, doc)
	} else {
		out, err = op.call(ctx, req, doc)
	}
	if err != nil {
		return nil, req.failure(err)
	}
	if _, ok := out.(*EventStream); ok {
		return nil, Errorf(http.StatusBadRequest, "UnknownOperationException", "%s:%s answers by a stream of events, which only its own clients read", service, operation)
	}
	var casing Casing
	if svc != nil {
		casing = svc.Casing
	}
	return Encode(out, casing)
}

// Inside is a request to a service that no client made, as p: what a service asks of its
// own guard when it works by itself.
func (r *Router) Inside(sc Scope, p Principal, service string) *Request {
	return r.request(sc, p, r.service(service), "")
}

func (r *Router) request(sc Scope, p Principal, svc *Service, operation string) *Request {
	req := &Request{ID: NewID(), Scope: sc, Operation: operation, Principal: p, Time: r.Clock.Now(), auth: r.auth, svc: svc}
	if svc != nil {
		req.Service = svc.ID
	}
	return req
}

// ServeHTTP implements http.Handler. A panic in a service is answered with AWS's
// InternalFailure, logged with its stack, and ends nothing else.
func (r *Router) ServeHTTP(w http.ResponseWriter, h *http.Request) {
	err := guard.Run(r.Log, "a request", func() error { r.answer(w, h); return nil }, "method", h.Method, "path", h.URL.Path)
	var p *guard.Panic
	if !errors.As(err, &p) {
		return
	}
	if p.Value == http.ErrAbortHandler { //nolint:errorlint // the value that net/http compares with
		panic(p.Value)
	}
	(&exchange{Router: r, w: w, h: h, svc: unknownService(h), req: &Request{ID: NewID()}}).fail(
		Errorf(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."))
}

// exchange is one request from outside with its answer.
type exchange struct {
	*Router
	w   http.ResponseWriter
	h   *http.Request
	svc *Service
	req *Request
	// match is how the request names the operation; nil but for REST protocols.
	match *match
}

func (r *Router) answer(w http.ResponseWriter, h *http.Request) {
	p, region, scope, err := r.authenticate(h)
	x := &exchange{Router: r, w: w, h: h}
	x.svc, x.match = r.find(scope, h)
	if x.svc == nil {
		if err == nil {
			err = Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve %q", scope)
		} else if name := r.unsigned(h, err); name != "" {
			err = Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve %s: it takes requests that are signed by its own keys only", name)
		}
		x.svc = unknownService(h)
		x.req = &Request{ID: NewID()}
		x.fail(err)
		return
	}
	x.req = r.request(ScopeOf(p.Account, region), p, x.svc, "")
	x.req.HTTP = h
	w.Header().Set("X-Amzn-Requestid", x.req.ID)
	if x.svc.Cross != nil {
		done, crossErr := x.svc.Cross(w, h)
		if crossErr != nil {
			x.fail(crossErr)
		}
		if done {
			return
		}
	}
	if err == nil && x.svc.Linked != nil {
		x.svc.Linked(h)
	}
	if err == nil {
		err = x.serve()
	}
	if err != nil {
		x.fail(err)
		return
	}
	r.Log.Debug("request", "service", x.svc.ID, "operation", x.req.Operation, "id", x.req.ID)
}

// serve names the operation, asks the gate, and runs it.
func (x *exchange) serve() error {
	var doc any
	var op *entry
	var err error
	if x.svc.Protocol.rest() && x.match == nil {
		return x.unserved()
	}
	if x.match != nil {
		x.req.Operation = x.match.op.Name
		if op = x.entry(x.svc.ID, x.req.Operation); op == nil {
			return x.unserved()
		}
	}
	if op == nil || op.stream == nil {
		if doc, err = x.read(); err != nil {
			return err
		}
		if op = x.entry(x.svc.ID, x.req.Operation); op == nil {
			return x.unserved()
		}
	}
	x.req.row = op
	if err := x.admit(x.h.Context(), x.req); err != nil {
		return err
	}
	if op.stream != nil {
		if err := op.permit(x.h.Context(), x.req, x.svc.head(x.match, x.h)); err != nil {
			return err
		}
		return op.stream(x.w, x.h, x.req)
	}
	out, err := op.call(x.h.Context(), x.req, doc)
	if err != nil {
		return err
	}
	return x.write(out)
}

// unserved refuses what the service has no operation for, as AWS refuses what it
// does not know; S3 has a code for what it does not implement.
func (x *exchange) unserved() error {
	what := x.svc.ID + ":" + x.req.Operation
	if x.req.Operation == "" {
		what = x.h.Method + " " + x.h.URL.Path + " of " + x.svc.ID
	}
	x.Log.Warn("unknown operation", "service", x.svc.ID, "operation", x.req.Operation, "method", x.h.Method, "path", x.h.URL.Path)
	status, code := http.StatusBadRequest, "UnknownOperationException"
	switch x.svc.Protocol {
	case Query:
		if !x.target() {
			code = "InvalidAction"
		}
	case RESTJSON:
		status = http.StatusNotFound
	case RESTXML:
		if x.req.Operation == "" {
			e := Errorf(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
			e.Fields = map[string]any{"Method": x.h.Method}
			return e
		}
		status, code = http.StatusNotImplemented, "NotImplemented"
	}
	return Errorf(status, code, "the sandbox does not serve %s", what)
}

// readBody reads at most one byte more than limit. SDKs compress what may be
// large (PutMetricData).
func readBody(h *http.Request, limit int) ([]byte, error) {
	var in io.Reader = h.Body
	if h.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(h.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	return io.ReadAll(io.LimitReader(in, int64(limit)+1))
}

// target reports whether a service of the query protocol is asked in JSON.
func (x *exchange) target() bool { return x.h.Header.Get("X-Amz-Target") != "" }

// read reads the request's document, and the operation's name where the path does
// not tell it.
func (x *exchange) read() (doc any, err error) {
	body, err := readBody(x.h, x.svc.MaxBody)
	if err != nil || len(body) > x.svc.MaxBody {
		return nil, Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "Request must be smaller than %d bytes", x.svc.MaxBody)
	}
	rpcOp, rpc := cborOperation(x.h)
	switch {
	case x.match != nil:
		return x.svc.restInput(x.match, x.h, body)
	case rpc:
		x.req.Operation = rpcOp
		body, err = decodeCBOR(body)
	case x.svc.Protocol == Query && !x.target():
		x.req.Operation, body, err = decodeQuery(body, x.h.URL.RawQuery)
	default:
		prefix, op, ok := strings.Cut(x.h.Header.Get("X-Amz-Target"), ".")
		if !ok || (x.svc.Target != "" && prefix != x.svc.Target) {
			return nil, Errorf(http.StatusBadRequest, "UnknownOperationException", "")
		}
		x.req.Operation = op
	}
	if err != nil {
		return nil, err
	}
	if doc, err = Parse(body); err != nil {
		return nil, malformed(err)
	}
	return doc, nil
}

func (x *exchange) write(out any) error {
	_, rpc := cborOperation(x.h)
	if events, ok := out.(*EventStream); ok {
		return events.serve(x)
	}
	switch {
	case x.match != nil:
		return x.svc.writeREST(x.w, x.match.op, out)
	case rpc:
		writeCBOR(x.w, out)
	case x.svc.Protocol == Query && !x.target():
		writeQuery(x.w, x.svc, x.req, out)
	default:
		writeJSON(x.w, x.svc, out)
	}
	return nil
}

func (r *Router) authenticate(h *http.Request) (Principal, string, string, error) {
	scope := scopeOf(h)
	if r.verify == nil {
		return Principal{}, "", scope, Errorf(http.StatusForbidden, "IncompleteSignature", "the sandbox takes no requests yet")
	}
	p, region, service, err := r.verify.Verify(h)
	if service == "" {
		service = scope
	}
	return p, region, service, err
}

// scopeOf guesses the service of a request whose signature cannot be checked, so
// that the refusal can be written in that service's protocol.
func scopeOf(h *http.Request) string {
	cred := h.URL.Query().Get("X-Amz-Credential")
	if cred == "" {
		_, rest, _ := strings.Cut(h.Header.Get("Authorization"), "Credential=")
		cred, _, _ = strings.Cut(rest, ",")
	}
	parts := strings.Split(cred, "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[len(parts)-2]
}

// find returns the service that a request is for. Some share a signing name: those
// that are no REST tell themselves by the header, the others by the path.
func (r *Router) find(scope string, h *http.Request) (*Service, *match) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var rest, rpc *Service
	for _, s := range r.scopes[scope] {
		if !s.Protocol.rest() {
			rpc = s
			continue
		}
		if m := s.match(h, func(op string) bool { return r.table[s.ID+"."+op] != nil }); m != nil {
			return s, m
		}
		rest = s
	}
	if rpc != nil {
		return rpc, nil
	}
	return rest, nil
}

// unsigned is the operation that a request without a signature is for, if AWS takes it
// without; else "". It looks at the beginning of a form only, as clients write it.
func (r *Router) unsigned(h *http.Request, err error) string {
	const enough = 4 << 10
	var refused *SignatureError
	if !errors.As(err, &refused) || refused.Fault != NoSignature || unknownService(h).Protocol != Query {
		return ""
	}
	raw, _ := io.ReadAll(io.LimitReader(h.Body, enough)) // of a body that breaks off what there is
	form, _ := url.ParseQuery(string(raw))               // of a value that is cut off those before it
	r.mu.RLock()
	defer r.mu.RUnlock()
	for id, s := range r.services {
		if slices.Contains(s.Unsigned, form.Get("Action")) {
			return id + ":" + form.Get("Action")
		}
	}
	return ""
}

// unknownService stands for a service that there is none of: it answers in the
// form that the client seems to read.
func unknownService(h *http.Request) *Service {
	s := &Service{Protocol: JSON10, Refusals: Refusals{Signature: JSONSignature(http.StatusForbidden)}}
	if strings.HasPrefix(h.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		s.Protocol, s.Refusals = Query, Refusals{}
	}
	s.Refusals = s.Refusals.or(s.Protocol.Refusals())
	return s
}

// fail writes an error in the service's protocol.
func (x *exchange) fail(err error) {
	e := x.svc.Refusals.Error(err)
	level := slog.LevelDebug
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	x.Log.Log(x.h.Context(), level, "request", "service", x.req.Service, "operation", x.req.Operation, "id", x.req.ID, "error", e.Code, "message", e.Message)
	_, rpc := cborOperation(x.h)
	switch {
	case rpc:
		writeCBORError(x.w, x.req.ID, e)
	case x.svc.Protocol == RESTXML:
		writeXMLError(x.w, x.h, x.req.ID, e)
	case x.svc.Protocol == Query && !x.target():
		writeQueryError(x.w, x.svc, x.req, e)
	default:
		WriteJSONError(x.w, x.svc.Protocol, x.req.ID, e)
	}
}

// IsCode reports whether err is an AWS error of a code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// AsError returns err's *Error, or an InternalFailure that carries its text. Refusals
// are worded as most services do.
func AsError(err error) *Error {
	var e *Error
	var denied *DeniedError
	var signature *SignatureError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &denied), errors.As(err, &signature):
		return JSON10.Refusals().Error(err)
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		// Nothing that AWS has. The SDKs repeat what is answered by 500, for minutes, and a disk does
		// not become larger by that.
		return Errorf(http.StatusInsufficientStorage, "InsufficientStorage", "the sandbox has no room for it: %s", err)
	}
	return Errorf(http.StatusInternalServerError, "InternalFailure", "%s", err)
}

// NewID returns a random UUID (version 4), as AWS uses for request ids.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
