package ranges_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/internal/ranges"
)

func TestSet(t *testing.T) {
	s := ranges.Of(ranges.Range{5, 6}, ranges.Range{0, 1}, ranges.Range{9, 8})
	if s.Add(5) || !s.Add(2) || !s.Add(math.MaxUint64) || !s.Add(math.MaxUint64-1) {
		t.Error("Add reports the wrong thing")
	}
	want := []ranges.Range{{0, 2}, {5, 6}, {math.MaxUint64 - 1, math.MaxUint64}}
	if diff := cmp.Diff(want, s.Runs()); diff != "" {
		t.Errorf("runs (-want +got)\n%s", diff)
	}
	if s.Next() != 3 || s.Len() != 7 {
		t.Errorf("Next = %d, Len = %d, want 3 and 7", s.Next(), s.Len())
	}
	s.AddRange(ranges.Range{3, 4})
	if s.Next() != 7 {
		t.Errorf("Next = %d, want 7", s.Next())
	}
}

// The set must say what a map says, whatever the order.
func TestSetAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s ranges.Set
		has := map[uint64]bool{}
		for range 60 {
			r := ranges.Range{First: rnd.Uint64N(64), Last: 0}
			r.Last = r.First + rnd.Uint64N(6)
			s.AddRange(r)
			for n := r.First; n <= r.Last; n++ {
				has[n] = true
			}
			if s.Len() != uint64(len(has)) {
				t.Fatalf("Len = %d, want %d: %v", s.Len(), len(has), s.Runs())
			}
		}
		for n := range uint64(80) {
			if s.Contains(n) != has[n] {
				t.Fatalf("Contains(%d) = %v: %v", n, s.Contains(n), s.Runs())
			}
		}
	}
}
