package quota_test

import (
	"math"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
)

// take brings batches of size bytes until one is refused.
func take(h *quota.Share, size int, now time.Time) (n int) {
	for h.Take(size, now) {
		n += size
	}
	return n
}

func TestShareRate(t *testing.T) {
	const rate = 2 << 20
	now := time.Unix(1e9, 0)
	s := quota.NewShares(rate)
	h := s.Of([32]byte{1})
	if pace, window := h.Limits(now); pace != 0 || window != 1 {
		t.Errorf("limits of one that has brought nothing: %d, %v", pace, window)
	}
	if got := take(h, 1<<10, now); got != 4*rate {
		t.Errorf("at once it brings %d, want %d", got, 4*rate)
	}
	if got := take(s.Of([32]byte{2}), 1<<10, now); got != 4*rate {
		t.Errorf("another brings %d then", got)
	}
	if pace, window := h.Limits(now); pace != rate || window != 1 {
		t.Errorf("limits of one that has had its share: %d, %v", pace, window)
	}
	if got := take(s.Of([32]byte{1}), 1<<10, now.Add(time.Second)); got != rate {
		t.Errorf("after a second it brings %d, want %d", got, rate)
	}
	now = now.Add(-time.Hour) // the clock was set back
	if got := take(h, 1<<10, now); got != 0 {
		t.Errorf("an hour before it brings %d", got)
	}
	h.GiveBack(1 << 10)
	want := quota.Usage{Stored: 5*rate - 1<<10, Refused: 3, Slowed: true}
	if got := s.Usage([32]byte{1}, now); got != want {
		t.Errorf("usage = %+v, want %+v", got, want)
	}
	if got := s.Usage([32]byte{3}, now); got != (quota.Usage{}) {
		t.Errorf("usage of nobody = %+v", got)
	}
}

// Of what waits, nobody has more than is left: one has half, two have a third
// each, and the one that comes last still finds room.
func TestShareOfJournal(t *testing.T) {
	const all, batch = 900 << 20, 1 << 20
	now := time.Unix(1e9, 0)
	s := quota.NewShares(0)
	segment, used := uint64(1), 0
	room := func() { s.SetRoom(quota.Room{Oldest: 1, Newest: segment, Left: int64(all - used)}) }
	fill := func(who ...byte) {
		for refused := 0; refused < len(who); {
			refused = 0
			for _, id := range who {
				segment++
				room()
				if s.Of([32]byte{id}).Take(batch, now) {
					used += batch
				} else {
					refused++
				}
			}
		}
	}
	has := func(id byte) int64 { return s.Usage([32]byte{id}, now).Waiting }
	near := func(got, want int64) bool { return math.Abs(float64(got-want)) <= 2*batch }
	fill(1)
	if !near(has(1), all/2) {
		t.Errorf("one alone has %d of %d", has(1), all)
	}
	if pace, window := s.Of([32]byte{1}).Limits(now); pace != 0 || window != 0 {
		t.Errorf("its limits are %d, %v", pace, window)
	}
	fill(2)
	if !near(has(2), all/4) {
		t.Errorf("a second one has %d of what is left of %d", has(2), all)
	}
	if !s.Of([32]byte{3}).Take(batch, now) {
		t.Error("a third one finds no room")
	}
	s.SetRoom(quota.Room{Oldest: segment, Newest: segment, Left: all}) // the consumers have done with it
	if _, window := s.Of([32]byte{1}).Limits(now); window != 1 || has(1) != 0 {
		t.Errorf("%d bytes still wait, window %v", has(1), window)
	}
	used, segment = 0, 1
	s = quota.NewShares(0)
	fill(1, 2)
	if !near(has(1), all/3) || !near(has(2), all/3) {
		t.Errorf("two have %d and %d of %d", has(1), has(2), all)
	}
}

// However many segments there are, what is brought while there is no room left
// of the journal's stays in the newest until that is whole.
func TestShareOfOneSegment(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := quota.NewShares(0)
	s.SetRoom(quota.Room{Oldest: 5, Newest: 5, Left: 10})
	h := s.Of([32]byte{1})
	for range 100 {
		if !h.Take(1<<20, now) { // else it could never be removed
			t.Fatal("what is in the newest segment counts")
		}
	}
	s.SetRoom(quota.Room{Oldest: 5, Newest: 6, Left: 10})
	if h.Take(1, now) {
		t.Error("what is in a whole segment does not count")
	}
}
