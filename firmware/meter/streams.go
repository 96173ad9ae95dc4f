package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
)

// maxStreams bounds the connections that are put in order at once, maxHeld the
// memory that they and their parsers have: each 2 KiB as a rule, and it could be
// 100. A handshake takes one for some round trips only.
const (
	maxStreams = 512
	maxHeld    = 8 << 20
)

// A state is what a parser keeps of one connection.
type state interface {
	// Held returns about how many bytes of memory it has.
	Held() int
}

// A stream is the state of one connection whose payload is put in order.
type stream struct {
	flow   uint64 // ID of the flow that has it, 0 for none
	sides  [2]app.Stream
	done   [2]bool // nothing more is wanted of this end
	parser uint8   // of the flow
	state  state   // the parser's
	held   int     // bytes of memory, when it was weighed last
}

// streams is a bounded pool. When it is used up, the stream that was made
// first goes to the next flow, then the second and so on, so nobody can keep
// parsers from working by opening connections. They give up in the same order
// when all of them hold too much.
type streams struct {
	pool   []*stream
	free   []int // in pool
	hand   int   // in pool: who must give up next
	weight int   // bytes that all have
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
	r.Stream = uint16(i + 1)
	s.pool[i].flow, s.pool[i].parser = r.ID, r.Parser
	return s.pool[i]
}

// held returns the stream that flow r has, or nil.
func (s *streams) held(r *flow.Record) *stream {
	if r.Stream == 0 || s.pool[r.Stream-1].flow != r.ID {
		return nil
	}
	return s.pool[r.Stream-1]
}

// begins reports whether a payload is the first of its side: it came first, or
// what came before it was held for it.
func (a *apps) begins(r *flow.Record, p *flow.Packet, seq uint32) bool {
	if r.Sides[p.From].Payload == uint64(p.Payload) {
		return true
	}
	s := a.streams.held(r)
	return s != nil && s.sides[p.From].Awaits(seq)
}

// hold keeps a segment of a connection that nobody has recognised yet, if
// segments before it are missing: it may be the rest of a hello that came in the
// wrong order.
func (a *apps) hold(r *flow.Record, p *flow.Packet, seq uint32, b []byte) {
	hole := r.Hole(p.From)
	if hole == 0 || r.Parser != parserAny {
		if s := a.streams.held(r); s != nil { // what was missing has come, and is nobody's
			s.sides[p.From].Reset()
		}
		return
	}
	if s := a.streams.of(a, r); s != nil {
		side := &s.sides[p.From]
		side.Add(seq-hole, nil) // where what is missing begins
		side.Add(seq, b)
	}
}

// takeUp begins the stream of flow r, which a segment has told a parser, with
// that segment and what was held of those behind it.
func (a *apps) takeUp(r *flow.Record, p *flow.Packet, seq uint32) {
	if a.table[r.Parser-1].stream == nil || r.Key.Proto() != protoTCP {
		return
	}
	if s := a.streams.of(a, r); s != nil {
		s.parser = r.Parser
		s.sides[p.From].StartAt(seq)
	}
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
	return s.steal(a)
}

// steal has the next stream give up. Its flow finds out when it asks for it.
func (s *streams) steal(a *apps) int {
	i := s.hand
	s.hand = (s.hand + 1) % len(s.pool)
	if s.pool[i].flow != 0 {
		a.count.stolen++
	}
	s.end(a, i)
	return i
}

// weigh looks at how much the stream of flow r holds by now, if it has one.
func (s *streams) weigh(a *apps, r *flow.Record) {
	st := s.held(r)
	if st == nil {
		return
	}
	now := st.size()
	s.weight += now - st.held
	st.held = now
	for s.weight > maxHeld {
		if s.pool[s.hand].flow != 0 { // else it is among the free ones
			s.free = append(s.free, s.hand)
		}
		s.steal(a)
	}
}

// size returns about how many bytes a stream holds.
func (st *stream) size() int {
	held := st.sides[0].Held() + st.sides[1].Held()
	if st.state != nil {
		held += st.state.Held()
	}
	return held
}

// release takes the stream of flow r back, if it has one.
func (s *streams) release(a *apps, r *flow.Record) {
	if r.Stream == 0 {
		return
	}
	if i := int(r.Stream - 1); s.pool[i].flow == r.ID {
		s.end(a, i)
		s.free = append(s.free, i)
	}
	r.Stream = 0
}

// end reports what stream i has, and empties it. It keeps its memory for the next
// while there is enough.
func (s *streams) end(a *apps, i int) {
	st := s.pool[i]
	st.report(a)
	for i := range st.sides {
		if st.sides[i].Waits() {
			a.count.gaps++
		}
		st.sides[i].Reset()
	}
	s.weight -= st.held
	if *st = (stream{sides: st.sides}); s.weight > maxHeld/2 {
		st.sides = [2]app.Stream{}
	}
	st.held = st.size()
	s.weight += st.held
}

// report has the parser report what it has. It may panic as well as when it read
// that, and then nobody knows any more.
func (st *stream) report(a *apps) {
	defer func() { a.caught(recover()) }()
	if st.state == nil {
		return
	}
	if end := a.table[st.parser-1].end; end != nil {
		end(a, st)
	}
}
