// Package flight tracks the datagrams of one session that are under way: which
// are lost, when to send the next, how many may be under way and how large
// they may be.
//
// Loss is found by later packets that came and by timeouts (RFC 9002), with a
// wait that grows where the road swaps packets (RFC 8985). The window is
// CUBIC's with its own idea of which loss means congestion (docs/adr/0065);
// packets are paced; the size of datagrams is probed (RFC 8899).
//
// It does no I/O and has no clock: who calls says what time it is.
package flight

import (
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	// packetThreshold is RFC 9002's (section 6.1.1); it counts until packets
	// are seen to overtake each other.
	packetThreshold = 3
	// maxProbe bounds the wait for an answer however often none came.
	maxProbe = 5 * time.Second
	// silentProbes is after how many timeouts in a row everything under way
	// is given up (RFC 9002, section 7.6).
	silentProbes = 3
	// probesAtOnce is how many datagrams a timeout sends (section 6.2.4).
	probesAtOnce = 2
	// burst is how many datagrams may leave at once: what the timers of a
	// machine cannot tell apart, and at least initialWindow's.
	burst     = 10
	burstTime = 4 * time.Millisecond
	// maxGone is how many lost packets are remembered, to notice one that was
	// only late: as many as an ACK tells of.
	maxGone = 1024
)

// A Chunk is a part of a batch, and the datagram that carries it.
type Chunk struct {
	Batch  uint64
	Offset int
	Size   int
}

type packet struct {
	number uint64
	chunk  Chunk
	size   int // of the datagram
	probe  bool
	at     time.Time
}

// Flight is what is under way on one session. Make one with New.
type Flight struct {
	packets []packet // in the order of their numbers
	gone    []packet // that were given up for lost, the oldest first
	bytes   int      // of datagrams in packets

	rtt     rtt
	control control
	mtu     mtu

	probes   int       // timeouts since the last answer
	since    time.Time // when a packet was last sent, or an answer came
	first    uint64    // number of the first packet
	highest  uint64    // one above the highest number known to have come
	recovery uint64    // congestion before this packet has been answered for already
	roundEnd uint64    // the round ends when this packet has come
	limited  bool      // the window, not the data, was the limit
	late     int       // quarters of the round trip by which packets overtake each other
	lateAt   time.Time

	free time.Time // when pacing lets the next datagram go
}

// New returns a flight that begins with datagrams of size bytes: of what size
// one is known to have passed.
func New(size int) *Flight {
	return &Flight{control: newControl(), mtu: newMTU(size)}
}

// RTT returns the smoothed round trip time, 0 before the first.
func (f *Flight) RTT() time.Duration { return f.rtt.smooth }

// Window returns how many bytes may be under way.
func (f *Flight) Window() int { return int(f.control.window) }

// Datagram returns the size of datagrams that the path is known to take.
func (f *Flight) Datagram() int { return f.mtu.size }

// Silence returns how many timeouts have passed since the last answer.
func (f *Flight) Silence() int { return f.probes }

// Room reports whether another datagram may leave now, when the collector
// allows peer bytes under way, and says when pacing lets one go where only that
// holds it.
func (f *Flight) Room(peer int, now time.Time) (ok bool, at time.Time) {
	if limit := min(int(f.control.window), peer); f.bytes > 0 && f.bytes+f.mtu.size > limit {
		f.limited = f.limited || limit < peer
		return false, time.Time{}
	}
	if f.free.After(now) {
		return false, f.free
	}
	return true, time.Time{}
}

// Pick returns how large the next datagram may be, and whether it is to find out
// if the path takes that many bytes. There is data for one of available bytes.
func (f *Flight) Pick(available int, now time.Time) (size int, probe bool) {
	return f.mtu.pick(available, now)
}

// Sent notes that packet number, a datagram of size bytes, has left.
func (f *Flight) Sent(number uint64, c Chunk, size int, probe bool, now time.Time) {
	f.packets = append(f.packets, packet{number, c, size, probe, now})
	f.bytes += size
	if probe {
		f.mtu.sent()
	}
	f.since = now
	if f.first == 0 {
		f.first = number + 1 // plus one, so that 0 is none
	}
	rate := f.control.rate(&f.rtt)
	seconds := func(bytes float64) time.Duration { return time.Duration(bytes / rate * float64(time.Second)) }
	f.free = maxTime(f.free, now.Add(-max(seconds(burst*segment), burstTime))).Add(seconds(float64(size)))
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// TooBig notes that the machine refused to send packet number for its size. It
// returns its chunk, to be cut smaller.
func (f *Flight) TooBig(number uint64, now time.Time) (Chunk, bool) {
	i := slices.IndexFunc(f.packets, func(p packet) bool { return p.number == number })
	if i < 0 {
		return Chunk{}, false
	}
	p := f.packets[i]
	f.packets = slices.Delete(f.packets, i, i+1)
	f.bytes -= p.size
	f.outcome(p, false, now)
	f.mtu.tooBig(p.size, p.probe, now)
	return p.chunk, true
}

// An Answer is what an ACK changed.
type Answer struct {
	Came []Chunk // that are with the collector now
	Lost []Chunk // to be sent again
	Late []Chunk // of Came, those that were called lost before
}

// Answer takes what the collector says has come. next is the number of the next
// packet.
func (f *Flight) Answer(r *session.Received, next uint64, now time.Time) (a Answer) {
	f.overtaken(r, &a, now)
	newest := -1
	for i := range f.packets {
		if r.Has(f.packets[i].number) {
			newest = i
		}
	}
	if newest < 0 {
		return a
	}
	f.probes, f.since = 0, now
	excess := false
	f.highest = max(f.highest, f.packets[newest].number+1)
	f.rtt.sample(now.Sub(f.packets[newest].at), now)
	full := f.limited || f.bytes*2 >= int(f.control.window)
	f.limited = false
	f.packets = slices.DeleteFunc(f.packets, func(p packet) bool {
		if !r.Has(p.number) {
			return false
		}
		a.Came = append(a.Came, p.chunk)
		f.bytes -= p.size
		f.mtu.came(p.size, p.probe)
		excess = f.outcome(p, false, now) || excess
		if !full {
			f.control.idle()
		} else if p.number >= f.recovery {
			f.control.came(p.size, &f.rtt, now)
		}
		return true
	})
	a.Lost = f.lose(excess, next, now)
	if f.highest > f.roundEnd && f.rtt.samples >= roundSamples {
		f.control.endRound(&f.rtt)
		f.rtt.endRound()
		f.roundEnd = next
	}
	return a
}

// overtaken finds packets that were called lost and have come after all: others
// overtook them, so from now on there is a longer wait.
func (f *Flight) overtaken(r *session.Received, a *Answer, now time.Time) {
	f.gone = slices.DeleteFunc(f.gone, func(p packet) bool {
		if !r.Has(p.number) {
			return false
		}
		a.Came, a.Late = append(a.Came, p.chunk), append(a.Late, p.chunk)
		f.mtu.came(p.size, p.probe)
		f.control.late(p.number + 1 - f.first)
		return true
	})
	if len(a.Late) > 0 && now.Sub(f.lateAt) > f.rtt.smooth {
		f.late, f.lateAt = min(f.late+1, 4), now
	}
}

// outcome tells control what became of p. A probe that was lost says something
// of its size, not of congestion (RFC 8899, section 3).
func (f *Flight) outcome(p packet, lost bool, now time.Time) (excess bool) {
	return f.control.outcome(p.number+1-f.first, lost && !p.probe, now)
}

// lossWait returns how long after it was sent a packet is lost, once a later one
// has come.
func (f *Flight) lossWait() time.Duration {
	rtt := max(f.rtt.smooth, f.rtt.latest)
	return max(rtt*9/8, rtt+granularity) + time.Duration(f.late)*f.rtt.smooth/4
}

// lose gives up the packets that are lost, and narrows the window where that
// means congestion: a queue is seen, or an excess.
func (f *Flight) lose(excess bool, next uint64, now time.Time) (lost []Chunk) {
	wait, fresh := f.lossWait(), excess
	f.packets = slices.DeleteFunc(f.packets, func(p packet) bool {
		behind := f.late == 0 && p.number+packetThreshold < f.highest
		if p.number+1 >= f.highest || !behind && now.Sub(p.at) < wait {
			return false
		}
		lost = append(lost, p.chunk)
		excess = f.giveUp(p, now) || excess
		fresh = fresh || !p.probe && p.number >= f.recovery
		return true
	})
	if fresh && (excess || queued(&f.rtt)) {
		f.control.reduce(&f.rtt, excess)
		f.recovery = next
	}
	return lost
}

// giveUp notes that p is lost. The caller removes it from packets.
func (f *Flight) giveUp(p packet, now time.Time) (excess bool) {
	f.bytes -= p.size
	f.mtu.lost(p.size, p.probe, now)
	if len(f.gone) == maxGone {
		f.gone = f.gone[1:]
	}
	f.gone = append(f.gone, p)
	return f.outcome(p, true, now)
}

// Deadline returns when Expire has something to do; not ok where nothing is
// under way.
func (f *Flight) Deadline() (t time.Time, ok bool) {
	if len(f.packets) == 0 {
		return time.Time{}, false
	}
	t = f.since.Add(min(f.rtt.timeout()<<min(f.probes, 8), maxProbe))
	if p := f.packets[0]; p.number+1 < f.highest {
		if lost := p.at.Add(f.lossWait()); lost.Before(t) {
			t = lost
		}
	}
	return t, true
}

// Expire does what is due at now: it gives up packets that later ones have
// overtaken for too long; and where no answer came at all, the oldest ones, so
// that they are sent again and something is heard.
func (f *Flight) Expire(next uint64, now time.Time) (lost []Chunk) {
	if t, ok := f.Deadline(); !ok || now.Before(t) {
		return nil
	}
	if lost = f.lose(false, next, now); len(lost) > 0 {
		return lost
	}
	f.probes++
	n := min(probesAtOnce, len(f.packets))
	if f.probes >= silentProbes {
		n = len(f.packets)
		f.control.collapse()
		f.recovery = next
	}
	for _, p := range f.packets[:n] {
		lost = append(lost, p.chunk)
		f.giveUp(p, now)
	}
	f.packets = slices.Delete(f.packets, 0, n)
	f.since = now // the wait for what is left begins anew
	return lost
}
