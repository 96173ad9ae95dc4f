package meter_test

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// benchmarkCapture meters a capture file, reading included, and reports the
// time per packet.
func benchmarkCapture(b *testing.B, path string) {
	b.ReportAllocs()
	var frames uint64
	began := cpuTime(b)
	for b.Loop() {
		src, err := capture.OpenFile(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := meter.Run(context.Background(), meter.Config{Source: src, Out: io.Discard}); err != nil {
			b.Fatal(err)
		}
		frames += src.Stats().Frames
		src.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/packet")
	b.ReportMetric(float64(cpuTime(b)-began)/float64(frames), "cpu-ns/packet")
}

// cpuTime returns the processor time of this process so far: unlike time on
// the wall it survives other work on the machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMeterSmall64 meters 64-byte UDP frames of 50 000 flows in random
// order, 30 to a flow.
func BenchmarkMeterSmall64(b *testing.B) {
	const flows, frames = 50_000, 1_500_000
	rng := rand.New(rand.NewPCG(1, 2))
	packets := make([][]byte, flows)
	for i := range packets {
		addr := func(net byte) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, net, byte(rng.Uint32()), byte(rng.Uint32())}), uint16(1024+rng.IntN(60000)))
		}
		packets[i] = frametest.Packet{Src: addr(1), Dst: addr(2), Proto: frametest.UDP, TTL: 64, Payload: make([]byte, 18)}.Ethernet()
	}
	pcap := frametest.Pcap(1)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range frames {
		data := packets[rng.IntN(flows)]
		at := start.Add(time.Duration(i) * time.Microsecond)
		pcap = binary.LittleEndian.AppendUint32(pcap, uint32(at.Unix()))
		pcap = binary.LittleEndian.AppendUint32(pcap, uint32(at.Nanosecond()))
		pcap = binary.LittleEndian.AppendUint32(pcap, uint32(len(data)))
		pcap = binary.LittleEndian.AppendUint32(pcap, uint32(len(data)))
		pcap = append(pcap, data...)
	}
	path := filepath.Join(b.TempDir(), "small64.pcap")
	if err := os.WriteFile(path, pcap, 0o600); err != nil {
		b.Fatal(err)
	}
	benchmarkCapture(b, path)
}

// BenchmarkMeterFile meters the capture that TAPROOT_BENCH_PCAP names.
func BenchmarkMeterFile(b *testing.B) {
	path := os.Getenv("TAPROOT_BENCH_PCAP")
	if path == "" {
		b.Skip("TAPROOT_BENCH_PCAP names no capture")
	}
	benchmarkCapture(b, path)
}
