package flow

// count adds p to r.
func (r *Record) count(p *Packet, clock uint32) {
	s := &r.Sides[p.From]
	if s.Packets == 0 {
		s.TTL, s.TOS = p.TTL, p.TOS
		if r.Sides[1-p.From].Packets == 0 {
			r.First = p.Time
		}
	}
	s.Packets++
	s.Bytes += uint64(p.WireLen)
	s.Payload += uint64(p.Payload)
	s.Flags |= p.Flags
	s.ECN |= p.TOS & 3
	r.Last = max(r.Last, p.Time)
	r.touched = clock
}

// handshake follows the SYN, FIN and RST of a TCP connection.
func (t *Table) handshake(i uint32, p *Packet) {
	r := &t.records[i]
	switch p.Flags & (flagSYN | flagACK) {
	case flagSYN:
		r.Orient(p.From)
		r.note(p.From, sentSYN)
	case flagSYN | flagACK:
		r.Orient(1 - p.From)
		r.note(p.From, sentSYNACK)
	}
	if p.Flags&flagSYN != 0 && p.Flags&(flagFIN|flagRST) != 0 {
		r.note(p.From, sentBadFlags)
	}
	closed := Reason(r.closed)
	if p.Flags&flagFIN != 0 {
		r.note(p.From, sentFIN)
		if r.Sides[0].seen&r.Sides[1].seen&sentFIN != 0 && closed == 0 {
			closed = Fin
		}
	}
	if p.Flags&flagRST != 0 {
		r.note(p.From, sentRST)
		if closed == 0 {
			closed = Rst
		}
	}
	if Reason(r.closed) != closed {
		r.closed = uint8(closed)
		if r.next != 0 { // a flow that begins here is not in the wheel yet
			t.unschedule(i)
			t.schedule(i)
		}
	}
}

// Orient makes end the client, unless a SYN or an earlier call has said who it
// is.
func (r *Record) Orient(end uint8) {
	if r.oriented {
		return
	}
	r.oriented = true
	if r.Client != end {
		r.Client = end
		r.note(end, turned)
		r.SrcMAC, r.DstMAC = r.DstMAC, r.SrcMAC
	}
}

// restart empties r after a report, so that the next one has what came since.
func (r *Record) restart(clock uint32) {
	for i := range r.Sides {
		s := &r.Sides[i]
		s.Packets, s.Bytes, s.Payload, s.OutOfOrder = 0, 0, 0, 0
		r.ends[i].missed, r.ends[i].retransmits = 0, 0
	}
	r.began = clock
}

// ended returns why r ended: a connection that was closed had ended before
// the table was full or the sensor stopped.
func (r *Record) ended(why Reason) Reason {
	if r.closed != 0 {
		return Reason(r.closed)
	}
	return why
}
