package provider

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// connectionsPerHost is how many idle connections are kept: the engine works on
// that many resources at a time, and with a sandbox all services are one host.
const connectionsPerHost = 64

// ownTransport gives all clients of cfg one transport of their own, and returns
// what closes its idle connections. Without, each client keeps connections for
// itself, and for a minute and a half after the last use: a tool that works on
// hundreds of stacks would pile them up. A client that is not the SDK's own is
// left as it is.
func ownTransport(cfg aws.Config) (aws.Config, func()) {
	var transport *http.Transport
	var client http.Client
	switch c := cfg.HTTPClient.(type) {
	case nil:
		transport = awshttp.NewBuildableClient().GetTransport()
	case *awshttp.BuildableClient:
		transport, client.Timeout = c.GetTransport(), c.GetTimeout()
	default:
		return cfg, func() {}
	}
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, connectionsPerHost
	client.Transport, client.CheckRedirect = transport, preserving
	cfg = cfg.Copy()
	cfg.HTTPClient = &client
	return cfg, transport.CloseIdleConnections
}

// preserving follows only redirects that keep the method and the body, as the
// SDK's own client does: a signature is for one request.
func preserving(r *http.Request, _ []*http.Request) error {
	switch r.Response.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil
	default:
		return http.ErrUseLastResponse
	}
}
