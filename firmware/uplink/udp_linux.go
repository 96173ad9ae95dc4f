package uplink

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/wire/site"
)

// errTooBig is what the kernel says of a datagram that it knows not to pass.
const errTooBig = syscall.EMSGSIZE

// dialUDP opens a socket to address. It never cuts a datagram in pieces, and
// does not hold back what an ICMP message said was too large: the uplink
// probes that itself (RFC 8899, section 4.6.2: IP_PMTUDISC_PROBE).
func dialUDP(ctx context.Context, address string) (net.Conn, error) {
	a, err := site.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Control: func(network, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if network == "udp6" {
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
			} else {
				unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
			} // where the kernel cannot, it cuts: slower, not wrong
		})
	}}
	return d.DialContext(ctx, "udp", net.JoinHostPort(a.Host, a.Port))
}
