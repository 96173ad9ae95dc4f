package decode

import "encoding/binary"

const (
	ipv4Header = 20
	ipv6Header = 40

	// maxExtensions bounds the chain of IPv6 extension headers; RFC 8200,
	// section 4.1 recommends six at most.
	maxExtensions = 8
)

// ip goes on at an IP packet of either version.
func (f *frame) ip(at int) Reason {
	if at >= len(f.data) {
		return IPv4Truncated
	}
	switch f.data[at] >> 4 {
	case 4:
		return f.ipv4(at)
	case 6:
		return f.ipv6(at)
	}
	return IPVersion
}

// ipv4 reads an IPv4 header (RFC 791, section 3.1).
func (f *frame) ipv4(at int) Reason {
	if len(f.data) < at+ipv4Header {
		return IPv4Truncated
	}
	h := f.data[at : at+ipv4Header]
	header, total := int(h[0]&0xf)*4, int(binary.BigEndian.Uint16(h[2:]))
	if total == 0 { // left to the port's segmentation offload
		total = f.wireLen - at
	}
	if header < ipv4Header || total < header {
		return IPv4Header
	}
	f.Kind = IP
	f.TTL, f.TOS, f.Proto = h[8], h[1], h[9]
	mapped(&f.Src, h[12:])
	mapped(&f.Dst, h[16:])
	if frag := binary.BigEndian.Uint16(h[6:]); frag&0x3fff != 0 {
		f.FragID = uint32(binary.BigEndian.Uint16(h[4:]))
		f.fragment(frag&0x1fff != 0)
	}
	if f.Proto == protoAH {
		return f.extensions(protoAH, at+header, at+total)
	}
	f.transport(at+header, at+total)
	return OK
}

// mapped makes a an IPv4 address in IPv6 (RFC 4291, section 2.5.5.2). It writes
// the words that are read again: anything smaller or larger would stall the
// reader.
func mapped(a *[16]byte, v4 []byte) {
	binary.BigEndian.PutUint64(a[:], 0)
	binary.BigEndian.PutUint64(a[8:], 0xffff<<32|uint64(binary.BigEndian.Uint32(v4)))
}

func (f *frame) fragment(later bool) {
	f.Place = First
	if later {
		f.Place = Later
	}
}

// ipv6 reads an IPv6 header (RFC 8200, section 3).
func (f *frame) ipv6(at int) Reason {
	if len(f.data) < at+ipv6Header {
		return IPv6Truncated
	}
	h := f.data[at : at+ipv6Header]
	f.Kind = IP
	f.TTL, f.TOS = h[7], h[0]<<4|h[1]>>4
	f.Src, f.Dst = [16]byte(h[8:]), [16]byte(h[24:])
	end := at + ipv6Header + int(binary.BigEndian.Uint16(h[4:]))
	if end == at+ipv6Header { // a jumbogram (RFC 2675), or segmentation offload
		end = f.wireLen
	}
	return f.extensions(h[6], at+ipv6Header, end)
}

// extensions walks the IPv6 extension headers (RFC 8200, section 4) to the
// transport header, or to the end of what a later fragment has.
func (f *frame) extensions(next uint8, at, end int) Reason {
	for range maxExtensions {
		if f.Place == Later || !isExtension(next) {
			f.Proto = next
			f.transport(at, end)
			return OK
		}
		if len(f.data) < at+8 {
			return ExtensionTruncated
		}
		size := 8 + int(f.data[at+1])*8
		switch next {
		case protoAH:
			size = 8 + int(f.data[at+1])*4 // RFC 4302, section 2.2
		case protoFragment:
			size = 8
			// An atomic fragment (RFC 6946) is a whole packet.
			if frag := f.be16(at + 2); frag&0xfff9 != 0 {
				f.FragID = f.be32(at + 4)
				f.fragment(frag&0xfff8 != 0)
			}
		}
		next = f.data[at]
		at += size
	}
	return ExtensionDepth
}

func isExtension(proto uint8) bool {
	switch proto {
	case protoHopByHop, protoRouting, protoFragment, protoAH, protoDestOpts, protoMobility, protoHIP, protoShim6:
		return true
	}
	return false
}
