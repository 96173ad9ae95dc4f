package meter

import (
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/flow"
)

// A level says what a meter that cannot keep up leaves out, each level with
// what the ones before it do. Packets and bytes of the flows it has are always
// counted.
type level uint8

const (
	levelAll      level = iota
	levelNoLayers       // records per header
	levelNoApps         // the payload goes to no parser
	levelSampled        // one new flow in sampledFlows is followed, the packets of others are counted together
	numLevels
)

var levelNames = [numLevels]string{"all", "no_layers", "no_apps", "sampled_flows"}

// sampledFlows is a power of two. Which flows it takes, their hash says, so
// both directions and all packets of a flow fare alike.
const sampledFlows = 8

// When the level changes. The ring's reserve is what bursts are for: half of it
// used after a whole turn of the loop is more than a burst. A level that helped
// is left slowly, as the load that forced it is often still there.
const (
	askEvery   = 20 * time.Millisecond // asking is a system call
	raiseEvery = 250 * time.Millisecond
	lowerAfter = 10 * time.Second
	raiseAt    = 0.5
	lowerAt    = 0.125
)

// A backlogger is a source that has frames waiting: a live one.
type backlogger interface {
	// Backlog returns how much of the source's room waiting frames take up,
	// from 0 to 1.
	Backlog() float64
}

// A load follows how well the loop keeps up with its source.
type load struct {
	level   level
	dropped uint64 // by the source, when it was last asked
	asked   time.Time
	changed time.Time // or found busy

	raised   [numLevels]uint64 // times that the level was reached
	payloads uint64            // given to no parser
	packets  uint64            // of flows that are not followed
	bytes    uint64
}

// observe looks at the source and reports whether the level changed.
func (l *load) observe(src capture.Source, now time.Time) bool {
	live, ok := src.(backlogger)
	if !ok || now.Sub(l.asked) < askEvery || now.Sub(l.changed) < raiseEvery {
		return false
	}
	l.asked = now
	backlog, dropped := live.Backlog(), src.Stats().Dropped
	lost := dropped > l.dropped
	l.dropped = dropped
	switch {
	case lost || backlog >= raiseAt:
		l.changed = now
		if l.level == numLevels-1 {
			return false
		}
		l.level++
		l.raised[l.level]++
		return true
	case backlog > lowerAt:
		l.changed = now
	case l.level > 0 && now.Sub(l.changed) >= lowerAfter:
		l.changed = now
		l.level--
		return true
	}
	return false
}

// passes reports whether the packet is counted into a flow of its own: always,
// unless new flows are sampled.
func (l *load) passes(t *flow.Table, p *flow.Packet) bool {
	if l.level < levelSampled || p.Hash%sampledFlows == 0 || t.Has(p) {
		return true
	}
	l.packets++
	l.bytes += uint64(p.WireLen)
	return false
}
