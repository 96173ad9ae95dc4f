package meter

import (
	"maps"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// sensor reports every counter of the stages that run here. Every frame is in
// one of flow packets, decode arp, decode link and the decode drops.
func (m *meter) sensor(now time.Time) {
	emit := func(stage, counter string, value uint64) {
		rec := record.Sensor{Time: record.NanosOf(now), Stage: m.cfg.shard.stage(stage), Counter: counter, Value: int64(value)}
		add(m.out, record.SensorDef, &rec)
	}
	src := m.cfg.Source.Stats()
	emit("capture", "frames", src.Frames-m.count.foreign)
	emit("capture", "bytes", m.count.bytes)
	emit("capture", "drop_ring_full", src.Dropped)
	emit("capture", "ring_freezes", src.Freezes)
	emit("capture", "drop_corrupt", src.Corrupt)
	emit("capture", "link_down", src.LinkDown)

	emit("decode", "arp", m.count.arp)
	emit("decode", "link", m.count.link)
	for r := decode.OK + 1; r < decode.NumReasons; r++ {
		if n := m.count.reasons[r]; n > 0 {
			emit("decode", prefix(r.Drops())+r.String(), n)
		}
	}

	table := m.table.Stats()
	emit("flow", "packets", m.count.packets)
	emit("flow", "inner_packets", m.count.inner)
	emit("flow", "active", table.Active)
	emit("flow", "created", table.Created)
	for r := flow.Idle; r <= flow.End; r++ {
		emit("flow", "ended_"+r.String(), table.Ended[r])
	}

	for _, name := range slices.Sorted(maps.Keys(m.apps.count.malformed)) {
		emit("meter", "malformed_"+name, m.apps.count.malformed[name])
	}
	emit("meter", "overload_level", uint64(m.load.level))
	for l := levelNoLayers; l < numLevels; l++ {
		emit("meter", "overload_"+levelNames[l], m.load.raised[l])
	}
	emit("meter", "drop_overload_payloads", m.load.payloads)
	emit("flow", "unsampled_packets", m.load.packets)
	emit("flow", "unsampled_bytes", m.load.bytes)
	emit("meter", "parser_panics", m.apps.count.panics)
	emit("meter", "streams_overflow", m.apps.count.overflow)
	emit("meter", "streams_stolen", m.apps.count.stolen)
	emit("meter", "streams_gap", m.apps.count.gaps)
	facts := m.apps.notes.Dropped()
	if m.cfg.shard.number == 0 {
		facts += m.devices.drops()
	}
	emit("meter", "drop_device_facts", facts)
	for _, def := range record.Kinds() {
		emit("meter", "records_"+def.Kind, m.out.added(def.Kind))
	}
	emit("meter", "batches", m.out.count.batches)
	emit("meter", "raw_bytes", m.out.count.rawBytes)
	emit("meter", "batch_bytes", m.out.count.batchBytes)
	emit("meter", "drop_oversize_records", m.out.count.oversize)
	emit("meter", "memory_bytes", memory())
}

func prefix(drops bool) string {
	if drops {
		return "drop_"
	}
	return "odd_"
}

// memory returns the bytes that the Go runtime holds.
func memory() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
