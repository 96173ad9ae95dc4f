package slots_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/slots"
)

// disk is one in memory.
type disk struct{ b []byte }

func (d *disk) ReadAt(p []byte, at int64) (int, error)  { return bytes.NewReader(d.b).ReadAt(p, at) }
func (d *disk) WriteAt(p []byte, at int64) (int, error) { return copy(d.b[at:], p), nil }
func (d *disk) Flush() error                            { return nil }
func (d *disk) Size() int64                             { return int64(len(d.b)) }

// full is a state that uses every field.
func full() slots.State {
	s := slots.State{Committed: slots.B, Digest: slots.Digest{1, 2}, Floor: 7,
		Trial: &slots.Trial{Slot: slots.A, Digest: slots.Digest{3}, Floor: 8, Confirm: 10 * time.Minute, Started: true}}
	for i := range 64 {
		s.Failed = append(s.Failed, slots.Failed{Digest: slots.Digest{byte(i), 9}, Tries: byte(i), Why: slots.Unconfirmed})
	}
	return s
}

func TestRecord(t *testing.T) {
	for _, want := range []slots.State{{Committed: slots.A}, full()} {
		b := slots.AppendRecord(nil, 42, want)
		sequence, got, err := slots.ParseRecord(b)
		if err != nil || sequence != 42 || !reflect.DeepEqual(got, want) {
			t.Errorf("got %d, %+v, %v, want 42, %+v", sequence, got, err, want)
		}
		for i := range b {
			b[i] ^= 0x40
			if _, _, err := slots.ParseRecord(b); err == nil {
				t.Fatalf("a record with byte %d changed is read", i)
			}
			b[i] ^= 0x40
		}
	}
}

// TestJournal: the older record is written over, and of two the younger counts.
func TestJournal(t *testing.T) {
	d := &disk{make([]byte, 1<<20)}
	table := slots.Table{board.RegionJournal: {Start: 0, Size: 1 << 20}}
	j, s, err := slots.OpenJournal(d, table)
	if err != nil || s.Committed != "" {
		t.Fatalf("empty journal: %+v, %v", s, err)
	}
	for floor := range uint64(5) {
		before := bytes.Clone(d.b)
		if err := j.Write(slots.State{Committed: slots.A, Floor: floor}); err != nil {
			t.Fatal(err)
		}
		if j, s, err = slots.OpenJournal(d, table); err != nil || s.Floor != floor {
			t.Fatalf("got floor %d, %v, want %d", s.Floor, err, floor)
		}
		if floor == 0 {
			continue
		}
		// With the younger record torn, the one before it counts.
		torn := &disk{bytes.Clone(d.b)}
		for i := range torn.b {
			if torn.b[i] != before[i] {
				torn.b[i] ^= 0xff
				break
			}
		}
		if _, s, err := slots.OpenJournal(torn, table); err != nil || s.Floor != floor-1 {
			t.Errorf("torn: got floor %d, %v, want %d", s.Floor, err, floor-1)
		}
	}
	if _, _, err := slots.OpenJournal(d, slots.Table{}); err == nil {
		t.Error("a disk without the region has a journal")
	}
}

func TestFailed(t *testing.T) {
	var s slots.State
	a, b := slots.Digest{1}, slots.Digest{2}
	s.Fail(a, slots.Silent)
	if err := s.Refuses(a); err != nil {
		t.Errorf("silent once, which may have been a power cut: %v", err)
	}
	s.Fail(a, slots.Silent)
	if s.Refuses(a) == nil {
		t.Error("silent twice, and may be tried again")
	}
	s.Fail(b, slots.Unconfirmed)
	if s.Refuses(b) == nil {
		t.Error("unconfirmed, and may be tried again")
	}
	s.Forgive(b)
	if err := s.Refuses(b); err != nil {
		t.Error(err)
	}
	for i := range 100 {
		s.Fail(slots.Digest{3, byte(i)}, slots.Unconfirmed)
	}
	if len(s.Failed) != 64 || s.Refuses(slots.Digest{3, 99}) == nil {
		t.Errorf("%d failed digests are kept, want the last 64", len(s.Failed))
	}
}

// lying is a disk that forgets what it says it has written.
type lying struct{ disk }

func (l *lying) WriteAt(p []byte, at int64) (int, error) { return len(p), nil }

func TestWriteDurablyReadsBack(t *testing.T) {
	if err := slots.WriteDurably(&lying{disk{make([]byte, 1024)}}, []byte{1}, 0); !errors.Is(err, slots.ErrNotWritten) {
		t.Errorf("got %v, want ErrNotWritten", err)
	}
	if err := slots.WriteDurably(&disk{make([]byte, 1024)}, []byte{1}, 1024); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: got %v", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(slots.AppendRecord(nil, 1, full()))
	f.Fuzz(func(t *testing.T, b []byte) {
		sequence, s, err := slots.ParseRecord(b)
		if err != nil {
			return
		}
		if _, again, err := slots.ParseRecord(slots.AppendRecord(nil, sequence, s)); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%+v becomes %+v, %v", s, again, err)
		}
	})
}
