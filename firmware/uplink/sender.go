package uplink

import (
	"math"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/firmware/uplink/flight"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	// storeWait is how long a collector may take from the last chunk of a
	// batch to its place on disk, before the batch is sent once more.
	storeWait = 5 * time.Second
	// pokeWait is how long it may take before one chunk is sent again, only
	// to be answered: the ACK that said so may have been lost.
	pokeWait = 500 * time.Millisecond
	// paceSlack is how much may be made up for of a pace: what the timers of a
	// machine cannot tell apart.
	paceSlack = 4 * time.Millisecond
	// chunkCost is what a datagram has beside its chunk, in bytes.
	chunkCost = session.MaxDatagram - session.MaxChunk
)

// sender carries the spool's batches over one session: every chunk of every
// batch until the collector has stored it. It does no I/O.
type sender struct {
	link   *seal.Link
	id     uint32
	window int // bytes that the collector allows under way
	acks   session.Window
	flight *flight.Flight

	next   uint64         // batch to begin next
	offset int            // bytes of batch next that were sent
	hold   bool           // begin no more batches: another session is about to take over
	again  []flight.Chunk // lost, to be sent before anything new
	come   came           // batches of which bytes have come but that are not stored yet
	poked  time.Time
	free   time.Time // when the collector's pace allows the next datagram
	pace   uint32    // bytes per second, 0 for no limit
}

// came maps a batch to the bytes of it that have come and when.
type came map[uint64]arrival

type arrival struct {
	bytes ranges.Set
	at    time.Time
}

// newSender begins at batch floor, with datagrams of size bytes.
func newSender(link *seal.Link, id uint32, window uint32, floor uint64, size int) *sender {
	return &sender{link: link, id: id, window: asInt(window), flight: flight.New(size), next: floor, come: came{}}
}

// asInt returns n as an int, of 32 bits on some boards, or the largest there is.
func asInt(n uint32) int { return int(min(n, math.MaxInt32)) }

// available returns how many bytes the next chunk could have.
func (s *sender) available(sp Spool) int {
	for len(s.again) > 0 {
		if _, ok := sp.Get(s.again[0].Batch); ok {
			return s.again[0].Size
		}
		s.again = s.again[1:] // the spool has given it up
	}
	b, _ := sp.From(s.next)
	if b.Number != s.next {
		return len(b.Batch)
	}
	return len(b.Batch) - s.offset
}

// pick returns the next chunk to send, of at most size bytes, if there is any.
func (s *sender) pick(sp Spool, size int) (batch.Numbered, flight.Chunk, bool) {
	for len(s.again) > 0 {
		c := s.again[0]
		b, ok := sp.Get(c.Batch)
		if !ok {
			s.again = s.again[1:]
			continue
		}
		if c.Size <= size {
			s.again = s.again[1:]
			return b, c, true
		}
		s.again[0] = flight.Chunk{Batch: c.Batch, Offset: c.Offset + size, Size: c.Size - size}
		return b, flight.Chunk{Batch: c.Batch, Offset: c.Offset, Size: size}, true
	}
	if s.hold && s.offset == 0 {
		return batch.Numbered{}, flight.Chunk{}, false
	}
	b, ok := sp.From(s.next)
	if !ok {
		return batch.Numbered{}, flight.Chunk{}, false
	}
	if b.Number != s.next {
		s.next, s.offset = b.Number, 0
	}
	c := flight.Chunk{Batch: b.Number, Offset: s.offset, Size: min(size, len(b.Batch)-s.offset)}
	if s.offset += c.Size; s.offset == len(b.Batch) {
		s.next, s.offset = b.Number+1, 0
	}
	return b, c, true
}

// datagram returns the next datagram to send as packet number, or nil where
// there is nothing to send or it is not time.
func (s *sender) datagram(sp Spool, number uint64, now time.Time) []byte {
	if ok, _ := s.flight.Room(s.window, now); !ok || now.Before(s.free) || !s.waits(sp) {
		return nil
	}
	size, probe := s.flight.Pick(s.available(sp)+chunkCost, now)
	b, c, ok := s.pick(sp, size-chunkCost)
	if !ok {
		return nil
	}
	d := session.Data{Batch: b.Number, Floor: sp.Floor(), Size: uint32(len(b.Batch)), Offset: uint32(c.Offset), Chunk: b.Batch[c.Offset : c.Offset+c.Size]}
	out := s.link.Seal(nil, session.Head(session.TypeData, s.id), number, d.Append(nil))
	s.flight.Sent(number, c, len(out), probe, now)
	if s.pace > 0 {
		if late := now.Add(-paceSlack); s.free.Before(late) {
			s.free = late
		}
		s.free = s.free.Add(time.Duration(len(out)) * time.Second / time.Duration(s.pace))
	}
	return out
}

// waits reports whether there may be something to send.
func (s *sender) waits(sp Spool) bool {
	_, ok := sp.From(s.next)
	return ok && !s.hold || len(s.again) > 0 || s.offset > 0
}

// tooBig notes that packet number was not sent, for its size.
func (s *sender) tooBig(number uint64, now time.Time) {
	if c, ok := s.flight.TooBig(number, now); ok {
		s.again = append([]flight.Chunk{c}, s.again...)
	}
}

// answer takes an ACK, and returns how many chunks it shows lost, and how many
// batches and records are stored that were not before.
func (s *sender) answer(a *session.Ack, sp Spool, number uint64, now time.Time) (lost, batches, records int) {
	s.window = asInt(a.Window)
	if a.Pace != s.pace { // what the old one holds up is free
		s.pace, s.free = a.Pace, time.Time{}
	}
	got := s.flight.Answer(&a.Packets, number, now)
	s.again = append(s.again, got.Lost...)
	if len(got.Late) > 0 {
		s.again = slices.DeleteFunc(s.again, func(c flight.Chunk) bool { return slices.Contains(got.Late, c) })
	}
	batches, records = sp.Stored(&a.Stored)
	for _, c := range got.Came {
		if _, ok := sp.Get(c.Batch); ok {
			arrived := s.come[c.Batch]
			before := arrived.bytes.Len()
			arrived.bytes.AddRange(ranges.Range{First: uint64(c.Offset), Last: uint64(c.Offset + c.Size - 1)})
			if arrived.bytes.Len() > before {
				arrived.at = now
			}
			s.come[c.Batch] = arrived
		}
	}
	return len(got.Lost), batches, records
}

// timeout handles what is due at now: packets without an answer, and batches
// that came whole but were not stored. It returns the number of lost chunks.
func (s *sender) timeout(sp Spool, number uint64, now time.Time) (lost int) {
	gone := s.flight.Expire(number, now)
	s.again = append(s.again, gone...)
	poke := flight.Chunk{}
	for n, got := range s.come {
		b, held := sp.Get(n)
		switch waited := now.Sub(got.at); {
		case !held:
			delete(s.come, n)
		case got.bytes.Len() != uint64(len(b.Batch)):
		case waited >= storeWait:
			delete(s.come, n)
			s.again = append(s.again, flight.Chunk{Batch: n, Size: len(b.Batch)})
		case waited >= pokeWait:
			poke = flight.Chunk{Batch: n, Size: 1}
		}
	}
	if poke.Size > 0 && now.Sub(s.poked) >= pokeWait {
		s.poked = now
		s.again = append(s.again, poke)
	}
	return len(gone)
}

// done reports whether nothing that was sent still waits for its place on disk.
func (s *sender) done(sp Spool) bool {
	if len(s.again) > 0 || s.offset > 0 {
		return false
	}
	b, ok := sp.From(0)
	return !ok || b.Number >= s.next
}

// wake returns when timeout or datagram has next something to do, at the
// latest pokeWait after now.
func (s *sender) wake(sp Spool, now time.Time) time.Time {
	t := now.Add(pokeWait)
	sooner := func(at time.Time) {
		if at.Before(t) {
			t = at
		}
	}
	if d, ok := s.flight.Deadline(); ok {
		sooner(d)
	}
	if !s.waits(sp) {
		return t
	}
	if s.free.After(now) {
		sooner(s.free)
	}
	if ok, at := s.flight.Room(s.window, now); !ok && !at.IsZero() {
		sooner(at)
	}
	return t
}
