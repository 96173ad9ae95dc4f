package flight

import (
	"math"
	"time"

	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	segment       = session.MaxDatagram
	initialWindow = 10 * segment // RFC 6928
	leastWindow   = 2 * segment  // RFC 9002, section 7.2

	// CUBIC's constants, RFC 9438, sections 4.1 and 4.6.
	cubicC    = 0.4 // segments per second³
	cubicBeta = 0.7
	// renoAlpha makes the window grow as fast as Reno's would (section 4.3).
	renoAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta)

	// A queue counts as one when it holds packets for longer than queueLeast
	// and an eighth of the road's round trip: less is noise.
	queueLeast = 3 * time.Millisecond

	// lossSample is how many packets a share of lost ones is taken of, and
	// lossSamples of how many samples the least is what the road loses
	// whatever is sent.
	lossSample  = 100
	lossSamples = 10
	// lossExcess is how much more may be lost before that is congestion, with
	// no queue to be seen: BBR's loss threshold (draft-ietf-ccwg-bbr, 2.7).
	lossExcess = 0.02

	// slowRounds is for how many rounds slow start goes on at a quarter of
	// its speed when it sees a queue (RFC 9406, CSS_ROUNDS, CSS_GROWTH_DIVISOR).
	slowRounds = 5
	slowShare  = 4
)

// control decides how many bytes may be under way. It grows as CUBIC does (RFC
// 9438), but takes a loss for congestion only where a queue stands, or where
// more is lost than this road always loses; docs/adr/0065 has the reasons.
type control struct {
	window    float64 // bytes
	threshold float64 // slow start ends here, bytes
	slow      int     // rounds of slow start with a queue in sight
	slowBase  time.Duration

	most   float64   // window at the last reduction, bytes
	since  time.Time // when growth began; zero to begin at the next ack
	origin float64   // seconds from since to the flat part of the curve
	reno   float64   // what Reno's window would be, bytes

	sample  tally
	samples []float64 // shares of lost packets, the newest last
}

type tally struct{ lost, all int }

func newControl() control {
	return control{window: initialWindow, threshold: math.Inf(1)}
}

// inSlowStart reports whether the window doubles each round.
func (c *control) inSlowStart() bool { return c.window < c.threshold }

// came grows the window for bytes that came while it was the limit.
func (c *control) came(bytes int, r *rtt, now time.Time) {
	switch {
	case c.inSlowStart() && c.slow > 0:
		c.window += float64(bytes) / slowShare
	case c.inSlowStart():
		c.window += float64(bytes)
	default:
		c.cubic(float64(bytes), r, now)
	}
}

// cubic grows the window in congestion avoidance (RFC 9438, section 4.2).
func (c *control) cubic(bytes float64, r *rtt, now time.Time) {
	if c.since.IsZero() {
		c.since, c.reno, c.origin = now, c.window, 0
		if c.window < c.most {
			c.origin = math.Cbrt((c.most - c.window) / segment / cubicC)
		} else {
			c.most = c.window
		}
	}
	t := (now.Sub(c.since) + r.smooth).Seconds() - c.origin
	target := min(c.most+cubicC*t*t*t*segment, 1.5*c.window)
	alpha := renoAlpha
	if c.reno >= c.most {
		alpha = 1
	}
	c.reno += alpha * segment * bytes / c.window
	if target > c.window {
		c.window += (target - c.window) * bytes / c.window
	}
	c.window = max(c.window, c.reno)
}

// idle notes that the window was not the limit: time passes, it does not grow.
func (c *control) idle() { c.since = time.Time{} }

// queued reports whether packets wait in a queue now.
func queued(r *rtt) bool { return r.queue() > max(queueLeast, r.base()/8) }

// endRound looks at how the round trips of a round were: in slow start a queue
// is the sign to end it (RFC 9406).
func (c *control) endRound(r *rtt) {
	if !c.inSlowStart() || r.round == 0 {
		return
	}
	switch {
	case c.slow == 0 && queued(r):
		c.slow, c.slowBase = 1, r.round
	case c.slow > 0 && r.round < c.slowBase && !queued(r):
		c.slow = 0 // the queue was somebody else's burst
	case c.slow > 0:
		if c.slow++; c.slow > slowRounds {
			c.threshold, c.slow = c.window, 0
			c.idle()
		}
	}
}

// count takes what became of packets, for the share that the road loses, and
// reports whether more of them are lost than it always loses.
func (c *control) count(lost, came int) (excess bool) {
	c.sample.lost += lost
	c.sample.all += lost + came
	if c.sample.all < lossSample {
		return false
	}
	share, n := float64(c.sample.lost)/float64(c.sample.all), float64(c.sample.all)
	c.sample = tally{}
	if c.samples = append(c.samples, share); len(c.samples) > lossSamples {
		c.samples = c.samples[1:]
	}
	least := 1.0
	for _, s := range c.samples {
		least = min(least, s)
	}
	smooth := (least*n + 1) / (n + 2) // a share of 0 of n is not proof of 0
	return share > least+lossExcess+3*math.Sqrt(smooth*(1-smooth)/n)
}

// reduce narrows the window after congestion: by what drains the queue that
// was seen, and at most as CUBIC does.
func (c *control) reduce(r *rtt, excess bool) {
	share := cubicBeta
	if base := r.base(); !excess && base > 0 {
		share = max(share, base.Seconds()/(base+r.queue()).Seconds())
	}
	if c.window < c.most { // others want a share: fast convergence, RFC 9438, section 4.7
		c.most = c.window * (1 + share) / 2
	} else {
		c.most = c.window
	}
	c.window = max(c.window*share, leastWindow)
	c.threshold, c.slow = c.window, 0
	c.idle()
}

// collapse begins anew after a silence.
func (c *control) collapse() {
	c.threshold = max(c.window*cubicBeta, leastWindow)
	c.most, c.window, c.slow = c.window, leastWindow, 0
	c.idle()
}

// rate returns at how many bytes per second packets are to leave: somewhat
// faster than the window alone would let them (RFC 9002, section 7.7).
func (c *control) rate(r *rtt) float64 {
	gain := 1.25
	if c.inSlowStart() {
		gain = 2
	}
	smooth := r.smooth
	if smooth == 0 {
		smooth = initialRTT / 4 // the first window leaves at once, nearly
	}
	return gain * c.window / smooth.Seconds()
}
