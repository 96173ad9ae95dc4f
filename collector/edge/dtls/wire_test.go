package dtls

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// wire is the socket of a client. The test sees what goes over it, may change
// that, may send as its peer's peer, and may move it to another port.
type wire struct {
	mu     sync.Mutex
	socket net.PacketConn
	sent   [][]byte
	came   [][]byte
	spoil  func(d []byte) // changes what is sent
}

func newWire(t testing.TB) *wire {
	t.Helper()
	w := &wire{}
	w.move(t)
	return w
}

// move makes a new port, as a NAT does.
func (w *wire) move(t testing.TB) {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.socket != nil {
		w.socket.SetReadDeadline(time.Now())
	}
	w.socket = socket
}

func (w *wire) now() net.PacketConn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.socket
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		socket := w.now()
		n, from, err := socket.ReadFrom(b)
		if err != nil && socket != w.now() {
			continue
		}
		if err == nil {
			w.mu.Lock()
			w.came = append(w.came, bytes.Clone(b[:n]))
			w.mu.Unlock()
		}
		return n, from, err
	}
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	b = bytes.Clone(b)
	w.mu.Lock()
	if w.spoil != nil {
		w.spoil(b)
	}
	w.sent = append(w.sent, b)
	w.mu.Unlock()
	return w.now().WriteTo(b, to)
}

func (w *wire) Close() error                       { return w.now().Close() }
func (w *wire) LocalAddr() net.Addr                { return w.now().LocalAddr() }
func (w *wire) SetDeadline(t time.Time) error      { return w.now().SetDeadline(t) }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.now().SetReadDeadline(t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.now().SetWriteDeadline(t) }
