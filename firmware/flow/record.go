package flow

import "time"

// A Side is what one end of a flow sent.
type Side struct {
	Packets uint64
	Bytes   uint64 // of frames, on the wire
	Payload uint64 // above the transport header, on the wire

	// OutOfOrder counts TCP segments that came behind a later one, Retransmits
	// those that were seen before. They stop at their largest value.
	OutOfOrder  uint16
	Retransmits uint16

	seen  uint16 // letters of the history that it has, seqKnown, and the state of a TCP endpoint
	Flags uint8  // of TCP, or-ed
	TTL   uint8  // of the first packet
}

// A Record is a flow in the table. It holds no pointers, so the garbage
// collector never looks at the slab of them. What each packet needs is in its
// first half.
type Record struct {
	Key       Key
	Last      int64    // Unix ns of the last packet
	touched   uint32   // table clock of the last packet, in seconds
	Stream    uint16   // the caller's: which reassembly state belongs to the flow
	TOS       [2]uint8 // by end of Key: DSCP of the first packet, ECN of all, or-ed
	App       uint8    // the caller's: the application protocol
	Parser    uint8    // the caller's: who wants its payload
	Client    uint8    // end that opened the flow
	closed    uint8    // Reason, once TCP has ended
	oriented  bool     // it is known who the client is
	TunnelBy  uint8    // the caller's: kind of tunnel that the first packet came through
	VLAN      uint16
	Sides     [2]Side // by end of Key
	ends      [2]endpoint
	First     int64 // Unix ns of the first packet
	ID        uint64
	Tunnel    uint64  // ID of the flow that carries this one, 0 for none
	history   history // letters of both ends, in the order they were seen
	began     uint32  // table clock of the first packet
	next      uint32  // neighbours in the wheel's bucket, or the next free record
	prev      uint32
	rtt       uint32 // of the TCP handshake, in µs, 0 for unknown; of ICMP the type of the first packet << 8 | its code
	bucket    uint16
	InnerVLAN uint16
	SrcMAC    [6]byte // the caller's: of the first frame's source
	DstMAC    [6]byte // and destination
}

// answered reports whether both ends of the flow have sent something.
func (r *Record) answered() bool { return r.Sides[0].Packets > 0 && r.Sides[1].Packets > 0 }

// Port returns the port of an end. For ICMP the client's is the type and the
// server's the code of the first packet.
func (r *Record) Port(end uint8) uint16 {
	if proto := r.Key.Proto(); proto != protoICMP && proto != protoICMPv6 {
		return r.Key.Port(end)
	}
	if end == r.Client {
		return uint16(r.rtt >> 8)
	}
	return uint16(r.rtt & 0xff)
}

// VNI returns the virtual network that the flow is in, 0 for none.
func (r *Record) VNI() uint32 { return r.Key.VNI() }

// RTT returns the time between the SYN and the ACK that ended the handshake,
// 0 for unknown.
func (r *Record) RTT() time.Duration {
	if r.Key.Proto() != protoTCP {
		return 0
	}
	return time.Duration(r.rtt) * time.Microsecond
}

// Missed returns how many bytes of the TCP stream of an end were acknowledged
// and never seen.
func (r *Record) Missed(end uint8) uint32 { return r.ends[end].missed }

// Hole returns how many bytes of the TCP stream of an end are missing before
// later ones, and may still come.
func (r *Record) Hole(end uint8) uint32 { return r.ends[end].hole }

// Repeated returns how many bytes of an end were seen again, or are of no stream
// as they came with RST.
func (r *Record) Repeated(end uint8) uint32 { return r.ends[end].repeated }

// AppendHistory appends the history of the flow, in the letters of Zeek's
// conn.log: S SYN, H SYN with ACK, A a bare ACK, D payload, F FIN, R RST, T
// payload again, G a gap, W a window of zero, Q a SYN with FIN or RST, I a FIN with
// RST, ^ a flow that began with the answer. A packet with SYN, FIN or RST has
// the letter of that alone, whatever payload it has. A letter of the client is
// large, one of the server small, and each comes once.
func (r *Record) AppendHistory(b []byte) []byte { return r.history.appendTo(b, r.Client) }
