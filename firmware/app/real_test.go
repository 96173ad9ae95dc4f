package app_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/decode"
)

// A frame is one of a real capture, decoded.
type frame struct {
	data []byte
	decode.Meta
}

func (f *frame) payload() []byte { return f.data[f.Payload:f.PayloadEnd] }

// icmp returns the payload of an ICMP message with its header.
func (f *frame) icmp() []byte { return f.data[f.Payload-min(f.Payload, 8) : f.PayloadEnd] }

func (f *frame) either(port uint16) bool { return f.SrcPort == port || f.DstPort == port }

// real returns the frames of a real capture that keep picks. Without the
// captures it skips the test.
func real(t testing.TB, name string, keep func(*frame) bool) []frame {
	t.Helper()
	dir := os.Getenv("TAPROOT_PCAPS")
	if dir == "" {
		dir = "../../../shared/pcaps"
	}
	path := filepath.Join(dir, name)
	src, err := capture.OpenFile(path)
	if err != nil {
		t.Skipf("no real captures: set TAPROOT_PCAPS to a directory of them (%v)", err)
	}
	defer src.Close()
	var out []frame
	for {
		var frames [64]capture.Frame
		n, err := src.NextBatch(frames[:])
		for _, f := range frames[:n] {
			one := frame{data: append([]byte(nil), f.Data...)}
			if decode.Decode(f.LinkType, one.data, int(f.WireLen), &one.Meta) == decode.OK && keep(&one) {
				out = append(out, one)
			}
		}
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Logf("%v", err)
			return out
		}
	}
}

// udp picks the datagrams from or to a port.
func udp(port uint16) func(*frame) bool {
	return func(f *frame) bool { return f.Proto == 17 && f.either(port) && f.Payload < f.PayloadEnd }
}

// tcp picks the segments with payload from or to a port.
func tcp(port uint16) func(*frame) bool {
	return func(f *frame) bool { return f.Proto == 6 && f.either(port) && f.Payload < f.PayloadEnd }
}
