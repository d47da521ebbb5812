package provider_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

const testAccount, testRegion = "000000000000", "us-east-1"

// driver does with a provider what the engine does, one resource at a time.
type driver struct {
	t       *testing.T
	clients map[string]pulumirpc.ResourceProviderClient // by package
	seed    byte
}

// serveProviders starts the providers and connects to each as one provider
// resource with that configuration.
func serveProviders(t *testing.T, cfg provider.Config, config map[string]any) *driver {
	t.Helper()
	if cfg.Region == "" {
		cfg.Account, cfg.Region = testAccount, testRegion
	}
	cfg.PathStyle = true
	cfg.PollInterval = 10 * time.Millisecond
	servers, err := provider.Serve(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(servers.Close)
	d := &driver{t: t, clients: map[string]pulumirpc.ResourceProviderClient{}}
	for name, port := range ports(t, servers) {
		d.clients[name] = connect(t, port, config)
	}
	return d
}

func ports(t *testing.T, s *provider.Servers) map[string]int {
	t.Helper()
	var a, n int
	_, err := fmt.Sscanf(s.Attach(), "aws:%d,aws-native:%d", &a, &n)
	require.NoError(t, err)
	return map[string]int{"aws": a, "aws-native": n}
}

// connect makes one configured connection.
func connect(t *testing.T, port int, config map[string]any) pulumirpc.ResourceProviderClient {
	t.Helper()
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	client := pulumirpc.NewResourceProviderClient(conn)
	if config != nil {
		_, err = client.Configure(t.Context(), &pulumirpc.ConfigureRequest{Args: pack(t, props(config))})
		require.NoError(t, err)
	}
	return client
}

func props(m map[string]any) resource.PropertyMap { return resource.NewPropertyMapFromMap(m) }

var everything = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, ComputeAssetHashes: true}

func pack(t *testing.T, m resource.PropertyMap) *structpb.Struct {
	t.Helper()
	s, err := plugin.MarshalProperties(m, everything)
	require.NoError(t, err)
	return s
}

func unpack(t *testing.T, s *structpb.Struct) resource.PropertyMap {
	t.Helper()
	m, err := plugin.UnmarshalProperties(s, everything)
	require.NoError(t, err)
	return m
}

// res is a resource in the driver's state.
type res struct {
	urn, id     string
	inputs, out resource.PropertyMap
}

func (d *driver) client(token string) pulumirpc.ResourceProviderClient {
	for name, c := range d.clients {
		if len(token) > len(name) && token[:len(name)+1] == name+":" {
			return c
		}
	}
	d.t.Fatalf("no provider for %s", token)
	return nil
}

func urn(token, name string) string { return "urn:pulumi:s::p::" + token + "::" + name }

func tokenOf(u string) string { return string(resource.URN(u).Type()) }

func (d *driver) check(u string, olds, news resource.PropertyMap) (resource.PropertyMap, []*pulumirpc.CheckFailure) {
	d.t.Helper()
	d.seed++
	out, err := d.client(tokenOf(u)).Check(d.t.Context(), &pulumirpc.CheckRequest{
		Urn: u, Olds: pack(d.t, olds), News: pack(d.t, news), RandomSeed: append([]byte(d.t.Name()), d.seed),
	})
	require.NoError(d.t, err)
	return unpack(d.t, out.GetInputs()), out.GetFailures()
}

func (d *driver) mustCheck(u string, olds, news resource.PropertyMap) resource.PropertyMap {
	d.t.Helper()
	in, failures := d.check(u, olds, news)
	require.Empty(d.t, failures)
	return in
}

func (d *driver) diff(r *res, news resource.PropertyMap) *pulumirpc.DiffResponse {
	d.t.Helper()
	out, err := d.client(tokenOf(r.urn)).Diff(d.t.Context(), &pulumirpc.DiffRequest{
		Id: r.id, Urn: r.urn, OldInputs: pack(d.t, r.inputs), Olds: pack(d.t, r.out), News: pack(d.t, news),
	})
	require.NoError(d.t, err)
	return out
}

func (d *driver) create(token, name string, inputs resource.PropertyMap) (*res, error) {
	d.t.Helper()
	r := &res{urn: urn(token, name)}
	r.inputs = d.mustCheck(r.urn, nil, inputs)
	out, err := d.client(token).Create(d.t.Context(), &pulumirpc.CreateRequest{Urn: r.urn, Properties: pack(d.t, r.inputs)})
	if err != nil {
		return nil, err
	}
	r.id, r.out = out.GetId(), unpack(d.t, out.GetProperties())
	require.NotEmpty(d.t, r.id)
	return r, nil
}

func (d *driver) mustCreate(token, name string, inputs map[string]any) *res {
	d.t.Helper()
	r, err := d.create(token, name, props(inputs))
	require.NoError(d.t, err)
	return r
}

func (d *driver) update(r *res, news resource.PropertyMap) error {
	d.t.Helper()
	in := d.mustCheck(r.urn, r.inputs, news)
	out, err := d.client(tokenOf(r.urn)).Update(d.t.Context(), &pulumirpc.UpdateRequest{
		Id: r.id, Urn: r.urn, OldInputs: pack(d.t, r.inputs), Olds: pack(d.t, r.out), News: pack(d.t, in),
	})
	if err == nil {
		r.inputs, r.out = in, unpack(d.t, out.GetProperties())
	}
	return err
}

func (d *driver) read(r *res) *res {
	d.t.Helper()
	out, err := d.client(tokenOf(r.urn)).Read(d.t.Context(), &pulumirpc.ReadRequest{
		Id: r.id, Urn: r.urn, Inputs: pack(d.t, r.inputs), Properties: pack(d.t, r.out),
	})
	require.NoError(d.t, err)
	return &res{urn: r.urn, id: out.GetId(), inputs: unpack(d.t, out.GetInputs()), out: unpack(d.t, out.GetProperties())}
}

func (d *driver) delete(r *res) {
	d.t.Helper()
	_, err := d.client(tokenOf(r.urn)).Delete(d.t.Context(), &pulumirpc.DeleteRequest{
		Id: r.id, Urn: r.urn, OldInputs: pack(d.t, r.inputs), Properties: pack(d.t, r.out),
	})
	require.NoError(d.t, err)
}

// text returns an output as text.
func (r *res) text(property string) string {
	v := r.out[resource.PropertyKey(property)]
	if v.IsSecret() {
		v = v.SecretValue().Element
	}
	if !v.IsString() {
		return ""
	}
	return v.StringValue()
}

func paths(d *pulumirpc.DiffResponse) []string {
	var out []string
	for p := range d.GetDetailedDiff() {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// requireSettled fails unless the provider sees the resource as it is in state,
// and as the program has it.
func (d *driver) requireSettled(r *res, news resource.PropertyMap) {
	d.t.Helper()
	in := d.mustCheck(r.urn, r.inputs, news)
	require.Empty(d.t, paths(d.diff(r, in)), "a plan right after")
	live := d.read(r)
	require.Equal(d.t, r.id, live.id)
	if diff := cmp.Diff(r.inputs.Mappable(), live.inputs.Mappable()); diff != "" {
		d.t.Fatalf("refresh changed the inputs (-state +live):\n%s", diff)
	}
	if diff := cmp.Diff(r.out.Mappable(), live.out.Mappable()); diff != "" {
		d.t.Fatalf("refresh changed the outputs (-state +live):\n%s", diff)
	}
}

// packPlain packs without looking into archives.
func packPlain(t *testing.T, m resource.PropertyMap) *structpb.Struct {
	t.Helper()
	s, err := plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, ElideAssetContents: false})
	require.NoError(t, err)
	return s
}
