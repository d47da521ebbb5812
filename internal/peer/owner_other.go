//go:build !linux

package peer

import (
	"errors"
	"net/netip"
)

// OwnerKnown says that Listener can tell whose a connection is.
const OwnerKnown = false

func owner(netip.AddrPort, netip.AddrPort) (uint32, error) { return 0, errors.ErrUnsupported }
