package flight

import "time"

const (
	// initialRTT is RFC 9002's guess, section 6.2.2.
	initialRTT = 333 * time.Millisecond
	// ackDelay is the longest that a collector waits before it acknowledges
	// a packet: it gathers acks for 2 ms, the rest is for a busy machine.
	ackDelay = 25 * time.Millisecond
	// granularity is the shortest wait that timers and schedulers keep.
	granularity = time.Millisecond
	// leastFor is how long the least round trip counts: routes change, and a
	// queue of others that never empties would be taken for the road itself.
	leastFor = 10 * time.Second
)

// rtt estimates the round trip time as RFC 9002, section 5, and the part of it
// that is spent in queues.
type rtt struct {
	smooth, vary time.Duration // smooth is 0 before the first sample
	latest       time.Duration

	// The least round trip of this and of the last leastFor: what the road
	// takes with no queue on it.
	least, leastBefore time.Duration
	since              time.Time

	round     time.Duration // least of the round under way; 0 for no sample
	samples   int           // in it
	lastRound time.Duration // of the round before
}

// roundSamples is how many samples a round has at least, so that its least says
// something where round trips vary.
const roundSamples = 16

func (r *rtt) sample(d time.Duration, now time.Time) {
	d = max(d, 1)
	r.latest = d
	if r.smooth == 0 {
		r.smooth, r.vary = d, d/2
	} else {
		r.vary = (3*r.vary + (r.smooth - d).Abs()) / 4
		r.smooth = (7*r.smooth + d) / 8
	}
	if now.Sub(r.since) > leastFor {
		r.leastBefore, r.least, r.since = r.least, d, now
	}
	r.least = min(r.least, d)
	r.samples++
	if r.round == 0 || d < r.round {
		r.round = d
	}
}

// base returns the round trip of the road with empty queues.
func (r *rtt) base() time.Duration {
	if r.leastBefore != 0 {
		return min(r.least, r.leastBefore)
	}
	return r.least
}

// queue returns how long packets now wait in queues: the least round trip of
// the newer of two rounds over that of the road. The least, since reordering
// and a busy machine delay some packets and a queue delays all of them.
func (r *rtt) queue() time.Duration {
	now := r.round
	if r.lastRound != 0 && (now == 0 || r.lastRound < now) {
		now = r.lastRound
	}
	return max(now-r.base(), 0)
}

// endRound begins a new round.
func (r *rtt) endRound() {
	if r.round != 0 {
		r.lastRound = r.round
	}
	r.round, r.samples = 0, 0
}

// timeout returns how long to wait for an answer: RFC 9002, section 6.2.1.
func (r *rtt) timeout() time.Duration {
	if r.smooth == 0 {
		return 3 * initialRTT
	}
	return r.smooth + max(4*r.vary, granularity) + ackDelay
}
