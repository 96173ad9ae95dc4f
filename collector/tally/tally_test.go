package tally_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/tally"
	"github.com/taproot-sensor/taproot/wire/record"
)

const id = "0100000000000000"

// entry returns a batch of sensor 1, and its blocks: n flows and counters.
func entry(t *testing.T, boot byte, number uint64, flows int, counters ...record.Sensor) (*journal.Entry, []record.Block) {
	t.Helper()
	e := &journal.Entry{Sensor: [32]byte{1}, Boot: [16]byte{boot}, Batch: number}
	var raw []byte
	if flows > 0 {
		b := record.NewBuilder(record.FlowDef)
		for i := range flows {
			record.Append(b, &record.Flow{Start: record.Nanos(i)})
		}
		raw = b.AppendBlock(raw)
	}
	if len(counters) > 0 {
		b := record.NewBuilder(record.SensorDef)
		for i := range counters {
			record.Append(b, &counters[i])
		}
		raw = b.AppendBlock(raw)
	}
	var blocks []record.Block
	for len(raw) > 0 {
		block, rest, err := record.ParseBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		blocks, raw = append(blocks, block), rest
	}
	return e, blocks
}

func counter(at int64, stage, name string, n int64) record.Sensor {
	return record.Sensor{Time: record.Nanos(at), Stage: stage, Counter: name, Value: n}
}

func TestTally(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tally.json")
	y, err := tally.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	add := func(boot byte, number uint64, flows int, counters ...record.Sensor) {
		t.Helper()
		y.Batch(entry(t, boot, number, flows, counters...))
	}
	check := func(when string, want tally.Loss) {
		t.Helper()
		if diff := cmp.Diff(want, y.Loss(id+"ffff")); diff != "" {
			t.Errorf("%s (-want +got)\n%s", when, diff)
		}
	}
	check("before anything came", tally.Loss{Reasons: map[string]uint64{}})
	add(1, 0, 10)
	add(1, 1, 0, counter(1, "uplink", "records_in", 12), counter(1, "spool", "drop_full_flow", 0))
	check("all is stored", tally.Loss{Reasons: map[string]uint64{}})
	add(1, 3, 7) // batch 2, of 5 records, is on its way or lost
	add(1, 4, 0, counter(2, "uplink", "records_in", 27), counter(2, "spool", "drop_full_flow", 3), counter(2, "capture", "drop_ring_full", 9))
	// made 27; stored 10+2+7+3; given up 3; 2 wait
	check("some are lost", tally.Loss{Records: 3, Waiting: 2, Frames: 9, Reasons: map[string]uint64{"spool.drop_full_flow": 3, "capture.drop_ring_full": 9}})
	add(1, 4, 0, counter(9, "spool", "drop_full_flow", 99)) // a batch that was counted
	add(1, 5, 4)                                            // after the last word of that boot
	if err := y.Commit(); err != nil {
		t.Fatal(err)
	}
	if y, err = tally.Open(path); err != nil {
		t.Fatal(err)
	}
	add(1, 5, 4) // the lake reads it again after a crash
	add(2, 0, 0, counter(5, "uplink", "records_in", 3), counter(5, "capture", "drop_ring_full", 4), counter(5, "spool", "drop_full_dns", 1))
	// The sensor was started anew: what was in its RAM is lost, and its counters began again. Of 3 records one was given up.
	check("after a boot", tally.Loss{Records: 6, Frames: 13, Reasons: map[string]uint64{
		"spool.drop_full_flow": 3, "spool.drop_full_dns": 1, "uplink.left_behind": 2, "capture.drop_ring_full": 13,
	}})
	for boot := range byte(10) { // older boots are added up
		add(3+boot, 0, 0, counter(6, "uplink", "records_in", 2), counter(6, "spool", "drop_full_flow", 1))
	}
	if got := y.Loss(id); got.Records != 16 || got.Frames != 13 {
		t.Errorf("after ten more boots %+v", got)
	}
}

// A sensor that makes up counters makes a tally keep a bounded number of names,
// however often it boots, and what it said in them is still in the sum.
func TestMadeUpCounters(t *testing.T) {
	y, err := tally.Open(filepath.Join(t.TempDir(), "tally.json"))
	if err != nil {
		t.Fatal(err)
	}
	for boot := range byte(20) {
		var all []record.Sensor
		for n := range 200 {
			all = append(all, counter(1, "spool", fmt.Sprintf("drop_%d_%d", boot, n), 1))
		}
		y.Batch(entry(t, boot, 0, 0, all...))
	}
	if l := y.Loss(id); l.Records != 20*200 || len(l.Reasons) > 2000 {
		t.Errorf("%d records are lost for %d reasons, want 4000 for few", l.Records, len(l.Reasons))
	}
}

// Counters go on where a sensor's clock was years ahead and was then set.
func TestClockSetBack(t *testing.T) {
	y, err := tally.Open(filepath.Join(t.TempDir(), "tally.json"))
	if err != nil {
		t.Fatal(err)
	}
	ahead := int64(1) << 62
	y.Batch(entry(t, 1, 1, 0, counter(ahead, "capture", "drop_ring_full", 5), counter(ahead, "spool", "drop_full_flow", 2)))
	y.Batch(entry(t, 1, 3, 0, counter(9, "capture", "drop_ring_full", 8), counter(9, "spool", "drop_full_flow", 3)))
	y.Batch(entry(t, 1, 2, 0, counter(7, "capture", "drop_ring_full", 6))) // overtaken
	y.Batch(entry(t, 2, 0, 0, counter(1, "capture", "drop_ring_full", 1)))
	y.Batch(entry(t, 1, 4, 0, counter(10, "capture", "drop_ring_full", 8))) // of the boot before, late
	if l := y.Loss(id); l.Frames != 9 || l.Records != 3 {
		t.Errorf("%d frames and %d records are lost, want 9 and 3", l.Frames, l.Records)
	}
}
