package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const thingType = "ptest:index:Thing"

// testProvider serves package "ptest" to the real engine. Its one resource,
// Thing, lives in memory; a Thing whose input "block" is set is created or
// deleted only when the test lets it, one with "fail" fails with that text, and
// a change of "key" replaces it.
type testProvider struct {
	pulumirpc.UnimplementedResourceProviderServer

	addr string

	mu      sync.Mutex
	nextID  int
	things  map[string]resource.PropertyMap
	started map[string]chan struct{} // closed when a blocking create has begun
	release map[string]chan struct{} // a blocking create waits for this
	cancels int
}

// serveProvider starts the provider and returns it; it ends with the test.
func serveProvider(t *testing.T) *testProvider {
	t.Helper()
	p := &testProvider{
		things:  map[string]resource.PropertyMap{},
		started: map[string]chan struct{}{},
		release: map[string]chan struct{}{},
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, p)
	done := make(chan error, 1)
	go func() { done <- server.Serve(lis) }()
	t.Cleanup(func() {
		p.releaseAll()
		server.Stop()
		<-done
	})
	_, port, err := net.SplitHostPort(lis.Addr().String())
	require.NoError(t, err)
	p.addr = port
	return p
}

func (p *testProvider) env() map[string]string {
	return map[string]string{"PULUMI_DEBUG_PROVIDERS": "ptest:" + p.addr}
}

func gate(m map[string]chan struct{}, name string) chan struct{} {
	ch := m[name]
	if ch == nil {
		ch = make(chan struct{})
		m[name] = ch
	}
	return ch
}

func (p *testProvider) startedGate(name string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return gate(p.started, name)
}

func (p *testProvider) releaseGate(name string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return gate(p.release, name)
}

func (p *testProvider) releaseAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ch := range p.release {
		select {
		case <-ch:
		default:
			close(ch)
		}
	}
}

func (p *testProvider) canceled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancels
}

// drift changes a thing behind the engine's back.
func (p *testProvider) drift(name string, value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, thing := range p.things {
		if thing["name"].StringValue() != name {
			continue
		}
		if value == nil {
			delete(p.things, id)
			continue
		}
		thing["value"] = resource.NewPropertyValue(value)
	}
}

func (p *testProvider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *testProvider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "1.0.0"}, nil
}

func (p *testProvider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

func (p *testProvider) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{}, nil
}

func (p *testProvider) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

func (p *testProvider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancels++
	return &emptypb.Empty{}, nil
}

func (p *testProvider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news, err := decode(req.GetNews())
	if err != nil {
		return nil, err
	}
	if v, ok := news["invalid"]; ok {
		return &pulumirpc.CheckResponse{Inputs: req.GetNews(), Failures: []*pulumirpc.CheckFailure{
			{Property: "invalid", Reason: v.StringValue()},
		}}, nil
	}
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

func (p *testProvider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := decode(req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := decode(req.GetNews())
	if err != nil {
		return nil, err
	}
	res := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, DetailedDiff: map[string]*pulumirpc.PropertyDiff{}, HasDetailedDiff: true}
	diff := olds.Diff(news)
	if diff == nil {
		return res, nil
	}
	res.Changes = pulumirpc.DiffResponse_DIFF_SOME
	for _, key := range diff.ChangedKeys() {
		res.Diffs = append(res.Diffs, string(key))
		kind := pulumirpc.PropertyDiff_UPDATE
		switch {
		case diff.Added(key):
			kind = pulumirpc.PropertyDiff_ADD
		case diff.Deleted(key):
			kind = pulumirpc.PropertyDiff_DELETE
		}
		if key == "key" {
			res.Replaces = append(res.Replaces, "key")
			kind = pulumirpc.PropertyDiff_UPDATE_REPLACE
		}
		res.DetailedDiff[string(key)] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: true}
	}
	return res, nil
}

func (p *testProvider) Create(_ context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	props, err := decode(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		return &pulumirpc.CreateResponse{Properties: req.GetProperties()}, nil
	}
	if v, ok := props["block"]; ok {
		close(p.startedGate(v.StringValue()))
		<-p.releaseGate(v.StringValue())
	}
	if v, ok := props["fail"]; ok {
		return nil, errors.New(v.StringValue())
	}
	p.mu.Lock()
	p.nextID++
	id := strconv.Itoa(p.nextID)
	props["name"] = resource.NewProperty(resource.URN(req.GetUrn()).Name())
	p.things[id] = props
	p.mu.Unlock()
	out, err := encode(props)
	return &pulumirpc.CreateResponse{Id: id, Properties: out}, err
}

func (p *testProvider) Update(_ context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	props, err := decode(req.GetNews())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: req.GetNews()}, nil
	}
	if v, ok := props["fail"]; ok {
		return nil, errors.New(v.StringValue())
	}
	props["name"] = resource.NewProperty(resource.URN(req.GetUrn()).Name())
	p.mu.Lock()
	p.things[req.GetId()] = props
	p.mu.Unlock()
	out, err := encode(props)
	return &pulumirpc.UpdateResponse{Properties: out}, err
}

func (p *testProvider) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	props, ok := p.things[req.GetId()]
	if !ok {
		return &pulumirpc.ReadResponse{}, nil
	}
	out, err := encode(props)
	if err != nil {
		return nil, err
	}
	inputs := props.Copy()
	delete(inputs, "name")
	in, err := encode(inputs)
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: out, Inputs: in}, err
}

func (p *testProvider) Delete(_ context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	props, err := decode(req.GetProperties())
	if err != nil {
		return nil, err
	}
	if v, ok := props["failDelete"]; ok {
		return nil, fmt.Errorf("cannot delete: %s", v.StringValue())
	}
	p.mu.Lock()
	delete(p.things, req.GetId())
	p.mu.Unlock()
	return &emptypb.Empty{}, nil
}

func decode(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
}

func encode(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
}

// thing is a Thing in a program.
type thing struct {
	pulumi.CustomResourceState

	Value pulumi.AnyOutput `pulumi:"value"`
}

func newThing(ctx *pulumi.Context, name string, props pulumi.Map, opts ...pulumi.ResourceOption) (*thing, error) {
	var t thing
	if err := ctx.RegisterResource(thingType, name, props, &t, opts...); err != nil {
		return nil, err
	}
	return &t, nil
}
