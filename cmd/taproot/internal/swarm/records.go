package swarm

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// FlowBatches makes n batches of flow records as a sensor of an office network
// would send them; the same ones for the same seed.
func FlowBatches(n, rows int, codec batch.Codec, seed uint64, now time.Time) ([]Batch, error) {
	if rows < 1 || rows > record.MaxRows {
		return nil, fmt.Errorf("%d records in a batch: 1 to %d fit", rows, record.MaxRows)
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false)) // as a sensor does
	if err != nil {
		return nil, fmt.Errorf("making compressor: %w", err)
	}
	defer enc.Close()
	all := make([]Batch, n)
	b := record.NewBuilder(record.FlowDef)
	for i := range all {
		ts := now.Add(-time.Minute)
		for range rows {
			ts = ts.Add(time.Duration(rnd.Int64N(int64(time.Minute) / int64(rows))))
			f := flow(rnd, ts)
			record.Append(b, &f)
		}
		raw := b.AppendBlock(nil)
		b.Reset()
		body := raw
		if codec == batch.Zstd {
			body = enc.EncodeAll(raw, nil)
		}
		all[i] = Batch{batch.Append(nil, codec, len(raw), body), rows}
		if _, _, _, err := batch.Parse(all[i].Bytes); err != nil {
			return nil, fmt.Errorf("%d records in a batch: %w", rows, err)
		}
	}
	return all, nil
}

// flow makes up a flow: some clients, many servers of which few get most, and
// sizes that spread over orders of magnitude.
func flow(rnd *rand.Rand, ts time.Time) record.Flow {
	client, server := byte(1+rnd.IntN(60)), uint32(1)<<rnd.IntN(18)+rnd.Uint32N(64)
	out, in := uint64(1+rnd.ExpFloat64()*12), uint64(rnd.ExpFloat64()*16)
	kind := flowKinds[rnd.IntN(len(flowKinds))]
	return record.Flow{
		Start: record.NanosOf(ts), Duration: time.Duration(rnd.ExpFloat64() * 3e9).Round(time.Microsecond), ID: rnd.Uint64(),
		SrcAddr: netip.AddrFrom4([4]byte{192, 168, 1, client}), SrcPort: uint16(32768 + rnd.IntN(28000)),
		DstAddr: netip.AddrFrom4([4]byte{203, byte(server >> 16), byte(server >> 8), byte(server)}), DstPort: kind.port, Proto: kind.proto,
		App: kind.app, SrcMAC: record.HardwareAddr{2, 0, 0, 0, 0, client}, DstMAC: record.HardwareAddr{2, 0, 0, 0, 1, 1},
		SrcPackets: out, DstPackets: in, SrcBytes: out * uint64(60+rnd.IntN(400)), DstBytes: in * uint64(60+rnd.IntN(1400)),
		SrcPayload: out * uint64(rnd.IntN(340)), DstPayload: in * uint64(rnd.IntN(1340)),
		SrcFlags: kind.flags, DstFlags: kind.flags, SrcTTL: 64, DstTTL: uint8(48 + rnd.IntN(10)),
		History: kind.history, State: kind.state, End: kind.end,
	}
}

var flowKinds = []struct {
	port                     uint16
	proto                    uint8
	app, history, state, end string
	flags                    uint8
}{
	{443, 6, "tls", "ShADadFf", "SF", "fin", 0x1b},
	{443, 6, "tls", "ShADadfR", "RSTO", "rst", 0x1f},
	{443, 17, "quic", "Dd", "SF", "idle", 0},
	{53, 17, "dns", "Dd", "SF", "idle", 0},
	{53, 17, "dns", "Dd", "SF", "idle", 0},
	{80, 6, "http", "ShADadFf", "SF", "fin", 0x1b},
	{22, 6, "ssh", "ShADad", "S1", "active", 0x18},
	{8080, 6, "", "S", "S0", "idle", 0x02},
}
