// Package peer lets only this user's own programs in: a listener of the loopback
// interface that drops connections of other users of the machine. For servers
// whose clients are not ours to change, so that they cannot carry a token: the
// Pulumi engine, and the runtimes that people bring for their functions.
//
// The kernel says who owns the other end (Linux). Where it does not, everybody who
// can reach the loopback interface is let in, and OwnerKnown is false. It imports
// nothing of this module.
package peer

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
)

// errNotFound says that the kernel does not know such a connection (any more).
var errNotFound = errors.New("no such connection")

// Listener passes on the connections of l whose other end belongs to the user that
// this process runs as, or to root, who may do everything anyway. Others are
// closed before a byte is read, and told of in log, which may be nil.
func Listener(l net.Listener, log *slog.Logger) net.Listener {
	if !OwnerKnown {
		return l
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &listener{Listener: l, log: log, owner: owner, own: uint32(os.Geteuid())} // a user's number
}

type listener struct {
	net.Listener
	log *slog.Logger
	// owner tells whose the other end of a connection is.
	owner func(local, remote netip.AddrPort) (uid uint32, err error)
	own   uint32
}

// Accept waits for the next connection of this user.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.welcome(c) {
			return c, nil
		}
		_ = c.Close() // a stranger's
	}
}

func (l *listener) welcome(c net.Conn) bool {
	local, remote, ok := ends(c)
	if !ok {
		return false
	}
	uid, err := l.owner(local, remote)
	switch {
	case errors.Is(err, errNotFound):
		return false // it has gone again: nobody is there to be let in
	case err != nil:
		l.log.Error("refused a connection whose owner cannot be told", "address", local.String(), "error", err.Error())
		return false
	case uid != l.own && uid != 0:
		l.log.Warn("refused a connection of another user", "address", local.String(), "uid", uid)
		return false
	}
	return true
}

func ends(c net.Conn) (local, remote netip.AddrPort, ok bool) {
	a, okA := c.LocalAddr().(*net.TCPAddr)
	b, okB := c.RemoteAddr().(*net.TCPAddr)
	if !okA || !okB {
		return local, remote, false
	}
	return a.AddrPort(), b.AddrPort(), true
}
