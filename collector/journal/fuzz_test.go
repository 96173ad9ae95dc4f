package journal

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
)

// sampleSegment has a checkpoint of three runs and two records.
func sampleSegment() []byte {
	m := make(memory)
	for _, n := range []uint64{1, 2, 5, 1 << 60} {
		m.add(bootKey{[32]byte{1}, [16]byte{2}}, n, 7)
	}
	b := appendHeader(nil, 3, 9, m)
	for _, e := range []Entry{{Batch: 6, Body: []byte("body")}, {Batch: 7}} {
		head := recordHead(&e)
		b = append(append(b, head[:]...), e.Body...)
	}
	return b
}

// FuzzSegment: whatever is in a segment, reading it ends, with entries that
// carry the right checksum or an error that says where.
func FuzzSegment(f *testing.F) {
	f.Add(sampleSegment())
	f.Add(sampleSegment()[:70])
	f.Add(appendHeader(nil, 3, 9, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		_, off, err := readHeader(r, 3, int64(len(b)))
		var bad *CorruptionErr
		if err != nil {
			if !errors.As(err, &bad) {
				t.Fatalf("readHeader: %v", err)
			}
			off = int64(headerSize) // the records may still be there
		}
		s := scanner{r: r, number: 3, off: off, end: int64(len(b))}
		for {
			at := s.off
			e, err := s.next()
			if err != nil {
				if err != io.EOF && (!errors.As(err, &bad) || bad.Offset != at) {
					t.Fatalf("next at %d: %v", at, err)
				}
				return
			}
			head := recordHead(&e)
			if !bytes.Equal(b[at:s.off], append(head[:], e.Body...)) {
				t.Fatalf("entry at %d does not survive a round trip", at)
			}
		}
	})
}

func TestMemoryForgets(t *testing.T) {
	m := make(memory)
	const day = 24 * 3600 * 1e9
	silent := bootKey{sensor: [32]byte{1}} // may come back with a full spool, however late
	m.add(silent, 1, 0)
	for n := range int64(100) {
		m.add(bootKey{[32]byte{2}, [16]byte{byte(n)}}, 1, 365*day+n)
	}
	m.forget()
	if !m.contains(silent, 1) {
		t.Error("the only boot of a sensor is forgotten")
	}
	if !m.contains(bootKey{[32]byte{2}, [16]byte{99}}, 1) || len(m) > 10 {
		t.Errorf("of 100 boots %d are left", len(m)-1)
	}
}

// However a sensor numbers its batches, the memory of a boot has a bound; the
// newest are remembered.
func TestMemoryIsBounded(t *testing.T) {
	m, boot := make(memory), bootKey{}
	for n := range uint64(3 * maxRuns) {
		m.add(boot, 2*n, 0)
	}
	if n := len(m[boot].set.Runs()); n > maxRuns {
		t.Errorf("%d runs", n)
	}
	if newest := uint64(2 * (3*maxRuns - 1)); !m.contains(boot, newest) || m.contains(boot, newest-1) || m.contains(boot, newest+1) {
		t.Error("what was stored last is not remembered as it is")
	}
}

// FuzzCheckpoint goes past the checksum that keeps FuzzSegment out.
func FuzzCheckpoint(f *testing.F) {
	m := make(memory)
	for _, n := range []uint64{1, 2, 5, 1 << 60} {
		m.add(bootKey{[32]byte{1}, [16]byte{2}}, n, 7)
	}
	f.Add(m.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMemory(b)
		if err != nil {
			return
		}
		again, err := parseMemory(m.append(nil))
		if err != nil || len(again) != len(m) {
			t.Fatalf("%d boots do not survive a round trip: %d, %v", len(m), len(again), err)
		}
		for k, b := range m {
			if !slices.Equal(b.set.Runs(), again[k].set.Runs()) || b.last != again[k].last {
				t.Fatalf("boot %x does not survive a round trip", k.boot)
			}
		}
	})
}
