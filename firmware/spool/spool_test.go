package spool_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
)

func frame(c batch.Class, size int) batch.Frame {
	return batch.Frame{Class: c, Records: 10, Kinds: []batch.KindCount{{Kind: "flow", Records: 7}, {Kind: "dns", Records: 2}}, Batch: make([]byte, size)}
}

func numbers(s *spool.Spool) (got []uint64) {
	for b, ok := s.From(0); ok; b, ok = s.From(b.Number + 1) {
		got = append(got, b.Number)
	}
	return got
}

func TestFullSpoolDropsLeastWorthThenOldest(t *testing.T) {
	s := spool.New(4 * (10 + 256)) // four batches, and what each costs beside its bytes
	for _, c := range []batch.Class{batch.Health, batch.Records, batch.Bulk, batch.Records, batch.Bulk, batch.Records} {
		s.Put(frame(c, 10))
	}
	if diff := cmp.Diff([]uint64{0, 1, 3, 5}, numbers(s)); diff != "" {
		t.Errorf("held (-want +got)\n%s", diff)
	}
	s.Put(frame(batch.Health, 20))
	if diff := cmp.Diff([]uint64{0, 5, 6}, numbers(s)); diff != "" {
		t.Errorf("held (-want +got)\n%s", diff)
	}
	for c, want := range []uint64{0, 2, 2} {
		if batches, records := s.Dropped(batch.Class(c)); batches != want || records != 10*want {
			t.Errorf("dropped of class %d = %d batches with %d records, want %d and %d", c, batches, records, want, 10*want)
		}
	}
	if diff := cmp.Diff(map[string]uint64{"flow": 28, "dns": 8, "other": 4}, s.DroppedKinds()); diff != "" {
		t.Errorf("dropped by kind (-want +got)\n%s", diff)
	}
	s.Put(frame(batch.Bulk, 500))
	if diff := cmp.Diff([]uint64{0, 5, 6}, numbers(s)); diff != "" {
		t.Errorf("held after one that is larger than the spool (-want +got)\n%s", diff)
	}
}

// Who fills the spool may have been taken over by the traffic that it parses.
func TestTinyBatchesAreBounded(t *testing.T) {
	s := spool.New(1 << 17)
	for range 5000 {
		s.Put(frame(batch.Records, 1))
	}
	if n := s.Len(); n > 600 {
		t.Errorf("%d batches of 1 byte in 128 KiB of RAM", n)
	}
}

func TestStored(t *testing.T) {
	s := spool.New(2000)
	for range 5 {
		s.Put(frame(batch.Records, 10))
	}
	set := ranges.Of(ranges.Range{First: 0, Last: 1}, ranges.Range{First: 3, Last: 3})
	if n, records := s.Stored(&set); n != 3 || records != 30 {
		t.Errorf("Stored = %d, %d, want 3, 30", n, records)
	}
	if n, _ := s.Stored(&set); n != 0 || s.Records() != 20 || s.Next() != 5 || s.Floor() != 2 || s.Bytes() != 20 || s.Len() != 2 {
		t.Errorf("floor %d, %d bytes, %d batches", s.Floor(), s.Bytes(), s.Len())
	}
	if _, ok := s.Get(3); ok {
		t.Error("batch 3 is still held")
	}
	if b, ok := s.Get(4); !ok || b.Number != 4 {
		t.Errorf("Get(4) = %v, %v", b, ok)
	}
	set.AddRange(ranges.Range{First: 0, Last: 9})
	s.Stored(&set)
	if s.Floor() != 5 {
		t.Errorf("floor of an empty spool = %d, want 5", s.Floor())
	}
}
