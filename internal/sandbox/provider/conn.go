package provider

import (
	"context"
	"sync"

	"google.golang.org/grpc/stats"
)

// The engine makes one connection for each provider resource of a program
// (default or explicit), and tells only Configure which one it is. So what
// Configure sets belongs to the connection.

// conn is what a provider resource has configured and whether it was cancelled.
type conn struct {
	mu       sync.Mutex
	session  *session
	once     sync.Once
	canceled chan struct{} // closed by Cancel and when the connection ends
}

// cancel makes every wait of the connection end.
func (c *conn) cancel() { c.once.Do(func() { close(c.canceled) }) }

// configured returns the session that Configure made, nil before.
func (c *conn) configured() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// configure replaces the session.
func (c *conn) configure(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
}

type connKey struct{}

// connOf returns the connection that a call came by.
func connOf(ctx context.Context) *conn {
	c, ok := ctx.Value(connKey{}).(*conn)
	if !ok {
		// A call that did not come over the network, as in a test of one handler.
		return &conn{canceled: make(chan struct{})}
	}
	return c
}

// connections gives each network connection its conn.
type connections struct{}

var _ stats.Handler = connections{}

// TagConn makes the conn of a new connection.
func (connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, connKey{}, &conn{canceled: make(chan struct{})})
}

// HandleConn ends the waits of a connection that is gone.
func (connections) HandleConn(ctx context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnEnd); ok {
		connOf(ctx).cancel()
	}
}

// TagRPC adds nothing.
func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC does nothing.
func (connections) HandleRPC(context.Context, stats.RPCStats) {}
