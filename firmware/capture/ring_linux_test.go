package capture_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

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
