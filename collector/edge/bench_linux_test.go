package edge

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

// benchSession is a session of a sensor that has sealed all that it will send.
type benchSession struct {
	link      *link
	datagrams [][]byte
}

// newBenchSession seals n datagrams of full size: batches of 24 chunks.
func newBenchSession(b *testing.B, e *Edge, n int) benchSession {
	b.Helper()
	const chunks = 24
	s := newTestSensor(b, e)
	l := s.join(b, e)
	shared, salt := [32]byte{1}, seal.Salt{2}
	l.seal = seal.NewLink(&shared, salt, seal.Collector)
	out := seal.NewLink(&shared, salt, seal.Sensor)
	whole := batch.Append(nil, batch.None, chunks*session.MaxChunk-5, make([]byte, chunks*session.MaxChunk-5))
	head := session.Head(session.TypeData, l.id)
	r := benchSession{link: l}
	for i := range n {
		off := i % chunks * session.MaxChunk
		d := session.Data{Batch: uint64(i / chunks), Floor: uint64(i / chunks), Size: uint32(len(whole)), Offset: uint32(off), Chunk: whole[off : off+session.MaxChunk]}
		r.datagrams = append(r.datagrams, out.Seal(nil, head, uint64(i), d.Append(nil)))
	}
	return r
}

// BenchmarkReceive takes sealed datagrams of 1200 bytes all the way to whole
// batches: header tag, box, window, reassembly. An op is one datagram.
func BenchmarkReceive(b *testing.B) {
	const each = 48_000
	e := newTestEdge(b)
	b.SetBytes(session.MaxDatagram)
	b.ReportAllocs()
	var used time.Duration
	for done := 0; done < b.N; done += each {
		b.StopTimer()
		s := newBenchSession(b, e, min(each, b.N-done))
		runtime.GC()
		began := processorTime()
		b.StartTimer()
		for _, d := range s.datagrams {
			e.Receive(d, somewhere)
		}
		b.StopTimer()
		used += processorTime() - began
	}
	// Processor time, since other work on the machine counts little in it.
	b.ReportMetric(float64(b.N)/used.Seconds(), "datagrams/core-s")
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
	for i, name := range counterNames {
		if n := e.counters[i].Load(); counter(i) >= dropKernel && n > 0 {
			b.Errorf("%s = %d", name, n)
		}
	}
}

// BenchmarkForged drops datagrams that have a session and a wrong tag, on as
// many cores as there are.
func BenchmarkForged(b *testing.B) {
	e := newTestEdge(b)
	s := newBenchSession(b, e, 1)
	d := s.datagrams[0]
	d[16] ^= 1
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := append([]byte(nil), d...)
		for pb.Next() {
			e.Receive(d, somewhere)
			n.Add(1)
		}
	})
	if got := e.counters[dropTag].Load(); got != uint64(n.Load()) {
		b.Errorf("%d of %d were dropped for their tag", got, n.Load())
	}
}

// processorTime returns what this process has used, all threads together.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
