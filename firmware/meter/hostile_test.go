package meter_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// hostile runs an attack.
func hostile(tb testing.TB, file []byte, out io.Writer, atEnd func()) *atEOF {
	src, err := capture.NewFile("hostile.pcap", bytes.NewReader(file))
	if err != nil {
		tb.Fatal(err)
	}
	end := &atEOF{File: src, do: atEnd}
	if err := meter.Run(context.Background(), meter.Config{Source: end, Out: out}); err != nil {
		tb.Fatal(err)
	}
	return end
}

// atEOF calls do before a file ends.
type atEOF struct {
	*capture.File
	do func()
}

func (a *atEOF) NextBatch(frames []capture.Frame) (int, error) {
	n, err := a.File.NextBatch(frames)
	if err == io.EOF && a.do != nil {
		a.do()
	}
	return n, err
}

// TestHostile: what attackers send neither has a parser panic nor a batch dropped,
// and what the meter writes and holds is bounded by what comes.
func TestHostile(t *testing.T) {
	const (
		most     = 3        // bytes of batches for a byte of frames: of four packets in one frame each has a flow, and violates what it can
		fixed    = 4 << 10  // of the counters
		maxTable = 28 << 20 // held: 13 of the table of flows, 8 of streams
	)
	for _, attack := range attacks {
		t.Run(strings.ReplaceAll(attack.name, " ", "_"), func(t *testing.T) {
			a := newAttacker()
			attack.make(a)
			file, wire := a.capture()
			var pipe bytes.Buffer
			hostile(t, file, &pipe, nil)
			out := parse(t, &pipe)
			out.check(t, uint64(len(a.frames)))
			if n := out.counters["meter.drop_oversize_records"]; n != 0 {
				t.Errorf("%d records in batches that are too large", n)
			}
			if out.bytes > most*wire+fixed {
				t.Errorf("%d bytes of batches from %d of frames", out.bytes, wire)
			}
			if n := held(t, file); n > maxTable {
				t.Errorf("holds %d MB", n>>20)
			}
			t.Logf("%.2f bytes out for each", float64(out.bytes)/float64(wire))
		})
	}
}

// BenchmarkHostile says what each attack costs: time per packet and per byte of
// traffic, bytes of batches per byte, and the memory that is held when all of
// it has come.
func BenchmarkHostile(b *testing.B) {
	for _, attack := range attacks {
		b.Run(strings.ReplaceAll(attack.name, " ", "_"), func(b *testing.B) {
			a := newAttacker()
			attack.make(a)
			file, wire := a.capture()
			var frames, out uint64
			began := cpuTime(b)
			for b.Loop() {
				var w counter
				frames += hostile(b, file, &w, nil).Stats().Frames
				out += uint64(w)
			}
			took := float64(cpuTime(b) - began)
			runs := float64(frames) / float64(len(a.frames))
			b.ReportMetric(took/float64(frames), "cpu-ns/packet")
			b.ReportMetric(took/runs/float64(wire), "cpu-ns/byte")
			b.ReportMetric(float64(out)/runs/float64(wire), "out/in")
			b.ReportMetric(float64(held(b, file))/(1<<20), "MB-held")
		})
	}
}

// held returns the bytes that a meter holds at the end of a capture.
func held(tb testing.TB, file []byte) uint64 {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, after := heap(), uint64(0)
	hostile(tb, file, io.Discard, func() { after = heap() })
	return after - min(before, after)
}

type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// TestMeterQUICSmall: of a datagram that servers discard there is no record.
func TestMeterQUICSmall(t *testing.T) {
	hello := clientHello(nil)
	small := quicInitial(1, append([]byte{6, 0, byte(len(hello))}, hello...))
	a := newAttacker()
	a.datagram(443, small)
	a.datagram(443, append(small, make([]byte, 1200-len(small))...))
	out, err := run(t, frametest.Pcap(1, a.frames...))
	if err != nil || len(out.lines["quic"]) != 1 || out.counters["meter.malformed_quic"] != 1 {
		t.Errorf("got %v, %d malformed, %v", out.lines["quic"], out.counters["meter.malformed_quic"], err)
	}
}
