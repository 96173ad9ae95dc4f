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
	m.add(bootKey{boot: [16]byte{1}}, 1, 0)
	m.add(bootKey{boot: [16]byte{2}}, 1, forgetAfter+1)
	m.forget()
	if m.contains(bootKey{boot: [16]byte{1}}, 1) || !m.contains(bootKey{boot: [16]byte{2}}, 1) {
		t.Errorf("memory after forgetting: %v", m)
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
