package meter

import (
	"net/netip"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/asset"
	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// apps gives payloads to the parsers and their records to the output.
type apps struct {
	*index
	out     *output
	dns     *app.Transactions
	streams streams
	links   links
	notes   *asset.Notes

	violations violations
	now        int64 // Unix ns of the packet whose payload is parsed
	from       uint8 // its sender
	whole      bool  // it was captured to its end
	packet     packet
	message    record.DNS // scratch

	certs map[[32]byte]record.X509 // by SHA-256
	count appCounts
}

type appCounts struct {
	malformed map[string]uint64 // by protocol: messages that a parser refused, wholly or in part
	panics    uint64            // of parsers; the flow went on without
	overflow  uint64            // streams given up because they held too much
	stolen    uint64            // streams given up because another flow needed the room
	gaps      uint64            // sides of streams that ended waiting for a segment
}

func newApps(out *output) *apps {
	a := &apps{index: newIndex(), out: out, links: newLinks(), certs: make(map[[32]byte]record.X509), count: appCounts{malformed: make(map[string]uint64)}}
	a.dns = app.NewTransactions(func(rec *record.DNS) { add(out, record.DNSDef, rec) })
	a.notes = asset.NewNotes()
	out.notes = a.notes
	a.violations = newViolations(out)
	return a
}

// maxUnknown is how many packets of a connection may pass before nobody asks
// any more what is in it. A proxy or a STARTTLS comes before the handshake.
const maxUnknown = 24

// payload gives the payload of a packet of flow r to its parser. A parser that
// panics is a bug of ours that somebody's traffic has found: the flow goes on
// without it.
func (a *apps) payload(r *flow.Record, p *flow.Packet, seq uint32, b []byte) {
	defer func() {
		if a.caught(recover()) {
			a.giveUp(r)
		}
	}()
	a.now, a.from, a.whole = p.Time, p.From, len(b) >= int(p.Payload)
	if p.Flags&decode.SYN != 0 { // has a number too (RFC 9293, section 3.4)
		seq++
	}
	if r.Parser == parserAny {
		if !a.recognise(r, p, b, a.begins(r, p, seq)) {
			a.hold(r, p, seq, b)
			a.streams.weigh(a, r)
			return
		}
		a.takeUp(r, p, seq)
	}
	switch known := &a.table[r.Parser-1]; {
	case r.Key.Proto() == protoTCP && known.stream != nil:
		a.segment(known, r, p, seq, b)
	case known.message(a, r, a.pass(p, b)):
		a.recognised(r)
	}
	a.streams.weigh(a, r)
}

// pass returns a payload as parsers get it, in memory that all of them get.
func (a *apps) pass(p *flow.Packet, b []byte) *packet {
	a.packet = packet{p, b}
	return &a.packet
}

// recognise finds a parser for a flow that has none, gives the flow its name,
// and reports whether there is one that takes the payload.
func (a *apps) recognise(r *flow.Record, p *flow.Packet, b []byte, first bool) bool {
	tcp := r.Key.Proto() == protoTCP
	id := uint8(parserNone)
	switch {
	case r.App == 0 && first:
		id = a.find(r, b)
	case tcp && app.LooksLikeTLS(b) && len(b) > 5: // through a proxy, or after STARTTLS
		id = a.tls
	case tcp && r.App == 0 && len(b) > 15 && app.LooksLikeHTTP(b):
		id = a.web
	}
	switch known := id != parserNone; {
	case known && a.table[id-1].takes(tcp):
		r.Parser = id
		return true
	case known:
		r.App = id
		fallthrough
	default:
		if !tcp && (known || r.Sides[1-p.From].Payload > 0) || r.Sides[0].Packets+r.Sides[1].Packets > maxUnknown {
			a.giveUp(r)
		}
		return false
	}
}

// segment gives a segment of a connection to its parser, in order.
func (a *apps) segment(known *parser, r *flow.Record, p *flow.Packet, seq uint32, b []byte) {
	s := a.streams.of(a, r)
	if s == nil || s.done[p.From] {
		return
	}
	side := &s.sides[p.From]
	if hole := r.Hole(p.From); hole > 0 && !side.Open() {
		side.StartAt(seq - hole)
	}
	for fits, used := false, true; !fits; {
		var buf []byte
		if buf, fits = side.Add(seq, b); !fits && !used {
			a.count.overflow++
			a.giveUp(r)
			return
		}
		for used = false; len(buf) > 0; buf = side.Bytes() {
			n := a.messages(known, r, p, s, buf)
			if s.flow != r.ID || s.done[p.From] { // it gave up
				return
			}
			if n == 0 {
				break
			}
			side.Consume(n)
			used = true
		}
	}
}

// messages gives what is in order to the parser, message by message, and returns
// how many bytes it used: more than there are, if it passes over what follows.
func (a *apps) messages(known *parser, r *flow.Record, p *flow.Packet, s *stream, buf []byte) (used int) {
	for used < len(buf) {
		n := known.stream(a, r, a.pass(p, buf[used:]), s)
		if used += n; n == 0 || s.flow != r.ID || s.done[p.From] {
			break
		}
	}
	return used
}

// recognised gives a flow the name of its parser. One that had a name before,
// as a proxy's, keeps it.
func (a *apps) recognised(r *flow.Record) {
	if r.App == 0 {
		r.App = r.Parser
	}
}

// malformed counts a message that the parser of r refused.
func (a *apps) malformed(r *flow.Record) {
	name := a.name(r.Parser)
	a.count.malformed[name]++
	if a.whole {
		a.violations.add(a.now, r, a.from, "malformed", name)
	}
}

// caught counts the panic that was recovered, if any.
func (a *apps) caught(panicked any) bool {
	if panicked == nil {
		return false
	}
	a.count.panics++
	return true
}

// ends returns the two ends of a flow, the client's first.
func ends(r *flow.Record, client uint8) (src netip.Addr, srcPort uint16, dst netip.Addr, dstPort uint16) {
	return r.Key.Addr(client), r.Key.Port(client), r.Key.Addr(1 - client), r.Key.Port(1 - client)
}

// giveUp ends the parsing of a flow. What its stream has becomes a record.
func (a *apps) giveUp(r *flow.Record) {
	r.Parser = parserNone
	a.streams.release(a, r)
}

// advance lets time pass until now, in Unix ns.
func (a *apps) advance(now int64) {
	a.dns.Advance(now)
}

// flush reports what still waits.
func (a *apps) flush() {
	a.dns.Flush()
	a.violations.flush()
}
