package meter_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// BenchmarkMeterApps meters captures that are nothing but one protocol, each
// repeated between a thousand other pairs of addresses: short connections, of
// which nearly every packet is read by a parser.
func BenchmarkMeterApps(b *testing.B) {
	for _, name := range []string{"dns.pcap", "http.pcap", "tls.pcapng"} {
		b.Run(name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "repeated.pcap")
			if err := os.WriteFile(path, repeated(b, filepath.Join("../../testdata/captures", name), 1000), 0o600); err != nil {
				b.Fatal(err)
			}
			benchmarkCapture(b, path)
		})
	}
}

// repeated returns the Ethernet frames of a capture n times, each time with
// other addresses.
func repeated(b *testing.B, path string, n int) []byte {
	src, err := capture.OpenFile(path)
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	var all []frametest.Frame
	for batch := make([]capture.Frame, 64); ; {
		got, err := src.NextBatch(batch)
		for _, f := range batch[:got] {
			all = append(all, frametest.Frame{Time: time.Unix(0, f.Time), Data: append([]byte(nil), f.Data...)})
		}
		if err != nil {
			break
		}
	}
	var frames []frametest.Frame
	for i := range n {
		for _, f := range all {
			data := append([]byte(nil), f.Data...)
			for _, at := range addressBytes(data) {
				data[at] ^= byte(i)
				data[at+1] ^= byte(i >> 8)
			}
			frames = append(frames, frametest.Frame{Time: f.Time.Add(time.Duration(i) * 20 * time.Millisecond), Data: data})
		}
	}
	return frametest.Pcap(1, frames...)
}

// addressBytes returns where an Ethernet frame has two bytes of each of its IP
// addresses.
func addressBytes(frame []byte) []int {
	switch {
	case len(frame) > 54 && frame[12] == 0x86 && frame[13] == 0xdd:
		return []int{14 + 8 + 4, 14 + 24 + 4}
	case len(frame) > 34 && frame[12] == 0x08 && frame[13] == 0:
		return []int{14 + 12 + 1, 14 + 16 + 1}
	}
	return nil
}
