package provider_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

// startSandbox runs the real sandbox in this process until the test ends.
func startSandbox(t *testing.T, o sandbox.ServeOptions) aws.Config {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan sandbox.Info, 1), make(chan error, 1)
	o.Dir = t.TempDir()
	o.Ready = func(i sandbox.Info) { ready <- i }
	go func() { ended <- sandbox.Serve(ctx, o) }()
	// Idle connections of the test's own clients would hold up the end.
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		<-ended
	})
	select {
	case i := <-ready:
		return aws.Config{
			Region: i.Region, BaseEndpoint: aws.String(i.Endpoint), HTTPClient: &http.Client{Transport: plainbody.Transport{Next: transport}},
			Credentials: credentials.NewStaticCredentialsProvider(i.AccessKeyID, i.SecretAccessKey, ""),
		}
	case err := <-ended:
		ended <- err
		require.NoError(t, err)
	}
	return aws.Config{}
}

// sandboxed has providers that work against a sandbox of their own.
func sandboxed(t *testing.T, config map[string]any) (*driver, aws.Config) {
	t.Helper()
	cfg := startSandbox(t, sandbox.ServeOptions{})
	return serveProviders(t, provider.Config{AWS: bare(cfg)}, config), cfg
}

// bare is the configuration without the test's own HTTP client, as the tool has
// it.
func bare(cfg aws.Config) aws.Config {
	cfg.HTTPClient = nil
	return cfg
}
