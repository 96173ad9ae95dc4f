package flow

import "time"

// maxBackstep is how far, in ns, frames may be out of order before a Clock
// takes it that the machine's clock was set back, and maxStep how many seconds
// may pass at once: longer than any timeout.
const (
	maxBackstep = int64(time.Minute)
	maxStep     = 1 << 22
)

// A Clock counts the seconds since the first packet. All tables of a source
// go by one Clock, so that a flow ends at the same packet however many there
// are.
type Clock struct {
	tick  uint32
	since int64 // Unix ns at which this second began
	until int64 // and at which it ends
}

// At lets time pass until now, in Unix ns, and returns the second. Time that
// falls back a little stands still; where it falls back more than maxBackstep,
// a clock was set, and it goes on from there.
func (c *Clock) At(now int64) uint32 {
	if now < c.since || now >= c.until {
		c.turn(now)
	}
	return c.tick
}

func (c *Clock) turn(now int64) {
	switch {
	case c.until == 0: // the first packet
		c.since = now
	case now < c.since:
		if now >= c.since-maxBackstep {
			return
		}
		c.since = now
	default:
		passed := uint64(now-c.since) / 1e9
		c.since += int64(passed) * 1e9
		c.tick += uint32(min(passed, maxStep))
	}
	c.until = c.since + 1e9
}
