package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/services"
)

// pkg is a Pulumi package that is served.
type pkg struct {
	name    string
	version string // of the official plugin whose place it takes
	types   []services.Resource
}

// packages returns the packages that are served, in the order of Attach.
func packages() []*pkg {
	return []*pkg{
		{name: "aws", version: "6.83.2", types: services.AWS()},
		{name: "aws-native", version: "1.70.0", types: services.Native()},
	}
}

// server answers the engine for one package. The engine calls it from many
// goroutines.
type server struct {
	pulumirpc.UnimplementedResourceProviderServer
	cfg     Config
	pkg     *pkg
	types   map[string]services.Resource // by token
	options *schema.Type

	mu       sync.Mutex
	sessions []*session
}

func newServer(cfg Config, p *pkg) *server {
	s := &server{cfg: cfg, pkg: p, types: map[string]services.Resource{}, options: schema.Of[options]()}
	for _, t := range p.types {
		s.types[t.Token()] = t
	}
	return s
}

// remember keeps a session for a connection that was made anew: gRPC does that
// by itself.
func (s *server) remember(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = append(s.sessions, sess)
}

// session returns the session of the connection that the call came by.
func (s *server) session(ctx context.Context) (*session, error) {
	if sess := connOf(ctx).configured(); sess != nil {
		return sess, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) == 1 {
		return s.sessions[0], nil
	}
	return nil, status.Errorf(codes.FailedPrecondition, "the provider %s is not configured", s.pkg.name)
}

// resource returns the type of a URN.
func (s *server) resource(urn string) (services.Resource, error) {
	u, err := resource.ParseURN(urn)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	t, ok := s.types[string(u.Type())]
	if !ok {
		return nil, status.Errorf(codes.InvalidArgument, "the sandbox provider does not support the resource type %q; use target aws for it", u.Type())
	}
	return t, nil
}

// call prepares an operation on a resource: its type, its Call, and the context
// that ends when the time for it is over. cancel must be called.
func (s *server) call(ctx context.Context, urn, operation string, timeout float64) (services.Resource, *services.Call, context.Context, context.CancelFunc, error) {
	t, err := s.resource(urn)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	sess, err := s.session(ctx)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	name := resource.URN(urn).Name()
	limit := t.Timeout(operation)
	if timeout > 0 {
		limit = time.Duration(timeout * float64(time.Second))
	}
	cause := fmt.Errorf("timeout of %s is over", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
	return t, &services.Call{Env: sess.env, Name: name, Stop: connOf(ctx).canceled}, ctx, cancel, nil
}

// Handshake tells the engine what the provider can.
func (s *server) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, SupportsAutonamingConfiguration: true}, nil
}

// Attach takes note of the engine.
func (s *server) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// GetPluginInfo returns the version of the plugin whose place this takes.
func (s *server) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: s.pkg.version}, nil
}

// Cancel ends the waits of the connection, not its requests.
func (s *server) Cancel(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	connOf(ctx).cancel()
	return &emptypb.Empty{}, nil
}

// Create makes a resource, or says what is known of it before.
func (s *server) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	t, c, ctx, cancel, err := s.call(ctx, req.GetUrn(), "create", req.GetTimeout())
	if err != nil {
		return nil, err
	}
	defer cancel()
	in, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		props, err := marshal(t.Outputs().Hide(planCreate(t, public(in))))
		return &pulumirpc.CreateResponse{Properties: props}, err
	}
	id, state, cerr := t.Create(ctx, c, schema.StripMap(public(in)))
	if id == "" {
		return nil, rpcError(cerr)
	}
	props, err := marshal(t.Outputs().Hide(schema.CarrySecrets(state, in)))
	if err != nil {
		return nil, err
	}
	if cerr != nil {
		return nil, initFailed(cerr, id, props, nil)
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: props}, nil
}

// Read finds the live state, for a refresh, an import or a get.
func (s *server) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	t, c, ctx, cancel, err := s.call(ctx, req.GetUrn(), "read", req.GetTimeout())
	if err != nil {
		return nil, err
	}
	defer cancel()
	oldIn, err := unmarshal(req.GetInputs())
	if err != nil {
		return nil, err
	}
	oldState, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	id, in, state, err := t.Read(ctx, c, req.GetId(), public(oldIn), schema.StripMap(oldState))
	if errors.Is(err, services.ErrGone) {
		return &pulumirpc.ReadResponse{}, nil
	}
	if err != nil {
		return nil, rpcError(err)
	}
	for k, v := range oldIn {
		if internal(k) {
			in[k] = v
		}
	}
	if in = schema.CarrySecrets(in, oldIn); len(oldIn) == 0 { // an import
		in = t.Inputs().Hide(in)
	}
	inputs, err := marshal(in)
	if err != nil {
		return nil, err
	}
	props, err := marshal(t.Outputs().Hide(schema.CarrySecrets(state, oldIn, oldState)))
	if err != nil {
		return nil, err
	}
	return &pulumirpc.ReadResponse{Id: id, Inputs: inputs, Properties: props}, nil
}

// Update changes a resource, or says what is known of it before.
func (s *server) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	t, c, ctx, cancel, err := s.call(ctx, req.GetUrn(), "update", req.GetTimeout())
	if err != nil {
		return nil, err
	}
	defer cancel()
	olds, err := unmarshal(req.GetOlds())
	if err != nil {
		return nil, err
	}
	in, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		props, err := marshal(t.Outputs().Hide(planUpdate(t, olds, public(in))))
		return &pulumirpc.UpdateResponse{Properties: props}, err
	}
	before := schema.StripMap(olds)
	state, uerr := t.Update(ctx, c, req.GetId(), before, schema.StripMap(public(in)))
	if uerr != nil && state.DeepEquals(before) {
		return nil, rpcError(uerr)
	}
	props, err := marshal(t.Outputs().Hide(schema.CarrySecrets(state, in)))
	if err != nil {
		return nil, err
	}
	if uerr != nil {
		return nil, initFailed(uerr, req.GetId(), props, nil)
	}
	return &pulumirpc.UpdateResponse{Properties: props}, nil
}

// Delete deletes a resource. One that is gone already is no error.
func (s *server) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	t, c, ctx, cancel, err := s.call(ctx, req.GetUrn(), "delete", req.GetTimeout())
	if err != nil {
		return nil, err
	}
	defer cancel()
	state, err := unmarshal(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if err := t.Delete(ctx, c, req.GetId(), schema.StripMap(state)); err != nil {
		return nil, rpcError(err)
	}
	return &emptypb.Empty{}, nil
}

// internal reports whether a key is the engine's or ours, not the resource's.
func internal(k resource.PropertyKey) bool { return strings.HasPrefix(string(k), "__") }

// public returns the properties without internal ones.
func public(m resource.PropertyMap) resource.PropertyMap {
	out := make(resource.PropertyMap, len(m))
	for k, v := range m {
		if !internal(k) {
			out[k] = v
		}
	}
	return out
}

func unmarshal(s *structpb.Struct) (resource.PropertyMap, error) {
	m, err := plugin.UnmarshalProperties(s, keepAll)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return m, nil
}

func marshal(m resource.PropertyMap) (*structpb.Struct, error) {
	s, err := plugin.MarshalProperties(m, keepAll)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return s, nil
}

// rpcError gives an error the code that tells the engine whether the resource is
// in a known state: after an answer of AWS it is, after a broken connection not.
func rpcError(err error) error {
	var api smithy.APIError
	code := codes.Unknown
	switch {
	case errors.Is(err, services.ErrCanceled), errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.As(err, &api):
		code = codes.FailedPrecondition
	}
	return status.Error(code, err.Error())
}

// initFailed reports a resource that exists but is not as it should be, so that
// the engine keeps it in its state.
func initFailed(err error, id string, state, inputs *structpb.Struct) error {
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, err.Error()), &pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: state, Inputs: inputs, Reasons: []string{err.Error()},
	})
}
