package lake_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// flowBatches returns batches of flow records that look like an office's
// traffic: few clients, many servers, skewed ports, growing times.
func flowBatches(n, rows int) (batches [][]byte) {
	rnd := rand.New(rand.NewPCG(1, 2))
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	ts := day.Add(-20 * time.Minute).UnixNano()
	b := record.NewBuilder(record.FlowDef)
	for range n {
		b.Reset()
		for range rows {
			ts += int64(rnd.IntN(200_000))
			client, server := byte(rnd.IntN(200)), rnd.IntN(1+rnd.IntN(60_000))
			packets := uint64(2 + rnd.IntN(1+rnd.IntN(300)))
			record.Append(b, &record.Flow{
				Start: record.Nanos(ts), Duration: time.Duration(rnd.Int64N(90e9)), ID: rnd.Uint64(),
				SrcAddr: netip.AddrFrom4([4]byte{192, 168, 1, client}), SrcPort: uint16(32768 + rnd.IntN(28000)),
				DstAddr: netip.AddrFrom4([4]byte{203, byte(server >> 16), byte(server >> 8), byte(server)}),
				DstPort: []uint16{443, 443, 443, 53, 80, 22, 123, 8883}[rnd.IntN(8)], Proto: []uint8{6, 6, 17}[rnd.IntN(3)],
				App: []string{"tls", "tls", "dns", "", "http"}[rnd.IntN(5)], SrcMAC: record.HardwareAddr{2, 0, 0, 0, 0, client},
				DstMAC: record.HardwareAddr{2, 0, 0, 0, 1, 1}, SrcPackets: packets, DstPackets: packets + uint64(rnd.IntN(20)),
				SrcBytes: packets * uint64(60+rnd.IntN(900)), DstBytes: packets * uint64(60+rnd.IntN(1400)),
				SrcPayload: packets * uint64(rnd.IntN(800)), DstPayload: packets * uint64(rnd.IntN(1300)),
				SrcFlags: 0x1b, DstFlags: 0x1b, SrcTTL: 64, DstTTL: uint8(48 + rnd.IntN(10)),
				State: []string{"SF", "SF", "S0", "RSTO"}[rnd.IntN(4)], End: []string{"fin", "idle", "rst"}[rnd.IntN(3)],
			})
		}
		raw := b.AppendBlock(nil)
		batches = append(batches, batch.Append(nil, batch.Zstd, len(raw), enc.EncodeAll(raw, nil)))
	}
	return batches
}

// BenchmarkStore takes flow records the whole way: journal, sync, unpacking,
// Parquet, manifest. An op is one record.
func BenchmarkStore(b *testing.B) {
	const rows = 1000
	batches := flowBatches(200, rows)
	size := 0
	for _, x := range batches {
		size += len(x)
	}
	r := start(b, b.TempDir(), lake.Options{})
	var n uint64
	began := processorTime()
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += rows {
		r.journal.WaitRoom()
		r.journal.Append(journal.Entry{Sensor: sensor, Batch: n, Received: day.UnixNano(), Body: batches[n%uint64(len(batches))]}, func(err error) {
			if err != nil {
				b.Error(err)
			}
		})
		n++
	}
	r.journal.Close()
	if err := r.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if got := r.Counters()["rows"]; got != n*rows {
		b.Errorf("%d rows are in the lake, want %d", got, n*rows)
	}
	var bytes int64
	for _, f := range r.Manifest().Files {
		bytes += f.Bytes
	}
	// Processor time of all threads, since other work on the machine counts little in it.
	b.ReportMetric(float64((processorTime()-began).Nanoseconds())/float64(n*rows), "cpu-ns/record")
	b.ReportMetric(float64(n*rows)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(bytes)/float64(n*rows), "lakebytes/record")
	b.ReportMetric(float64(size)/float64(len(batches)*rows), "wirebytes/record")
}

// processorTime returns what this process has used, all threads together.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
