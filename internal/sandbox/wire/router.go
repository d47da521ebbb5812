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
	"net/http"
	"strings"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
)

// Protocol is how a service's requests and replies look on the wire.
type Protocol int

// The protocols that the Router speaks itself. Services with REST protocols (S3,
// Lambda, SageMaker Runtime) mount an http handler instead.
const (
	JSON10 Protocol = iota // X-Amz-Target, application/x-amz-json-1.0
	JSON11
	Query // Action=..., XML replies
)

// maxBody bounds a request of a JSON or query service (Step Functions takes
// definitions of 1 MB, Lambda inline code of 70 MB goes by REST).
const maxBody = 16 << 20

// Op is an operation on JSON: in is a JSON document with the API's own member
// names; out is encoded by Encode in the service's style.
type Op func(ctx context.Context, req *Request, in []byte) (out any, err error)

// Service describes a service to the router.
type Service struct {
	// ID is the SDK's service id in lower case, as in aws-sdk:ID:operation.
	ID string
	// Scope is the signing name ("states", "monitoring").
	Scope string
	// Target is the prefix of X-Amz-Target ("AWSStepFunctions"); JSON services only.
	Target   string
	Protocol Protocol
	// Namespace is the XML namespace of replies; query services only.
	Namespace string
	// Version is the Version parameter of query services, "" takes any.
	Version string
	// LowerCamel says that members begin in lower case on the wire.
	LowerCamel bool
	// Route tells whether a request that is signed for Scope is for this service,
	// where two services share a signing name. nil means yes.
	Route func(*http.Request) bool
	// Check refuses an input that breaks the constraints of the API's model, with
	// the service's own error; nil takes all. doc is the decoded JSON document.
	Check func(operation string, doc any) error
	// Handler serves REST protocols; nil for JSON and query services.
	Handler func(w http.ResponseWriter, r *http.Request, req *Request)
}

// Router authenticates requests and dispatches them. Registration is not safe
// for concurrent use and ends before the first request.
type Router struct {
	Log *slog.Logger

	verify Verifier
	auth   Authorizer
	gate   Gate

	mu       sync.RWMutex
	services map[string]*Service // by ID
	scopes   map[string][]*Service
	ops      map[string]Op // "states.StartExecution"
}

// NewRouter returns a router without services. With a nil verifier every request
// is refused; with a nil authorizer every authenticated one is allowed.
func NewRouter(verify Verifier, auth Authorizer) *Router {
	return &Router{
		Log: slog.New(slog.DiscardHandler), verify: verify, auth: auth,
		services: map[string]*Service{}, scopes: map[string][]*Service{}, ops: map[string]Op{},
	}
}

// SetSecurity sets who authenticates and who authorises.
func (r *Router) SetSecurity(v Verifier, a Authorizer) { r.verify, r.auth = v, a }

// Gate is asked before each authenticated call, from outside and from inside. It
// may delay the call, and fail it by an *Error. Operation is empty for REST
// services called from outside, which find theirs later.
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
	r.mu.Lock()
	defer r.mu.Unlock()
	r.services[s.ID] = &s
	r.scopes[s.Scope] = append(r.scopes[s.Scope], &s)
}

// Handle adds an operation to a registered service.
func (r *Router) Handle(service, operation string, op Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops[service+"."+operation] = op
}

// Handle adds an operation with typed input and output, for example the SDK's
// own XxxInput and XxxOutput (see Decode and Encode).
func Handle[In, Out any](r *Router, service, operation string, fn func(ctx context.Context, req *Request, in *In) (*Out, error)) {
	r.Handle(service, operation, func(ctx context.Context, req *Request, raw []byte) (any, error) {
		in := new(In)
		doc, err := Parse(raw)
		if err == nil {
			err = DecodeDoc(doc, in)
		}
		if err != nil {
			return nil, Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
		}
		if err := r.check(service, operation, doc); err != nil {
			return nil, err
		}
		out, err := fn(ctx, req, in)
		if err != nil {
			return nil, err
		}
		return out, nil
	})
}

func (r *Router) check(service, operation string, doc any) error {
	r.mu.RLock()
	svc := r.services[service]
	r.mu.RUnlock()
	if svc == nil || svc.Check == nil {
		return nil
	}
	return svc.Check(operation, doc)
}

// Has reports whether the operation exists.
func (r *Router) Has(service, operation string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.ops[service+"."+operation] != nil
}

// Operations lists the registered operations as "service.Operation".
func (r *Router) Operations() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := make([]string, 0, len(r.ops))
	for k := range r.ops {
		out = append(out, k)
	}
	return out
}

// Invoke calls an operation from inside in a scope as p. The input is a JSON document with
// the API's member names, the reply likewise. Errors are *Error.
func (r *Router) Invoke(ctx context.Context, sc Scope, p Principal, service, operation string, in []byte) (json.RawMessage, error) {
	r.mu.RLock()
	svc, op := r.services[service], r.ops[service+"."+operation]
	r.mu.RUnlock()
	if op == nil {
		return nil, Errorf(http.StatusBadRequest, "UnknownOperationException", "the sandbox does not serve %s:%s", service, operation)
	}
	if p.Account != "" {
		sc.Account = p.Account // a caller is at home in its own account
	}
	req := r.request(sc, p, service, operation)
	if err := r.admit(ctx, req); err != nil {
		return nil, AsError(err)
	}
	out, err := op(ctx, req, in)
	if err != nil {
		return nil, AsError(err)
	}
	return Encode(out, svc != nil && svc.LowerCamel)
}

func (r *Router) request(sc Scope, p Principal, service, operation string) *Request {
	return &Request{ID: NewID(), Scope: sc, Service: service, Operation: operation, Principal: p, router: r}
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
	r.writeUnknown(w, h, Errorf(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure."))
}

func (r *Router) answer(w http.ResponseWriter, h *http.Request) {
	p, region, scope, err := r.authenticate(h)
	svc := r.find(scope, h)
	if svc == nil {
		if err == nil {
			err = Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve %q", scope)
		}
		r.writeUnknown(w, h, AsError(err))
		return
	}
	req := r.request(ScopeOf(p.Account, region), p, svc.ID, "")
	req.HTTP = h
	w.Header().Set("X-Amzn-Requestid", req.ID)
	if err != nil {
		r.writeError(w, svc, req, h, AsError(err))
		return
	}
	if svc.Handler != nil {
		if err := r.admit(h.Context(), req); err != nil {
			r.writeError(w, svc, req, h, AsError(err))
			return
		}
		svc.Handler(w, h, req)
		return
	}
	body, err := readBody(h)
	if err != nil || len(body) > maxBody {
		r.writeError(w, svc, req, h, Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "request is larger than %d bytes", maxBody))
		return
	}
	r.serve(w, h, svc, req, body)
}

// readBody reads at most one byte more than maxBody. SDKs compress what may be
// large (PutMetricData).
func readBody(h *http.Request) ([]byte, error) {
	var in io.Reader = h.Body
	if h.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(h.Body)
		if err != nil {
			return nil, err
		}
		in = z
	}
	return io.ReadAll(io.LimitReader(in, maxBody+1))
}

func (r *Router) serve(w http.ResponseWriter, h *http.Request, svc *Service, req *Request, body []byte) {
	var in []byte
	var err error
	rpcOp, rpc := cborOperation(h)
	switch {
	case rpc:
		req.Operation = rpcOp
		in, err = decodeCBOR(body)
	case svc.Protocol == Query && h.Header.Get("X-Amz-Target") == "":
		req.Operation, in, err = decodeQuery(body, h.URL.RawQuery)
	default:
		prefix, op, ok := strings.Cut(h.Header.Get("X-Amz-Target"), ".")
		if !ok || (svc.Target != "" && prefix != svc.Target) {
			err = Errorf(http.StatusBadRequest, "UnknownOperationException", "")
		}
		req.Operation, in = op, body
	}
	if err != nil {
		r.writeError(w, svc, req, h, AsError(err))
		return
	}
	r.mu.RLock()
	op := r.ops[svc.ID+"."+req.Operation]
	r.mu.RUnlock()
	if op == nil {
		code := "UnknownOperationException"
		if svc.Protocol == Query {
			code = "InvalidAction"
		}
		r.Log.Warn("unknown operation", "service", svc.ID, "operation", req.Operation)
		r.writeError(w, svc, req, h, Errorf(http.StatusBadRequest, code, "the sandbox does not serve %s:%s", svc.ID, req.Operation))
		return
	}
	var out any
	if err = r.admit(h.Context(), req); err == nil {
		out, err = op(h.Context(), req, in)
	}
	if err != nil {
		e := AsError(err)
		r.Log.Debug("request", "service", svc.ID, "operation", req.Operation, "id", req.ID, "error", e.Code, "message", e.Message)
		r.writeError(w, svc, req, h, e)
		return
	}
	r.Log.Debug("request", "service", svc.ID, "operation", req.Operation, "id", req.ID)
	switch {
	case rpc:
		writeCBOR(w, out)
	case svc.Protocol == Query && h.Header.Get("X-Amz-Target") == "":
		writeQuery(w, svc, req, out)
	default:
		writeJSON(w, svc, out)
	}
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

func (r *Router) find(scope string, h *http.Request) *Service {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.scopes[scope] {
		if s.Route == nil || s.Route(h) {
			return s
		}
	}
	return nil
}

// writeUnknown answers for a service that there is none of, in the form that the
// client seems to read.
func (r *Router) writeUnknown(w http.ResponseWriter, h *http.Request, e *Error) {
	svc := &Service{Protocol: JSON10}
	if strings.HasPrefix(h.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		svc.Protocol = Query
	}
	r.writeError(w, svc, &Request{ID: NewID()}, h, e)
}

func (r *Router) writeError(w http.ResponseWriter, svc *Service, req *Request, h *http.Request, e *Error) {
	_, rpc := cborOperation(h)
	switch {
	case rpc:
		writeCBORError(w, req.ID, e)
	case svc.Scope == "s3":
		WriteS3Error(w, h, req.ID, e)
	case svc.Protocol == Query && h.Header.Get("X-Amz-Target") == "":
		writeQueryError(w, svc, req, e)
	default:
		WriteJSONError(w, svc.Protocol, req.ID, e)
	}
}

// AsError returns err's *Error, or an InternalFailure that carries its text.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
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
