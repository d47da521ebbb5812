package provider

import (
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// pkg is a Pulumi package that is served.
type pkg struct {
	name    string
	version string // of the official plugin whose place it takes
}

// packages returns the packages that are served, in the order of Attach.
func packages() []*pkg {
	return []*pkg{{name: "aws", version: "6.83.2"}, {name: "aws-native", version: "1.70.0"}}
}

// session is a configured provider.
type session struct{}

// server answers the engine for one package.
type server struct {
	pulumirpc.UnimplementedResourceProviderServer
	cfg Config
	pkg *pkg
}

func newServer(cfg Config, p *pkg) *server { return &server{cfg: cfg, pkg: p} }
