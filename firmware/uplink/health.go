package uplink

import (
	"time"

	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/site"
)

// stats are the uplink's own counters.
type stats struct {
	frames        uint64 // batches taken in
	records       uint64 // records in them
	stored        uint64 // batches that the collector has stored
	recordsStored uint64
	hellos        uint64
	sessions      uint64
	sent          uint64 // datagrams
	sendErrors    uint64 // datagrams that the kernel refused
	lost          uint64 // chunks sent again
	dropped       uint64 // datagrams that were not for us, forged or stale
	dialErrors    uint64
	moves         uint64 // of the site's box key

	status   enrol.Status // what the collector last said
	welcomed bool
}

// health puts the counters of uplink and spool into the spool as a batch of
// sensor records.
func (u *uplink) health(now time.Time) {
	b := record.NewBuilder(record.SensorDef)
	add := func(stage, counter string, value uint64) {
		record.Append(b, &record.Sensor{Time: record.NanosOf(now), Stage: stage, Counter: counter, Value: int64(value)})
	}
	s := &u.stats
	add("uplink", "batches_in", s.frames+1) // this one too, so that it says all that there is up to itself
	add("uplink", "batches_stored", s.stored)
	add("uplink", "records_stored", s.recordsStored)
	add("uplink", "hellos", s.hellos)
	add("uplink", "sessions", s.sessions)
	add("uplink", "collector", uint64(u.active))
	for _, c := range []site.Carrier{site.UDP, site.DTLS, site.WSS} {
		var used uint64
		if u.road != nil && carrierOf(u.road.address) == c {
			used = 1
		}
		add("uplink", "carrier_"+string(c), used)
	}
	add("uplink", "dial_errors", s.dialErrors)
	add("uplink", "box_key_moves", s.moves)
	add("uplink", "datagrams_sent", s.sent)
	add("uplink", "drop_send_error", s.sendErrors)
	add("uplink", "chunks_sent_again", s.lost)
	add("uplink", "drop_bad_datagram", s.dropped)
	if u.send != nil {
		add("uplink", "rtt_us", uint64(u.send.flight.RTT().Microseconds()))
		add("uplink", "window_bytes", uint64(u.send.flight.Window()))
		add("uplink", "datagram_bytes", uint64(u.send.flight.Datagram()))
	}
	add("spool", "batches", uint64(u.Spool.Len()))
	add("spool", "records", uint64(u.Spool.Records()))
	add("spool", "bytes", uint64(u.Spool.Bytes()))
	for class, name := range []string{batch.Health: "health", batch.Records: "records", batch.Bulk: "bulk"} {
		batches, _ := u.Spool.Dropped(batch.Class(class))
		add("spool", "full_"+name+"_batches", batches)
	}
	u.told = u.gaveUp()
	for kind, records := range u.Spool.DroppedKinds() {
		add("spool", "drop_full_"+kind, records)
	}
	add("uplink", "records_in", s.records+uint64(b.Rows())+1)
	raw := b.AppendBlock(nil)
	u.put(batch.Frame{
		Class: batch.Health, Records: b.Rows(), Kinds: []batch.KindCount{{Kind: record.SensorDef.Kind, Records: b.Rows()}},
		Batch: batch.Append(nil, batch.None, len(raw), raw),
	})
}

// gaveUp returns how many records the spool has given up.
func (u *uplink) gaveUp() (n uint64) {
	for _, records := range u.Spool.DroppedKinds() {
		n += records
	}
	return n
}
