package decode

import "encoding/binary"

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkPPP      = 9
	linkRawBSD   = 12
	linkPPPHDLC  = 50
	linkPPPoE    = 51
	linkATM      = 100
	linkRaw      = 101
	linkCHDLC    = 104
	linkWLAN     = 105
	linkFrame    = 107 // relay
	linkLoop     = 108
	linkSLL      = 113
	linkRadioTap = 127
	linkPPPD     = 166
	linkIPv4     = 228
	linkIPv6     = 229
	linkNFLOG    = 239
	linkIPoIB    = 242
	linkPKTAP    = 258
	linkSLL2     = 276

	sllHeader  = 16
	sll2Header = 20
)

// EtherTypes (IANA).
const (
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherVLAN   = 0x8100
	etherIPv6   = 0x86dd
	etherMPLS   = 0x8847
	etherMPLSUp = 0x8848
	etherPPPoE  = 0x8864
	etherQinQ   = 0x88a8
	etherMACsec = 0x88e5
	etherITag   = 0x88e7 // provider backbone bridges
	etherVNTag  = 0x8926
	etherNSH    = 0x894f
	etherQinQ91 = 0x9100 // before 802.1ad settled
	etherQinQ92 = 0x9200

	// etherMin is the least EtherType; below it the field is a length.
	etherMin = 0x0600
)

// Bounds on what may be stacked in front of IP.
const (
	maxTags   = 4
	maxLabels = 16
)

func (f *frame) link(linkType uint32) Reason {
	switch linkType {
	case linkEthernet:
		if len(f.data) < 14 {
			return LinkTruncated
		}
		return f.ether(f.be16(12), 14)
	case linkRaw, linkRawBSD, linkIPv4, linkIPv6:
		return f.ip(0)
	case linkSLL:
		if len(f.data) < sllHeader {
			return LinkTruncated
		}
		return f.ether(f.be16(14), sllHeader)
	case linkSLL2:
		if len(f.data) < sll2Header {
			return LinkTruncated
		}
		return f.ether(f.be16(0), sll2Header)
	case linkNull, linkLoop:
		return f.null()
	case linkPPP, linkPPPHDLC:
		return f.ppp(0)
	case linkPPPD: // the direction stands for the address
		if len(f.data) < 4 {
			return LinkTruncated
		}
		return f.ppp(2)
	case linkPPPoE:
		return f.pppoe(0)
	case linkWLAN:
		return f.wlan(0)
	case linkRadioTap:
		return f.radioTap()
	case linkNFLOG:
		return f.nflog()
	case linkIPoIB: // behind the address of the other end (RFC 4391, section 6)
		if len(f.data) < 44 {
			return LinkTruncated
		}
		return f.ether(f.be16(40), 44)
	case linkPKTAP:
		return f.pktap()
	case linkCHDLC, linkFrame, linkATM:
		return f.serial(linkType)
	}
	return LinkType
}

// ether goes on at a payload of EtherType typ, through VLAN tags.
func (f *frame) ether(typ uint16, at int) Reason {
	for tags := 0; ; tags++ {
		switch typ {
		case etherIPv4, etherIPv6:
			return f.ip(at)
		case etherARP:
			f.Kind = ARP
			f.Payload, f.PayloadEnd = uint32(at), uint32(len(f.data))
			return OK
		case etherMPLS, etherMPLSUp:
			return f.mpls(at)
		case etherPPPoE:
			return f.pppoe(at)
		case etherMACsec:
			return f.macsec(at)
		case etherNSH:
			return f.nsh(at)
		case etherVLAN, etherQinQ, etherQinQ91, etherQinQ92:
			if tags == maxTags {
				return VLANDepth
			}
			if len(f.data) < at+4 {
				return LinkTruncated
			}
			switch id := f.be16(at) & 0xfff; tags {
			case 0:
				f.VLAN, f.InnerVLAN = id, 0
			case 1:
				f.InnerVLAN = id
			}
			typ = f.be16(at + 2)
			at += 4
		case etherITag, etherVNTag:
			// I-TAG with the customer's addresses (IEEE 802.1Q-2018, clause 9.7), VN-Tag of
			// bridges whose ports are elsewhere (IEEE 802.1BR-2012, clause 7).
			size := 4 + 2
			if typ == etherITag {
				size = 4 + 12 + 2
			}
			if tags == maxTags {
				return VLANDepth
			}
			if len(f.data) < at+size {
				return LinkTruncated
			}
			at += size
			typ = f.be16(at - 2)
		default:
			if typ >= etherMin {
				return f.control(typ, at, EtherType)
			}
			// SNAP with the OUI of EtherTypes (RFC 1042).
			if len(f.data) < at+8 || f.be32(at) != 0xaaaa0300 || f.be16(at+4) != 0 || f.be16(at+6) < etherMin {
				return f.control(typ, at, LLC)
			}
			typ = f.be16(at + 6)
			at += 8
		}
	}
}

// control ends at a payload that has no flow.
func (f *frame) control(typ uint16, at int, why Reason) Reason {
	f.Kind, f.EtherType = Control, typ
	f.Payload, f.PayloadEnd = uint32(min(at, len(f.data))), uint32(len(f.data))
	return why
}

func (f *frame) mpls(at int) Reason {
	for range maxLabels {
		if len(f.data) < at+4 {
			return LinkTruncated
		}
		bottom := f.data[at+2]&1 != 0
		at += 4
		if !bottom {
			continue
		}
		// Nothing says what follows; routers look at the version too
		// (RFC 4928, section 3).
		if at < len(f.data) && (f.data[at]>>4 == 4 || f.data[at]>>4 == 6) {
			return f.ip(at)
		}
		return f.pseudowire(at)
	}
	return MPLSDepth
}

// pseudowire goes on at an Ethernet frame behind a control word of zeros, as most
// have that are carried over MPLS (RFC 4448, section 4.6).
func (f *frame) pseudowire(at int) Reason {
	const word, header = 4, 14
	if len(f.data) < at+word+header || f.be16(at) != 0 {
		return MPLSPayload
	}
	switch typ := f.be16(at + word + 12); typ {
	case etherIPv4, etherIPv6, etherARP, etherVLAN, etherQinQ:
		return f.ether(typ, at+word+header)
	}
	return MPLSPayload
}

// macsec goes on behind the tag of a frame that is signed and not encrypted
// (IEEE 802.1AE-2018, clause 9.3).
func (f *frame) macsec(at int) Reason {
	const hasSCI, encrypted, changed = 0x20, 0x08, 0x04
	if len(f.data) <= at {
		return LinkTruncated
	}
	if f.data[at]&(encrypted|changed) != 0 {
		return f.control(etherMACsec, at, EtherType)
	}
	size := 6
	if f.data[at]&hasSCI != 0 {
		size += 8
	}
	if len(f.data) < at+size+2 {
		return LinkTruncated
	}
	typ := f.be16(at + size)
	if typ == etherMACsec || typ == etherNSH {
		return f.control(typ, at+size+2, EtherType)
	}
	return f.ether(typ, at+size+2)
}

// nsh goes on behind a service header (RFC 8300, section 2.2).
func (f *frame) nsh(at int) Reason {
	if len(f.data) < at+4 {
		return LinkTruncated
	}
	next := at + 4*int(f.data[at+1]&0x3f)
	switch f.data[at+3] {
	case 1, 2:
		return f.ip(next)
	case 3:
		if len(f.data) < next+14 {
			return LinkTruncated
		}
		if typ := f.be16(next + 12); typ != etherNSH && typ != etherMACsec {
			return f.ether(typ, next+14)
		}
	case 5:
		return f.mpls(next)
	}
	return f.control(etherNSH, at, EtherType)
}

// pktap goes on behind the header that macOS captures have, with the link type
// of the interface (https://www.tcpdump.org/linktypes/LINKTYPE_PKTAP.html).
func (f *frame) pktap() Reason {
	if len(f.data) < 12 {
		return LinkTruncated
	}
	at, typ := binary.LittleEndian.Uint32(f.data), binary.LittleEndian.Uint32(f.data[8:])
	if int64(at)+14 > int64(len(f.data)) {
		return LinkTruncated
	}
	switch typ {
	case linkEthernet:
		return f.ether(f.be16(int(at)+12), int(at)+14)
	case linkRaw, linkRawBSD:
		return f.ip(int(at))
	}
	return LinkType
}

// nflog walks the attributes of a packet that the firewall logged, which are
// in the byte order of the host (https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html).
func (f *frame) nflog() Reason {
	const header, payload, maxAttributes = 4, 9, 32
	at := header
	for range maxAttributes {
		if len(f.data) < at+4 {
			return LinkTruncated
		}
		size := int(binary.LittleEndian.Uint16(f.data[at:]))
		if typ := binary.LittleEndian.Uint16(f.data[at+2:]); typ == payload {
			return f.ip(at + 4)
		}
		at += max(4, (size+3)&^3)
	}
	return LinkTruncated
}

// null reads the address family that BSD loopback captures begin with, in the
// byte order of the host that captured (Null) or of the network (Loop). IPv6
// has another number on each system.
func (f *frame) null() Reason {
	if len(f.data) < 4 {
		return LinkTruncated
	}
	family := binary.LittleEndian.Uint32(f.data)
	if family > 0xffff {
		family = f.be32(0)
	}
	switch family {
	case 2, 10, 24, 28, 30:
		return f.ip(4)
	}
	return EtherType
}
