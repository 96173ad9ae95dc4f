package flow

// The state of a TCP endpoint, as Zeek's analyzer has it. What a connection is
// called in the end depends on them alone.
const (
	inactive    = iota // sent nothing
	synSent            // sent a SYN that nobody answered
	partial            // sent something, and no SYN before it
	established        // both have agreed
	finSent
	reset    // sent a RST
	finReset // sent a FIN, and a RST behind it

	stateMask = 7 << stateFrom
)

func (s *Side) state() uint16 { return s.seen >> stateFrom }

func (s *Side) setState(state uint16) { s.seen = s.seen&^stateMask | state<<stateFrom }

// follow moves the states of both ends on by a packet that is the first of its
// end or has SYN, FIN or RST.
func (r *Record) follow(p *Packet) {
	s, peer := &r.Sides[p.From], &r.Sides[1-p.From]
	was := s.state()
	switch {
	case was == partial && peer.state() == inactive && p.Flags&(flagSYN|flagACK) == flagSYN: // the ports are used again
		s.setState(synSent)
	case was != inactive:
	case p.Flags&flagSYN != 0 && p.From == r.Client:
		s.setState(synSent)
	case p.Flags&flagSYN != 0:
		if peer.state() == synSent {
			peer.setState(established)
		}
		s.setState(established)
	case p.Flags&(flagFIN|flagRST) != 0:
	case p.From != r.Client && p.Payload == 0 && peer.state() == synSent: // an ACK before the answer
	case p.Flags&flagACK != 0 && peer.state() == established: // its SYN was missed
		s.setState(established)
	default:
		s.setState(partial)
	}
	if p.Flags&flagFIN != 0 && p.Flags&flagRST == 0 && was < finSent {
		s.setState(finSent)
		if peer.state() == finReset { // ended as it should, after all
			peer.setState(finSent)
		}
	}
	if p.Flags&flagRST != 0 && was < reset {
		switch {
		case was != finSent:
			s.setState(reset)
		case peer.state() != finSent: // else both have ended before
			s.setState(finReset)
		}
	}
}

// State returns how far the connection got, in the words of Zeek's conn.log
// (conn_state): S0 is an attempt without answer, S1 established, S2 and S3
// closed by one end only, SF closed by both, REJ refused, RSTO and RSTR reset
// by the client and by the server, RSTOS0 and RSTRH reset by them without having
// seen a SYN of the other, SH and SHR closed so, OTH anything else. Of UDP SHR is a
// flow of which only the server was seen.
func (r *Record) State() string {
	c, s := &r.Sides[r.Client], &r.Sides[1-r.Client]
	switch r.Key.Proto() {
	case protoTCP:
	case protoUDP:
		switch {
		case s.Packets == 0:
			return "S0"
		case c.Packets == 0:
			return "SHR"
		}
		return "SF"
	default:
		return "OTH"
	}
	client, server := c.state(), s.state()
	switch {
	case server >= reset:
		switch {
		case client == synSent, client >= reset && c.Payload+s.Payload == 0:
			return "REJ"
		case client == inactive, client == partial:
			return "RSTRH"
		}
		return "RSTR"
	case client >= reset:
		return either(server == inactive || server == partial, "RSTOS0", "RSTO")
	case client == finSent && server == finSent:
		return "SF"
	case client == finSent:
		return either(server == inactive || server == partial, "SH", "S2")
	case server == finSent:
		return either(client == inactive || client == partial, "SHR", "S3")
	case client == synSent && server == inactive:
		return "S0"
	case client == established && server == established:
		return "S1"
	}
	return "OTH"
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
