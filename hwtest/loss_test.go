package hwtest

import (
	"testing"

	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// flows returns a batch of n flow records.
func flows(n int) batch.Frame {
	b := record.NewBuilder(record.FlowDef)
	for i := range n {
		record.Append(b, &record.Flow{Start: record.Nanos(i), ID: uint64(i)})
	}
	raw := b.AppendBlock(nil)
	return batch.Frame{Class: batch.Records, Records: n, Kinds: []batch.KindCount{{Kind: "flow", Records: n}}, Batch: batch.Append(nil, batch.None, len(raw), raw)}
}

// What a sensor had to give up, since its collector was away for longer than its
// RAM lasts, is what "taproot sensors" shows: to the record.
func TestLossIsKnown(t *testing.T) {
	c := startWholeCollector(t)
	s := spool.New(40 << 10)
	u := startUplinkWith(t, c.site(t, c.addr), func(cfg *uplink.Config) { cfg.Spool = s })
	const batches, each = 300, 10
	for range batches {
		if err := batch.WriteFrame(u.pipe, flows(each)); err != nil {
			t.Fatal(err)
		}
	}
	c.approve(t)
	u.finish(t)
	eventually(t, "the lake has read what is stored, and lost is what is not", func() bool {
		// The query engine may not be built here; the question flushes the lake all the same.
		c.Query(t.Context(), "SELECT 1", func([]byte) error { return nil })
		status, err := c.Status(t.Context())
		return err == nil && status.Counters["lake_rows"] > 0
	})
	gaveUp := s.DroppedKinds()["flow"]
	list, err := c.Sensors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if gaveUp == 0 || gaveUp >= batches*each || gaveUp%each != 0 {
		t.Fatalf("the spool gave up %d records: the test proves nothing", gaveUp)
	}
	got := list[0].Loss
	if got.Records != gaveUp || got.Waiting != 0 || got.Reasons["spool.drop_full_flow"] != gaveUp {
		t.Errorf("loss = %+v, want %d records and none waiting", got, gaveUp)
	}
}
