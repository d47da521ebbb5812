// Package provider owns the Pulumi resource providers of the sandbox: gRPC
// servers that look to the Pulumi engine like the official plugins of the
// packages aws and aws-native, as far as the resource types of the pipelines
// go. They reach AWS services only through aws-sdk-go-v2 clients made from the
// given aws.Config, so that they work against any AWS-compatible server. The
// package may not import any other part of the sandbox. The servers work with the
// sandbox's administrator's keys, so only this user's own programs may connect.
package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/peer"
)

// Config says which server the providers call and how.
type Config struct {
	// AWS holds the credentials, the endpoint (BaseEndpoint) and the retryer of
	// all clients. Its region is used when neither the provider's configuration
	// nor Region names one.
	AWS aws.Config
	// Account is the account id that ARNs are made with. Empty: it is asked for
	// with sts:GetCallerIdentity when first needed.
	Account string
	// Region is the region of providers that are not configured with one.
	Region string
	// PathStyle makes S3 requests as http://host/bucket/key.
	PathStyle bool
	// PollInterval is the first pause between two looks at a resource that is on
	// its way to a state; pauses grow to 20 times that. Zero means 100 ms.
	PollInterval time.Duration
	// Propagation is how long a refusal that may come from a role which is not
	// known everywhere yet is tried again. Zero, right for a server without
	// eventual consistency, reports it at once.
	Propagation time.Duration
	// WorkDir is what relative paths of assets start from. Empty refuses them: the
	// engine does not tell an attached provider where its program runs.
	WorkDir string
	// Log takes what the servers have to say; nil discards it.
	Log *slog.Logger
}

// Servers are the provider servers of one engine operation. Methods are safe
// for concurrent use.
type Servers struct {
	mu      sync.Mutex
	servers map[string]*grpc.Server // by package
	ports   map[string]int
	order   []string
	done    sync.WaitGroup
	stop    context.CancelFunc
	// closeIdle closes the connections to AWS that nobody uses.
	closeIdle func()
}

// maxMessage is the engine's own limit for one message: archives of Lambda
// functions travel inside.
const maxMessage = 400 << 20

// Serve starts one server for each package on free ports of 127.0.0.1. They
// serve until Close, or until ctx is done. Start one set per engine operation:
// a cancelled operation leaves its servers refusing to wait.
func Serve(ctx context.Context, cfg Config) (*Servers, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.PollInterval <= 0 {
		cfg.PollInterval = 100 * time.Millisecond
	}
	ctx, stop := context.WithCancel(ctx)
	s := &Servers{servers: map[string]*grpc.Server{}, ports: map[string]int{}, stop: stop}
	cfg.AWS, s.closeIdle = ownTransport(cfg.AWS)
	for _, pkg := range packages() {
		if err := s.serve(ctx, cfg, pkg); err != nil {
			s.Close()
			return nil, &fault.Error{
				Kind: fault.Internal, Op: "start the " + pkg.name + " provider", Err: err,
				Hint: "Check that this machine lets programs listen on 127.0.0.1.",
			}
		}
	}
	context.AfterFunc(ctx, s.Close)
	return s, nil
}

// serve starts the server of one package.
func (s *Servers) serve(ctx context.Context, cfg Config, pkg *pkg) error {
	var lc net.ListenConfig
	lis, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr, ok := lis.Addr().(*net.TCPAddr)
	if !ok {
		return errors.Join(fmt.Errorf("unexpected address %v", lis.Addr()), lis.Close())
	}
	srv := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.StatsHandler(connections{}), grpc.UnaryInterceptor(guard(cfg.Log.With("package", pkg.name))),
	)
	pulumirpc.RegisterResourceProviderServer(srv, newServer(cfg, pkg))
	s.servers[pkg.name], s.ports[pkg.name] = srv, addr.Port
	s.order = append(s.order, pkg.name)
	s.done.Go(func() {
		// The engine cannot be given a token to send: the kernel says whose it is.
		if err := srv.Serve(peer.Listener(lis, cfg.Log)); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			cfg.Log.Error("provider server ended", "package", pkg.name, "error", err)
		}
	})
	return nil
}

// guard logs calls, and keeps a mistake in one of them from ending the whole
// program, which the servers are part of.
func guard(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
		begun := time.Now()
		urn := ""
		if r, ok := req.(interface{ GetUrn() string }); ok {
			urn = r.GetUrn()
		}
		defer func() {
			if p := recover(); p != nil {
				log.Error("provider call panicked", "method", info.FullMethod, "urn", urn, "panic", p, "stack", string(debug.Stack()))
				err = status.Errorf(codes.Internal, "the sandbox provider failed: %v", p)
			}
			log.Debug("provider call", "method", path.Base(info.FullMethod), "urn", urn, "duration_ms", time.Since(begun).Milliseconds(), "error", err)
		}()
		return next(ctx, req)
	}
}

// Attach returns the value of PULUMI_DEBUG_PROVIDERS that makes an engine use
// these servers: "aws:PORT,aws-native:PORT".
func (s *Servers) Attach() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := make([]string, 0, len(s.order))
	for _, name := range s.order {
		parts = append(parts, name+":"+strconv.Itoa(s.ports[name]))
	}
	return strings.Join(parts, ",")
}

// Env returns the environment variables that make an engine use these servers,
// and only them. Without the second one the engine tries to download the
// official plugins that its state names before every operation, although it
// will not use them: seconds lost with a network, and without one.
func (s *Servers) Env() map[string]string {
	return map[string]string{
		"PULUMI_DEBUG_PROVIDERS":                      s.Attach(),
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	}
}

// Close stops the servers at once; calls in progress fail. It may be called
// more than once.
func (s *Servers) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	for _, srv := range s.servers {
		srv.Stop()
	}
	s.done.Wait()
	s.closeIdle()
}
