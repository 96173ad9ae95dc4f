package edge

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/wire/session"
)

// listenUDP opens the sockets of a port that the kernel chooses.
func listenUDP(t *testing.T, addr string) *UDP {
	t.Helper()
	u, err := ListenUDP(addr, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// numbered returns n datagrams of size bytes that look like taproot's.
func numbered(n, size int) (all [][]byte) {
	for i := range n {
		head := session.Head(session.TypeData, uint32(i))
		all = append(all, append(head[:], make([]byte, size-len(head))...))
	}
	return all
}

// What is sent comes in once and whole, be it datagram by datagram or as
// segments of one, and from whom.
func TestReaderTakesWhatIsSent(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::]:0"} {
		u := listenUDP(t, listen)
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), u.Addr().Port())
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		const segmented, plain = 40, 100
		all := numbered(segmented+plain, session.MaxDatagram)
		oob := make([]byte, unix.CmsgSpace(2))
		copy(oob, gsoControl(session.MaxDatagram))
		last := all[segmented-1][:500] // the last segment may be shorter
		all[segmented-1] = last
		if _, _, err := conn.WriteMsgUDP(bytes.Join(all[:segmented], nil), oob, nil); err != nil {
			t.Fatal(err)
		}
		for _, d := range all[segmented:] {
			if _, err := conn.Write(d); err != nil {
				t.Fatal(err)
			}
		}
		got := collect(t, u, len(all))
		for i, d := range all {
			if g := got[uint32(i)]; !bytes.Equal(g.d, d) || g.from != conn.LocalAddr().(*net.UDPAddr).AddrPort() {
				t.Errorf("%s: datagram %d came as %d bytes from %v", listen, i, len(g.d), g.from)
			}
		}
	}
}

// gsoControl is the control message that has the kernel cut a write into
// datagrams of size bytes (UDP_SEGMENT of linux/udp.h).
func gsoControl(size uint16) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(unix.CmsgLen(2)))
	b = binary.NativeEndian.AppendUint32(b, unix.IPPROTO_UDP)
	b = binary.NativeEndian.AppendUint32(b, unix.UDP_SEGMENT)
	return binary.NativeEndian.AppendUint16(b, size)
}

type came struct {
	d    []byte
	from netip.AddrPort
}

// collect reads all sockets of u until n datagrams have come, or for 5 s.
func collect(t *testing.T, u *UDP, n int) map[uint32]came {
	t.Helper()
	var mu sync.Mutex
	var readers sync.WaitGroup
	got := map[uint32]came{}
	for _, conn := range u.sockets {
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		readers.Go(func() {
			r := newReader(conn)
			for r.read(func(d []byte, from netip.AddrPort) {
				_, id, err := session.ParseHead(d)
				mu.Lock()
				defer mu.Unlock()
				if _, again := got[id]; err != nil || again {
					t.Errorf("datagram of %d bytes, session %d, again %v: %v", len(d), id, again, err)
				}
				got[id] = came{bytes.Clone(d), from}
				if len(got) == n {
					for _, c := range u.sockets {
						c.SetReadDeadline(time.Now())
					}
				}
			}) == nil {
			}
		})
	}
	readers.Wait()
	return got
}

// The kernel drops what is not taproot's, and that is counted.
func TestFilter(t *testing.T) {
	u := listenUDP(t, "127.0.0.1:0")
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(u.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	good := numbered(1, 41)[0]
	for _, d := range [][]byte{{}, []byte("t"), []byte("tp"), good[:40], append([]byte("xx"), good...), good} {
		if _, err := conn.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	if got := collect(t, u, 1); len(got) != 1 {
		t.Errorf("%d datagrams came, want 1", len(got))
	}
	var dropped uint32
	for _, c := range u.sockets {
		dropped += kernelDrops(c)
	}
	if dropped != 5 {
		t.Errorf("the kernel dropped %d datagrams, want 5", dropped)
	}
}

// Another collector does not get the port, though the sockets share it.
func TestPortIsTaken(t *testing.T) {
	u := listenUDP(t, "127.0.0.1:0")
	if other, err := ListenUDP(u.Addr().String(), slog.New(slog.DiscardHandler)); err == nil {
		other.Close()
		t.Error("two collectors have one port")
	}
}

// Datagrams to many receivers all arrive; one that cannot be sent keeps none.
func TestSendAll(t *testing.T) {
	u := listenUDP(t, "127.0.0.1:0")
	var all []Outgoing
	var conns []*net.UDPConn
	for i := range 3 * perWrite / 2 {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
		to := c.LocalAddr().(*net.UDPAddr).AddrPort()
		all = append(all, Outgoing{fmt.Appendf(nil, "datagram %d", i), to})
		if i%10 == 3 {
			all = append(all, Outgoing{[]byte("to nowhere"), netip.AddrPortFrom(to.Addr(), 0)})
		}
	}
	if refused := u.SendAll(all); refused != len(all)-len(conns) {
		t.Errorf("%d of %d were refused, want %d", refused, len(all), len(all)-len(conns))
	}
	for i, c := range conns {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		var b [64]byte
		n, from, err := c.ReadFromUDPAddrPort(b[:])
		if want := fmt.Sprintf("datagram %d", i); err != nil || string(b[:n]) != want || from != u.Addr() {
			t.Fatalf("read %q from %v, %v, want %q", b[:n], from, err, want)
		}
	}
}

// Run gives the edge what comes in, and ends when it is asked to.
func TestUDPRun(t *testing.T) {
	e := newTestEdge(t)
	u := listenUDP(t, "127.0.0.1:0")
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(u.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.Run(ctx, e) }()
	if _, err := conn.Write(numbered(1, 100)[0]); err != nil {
		t.Fatal(err)
	}
	for e.counters[dropNoSession].Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
