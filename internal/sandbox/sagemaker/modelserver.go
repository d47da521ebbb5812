package sagemaker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
)

// serve runs a model server inside of this process: HTTP over connections that
// only its own client can make. A port of the loopback interface would be open to
// every user of the machine.
func (s *Service) serve(h http.Handler) container {
	l := &insideListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn)}
	done := make(chan struct{})
	guard.Go(s.cfg.Log, "a model server", func() {
		defer close(done)
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.Error("model server", "error", err.Error())
		}
	}, nil)
	transport := &http.Transport{DialContext: l.dial, MaxIdleConnsPerHost: maxIdleInside, DisableCompression: true}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil { // requests in flight end first
			_ = srv.Close()
		}
		transport.CloseIdleConnections()
		<-done
	}
	return container{base: &url.URL{Scheme: "http", Host: "model"}, client: &http.Client{Transport: transport}, stop: stop}
}

// maxIdleInside is how many connections to a model server are kept between
// requests.
const maxIdleInside = 64

// insideListener accepts the connections that dial makes.
type insideListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *insideListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for the next connection.
func (l *insideListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept; connections stay.
func (l *insideListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr names no address: there is none.
func (l *insideListener) Addr() net.Addr { return insideAddr{} }

type insideAddr struct{}

func (insideAddr) Network() string { return "inside" }
func (insideAddr) String() string  { return "model" }
