package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/taproot-sensor/taproot/wire/session"
)

// socketBuffer holds what arrives while the reader is held up: 8 MiB is 80 ms
// at 1 Gbit/s. The kernel may grant less (net.core.rmem_max).
const socketBuffer = 8 << 20

// UDP is the carrier that needs nothing but a port.
type UDP struct {
	conn *net.UDPConn
	log  *slog.Logger
}

// ListenUDP opens the sockets of addr, host:port.
func ListenUDP(addr string, log *slog.Logger) (*UDP, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for sensors: %w", err)
	}
	conn, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, fmt.Errorf("listening for sensors: %w", err)
	}
	if err := conn.SetReadBuffer(socketBuffer); err != nil {
		log.Warn("socket buffer stays small", "error", err)
	}
	return &UDP{conn: conn, log: log}, nil
}

// Addr is where it listens.
func (u *UDP) Addr() netip.AddrPort { return u.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Run gives e what comes in until ctx ends, then returns nil. ACKs can be sent
// until Close.
func (u *UDP) Run(ctx context.Context, e *Edge) error {
	stop := context.AfterFunc(ctx, func() { u.conn.SetReadDeadline(time.Now()) })
	defer stop()
	buf := make([]byte, session.MaxDatagram+1)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("reading from sensors: %w", err)
		case err != nil:
			e.counters.add(readErrors)
			continue
		}
		e.Receive(buf[:n], Peer{Addr: from, Via: u})
	}
}

// Send sends one datagram.
func (u *UDP) Send(d []byte, to netip.AddrPort) error {
	_, err := u.conn.WriteToUDPAddrPort(d, to)
	return err
}

// Close closes the sockets.
func (u *UDP) Close() error { return u.conn.Close() }
