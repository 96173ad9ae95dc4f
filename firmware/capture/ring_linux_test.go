package capture_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/capture"
)

// openLoopback opens a ring on the loopback port, or skips.
func openLoopback(t *testing.T) capture.Source {
	t.Helper()
	opts := capture.RingOptions{Blocks: 4, BlockSize: 1 << 16, Wait: 20 * time.Millisecond, LockFilter: true}
	src, err := capture.OpenRing("lo", opts)
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("needs CAP_NET_RAW: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// TestRing sends datagrams over loopback, many times what the ring holds, and
// looks for each.
func TestRing(t *testing.T) {
	src := openLoopback(t)
	sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skipf("no loopback: %v", err)
	}
	defer sink.Close()
	payload := bytes.Repeat([]byte("taproot ring test "), 50)
	before := time.Now().UnixNano()
	seen := 0
	const bursts, burst = 50, 100
	for range bursts {
		for range burst {
			if _, err := sink.WriteTo(payload, sink.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		seen += countFrames(t, src, payload, before)
	}
	const sent = bursts * burst
	stats := src.Stats()
	if uint64(seen)+stats.Dropped < sent || seen < sent/2 {
		t.Errorf("saw %d of %d datagrams, %+v", seen, sent, stats)
	}
	if stats.Frames < uint64(seen) || stats.Corrupt != 0 {
		t.Errorf("stats %+v with %d datagrams seen", stats, seen)
	}
}

// countFrames reads until no frame comes for a while, and counts those with
// payload.
func countFrames(t *testing.T, src capture.Source, payload []byte, since int64) int {
	t.Helper()
	seen := 0
	frames := make([]capture.Frame, 16)
	for {
		n, err := src.NextBatch(frames)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return seen
		}
		for _, f := range frames[:n] {
			if !bytes.HasSuffix(f.Data, payload) {
				continue
			}
			seen++
			if f.LinkType != 1 || f.WireLen != uint32(len(f.Data)) || f.Time < since || f.VLANType != 0 {
				t.Fatalf("frame %+v", f)
			}
		}
	}
}

func TestRingNoPort(t *testing.T) {
	_, err := capture.OpenRing("none0", capture.RingOptions{})
	if err == nil || !strings.HasPrefix(err.Error(), `opening port "none0": `) {
		t.Errorf("error %v", err)
	}
}

// TestRingVLAN sends a tagged frame over a pair of ports in a network
// namespace of its own, and maps the ring outside of it, as the jailed process
// does.
func TestRingVLAN(t *testing.T) {
	tagged := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0xe0, 7, 0x88, 0xb5}, make([]byte, 100)...)
	send := make(chan struct{})
	socket := make(chan *os.File)
	go func() {
		defer close(socket)
		runtime.LockOSThread() // and never unlock: the thread ends, and its namespace with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Logf("needs CAP_SYS_ADMIN: %v", err)
			return
		}
		for _, args := range []string{"link add near type veth peer name far", "link set near up", "link set far up"} {
			if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Logf("ip %s: %v: %s", args, err, out)
				return
			}
		}
		f, err := capture.OpenSocket("far", capture.RingOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		near, err := net.InterfaceByName("near")
		if err != nil {
			t.Error(err)
			return
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer unix.Close(fd)
		socket <- f
		<-send
		if err := unix.Sendto(fd, tagged, 0, &unix.SockaddrLinklayer{Ifindex: near.Index, Halen: 6}); err != nil {
			t.Error(err)
		}
	}()
	f, ok := <-socket
	if !ok {
		t.Skip("no pair of ports to test with")
	}
	src, err := capture.RingFrom(f, capture.RingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	close(send)
	frames := make([]capture.Frame, 16)
	for range 20 {
		n, err := src.NextBatch(frames)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range frames[:n] {
			if f.VLANType == 0 {
				continue // the ports' own multicast
			}
			want := append(bytes.Clone(tagged[:12]), tagged[16:]...)
			if f.VLANType != 0x8100 || f.VLAN != 0xe007 || int(f.WireLen) != len(tagged) || !bytes.Equal(f.Data, want) {
				t.Errorf("got %+v", f)
			}
			return
		}
	}
	t.Error("the tagged frame did not come")
}

// TestFanout shares a port between two rings: both get some, and both
// directions of a conversation go to the same one.
func TestFanout(t *testing.T) {
	opts := capture.RingOptions{Blocks: 4, BlockSize: 1 << 16, Wait: 50 * time.Millisecond, Fanout: uint16(os.Getpid()) | 1}
	var rings [2]capture.Source
	for i := range rings {
		src, err := capture.OpenRing("lo", opts)
		if errors.Is(err, os.ErrPermission) {
			t.Skipf("needs CAP_NET_RAW: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		rings[i] = src
	}
	payload := []byte("taproot fanout test, longer than the padding of a frame")
	const conversations = 64
	for range conversations {
		var ends [2]*net.UDPConn
		for i := range ends {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Skipf("no loopback: %v", err)
			}
			defer conn.Close()
			ends[i] = conn
		}
		for i := range 4 {
			if _, err := ends[i%2].WriteTo(payload, ends[1-i%2].LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var seen [2]map[[2]uint16]int
	frames := make([]capture.Frame, 64)
	for i, src := range rings {
		seen[i] = make(map[[2]uint16]int)
		for {
			n, err := src.NextBatch(frames)
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			for _, f := range frames[:n] {
				if bytes.HasSuffix(f.Data, payload) {
					a, b := uint16(f.Data[34])<<8|uint16(f.Data[35]), uint16(f.Data[36])<<8|uint16(f.Data[37])
					seen[i][[2]uint16{min(a, b), max(a, b)}]++
				}
			}
		}
	}
	for pair, n := range seen[0] {
		if n != 4 || seen[1][pair] != 0 {
			t.Errorf("conversation %v: %d and %d frames", pair, n, seen[1][pair])
		}
	}
	if len(seen[0])+len(seen[1]) != conversations || len(seen[0]) == 0 || len(seen[1]) == 0 {
		t.Errorf("%d and %d conversations of %d", len(seen[0]), len(seen[1]), conversations)
	}
}

// TestRingFilter lets nothing in.
func TestRingFilter(t *testing.T) {
	src, err := capture.OpenRing("lo", capture.RingOptions{Blocks: 4, BlockSize: 1 << 16, Wait: 20 * time.Millisecond, Filter: []capture.BPF{{Code: 6}}})
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("needs CAP_NET_RAW: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skipf("no loopback: %v", err)
	}
	defer sink.Close()
	for range 10 {
		if _, err := sink.WriteTo([]byte("filtered"), sink.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	if n := countFrames(t, src, []byte("filtered"), 0); n != 0 {
		t.Errorf("%d frames passed a filter that refuses all", n)
	}
	_, err = capture.OpenRing("lo", capture.RingOptions{Filter: []capture.BPF{{Code: 0xffff}}})
	if err == nil || !strings.Contains(err.Error(), "filter of 1 instructions") {
		t.Errorf("a bad filter: %v", err)
	}
}
