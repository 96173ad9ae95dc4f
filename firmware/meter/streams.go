package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
)

// maxStreams bounds the connections that are put in order at once: with
// app.MaxStream for each side at most 8 MiB. A handshake takes one for some
// round trips only.
const maxStreams = 512

// A stream is the state of one connection whose payload is put in order.
type stream struct {
	flow   uint64 // ID of the flow that has it, 0 for none
	sides  [2]app.Stream
	done   [2]bool // nothing more is wanted of this end
	parser uint8   // of the flow
	state  any     // the parser's
}

// streams is a bounded pool. When it is used up, the stream that was made
// first goes to the next flow, then the second and so on, so nobody can keep
// parsers from working by opening connections.
type streams struct {
	pool []*stream
	free []int // in pool
	hand int   // in pool: who must give up next
}

// of returns the stream of flow r, which it gives it if it has none yet. It
// returns nil if another flow has taken it.
func (s *streams) of(a *apps, r *flow.Record) *stream {
	if r.Stream != 0 {
		if st := s.pool[r.Stream-1]; st.flow == r.ID {
			return st
		}
		r.Parser, r.Stream = parserNone, 0
		return nil
	}
	i := s.take(a)
	r.Stream = uint32(i + 1)
	s.pool[i].flow, s.pool[i].parser = r.ID, r.Parser
	return s.pool[i]
}

// take returns a stream that no flow has.
func (s *streams) take(a *apps) int {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if n := len(s.pool); n < maxStreams {
		s.pool = append(s.pool, &stream{})
		return n
	}
	i := s.hand
	s.hand = (s.hand + 1) % maxStreams
	a.count.stolen++
	s.pool[i].end(a)
	return i
}

// release takes the stream of flow r back, if it has one.
func (s *streams) release(a *apps, r *flow.Record) {
	if r.Stream == 0 {
		return
	}
	if st := s.pool[r.Stream-1]; st.flow == r.ID {
		st.end(a)
		s.free = append(s.free, int(r.Stream-1))
	}
	r.Stream = 0
}

// end reports what the stream has, and empties it.
func (st *stream) end(a *apps) {
	if st.state != nil {
		if end := a.table[st.parser-1].end; end != nil {
			end(a, st)
		}
	}
	for i := range st.sides {
		if st.sides[i].Waits() {
			a.count.gaps++
		}
		st.sides[i].Reset()
	}
	*st = stream{sides: st.sides}
}
