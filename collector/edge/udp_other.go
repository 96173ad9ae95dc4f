//go:build !linux

package edge

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/taproot-sensor/taproot/wire/session"
)

// Elsewhere than on Linux there is one socket, read and written datagram by
// datagram.

func sockets(int) int { return 1 }

func share(*net.UDPConn) {}

func shareControl(_, _ string, _ syscall.RawConn) error { return nil }

func tune(conn *net.UDPConn) (granted int, err error) {
	return socketBuffer, conn.SetReadBuffer(socketBuffer)
}

func kernelDrops(*net.UDPConn) uint32 { return 0 }

type reader struct {
	conn *net.UDPConn
	buf  [session.MaxDatagram + 1]byte
}

func newReader(conn *net.UDPConn) *reader { return &reader{conn: conn} }

func (r *reader) read(receive func([]byte, netip.AddrPort)) error {
	n, from, err := r.conn.ReadFromUDPAddrPort(r.buf[:])
	if err == nil {
		receive(r.buf[:n], from)
	}
	return err
}

type writer struct{ conn *net.UDPConn }

func newWriter(conn *net.UDPConn) *writer { return &writer{conn} }

func (w *writer) write(all []Outgoing) (refused int) {
	for _, o := range all {
		if _, err := w.conn.WriteToUDPAddrPort(o.Datagram, o.To); err != nil {
			refused++
		}
	}
	return refused
}
