package dtls

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pion/transport/v5/deadline"
)

const (
	// maxQueue bounds the datagrams of one connection that wait, in number. A
	// sensor's burst that does not fit is lost, and sent again more slowly.
	maxQueue = 128
	// amplify bounds what is sent to an address that a connection has moved to
	// but that has not proved itself: three times what came from there (RFC
	// 9000, section 8.1, for want of one in RFC 9146), and two datagrams.
	amplify      = 3
	amplifyFirst = 2 * 1300
)

// pool has packets for what is read. Queues have pointers: they are there for each
// connection, and nearly always empty.
var pool = sync.Pool{New: func() any { return new(packet) }}

// packet is a datagram that was read.
type packet struct {
	buf  [maxRecord]byte
	n    int
	from netip.AddrPort
}

// packets is the net.PacketConn of one connection: what route has found to be its
// own, and the listener's socket.
type packets struct {
	listener *Listener
	first    *net.UDPAddr // proved by a cookie
	queue    chan *packet
	read     *deadline.Deadline
	closed   sync.Once
	done     chan struct{}

	mu       sync.Mutex
	last     *net.UDPAddr // what the last datagram came from
	lastPort netip.AddrPort
	to       *net.UDPAddr // what is sent to
	came     int          // bytes from to since it is that
	sent     int
}

func newPackets(l *Listener, from netip.AddrPort) *packets {
	addr := net.UDPAddrFromAddrPort(from)
	return &packets{
		listener: l, first: addr, queue: make(chan *packet, maxQueue), read: deadline.New(), done: make(chan struct{}),
		last: addr, lastPort: from, to: addr,
	}
}

// put queues p; not ok if it is lost.
func (c *packets) put(p *packet) bool {
	select {
	case c.queue <- p:
		return true
	default:
		c.listener.counters.add(dropQueue)
		return false
	}
}

// ReadFrom reads a datagram.
func (c *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-c.done:
		return 0, nil, net.ErrClosed
	case <-c.read.Done():
		return 0, nil, os.ErrDeadlineExceeded
	case p := <-c.queue:
		n, addr := copy(b, p.buf[:p.n]), c.addr(p)
		pool.Put(p)
		return n, addr, nil
	}
}

// addr returns where p came from, as the same value while it is the same:
// values are what addresses are compared by.
func (c *packets) addr(p *packet) net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.from != c.lastPort {
		c.last, c.lastPort = net.UDPAddrFromAddrPort(p.from), p.from
		c.came, c.sent = 0, 0
	}
	c.came += p.n
	return c.last
}

// WriteTo sends a datagram.
func (c *packets) WriteTo(b []byte, to net.Addr) (int, error) {
	addr, ok := to.(*net.UDPAddr)
	if !ok || !c.maySend(addr, len(b)) {
		c.listener.counters.add(dropSend)
		return len(b), nil // as networks do
	}
	return c.listener.socket.WriteToUDP(b, addr)
}

// maySend reports whether n bytes may be sent to addr: no limit where it is the
// one that the handshake has proved.
func (c *packets) maySend(addr *net.UDPAddr, n int) bool {
	if addr == c.first {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if addr != c.last || c.sent+n > amplify*c.came+amplifyFirst {
		return addr.AddrPort() == c.first.AddrPort()
	}
	c.sent += n
	return true
}

// Close makes reads fail.
func (c *packets) Close() error {
	c.closed.Do(func() { close(c.done) })
	return nil
}

// LocalAddr is the listener's.
func (c *packets) LocalAddr() net.Addr { return c.listener.socket.LocalAddr() }

// SetDeadline sets that of reads: a write waits for nothing.
func (c *packets) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline wakes a read at t.
func (c *packets) SetReadDeadline(t time.Time) error {
	c.read.Set(t)
	return nil
}

// SetWriteDeadline has nothing to do.
func (c *packets) SetWriteDeadline(time.Time) error { return nil }
