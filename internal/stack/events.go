package stack

import (
	"errors"
	"fmt"
	"io"
	"net"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// maxEvent is the size an event may have; the engine sends whole resources.
const maxEvent = 400 << 20

// eventServer receives the engine's event stream (`--event-log tcp://...`).
//
// The SDK has such a server too, but its channels block the engine while nobody
// reads, and are never closed if the CLI ends before it opens the stream. Here,
// each event goes to a func that never blocks, and close() is the end.
type eventServer struct {
	pulumirpc.UnimplementedEventsServer
	server *grpc.Server
	addr   string
	handle func(line string)
	served chan error
}

// serveEvents starts a server that hands every event to handle, one at a time.
func serveEvents(handle func(line string)) (*eventServer, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a local bind does not wait
	if err != nil {
		return nil, fmt.Errorf("listen for engine events: %w", err)
	}
	s := &eventServer{
		server: grpc.NewServer(grpc.MaxRecvMsgSize(maxEvent)),
		addr:   "tcp://" + lis.Addr().String(),
		handle: handle,
		served: make(chan error, 1),
	}
	pulumirpc.RegisterEventsServer(s.server, s)
	go func() { s.served <- s.server.Serve(lis) }()
	return s, nil
}

// StreamEvents implements pulumirpc.EventsServer.
func (s *eventServer) StreamEvents(stream pulumirpc.Events_StreamEventsServer) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&emptypb.Empty{})
		}
		if err != nil {
			return err // the CLI died; its exit tells more
		}
		s.handle(req.GetEvent())
	}
}

// close stops the server; when it returns, handle is not called any more. The
// CLI has ended by then: it closes the stream and waits for our answer before
// it exits, so nothing is cut off.
func (s *eventServer) close() {
	s.server.GracefulStop()
	<-s.served //nolint:errcheck // it was told to stop
}
