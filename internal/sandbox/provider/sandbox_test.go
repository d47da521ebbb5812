package provider_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

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
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	select {
	case i := <-ready:
		return aws.Config{
			Region: i.Region, BaseEndpoint: aws.String(i.Endpoint),
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
	return serveProviders(t, provider.Config{AWS: cfg}, config), cfg
}
