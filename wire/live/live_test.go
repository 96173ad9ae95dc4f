package live_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/wire/live"
)

func sample() live.Sheet {
	return live.Sheet{Board: "pc", Release: "1.2.3", Size: 4 << 20, SHA256: live.Hash{1}, Pieces: []live.Piece{
		{From: 2 << 20, Size: 1 << 20, To: []int64{0}},
		{From: 1 << 20, Size: 1 << 20, To: []int64{1 << 20, 2 << 20}},
	}}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	b, err := want.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != live.SheetSize {
		t.Errorf("sheet of %d bytes, want %d", len(b), live.SheetSize)
	}
	got, err := live.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	want.Kind = got.Kind
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(*live.Sheet)
		want   string
	}{
		{"no board", func(s *live.Sheet) { s.Board = "" }, "board"},
		{"no disk", func(s *live.Sheet) { s.Size = 0 }, "disk of 0"},
		{"huge disk", func(s *live.Sheet) { s.Size = 1 << 40 }, "disk of"},
		{"no pieces", func(s *live.Sheet) { s.Pieces = nil }, "0 pieces"},
		{"before the ISO", func(s *live.Sheet) { s.Pieces[0].From = -1 }, "piece 0: out of bounds"},
		{"nowhere", func(s *live.Sheet) { s.Pieces[1].To = nil }, "piece 1: out of bounds"},
		{"behind the disk", func(s *live.Sheet) { s.Pieces[1].To[1] = 3<<20 + 1 }, "piece 1: ends behind"},
		{"larger than the disk", func(s *live.Sheet) { s.Pieces[1].Size = 5 << 20 }, "piece 1: out of bounds"},
	}
	for _, tt := range tests {
		s := sample()
		tt.change(&s)
		if _, err := s.Append(nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestParseOtherBytes(t *testing.T) {
	for _, b := range [][]byte{nil, make([]byte, live.SheetSize), []byte(`{"kind":"other"}`)} {
		if _, err := live.Parse(b); !errors.Is(err, live.ErrNone) {
			t.Errorf("%.20q: got %v, want ErrNone", b, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, err := sample().Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"kind":"taproot install 1","size":9223372036854775807,"pieces":[{"from":1,"size":9223372036854775807,"to":[9]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := live.Parse(b)
		if err != nil {
			return
		}
		for _, p := range s.Pieces {
			for _, to := range p.To {
				if p.Size <= 0 || to < 0 || to+p.Size > s.Size {
					t.Errorf("piece %+v passed for a disk of %d", p, s.Size)
				}
			}
		}
	})
}
