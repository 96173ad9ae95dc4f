package swarm

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in steps of an eighth of a power of two of
// microseconds, so that an hour of them takes no more room than a second.
type histogram [8 * 40]atomic.Uint64

// Latency has the counts of a histogram.
type Latency [8 * 40]uint64

func bucketOf(d time.Duration) int {
	us := max(uint64(d.Microseconds()), 8)
	e := bits.Len64(us) - 4 // us>>e has four bits, of which the first is 1
	return min(8*e+int(us>>e)-8, len(Latency{})-1)
}

// end returns the end of a bucket.
func end(bucket int) time.Duration {
	return time.Duration(uint64(bucket%8+9)<<(bucket/8)) * time.Microsecond
}

func (h *histogram) add(d time.Duration) { h[bucketOf(d)].Add(1) }

func (h *histogram) latency() (l Latency) {
	for i := range h {
		l[i] = h[i].Load()
	}
	return l
}

// Since returns what came after earlier.
func (l Latency) Since(earlier Latency) Latency {
	for i := range l {
		l[i] -= earlier[i]
	}
	return l
}

// Quantile returns the duration that a share q, of 1, does not exceed, to an
// eighth; 0 where nothing was counted.
func (l Latency) Quantile(q float64) time.Duration {
	var all, seen uint64
	for _, n := range l {
		all += n
	}
	for i, n := range l {
		if seen += n; n > 0 && float64(seen) >= q*float64(all) {
			return end(i)
		}
	}
	return 0
}
