package flight

import (
	"math"
	"slices"
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

	// A queue counts as one when it holds packets for longer than queueLeast,
	// than an eighth of the round trip of the road and than thrice what those
	// vary by: less is noise.
	queueLeast = 3 * time.Millisecond

	// lossSample is how many packets in a row a share of lost ones is taken
	// of. What a tenth of the samples of lossFor stay below is what the road
	// loses whatever is sent: the least would be chance.
	lossSample = 200
	lossFor    = 10 * time.Second
	maxSamples = 512
	// lossExcess is how much more may be lost before that is congestion, with
	// no queue to be seen: BBR's loss threshold (draft-ietf-ccwg-bbr, 2.7).
	lossExcess = 0.02

	// lossSigmas is how far above those samples chance alone takes another
	// once in a thousand times.
	lossSigmas = 4.5

	// After quietRounds in which the window was the limit and no queue was
	// seen, the road is not full: the window grows by a quietShare each round.
	quietRounds = 10
	quietShare  = 8

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

	quiet  int  // rounds without a queue
	excess bool // the last reduction was for what was lost, with no queue

	open    map[uint64]tally // samples that have packets under way
	samples []sample         // the newest last
}

// sample is which share of packets in a row was lost, and when that was known.
type sample struct {
	at    time.Time
	share float64
}

type tally struct{ known, lost int }

func newControl() control {
	return control{window: initialWindow, threshold: math.Inf(1), open: map[uint64]tally{}}
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
	case c.quiet >= quietRounds && !c.excess:
		c.window += float64(bytes) / quietShare
		c.idle()
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
func queued(r *rtt) bool { return r.queue() > max(queueLeast, r.base()/8, 3*r.vary) }

// endRound looks at how the round trips of a round were: in slow start a queue
// is the sign to end it (RFC 9406).
func (c *control) endRound(r *rtt) {
	if c.quiet++; queued(r) {
		c.quiet = 0
	}
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

// outcome notes whether packet number n of this flight was lost, and reports
// whether more are lost of late than this road always loses.
func (c *control) outcome(n uint64, lost bool, now time.Time) (excess bool) {
	at := n / lossSample
	s := c.open[at]
	s.known++
	if lost {
		s.lost++
	}
	if s.known < lossSample {
		c.open[at] = s
		return false
	}
	delete(c.open, at)
	share := float64(s.lost) / lossSample
	c.samples = append(c.samples, sample{now, share})
	for len(c.samples) > maxSamples || now.Sub(c.samples[0].at) > lossFor {
		c.samples = c.samples[1:]
	}
	always := c.always()
	smooth := (always*lossSample + 1) / (lossSample + 2) // 0 of some is not proof of 0
	return share > always+lossExcess+lossSigmas*math.Sqrt(smooth*(1-smooth)/lossSample)
}

// always returns the share that the road loses whatever is sent.
func (c *control) always() float64 {
	shares := make([]float64, len(c.samples))
	for i, s := range c.samples {
		shares[i] = s.share
	}
	slices.Sort(shares)
	return shares[len(shares)/10]
}

// late takes back that packet number n was lost.
func (c *control) late(n uint64) {
	if s, ok := c.open[n/lossSample]; ok {
		s.lost--
		c.open[n/lossSample] = s
	}
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
	c.threshold, c.slow, c.quiet, c.excess = c.window, 0, 0, excess
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
