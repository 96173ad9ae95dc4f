package decode

// transport reads the transport header at f.data[at:] of a packet that ends,
// on the wire, at end.
func (f *frame) transport(at, end int) {
	if end > f.wireLen {
		f.Odd = IPLength
		end = f.wireLen
	}
	end = max(end, at)
	header := 0
	if f.Place != Later {
		seen := f.data[min(at, len(f.data)):min(end, len(f.data))]
		header = min(f.header(seen, end-at), end-at)
	}
	f.PayloadLen = uint32(end - at - header)
	f.PayloadEnd = uint32(min(end, len(f.data)))
	if f.Proto == protoICMP || f.Proto == protoICMPv6 {
		header = 0 // whoever reads a message begins at its type
	}
	f.Payload = min(uint32(at+header), f.PayloadEnd)
	if f.Place != Later {
		f.tunnel()
	}
}

// header reads the captured bytes b of a transport header and payload that
// had size bytes on the wire. It returns the length of the header.
func (f *frame) header(b []byte, size int) int {
	switch f.Proto {
	case protoTCP:
		return f.tcp(b, size)
	case protoUDP:
		return f.udp(b, size)
	case protoICMP, protoICMPv6:
		if len(b) < 2 {
			f.Odd = ICMPTruncated
		} else {
			f.SrcPort, f.DstPort = uint16(b[0]), uint16(b[1])
		}
		return 8
	case protoSCTP:
		f.ports(b, PortsTruncated)
		return 12
	case protoDCCP, protoUDPLite:
		f.ports(b, PortsTruncated)
		return 8
	}
	return 0
}

// ports reads the two ports that most transport headers begin with.
func (f *frame) ports(b []byte, short Reason) bool {
	if len(b) < 4 {
		f.Odd = short
		return false
	}
	f.SrcPort = uint16(b[0])<<8 | uint16(b[1])
	f.DstPort = uint16(b[2])<<8 | uint16(b[3])
	return true
}

// tcp reads a TCP header (RFC 9293, section 3.1), as far as it was captured.
func (f *frame) tcp(b []byte, size int) int {
	const minHeader = 20
	if !f.ports(b, TCPTruncated) {
		return minHeader
	}
	if len(b) < minHeader {
		f.Odd = TCPTruncated
		if len(b) < 14 {
			return minHeader
		}
	}
	f.Seq = uint32(b[4])<<24 | uint32(b[5])<<16 | uint32(b[6])<<8 | uint32(b[7])
	f.Ack = uint32(b[8])<<24 | uint32(b[9])<<16 | uint32(b[10])<<8 | uint32(b[11])
	f.Flags = b[13]
	f.Window = 1 // unless it is known to be zero
	if len(b) >= 16 {
		f.Window = uint16(b[14])<<8 | uint16(b[15])
	}
	header := int(b[12]>>4) * 4
	if header < minHeader || header > size {
		f.Odd = TCPHeader
		return size
	}
	return header
}

// udp reads a UDP header (RFC 768). Its length field is of the whole datagram,
// so it says nothing in a fragment.
func (f *frame) udp(b []byte, size int) int {
	const header = 8
	if !f.ports(b, UDPTruncated) {
		return header
	}
	if len(b) < header {
		f.Odd = UDPTruncated
		return header
	}
	length := int(b[4])<<8 | int(b[5])
	if f.Place == Whole && length != 0 && (length < header || length > size) {
		f.Odd = UDPLength
	}
	return header
}
