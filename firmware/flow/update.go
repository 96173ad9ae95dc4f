package flow

// count adds p to the counters of r.
func (r *Record) count(p *Packet) {
	s := &r.Sides[p.From]
	if s.Packets == 0 {
		s.TTL = p.TTL
		r.TOS[p.From] = p.TOS
		if r.Sides[1-p.From].Packets == 0 {
			r.First = p.Time
		}
	}
	s.Packets++
	s.Bytes += uint64(p.WireLen)
	s.Payload += uint64(p.Payload)
	s.Flags |= p.Flags
	r.TOS[p.From] |= p.TOS & 3
}

// handshake follows the state of a TCP connection.
func (t *Table) handshake(i uint32, p *Packet) {
	r := &t.records[i]
	switch p.Flags & (flagSYN | flagACK) {
	case flagSYN:
		r.Orient(p.From)
	case flagSYN | flagACK:
		r.Orient(1 - p.From)
	}
	r.noteFlags(p)
	r.follow(p)
	closed := Reason(r.closed)
	switch {
	case closed != 0:
	case p.Flags&flagRST != 0:
		closed = Rst
	case p.Flags&flagFIN != 0 && r.Sides[1-p.From].state() == finSent:
		closed = Fin
	}
	if Reason(r.closed) != closed {
		r.closed = uint8(closed)
		if r.next != 0 { // a flow that begins here is not in the wheel yet
			t.unschedule(i)
			t.schedule(i)
		}
	}
}

// noteFlags enters SYN, FIN and RST into the history.
func (r *Record) noteFlags(p *Packet) {
	switch p.Flags & (flagSYN | flagFIN | flagRST) {
	case 0:
	case flagSYN:
		if p.Flags&flagACK != 0 {
			r.note(p.From, sentSYNACK)
		} else {
			r.note(p.From, sentSYN)
		}
	case flagFIN:
		r.note(p.From, sentFIN)
	case flagRST:
		r.note(p.From, sentRST)
	case flagFIN | flagRST:
		r.note(p.From, sentFINRST)
	default:
		r.note(p.From, sentBadFlags)
	}
}

// Orient makes end the client, unless a SYN or an earlier call has said who it
// is.
func (r *Record) Orient(end uint8) {
	if r.oriented {
		return
	}
	r.oriented = true
	r.turn(end)
}

// turn makes end the client, if it is not.
func (r *Record) turn(end uint8) {
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
		s.Packets, s.Bytes, s.Payload, s.OutOfOrder, s.Retransmits = 0, 0, 0, 0, 0
		r.ends[i].missed, r.ends[i].repeated = 0, 0
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
