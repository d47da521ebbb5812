package peer

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// OwnerKnown says that Listener can tell whose a connection is.
const OwnerKnown = true

// owner looks the other end up in the kernel's tables: it is the socket whose
// local address is our remote one. A socket of IPv6 may carry IPv4 addresses.
func owner(local, remote netip.AddrPort) (uid uint32, err error) {
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		wide := strings.HasSuffix(table, "6")
		if !wide && !remote.Addr().Unmap().Is4() {
			continue
		}
		uid, found, err := search(table, entry(remote, wide), entry(local, wide))
		if err != nil || found {
			return uid, err
		}
	}
	return 0, errNotFound
}

// entry is an address as the tables write it: each word of 32 bits in hexadecimal,
// in the byte order of the machine, and the port.
func entry(a netip.AddrPort, wide bool) string {
	var raw []byte
	if wide {
		b := a.Addr().As16()
		raw = b[:]
	} else {
		b := a.Addr().Unmap().As4()
		raw = b[:]
	}
	raw = slices.Clone(raw)
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	return strings.ToUpper(hex.EncodeToString(raw)) + fmt.Sprintf(":%04X", a.Port())
}

func search(table, local, remote string) (uid uint32, found bool, err error) {
	f, err := os.Open(table)
	if os.IsNotExist(err) { // no IPv6
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if !strings.Contains(line, local) { // most lines: not worth taking apart
			continue
		}
		// "sl local remote state queues timer retransmits uid timeout inode"
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[1] != local || fields[2] != remote {
			continue
		}
		n, err := strconv.ParseUint(fields[7], 10, 32)
		if fields[9] == "0" { // closed by its owner: the kernel shows root for it
			continue
		}
		return uint32(n), err == nil, err
	}
	return 0, false, lines.Err()
}
