package quota

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// burstFor is for how long a sensor may bring as much as it likes, in what it
	// brings at its rate: it has a spool to empty after a collector was away.
	burstFor = 4 // seconds
	// leastBurst lets a sensor whose rate is low keep a window full, twice.
	leastBurst = 4 << 20
	// maxLots bounds what is remembered of where a sensor's bytes are.
	maxLots = 64
)

// Shares bounds what each sensor brings into the journal, so that one which
// brings without end does not take the place of all others: its bytes per
// second, and its part of what waits there for the consumers. No sensor may
// have more waiting than there is room left (Choudhury and Hahne, "Dynamic
// queue length thresholds", 1998): one alone may fill half of the journal, two
// a third each, and some is always left for the others.
//
// It remembers every sensor that was approved since the collector started. A nil
// Shares bounds nothing.
type Shares struct {
	rate  float64 // bytes per second; 0 for no bound
	burst float64
	room  atomic.Pointer[Room]

	mu      sync.Mutex
	sensors map[[32]byte]*Share
}

// Room is what is known of the journal: the numbers of its oldest segment and of
// the one that is appended to, and how many bytes it may still take.
type Room struct {
	Oldest, Newest uint64
	Left           int64
}

// Usage is what one sensor has of its share.
type Usage struct {
	Stored  uint64 `json:"stored"`  // bytes of its batches since the collector started
	Waiting int64  `json:"waiting"` // bytes of those in segments of the journal that the consumers have not done with
	Refused uint64 `json:"refused"` // batches that were not taken; it sends them again
	Slowed  bool   `json:"slowed"`  // it is told to send less than it could
}

// NewShares returns shares of perSecond bytes for each sensor; 0 is no bound of
// what comes, and leaves that of what waits.
func NewShares(perSecond int64) *Shares {
	s := &Shares{rate: float64(perSecond), burst: max(float64(perSecond)*burstFor, leastBurst), sensors: map[[32]byte]*Share{}}
	s.SetRoom(Room{Left: math.MaxInt64})
	return s
}

// SetRoom says how the journal is, every second or so.
func (s *Shares) SetRoom(r Room) { s.room.Store(&r) }

// Of returns the share of a sensor.
func (s *Shares) Of(sensor [32]byte) *Share {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.sensors[sensor]
	if h == nil {
		h = &Share{all: s}
		s.sensors[sensor] = h
	}
	return h
}

// Usage returns what a sensor has of its share.
func (s *Shares) Usage(sensor [32]byte, now time.Time) Usage {
	s.mu.Lock()
	h := s.sensors[sensor]
	s.mu.Unlock()
	if h == nil {
		return Usage{}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.usage
	u.Waiting = h.waitingLocked(s.room.Load())
	pace, window := h.limitsLocked(now)
	u.Slowed = pace > 0 || window < 1
	return u
}

// Share is one sensor's, of all its sessions and boots. It is safe for
// concurrent use; a nil Share bounds nothing.
type Share struct {
	all *Shares

	mu     sync.Mutex
	bucket bucket
	lots   []lot // the oldest first
	usage  Usage
}

// lot is what was brought while a segment was the newest.
type lot struct {
	segment uint64
	bytes   int64
}

// Take takes room for n bytes that are to be stored; not ok if the sensor has
// had its share.
func (h *Share) Take(n int, now time.Time) bool {
	if h == nil {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	room := h.all.room.Load()
	if h.waitingLocked(room) > room.Left || h.all.rate > 0 && !h.bucket.take(float64(n), h.all.fill(), now) {
		h.usage.Refused++
		return false
	}
	h.usage.Stored += uint64(n)
	if last := len(h.lots) - 1; last >= 0 && h.lots[last].segment == room.Newest {
		h.lots[last].bytes += int64(n)
		return true
	}
	if len(h.lots) == maxLots { // the two oldest go together, when the younger does
		h.lots[1].bytes += h.lots[0].bytes
		h.lots = slices.Delete(h.lots, 0, 1)
	}
	h.lots = append(h.lots, lot{room.Newest, int64(n)})
	return true
}

// GiveBack undoes Take for n bytes that could not be stored.
func (h *Share) GiveBack(n int) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.usage.Stored -= uint64(n)
	h.bucket.tokens = min(h.all.burst, h.bucket.tokens+float64(n))
	if last := len(h.lots) - 1; last >= 0 {
		h.lots[last].bytes = max(0, h.lots[last].bytes-int64(n))
	}
}

// Limits returns what a sensor that keeps to it is never refused with: bytes per
// second, 0 for no bound, and how much of its window it may use, from 0 to 1.
func (h *Share) Limits(now time.Time) (pace uint32, window float64) {
	if h == nil {
		return 0, 1
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limitsLocked(now)
}

// limitsLocked has a sensor keep to its rate from half of its burst on, and
// closes the window while what waits goes from half of its bound to all.
func (h *Share) limitsLocked(now time.Time) (pace uint32, window float64) {
	if h.all.rate > 0 && h.bucket.level(h.all.fill(), now) < h.all.burst/2 {
		pace = uint32(min(h.all.rate, math.MaxUint32))
	}
	room := h.all.room.Load()
	waiting, most := float64(h.waitingLocked(room)), float64(max(room.Left, 1))
	return pace, max(0, min(1, 2-2*waiting/most))
}

// waitingLocked returns how many bytes of the sensor are in whole segments that
// the consumers have not done with. What is in the newest does not count: that
// cannot be removed before more is appended.
func (h *Share) waitingLocked(room *Room) (n int64) {
	h.lots = slices.DeleteFunc(h.lots, func(l lot) bool { return l.segment < room.Oldest })
	for _, l := range h.lots {
		if l.segment < room.Newest {
			n += l.bytes
		}
	}
	return n
}

func (s *Shares) fill() Rate { return Rate{PerSecond: s.rate, Burst: s.burst} }
