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
	checkpoint := m.append(nil)
	h := header{number: 3, created: 9, marker: sampleMarker, length: len(checkpoint)}
	b := h.append(nil, checkpoint)
	for _, e := range []Entry{{Batch: 6, Body: []byte("body")}, {Batch: 7}} {
		b = appendRecord(b, &e)
	}
	return b
}

var sampleMarker = marker{0xfe, 1, 2, 3, 4, 5, 6, 7}

func appendRecord(dst []byte, e *Entry) []byte {
	head := recordHead(e)
	copy(head[:], sampleMarker[:])
	return append(append(dst, head[:]...), e.Body...)
}

// FuzzSegment: whatever is in a segment, reading it ends, with entries that
// carry the right checksum or an error that says where.
func FuzzSegment(f *testing.F) {
	whole := sampleSegment()
	f.Add(whole)
	f.Add(whole[:70])
	f.Add(whole[:len(whole)-30])
	f.Add(append(append(whole[:len(whole):len(whole)], "a damaged place"...), whole[len(whole)-80:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := readHeader(r, 3, int64(len(b)))
		var bad *CorruptionErr
		off := h.first()
		if err != nil {
			if !errors.As(err, &bad) {
				t.Fatalf("readHeader: %v", err)
			}
			h.marker, off = sampleMarker, min(2*page, int64(len(b))) // the records may still be there
		} else if _, err := h.readCheckpoint(r); err != nil && !errors.As(err, &bad) {
			t.Fatalf("readCheckpoint: %v", err)
		}
		s := scanner{r: r, number: 3, marker: h.marker, off: off, end: int64(len(b))}
		for {
			at := s.off
			e, err := s.next()
			switch {
			case err == io.EOF:
				return
			case errors.As(err, &bad):
				if bad.Offset != at || bad.Bytes != s.off-at || bad.Bytes <= 0 {
					t.Fatalf("damage at %d, next at %d: %v", at, s.off, err)
				}
			case err != nil:
				t.Fatalf("next at %d: %v", at, err)
			default:
				head := recordHead(&e)
				copy(head[:], h.marker[:])
				if !bytes.Equal(b[at:s.off], append(head[:], e.Body...)) {
					t.Fatalf("entry at %d does not survive a round trip", at)
				}
			}
		}
	})
}

// A sensor cannot make records of its own by what it puts into a batch: it does
// not know the marker.
func TestResumeTakesNoRecordFromABody(t *testing.T) {
	forged := Entry{Sensor: [32]byte{9}, Batch: 9, Body: []byte("never stored")}
	head := recordHead(&forged)
	copy(head[:], "\xfe\x01\x02\x03\x04\x05\x06\x08") // a guess
	body := append(head[:], forged.Body...)
	var b []byte
	for n := range uint64(3) {
		b = appendRecord(b, &Entry{Batch: n, Body: body})
	}
	damaged := len(b)/3 + 9 // in the length of the second
	b[damaged] ^= 0x40
	s := scanner{r: bytes.NewReader(b), number: 1, marker: sampleMarker, end: int64(len(b))}
	var got []uint64
	var bad *CorruptionErr
	for {
		e, err := s.next()
		if err == io.EOF {
			break
		}
		if errors.As(err, &bad) {
			continue
		}
		got = append(got, e.Batch)
	}
	if !slices.Equal(got, []uint64{0, 2}) || bad == nil || bad.Bytes != int64(len(b)/3) {
		t.Errorf("entries %v, damage %v", got, bad)
	}
}

func TestMemoryForgets(t *testing.T) {
	m := make(memory)
	const day = 24 * 3600 * 1e9
	silent := bootKey{sensor: [32]byte{1}} // may come back with a full spool, however late
	m.add(silent, 1, 0)
	for n := range int64(100) {
		m.add(bootKey{[32]byte{2}, [16]byte{byte(n)}}, 1, 365*day+n)
	}
	other := bootKey{[32]byte{2}, [16]byte{7}} // an old one, of which a reader must leave something out
	m.lose(other, 1, 5)
	m.forget(5)
	if !m.isElsewhere(other, 1) {
		t.Error("what belongs to another collector is forgotten while its segment is there")
	}
	m.forget(6)
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
	m.lose(bootKey{[32]byte{1}, [16]byte{2}}, 5, 3)
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
			if !slices.Equal(b.set.Runs(), again[k].set.Runs()) || b.last != again[k].last ||
				!slices.Equal(b.elsewhere.Runs(), again[k].elsewhere.Runs()) || b.newest != again[k].newest {
				t.Fatalf("boot %x does not survive a round trip", k.boot)
			}
		}
	})
}
