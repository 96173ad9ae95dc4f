package edge

import "net/netip"

// A Carrier sends datagrams back to where they came from. Send is safe for
// concurrent use, does not block for longer than a socket's buffer is full,
// keeps nothing of d, and may lose it, as networks do.
type Carrier interface {
	Send(d []byte, to netip.AddrPort) error
}

// A Peer is where a datagram came from. Peers are comparable, so a Via must be:
// a pointer is.
type Peer struct {
	Addr netip.AddrPort
	Via  Carrier
}
