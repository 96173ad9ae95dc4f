package session_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

func TestHead(t *testing.T) {
	head := session.Head(session.TypeAck, 0x01020304)
	typ, id, err := session.ParseHead(head[:])
	if typ != session.TypeAck || id != 0x01020304 || err != nil {
		t.Errorf("ParseHead = %v, %x, %v", typ, id, err)
	}
	tests := []struct{ name, datagram, want string }{
		{"empty", "", "cut short"},
		{"magic", "xx\x01\x01\x00\x00\x00\x00", "not taproot's"},
		{"version", "tp\x02\x01\x00\x00\x00\x00", "unknown version 2, want 1"},
		{"type", "tp\x01\x08\x00\x00\x00\x00", "unknown type 8"},
		{"oversize", "tp\x01\x04" + strings.Repeat("x", 1200), "at most 1200"},
	}
	for _, tt := range tests {
		if _, _, err := session.ParseHead([]byte(tt.datagram)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestDataRoundTrip(t *testing.T) {
	want := session.Data{Batch: 7, Floor: 3, Size: 200_000, Offset: 1136, Chunk: make([]byte, session.MaxChunk)}
	plain := want.Append(nil)
	if len(plain) != seal.MaxPlain {
		t.Errorf("a full DATA has %d bytes, want %d", len(plain), seal.MaxPlain)
	}
	got, err := session.ParseData(plain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("data (-want +got)\n%s", diff)
	}
}

func TestParseDataRefuses(t *testing.T) {
	tests := []struct {
		name string
		data session.Data
		want string
	}{
		{"no chunk", session.Data{Size: 1}, "cut short"},
		{"size", session.Data{Size: 1 << 30, Chunk: []byte("x")}, "at most"},
		{"beyond the end", session.Data{Size: 5, Offset: 5, Chunk: []byte("x")}, "ends at 6 of 5"},
		{"offset wraps", session.Data{Size: 5, Offset: 1<<32 - 1, Chunk: []byte("xx")}, "of 5"},
		{"floor", session.Data{Floor: 1, Size: 1, Chunk: []byte("x")}, "below the floor"},
		{"last number", session.Data{Batch: math.MaxUint64, Size: 1, Chunk: []byte("x")}, "no batch has the number"},
	}
	for _, tt := range tests {
		if _, err := session.ParseData(tt.data.Append(nil)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func sampleAck() session.Ack {
	var w session.Window
	for _, n := range []uint64{0, 1, 2, 5, 9, 700} {
		w.Mark(n)
	}
	return session.Ack{Rejoin: true, Time: 1700000000_000000000, Window: 1 << 20, Pace: 9000, Config: [32]byte{1}, Packets: w.Received(),
		Stored: ranges.Of(ranges.Range{First: 0, Last: 5}, ranges.Range{First: 8, Last: 9})}
}

func TestAckRoundTrip(t *testing.T) {
	want := sampleAck()
	plain := want.Append(nil)
	got, err := session.ParseAck(plain)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(ranges.Set{})); diff != "" {
		t.Errorf("ack (-want +got)\n%s", diff)
	}
	for n := range plain {
		if _, err := session.ParseAck(plain[:n]); err == nil {
			t.Errorf("ACK cut at %d of %d bytes was taken", n, len(plain))
		}
	}
}

func TestAckCarriesTheLowestRanges(t *testing.T) {
	var a session.Ack
	for n := range uint64(100) {
		a.Stored.Add(2 * n)
	}
	got, err := session.ParseAck(a.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Stored.Runs()); n != session.MaxRanges || !got.Stored.Contains(0) {
		t.Errorf("ACK carries %d ranges, want the lowest %d", n, session.MaxRanges)
	}
}

// A window must say what a set says, but for numbers that are too old.
func TestWindowAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var w session.Window
	seen := map[uint64]bool{}
	var next uint64
	for range 20_000 {
		n := next + rnd.Uint64N(20)
		if back := rnd.Uint64N(1500); rnd.Uint64N(3) > 0 && back <= n {
			n -= back
		}
		if rnd.Uint64N(2000) == 0 {
			n += 5000
		}
		old := n+1024 < next
		if got := w.Fresh(n); got != (!seen[n] && !old) {
			t.Fatalf("Fresh(%d) = %v, seen %v, next %d", n, got, seen[n], next)
		}
		if w.Fresh(n) {
			w.Mark(n)
			seen[n] = true
			next = max(next, n+1)
		}
		if rnd.Uint64N(50) == 0 {
			r := w.Received()
			for n := uint64(0); n < next+3; n++ {
				if told := n+1024 >= next; told && r.Has(n) != seen[n] || !told && r.Has(n) {
					t.Fatalf("Received.Has(%d) = %v, seen %v, next %d", n, r.Has(n), seen[n], next)
				}
			}
		}
	}
}

func FuzzParseHead(f *testing.F) {
	head := session.Head(session.TypeData, 1)
	f.Add(head[:])
	f.Fuzz(func(t *testing.T, d []byte) { session.ParseHead(d) })
}

func FuzzParseData(f *testing.F) {
	d := session.Data{Batch: 7, Floor: 3, Size: 200_000, Offset: 1136, Chunk: []byte("chunk")}
	f.Add(d.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := session.ParseData(b); err == nil && string(d.Append(nil)) != string(b) {
			t.Fatal("DATA does not come back as it was")
		}
	})
}

func FuzzParseAck(f *testing.F) {
	a := sampleAck()
	f.Add(a.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := session.ParseAck(b); err == nil {
			if _, err := session.ParseAck(a.Append(nil)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
