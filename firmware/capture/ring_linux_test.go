package capture_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/internal/bpf"
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
	for range 150 { // which a busy host may need
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

// TestFanout has two ports with two rings each, and packets between many pairs
// of addresses, plain, tagged, fragmented and in tunnels, come in at either: what
// is between two addresses goes to the ring of one number, on both ports.
func TestFanout(t *testing.T) {
	frametest.Network(t, "link add a0 type veth peer name a1", "link add b0 type veth peer name b1",
		"link set a0 up", "link set a1 up", "link set b0 up", "link set b1 up")
	opts := capture.RingOptions{Blocks: 8, BlockSize: 1 << 16, Wait: 100 * time.Millisecond, LockFilter: true}
	ports, sends := map[string][]capture.Source{}, map[string]int{}
	for port, far := range map[string]string{"a1": "a0", "b1": "b0"} {
		rings, err := capture.OpenRings(port, 2, opts)
		if err != nil {
			t.Fatal(err)
		}
		ports[port] = rings
		sends[port] = frametest.Sender(t, far)
		for _, r := range rings {
			defer r.Close()
		}
	}
	const pairs = 64
	send := func(port string, frames [][]byte) {
		for _, f := range frames {
			if _, err := unix.Write(sends[port], f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range pairs {
		there, back := pairOfFrames(i)
		send("a1", there)
		send("b1", back)
	}
	var seen [2][pairs]int
	left := pairs * framesOfPair
	for deadline := time.Now().Add(30 * time.Second); left > 0 && time.Now().Before(deadline); {
		for _, rings := range ports {
			for ring, src := range rings {
				for _, f := range drained(t, src) {
					if i := bytes.Index(f, []byte("pair ")); i >= 0 {
						seen[ring][f[i+5]]++
						left--
					}
				}
			}
		}
	}
	used := [2]int{}
	for pair := range pairs {
		for ring := range seen {
			switch seen[ring][pair] {
			case 0:
			case framesOfPair:
				used[ring]++
			default:
				t.Errorf("pair %d: %d frames in one ring and %d in the other", pair, seen[0][pair], seen[1][pair])
			}
		}
	}
	if used[0]+used[1] != pairs || min(used[0], used[1]) < pairs/4 {
		t.Errorf("%d and %d pairs of %d", used[0], used[1], pairs)
	}
}

// framesOfPair is how many frames pairOfFrames makes in both directions.
const framesOfPair = 8

// pairOfFrames returns frames between the ends of pair i, there and back.
func pairOfFrames(i int) (there, back [][]byte) {
	a, b := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), netip.AddrFrom4([4]byte{10, 9, byte(i * 7), 1})
	if i%2 != 0 {
		a, b = netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(i)}), netip.AddrFrom16([16]byte{0: 0xfd, 7: 3, 14: byte(i * 5), 15: 9})
	}
	frames := func(src, dst netip.Addr, port uint16) [][]byte {
		p := frametest.Packet{Src: netip.AddrPortFrom(src, port), Dst: netip.AddrPortFrom(dst, 4000), Proto: frametest.UDP, Payload: append([]byte("pair "), byte(i))}
		fragment, tunnel := p, p
		fragment.Fragment = 100 // a later one: it has no ports
		tunnel.Proto = 47
		return [][]byte{p.Ethernet(), p.Ethernet(5, 7), fragment.Ethernet(), tunnel.Ethernet()}
	}
	return frames(a, b, uint16(1000+i)), frames(b, a, uint16(2000+i))
}

// drained returns the frames that a source has.
func drained(t *testing.T, src capture.Source) (all [][]byte) {
	t.Helper()
	frames := make([]capture.Frame, 64)
	for {
		n, err := src.NextBatch(frames)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return all
		}
		for _, f := range frames[:n] {
			all = append(all, bytes.Clone(f.Data))
		}
	}
}

// TestRingCompiledFilter gives the kernel a program that looks at tags, ports and
// addresses.
func TestRingCompiledFilter(t *testing.T) {
	frametest.Network(t, "link add a0 type veth peer name a1", "link set a0 addrgenmode none up", "link set a1 addrgenmode none up")
	program, err := bpf.Compile("vlan 7 and udp dst port 4000 and not host 10.0.0.4")
	if err != nil {
		t.Fatal(err)
	}
	src, err := capture.OpenRing("a1", capture.RingOptions{Blocks: 4, BlockSize: 1 << 16, Wait: 100 * time.Millisecond, Filter: program, LockFilter: true})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	send := frametest.Sender(t, "a0")
	for i := range 6 {
		there, back := pairOfFrames(i)
		for _, f := range append(there, back...) {
			if _, err := unix.Write(send, f); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := unix.Write(send, frametest.Between("10.0.0.9:1", "10.0.0.8:4000", frametest.UDP).Ethernet(7)); err != nil {
			t.Fatal(err)
		}
	}
	// Of each pair those behind the tags 5 and 7, one there and one back, but
	// for pair 4; and six behind 7.
	if got := len(drained(t, src)); got != 5*2+6 {
		t.Errorf("%d frames passed, want 16", got)
	}
}

// TestRingFilter lets nothing in.
func TestRingFilter(t *testing.T) {
	src, err := capture.OpenRing("lo", capture.RingOptions{Blocks: 4, BlockSize: 1 << 16, Wait: 20 * time.Millisecond, Filter: bpf.Program{{Code: 6}}})
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
	_, err = capture.OpenRing("lo", capture.RingOptions{Filter: bpf.Program{{Code: 0xffff}}})
	if err == nil || !strings.Contains(err.Error(), "filter of 1 instructions") {
		t.Errorf("a bad filter: %v", err)
	}
}
