package flow

import "math"

// An endpoint is what one end of a TCP connection has sent, by sequence number
// (RFC 9293, section 3.4).
type endpoint struct {
	next     uint32 // behind the highest byte that was seen or acknowledged
	holeEnd  uint32 // behind the last of the bytes that were jumped over
	hole     uint32 // how many these are
	missed   uint32 // bytes that were acknowledged and never seen
	repeated uint32 // bytes that were seen again, or are of no stream
}

// maxJump is how far sequence numbers may jump before they are of another
// connection, or forged: the largest window (RFC 7323, section 2.3).
const maxJump = 1 << 30

// segment follows the sequence numbers of a TCP connection. It keeps the sum
// of its holes alone: which bytes they were is for those who reassemble.
func (r *Record) segment(p *Packet) {
	s, e := &r.Sides[p.From], &r.ends[p.From]
	if p.Flags&flagRST != 0 { // may be of somebody else, and ends the matter
		e.repeated += p.Payload
		return
	}
	size := p.Payload
	if p.Flags&(flagSYN|flagFIN) != 0 {
		size++
	}
	end, note := p.Seq+size, uint16(0)
	switch jump := int32(p.Seq - e.next); {
	case s.seen&seqKnown == 0:
		s.seen |= seqKnown
		e.next = end
	case jump == 0:
		e.next = end
	case jump > 0:
		if p.Flags&flagSYN != 0 || jump >= maxJump {
			e.next = end
			break
		}
		e.hole += uint32(jump)
		e.holeEnd = p.Seq
		e.next = end
	case size > 0:
		r.again(p, size)
		if int32(end-e.next) > 0 {
			e.next = end
		} else if p.Payload > 0 {
			note = sentAgain
		}
	}
	if p.Payload > 0 && p.Flags&(flagSYN|flagFIN) == 0 {
		r.note(p.From, sentData)
	}
	if note != 0 {
		r.note(p.From, note)
	}
	if p.Window == 0 && r.Sides[1-p.From].state() != finSent { // else nobody is there to fill it
		r.note(p.From, sentZeroWindow)
	}
	if p.Flags&flagACK == 0 {
		return
	}
	if p.Flags&(flagSYN|flagFIN) == 0 && p.Payload == 0 {
		r.bareACK(p)
	}
	r.acknowledge(1-p.From, p.Ack)
}

// again counts a segment that begins before what was seen last.
func (r *Record) again(p *Packet, size uint32) {
	s, e := &r.Sides[p.From], &r.ends[p.From]
	switch {
	case size == 1 && p.Seq == e.next-1 && p.Flags&(flagSYN|flagFIN) == 0: // a keep-alive (RFC 9293, section 3.8.4)
		e.repeated += p.Payload
	case e.hole > 0 && int32(p.Seq-e.holeEnd) < 0:
		filled := min(e.hole, size)
		e.hole -= filled
		e.repeated += p.Payload - min(filled, p.Payload)
		if s.OutOfOrder < math.MaxUint16 {
			s.OutOfOrder++
		}
	default:
		e.repeated += min(p.Payload, e.next-p.Seq)
		if s.Retransmits < math.MaxUint16 {
			s.Retransmits++
		}
	}
}

// bareACK takes an ACK without payload. The client's first one ends the
// handshake; if its SYN was sent twice nobody knows which one was answered.
func (r *Record) bareACK(p *Packet) {
	s := &r.Sides[p.From]
	if s.seen&(sentSYN|sentACK) == sentSYN && s.Packets == 2 && r.Sides[1-p.From].seen&sentSYNACK != 0 && r.rtt == 0 {
		r.rtt = uint32(min(max((p.Time-r.First)/1e3, 1), math.MaxUint32))
	}
	r.note(p.From, sentACK)
}

// acknowledge is told that all up to ack has arrived that end sent: what was
// not seen of it, was missed here.
func (r *Record) acknowledge(end uint8, ack uint32) {
	e := &r.ends[end]
	if r.Sides[end].seen&seqKnown == 0 {
		return
	}
	ahead := int32(ack - e.next)
	if e.hole > 0 && int32(ack-e.holeEnd) >= 0 && ahead < maxJump {
		e.missed += e.hole
		e.hole = 0
		r.note(end, sentGap)
	}
	if ahead > 0 && ahead < maxJump {
		e.missed += uint32(ahead)
		e.next = ack
		r.note(end, sentGap)
	}
}
