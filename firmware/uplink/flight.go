package uplink

import (
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	initialWindow = 10 * session.MaxDatagram // RFC 6928
	leastWindow   = 2 * session.MaxDatagram  // RFC 9002, section 7.2
	// initialRTT and packetThreshold are RFC 9002's (sections 6.2.2, 6.1.1).
	initialRTT      = 333 * time.Millisecond
	packetThreshold = 3
	// ackDelay is the longest that a collector waits before it acknowledges
	// a packet: it gathers acks for 2 ms, the rest is for a busy machine.
	ackDelay = 25 * time.Millisecond
	// maxProbe bounds the wait for an answer however often none came.
	maxProbe = 5 * time.Second
)

// chunk is a part of a batch.
type chunk struct {
	batch  uint64
	offset int
	size   int
}

// packet is a datagram under way.
type packet struct {
	number uint64
	chunk
	at time.Time
}

// flight tracks the packets under way on a session: what is lost, how long an
// answer takes and how much may be sent. It follows RFC 9002 with NewReno.
type flight struct {
	packets []packet // in the order of their numbers
	bytes   int      // of chunks in packets

	srtt, rttvar time.Duration // srtt is 0 before the first sample
	probes       int           // timeouts since the last answer
	lastSent     time.Time

	window    int    // congestion window, bytes
	threshold int    // slow start ends here, bytes
	recovery  uint64 // a loss before this packet has been answered for already
}

func newFlight() flight {
	return flight{window: initialWindow, threshold: 1 << 30}
}

func (f *flight) add(p packet) {
	f.packets = append(f.packets, p)
	f.bytes += p.size
	f.lastSent = p.at
}

// room reports whether another datagram may be sent when the collector allows
// peer bytes under way.
func (f *flight) room(peer int) bool {
	return f.bytes+session.MaxChunk <= min(f.window, max(peer, session.MaxChunk))
}

// answer takes what the collector says has come, and returns the chunks that
// came and those that are lost. next is the number of the next packet.
func (f *flight) answer(r *session.Received, next uint64, now time.Time) (came, lost []chunk) {
	var newest *packet
	for i := range f.packets {
		if r.Has(f.packets[i].number) {
			newest = &f.packets[i]
		}
	}
	if newest == nil {
		return nil, nil
	}
	f.probes = 0
	f.sample(now.Sub(newest.at))
	wait := max(f.srtt*9/8, time.Millisecond)
	highest, full, reduced := newest.number, f.bytes*2 >= f.window, false
	f.packets = slices.DeleteFunc(f.packets, func(p packet) bool {
		switch {
		case r.Has(p.number):
			came = append(came, p.chunk)
			if full && p.number >= f.recovery {
				f.grow(p.size)
			}
		case p.number+packetThreshold <= highest || p.number < highest && now.Sub(p.at) > wait:
			lost = append(lost, p.chunk)
			reduced = reduced || p.number >= f.recovery
		default:
			return false
		}
		f.bytes -= p.size
		return true
	})
	if reduced {
		f.window = max(f.window/2, leastWindow)
		f.threshold = f.window
		f.recovery = next
	}
	return came, lost
}

func (f *flight) sample(rtt time.Duration) {
	if f.srtt == 0 {
		f.srtt, f.rttvar = rtt, rtt/2
		return
	}
	f.rttvar = (3*f.rttvar + (f.srtt - rtt).Abs()) / 4
	f.srtt = (7*f.srtt + rtt) / 8
}

// grow widens the window for size bytes that came.
func (f *flight) grow(size int) {
	if f.window < f.threshold {
		f.window += size
	} else {
		f.window += session.MaxDatagram * size / f.window
	}
}

// deadline returns when the packets under way are to be given up for lost;
// not ok where none is under way.
func (f *flight) deadline() (t time.Time, ok bool) {
	if len(f.packets) == 0 {
		return time.Time{}, false
	}
	wait := 3 * initialRTT
	if f.srtt > 0 {
		wait = f.srtt + max(4*f.rttvar, time.Millisecond) + ackDelay
	}
	return f.lastSent.Add(min(wait<<min(f.probes, 8), maxProbe)), true
}

// expire gives up every packet under way, as lost, after a timeout.
func (f *flight) expire(next uint64) (lost []chunk) {
	for _, p := range f.packets {
		lost = append(lost, p.chunk)
	}
	f.packets, f.bytes = f.packets[:0], 0
	f.probes++
	f.threshold = max(f.window/2, leastWindow)
	f.window = leastWindow
	f.recovery = next
	return lost
}
