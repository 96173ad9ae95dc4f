package edge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	// maxHeld bounds the incomplete batches of one session, in bytes: what a
	// sensor may have under way, and as much again for batches that wait for
	// a chunk that was lost.
	maxHeld = 2 * sensorWindow
	// maxHeldAll bounds those of all sessions. Beyond it a session may still
	// have one, so that no sensors keep the others from going on.
	maxHeldAll = 256 << 20
	// partialCost is what an incomplete batch takes beside its bytes.
	partialCost = 512
	// maxRuns bounds the runs of a session's stored batches. A sensor that
	// sends in order leaves no more gaps than it has batches under way, at
	// most 3600 of 300 bytes. The journal's own bound is twice this.
	maxRuns = 8192
)

// link is one session with one boot of a sensor.
type link struct {
	id     uint32
	sensor enrol.Identity
	boot   enrol.Boot
	epoch  [32]byte // public half of the epoch key that it is sealed to
	said   int64    // the sensor's clock in that HELLO, Unix ns
	made   int64    // Unix ns
	seal   *seal.Link
	share  *quota.Share
	active atomic.Int64 // when DATA last came, Unix ns; 0 for never
	due    atomic.Bool  // Edge.due lists it

	mu      sync.Mutex
	gone    bool // the session was ended
	held    int  // bytes of partial
	peer    Peer // where the newest datagram came from
	moved   bool // since HELLO: credit is how many bytes may be sent there
	credit  int
	window  session.Window
	partial map[uint64]*partial
	storing map[uint64]struct{} // whole batches on their way to disk
	stored  ranges.Set          // batches that are on disk, or that the sensor gave up
	acks    uint64              // number of the next ACK
}

// maxPieces returns how many pieces that do not touch an incomplete batch of n
// bytes may be in. Sensors cut chunks of session.MaxChunk bytes.
func maxPieces(n int) int { return 8 + n/512 }

// partial is a batch of which some chunks have come.
type partial struct {
	bytes []byte
	got   ranges.Set
}

func (l *link) fresh(number uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.window.Fresh(number)
}

// take puts an opened chunk in its place, and returns the batch if it is whole
// now. A chunk that there is no room for is not marked as come: the sensor
// will send it again.
func (e *Edge) take(l *link, number uint64, d *session.Data, from Peer) (whole []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.window.Fresh(number) { // it came twice at the same moment
		e.counters.add(dropReplay)
		return nil
	}
	defer e.due.add(l)
	l.active.Store(time.Now().UnixNano())
	l.raiseFloor(e, d.Floor)
	if _, ok := l.storing[d.Batch]; ok || l.stored.Contains(d.Batch) {
		e.counters.add(duplicates)
		l.mark(number, seal.Overhead+len(d.Chunk), from)
		return nil
	}
	p := l.partial[d.Batch]
	if p == nil {
		if l.scattered() && d.Batch != l.stored.Next() || !e.hold(l, bufferSize(int(d.Size))) {
			e.counters.add(dropNoRoom)
			return nil
		}
		p = &partial{bytes: getBuffer(int(d.Size))}
		if l.partial == nil {
			l.partial = map[uint64]*partial{}
		}
		l.partial[d.Batch] = p
	}
	if int(d.Size) != len(p.bytes) || len(p.got.Runs()) >= maxPieces(len(p.bytes)) {
		e.counters.add(dropBadData)
		return nil
	}
	l.mark(number, seal.Overhead+len(d.Chunk), from)
	copy(p.bytes[d.Offset:], d.Chunk)
	p.got.AddRange(ranges.Range{First: uint64(d.Offset), Last: uint64(d.Offset) + uint64(len(d.Chunk)) - 1})
	if p.got.Next() != uint64(len(p.bytes)) {
		return nil
	}
	l.forget(e, d.Batch)
	if _, _, _, err := batch.Parse(p.bytes); err != nil {
		e.counters.add(dropBadBatch) // it will not get better: acknowledge, so that it is not sent again
		l.stored.Add(d.Batch)
		return nil
	}
	if l.storing == nil {
		l.storing = map[uint64]struct{}{}
	}
	l.storing[d.Batch] = struct{}{}
	return p.bytes
}

// scattered reports whether there are as many gaps between the batches of l as
// may be: then only the lowest that lacks is taken.
func (l *link) scattered() bool { return len(l.stored.Runs())+len(l.storing) >= maxRuns }

// hold reserves room for an incomplete batch of l in a buffer of n bytes. l.mu is held.
func (e *Edge) hold(l *link, n int) bool {
	n += partialCost
	if l.gone || l.held+n > maxHeld {
		return false
	}
	if e.held.Add(int64(n)) > maxHeldAll && l.held > 0 {
		e.held.Add(int64(-n))
		return false
	}
	l.held += n
	return true
}

// forget drops the incomplete batch n and gives its room back. l.mu is held.
func (l *link) forget(e *Edge, n uint64) {
	size := cap(l.partial[n].bytes) + partialCost
	delete(l.partial, n)
	l.held -= size
	e.held.Add(int64(-size))
}

// end gives back all that l holds. It takes nothing from then on.
func (l *link) end(e *Edge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	e.held.Add(int64(-l.held))
	l.partial, l.held = nil, 0
}

// freshFactor is how many bytes are sent to an address that a session has moved
// to, for each that came from there: a sensor behind a NAT gets its ACKs, and
// who replays its datagrams from elsewhere first floods nobody (RFC 9000,
// section 8.1).
const freshFactor = 3

// mark notes that packet number has come, from where the sensor now is: where
// the newest datagram that was opened came from.
func (l *link) mark(number uint64, size int, from Peer) {
	if l.window.Next() <= number && l.peer != from {
		l.peer, l.moved, l.credit = from, true, 0
	}
	if l.moved && l.peer == from {
		l.credit += freshFactor * size
	}
	l.window.Mark(number)
}

// raiseFloor notes that the sensor holds no batch below floor any more: those
// that are not stored never will be.
func (l *link) raiseFloor(e *Edge, floor uint64) {
	if floor == 0 || l.stored.Next() >= floor {
		return
	}
	for n := range l.partial {
		if n < floor {
			l.forget(e, n)
		}
	}
	l.stored.AddRange(ranges.Range{First: 0, Last: floor - 1})
}

// store notes that batch number is on disk.
func (l *link) store(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.storing, number)
	l.stored.Add(number)
}

// giveBack notes that batch number could not be stored.
func (l *link) giveBack(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.storing, number)
}

// ack appends the ACK that is due to a.bytes and returns where to send it: the
// zero Peer if the session was ended, or more has to come from there first.
func (l *link) ack(a *acks, now time.Time, window uint32, rejoin bool) Peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return Peer{}
	}
	pace, part := l.share.Limits(now)
	window = max(leastWindow, uint32(float64(window)*part))
	ack := session.Ack{Rejoin: rejoin, Time: now.UnixNano(), Window: window, Pace: pace, Packets: l.window.Received(), Stored: l.stored}
	a.plain = ack.Append(a.plain[:0])
	if size := seal.Overhead + len(a.plain); l.moved {
		if l.credit < size {
			return Peer{}
		}
		l.credit -= size
	}
	a.bytes = l.seal.Seal(a.bytes, session.Head(session.TypeAck, l.id), l.acks, a.plain)
	l.acks++
	return l.peer
}
