package uplink

import (
	"math"
	"time"

	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

// storeWait is how long a collector may take from the last chunk of a batch to
// its place on disk, before the batch is sent once more.
const storeWait = 5 * time.Second

// sender carries the spool's batches over one session: every chunk of every
// batch until the collector has stored it. It does no I/O.
type sender struct {
	link   *seal.Link
	id     uint32
	window int // bytes that the collector allows under way
	acks   session.Window

	flight flight
	next   uint64    // batch to begin next
	offset int       // bytes of batch next that were sent
	again  []chunk   // lost, to be sent before anything new
	come   came      // batches of which every byte has come but that are not stored yet
	free   time.Time // when the collector's pace allows the next datagram
	pace   uint32    // bytes per second, 0 for no limit
}

// came maps a batch to the bytes of it that have come and when.
type came map[uint64]arrival

type arrival struct {
	bytes ranges.Set
	at    time.Time
}

func newSender(link *seal.Link, id uint32, window uint32, floor uint64) *sender {
	return &sender{link: link, id: id, window: asInt(window), flight: newFlight(), next: floor, come: came{}}
}

// asInt returns n as an int, of 32 bits on some boards, or the largest there is.
func asInt(n uint32) int { return int(min(n, math.MaxInt32)) }

// pick returns the next chunk to send, if there is any.
func (s *sender) pick(sp Spool) (batch.Numbered, chunk, bool) {
	for len(s.again) > 0 {
		c := s.again[0]
		s.again = s.again[1:]
		if b, ok := sp.Get(c.batch); ok {
			return b, c, true
		}
	}
	b, ok := sp.From(s.next)
	if !ok {
		return batch.Numbered{}, chunk{}, false
	}
	if b.Number != s.next {
		s.next, s.offset = b.Number, 0
	}
	c := chunk{b.Number, s.offset, min(session.MaxChunk, len(b.Batch)-s.offset)}
	if s.offset += c.size; s.offset == len(b.Batch) {
		s.next, s.offset = b.Number+1, 0
	}
	return b, c, true
}

// datagram returns the next datagram to send as packet number, or nil where
// there is nothing to send or no room for it.
func (s *sender) datagram(sp Spool, number uint64, now time.Time) []byte {
	if !s.flight.room(s.window) || now.Before(s.free) {
		return nil
	}
	b, c, ok := s.pick(sp)
	if !ok {
		return nil
	}
	d := session.Data{Batch: b.Number, Floor: sp.Floor(), Size: uint32(len(b.Batch)), Offset: uint32(c.offset), Chunk: b.Batch[c.offset : c.offset+c.size]}
	out := s.link.Seal(nil, session.Head(session.TypeData, s.id), number, d.Append(nil))
	s.flight.add(packet{number, c, now})
	if s.pace > 0 {
		s.free = now.Add(time.Duration(len(out)) * time.Second / time.Duration(s.pace))
	}
	return out
}

// answer takes an ACK, and returns how many chunks it shows lost.
func (s *sender) answer(a *session.Ack, sp Spool, number uint64, now time.Time) (lost int) {
	s.window = asInt(a.Window)
	if a.Pace != s.pace { // what the old one holds up is free
		s.pace, s.free = a.Pace, time.Time{}
	}
	arrived, gone := s.flight.answer(&a.Packets, number, now)
	s.again = append(s.again, gone...)
	sp.Stored(&a.Stored)
	for _, c := range arrived {
		if _, ok := sp.Get(c.batch); ok {
			got := s.come[c.batch]
			got.bytes.AddRange(ranges.Range{First: uint64(c.offset), Last: uint64(c.offset + c.size - 1)})
			got.at = now
			s.come[c.batch] = got
		}
	}
	return len(gone)
}

// timeout handles what is due at now: packets without an answer, and batches
// that came whole but were not stored. It returns the number of lost chunks.
func (s *sender) timeout(sp Spool, number uint64, now time.Time) (lost int) {
	if t, ok := s.flight.deadline(); ok && !now.Before(t) {
		gone := s.flight.expire(number)
		s.again = append(s.again, gone...)
		lost = len(gone)
	}
	for n, got := range s.come {
		b, held := sp.Get(n)
		switch {
		case !held:
			delete(s.come, n)
		case got.bytes.Len() == uint64(len(b.Batch)) && now.Sub(got.at) >= storeWait:
			delete(s.come, n)
			for off := 0; off < len(b.Batch); off += session.MaxChunk {
				s.again = append(s.again, chunk{n, off, min(session.MaxChunk, len(b.Batch)-off)})
			}
		}
	}
	return lost
}

// wake returns when timeout or datagram has next something to do, at the
// latest storeWait after now.
func (s *sender) wake(now time.Time) time.Time {
	t := now.Add(storeWait)
	if d, ok := s.flight.deadline(); ok && d.Before(t) {
		t = d
	}
	if s.free.After(now) && s.free.Before(t) {
		t = s.free
	}
	return t
}
