package decode

// A Tunnel is a protocol that carries packets in packets. Its name is what
// flow records call it.
type Tunnel uint8

const (
	NoTunnel  Tunnel = iota
	IPIP             // RFC 2003, RFC 2473
	SixInFour        // RFC 4213
	GRE              // RFC 2784, RFC 2890; PPTP's in RFC 2637
	ERSPAN           // draft-foschiano-erspan
	EtherIP          // RFC 3378
	MPLSInIP         // RFC 4023, RFC 7510
	VXLAN            // RFC 7348
	Geneve           // RFC 8926
	GTPU             // 3GPP TS 29.281
	Teredo           // RFC 4380
)

var tunnelNames = [...]string{"", "ipip", "6in4", "gre", "erspan", "etherip", "mpls", "vxlan", "geneve", "gtp-u", "teredo"}

func (t Tunnel) String() string { return tunnelNames[t] }

// Ports (IANA) at which tunnels over UDP are looked for.
const (
	portGTPU       = 2152
	portTeredo     = 3544
	portVXLAN      = 4789
	portVXLANGPE   = 4790
	portGeneve     = 6081
	portMPLS       = 6635
	portVXLANLinux = 8472 // Linux' default, before IANA assigned one
)

// EtherTypes that stand in tunnels, and a bound on GTP-U extension headers.
const (
	etherBridged   = 0x6558 // a whole Ethernet frame
	etherPPP       = 0x880b
	etherERSPAN    = 0x88be // types I and II
	etherERSPAN3   = 0x22eb
	etherWCCP      = 0x883e // what a router hands to a cache (draft-mclaggan-wccp-v2rev1)
	etherIPEither  = 0x0001 // ours: IP of whichever version
	maxGTPUHeaders = 8
)

// tunnel looks at the payload of a packet that may be one of a tunnel.
func (f *frame) tunnel() {
	at := int(f.Payload)
	switch f.Proto {
	case protoUDP:
		f.udpTunnel(at)
	case protoIPv4:
		f.enter(IPIP, etherIPv4, at)
	case protoIPv6:
		kind := SixInFour
		if f.Src[0] != 0 { // no IPv4 address
			kind = IPIP
		}
		f.enter(kind, etherIPv6, at)
	case protoGRE:
		f.gre(at)
	case protoEtherIP:
		f.enter(EtherIP, etherBridged, at+2)
	case protoMPLS:
		f.enter(MPLSInIP, etherMPLS, at)
	}
}

func (f *frame) udpTunnel(at int) {
	switch f.DstPort {
	case portVXLAN, portVXLANGPE, portVXLANLinux:
		f.vxlan(at)
		return
	case portGeneve:
		f.geneve(at)
		return
	case portMPLS:
		f.enter(MPLSInIP, etherMPLS, at)
		return
	case portGTPU:
		f.gtpu(at)
		return
	}
	switch {
	case f.DstPort == portTeredo || f.SrcPort == portTeredo:
		f.teredo(at)
	case f.SrcPort == portGTPU:
		f.gtpu(at)
	}
}

// enter says that a packet of EtherType typ begins at at, if the frame was
// captured that far.
func (f *frame) enter(t Tunnel, typ uint16, at int) {
	if at < int(f.PayloadEnd) {
		f.Tunnel, f.innerType, f.inner = t, typ, uint32(at)
	}
}

// has reports whether n bytes from at on are of the payload as captured.
func (f *frame) has(at, n int) bool { return at+n <= int(f.PayloadEnd) }

// inside goes on at the packet in a tunnel.
func (f *frame) inside(typ uint16, at int) Reason {
	switch typ {
	case etherBridged:
		if len(f.data) < at+14 {
			return LinkTruncated
		}
		return f.ether(f.be16(at+12), at+14)
	case etherPPP:
		return f.ppp(at)
	case etherWCCP: // in version 2 behind a header of 4 bytes, which begin with 0 to 3
		if at < len(f.data) && f.data[at]>>4 < 4 {
			at += 4
		}
		return f.ip(at)
	case etherIPEither:
		return f.ip(at)
	}
	return f.ether(typ, at)
}

// gre reads a GRE header (RFC 2784, section 2.1; RFC 2890, section 2; version
// 1: RFC 2637, section 4.1).
func (f *frame) gre(at int) {
	const checksum, routing, key, sequence, ack = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
	if !f.has(at, 4) {
		return
	}
	flags, typ := f.be16(at), f.be16(at+2)
	version := flags & 7
	if version > 1 || flags&routing != 0 {
		f.Odd = TunnelHeader
		return
	}
	at += 4
	for _, bit := range [...]uint16{checksum, key, sequence} {
		if flags&bit != 0 {
			at += 4
		}
	}
	if version == 1 && flags&ack != 0 {
		at += 4
	}
	switch typ {
	case etherERSPAN:
		if flags&sequence == 0 { // type I has no header
			f.enter(ERSPAN, etherBridged, at)
			return
		}
		f.enter(ERSPAN, etherBridged, at+8)
	case etherERSPAN3:
		if !f.has(at, 12) {
			return
		}
		size := 12
		if f.data[at+11]&1 != 0 {
			size += 8 // a platform's own header
		}
		f.enter(ERSPAN, etherBridged, at+size)
	default:
		f.enter(GRE, typ, at)
	}
}

// vxlan reads a VXLAN header (RFC 7348, section 5), which may say what follows
// (draft-ietf-nvo3-vxlan-gpe, section 3.1).
func (f *frame) vxlan(at int) {
	const nextProtocol, instance = 0x04, 0x08
	if !f.has(at, 8) || f.data[at]&instance == 0 {
		f.Odd = TunnelHeader
		return
	}
	typ := uint16(etherBridged)
	if f.data[at]&nextProtocol != 0 {
		switch f.data[at+3] {
		case 1:
			typ = etherIPv4
		case 2:
			typ = etherIPv6
		case 5:
			typ = etherMPLS
		}
	}
	f.enter(VXLAN, typ, at+8)
	f.innerVNI = f.be32(at+4) >> 8
}

// geneve reads a Geneve header (RFC 8926, section 3.4).
func (f *frame) geneve(at int) {
	if !f.has(at, 8) || f.data[at]>>6 != 0 {
		f.Odd = TunnelHeader
		return
	}
	f.enter(Geneve, f.be16(at+2), at+8+int(f.data[at]&0x3f)*4)
	f.innerVNI = f.be32(at+4) >> 8
}

// gtpu reads the header of a G-PDU (3GPP TS 29.281, section 5) with its
// extension headers. The other messages are the tunnel's own.
func (f *frame) gtpu(at int) {
	const gpdu = 0xff
	if !f.has(at, 8) || f.data[at]>>4 != 3 {
		f.Odd = TunnelHeader
		return
	}
	if f.data[at+1] != gpdu {
		return
	}
	flags := f.data[at]
	at += 8
	if flags&7 == 0 { // neither extension, sequence nor N-PDU number
		f.enter(GTPU, etherIPEither, at)
		return
	}
	at += 4
	for range maxGTPUHeaders {
		if !f.has(at, 1) {
			return
		}
		if flags&4 == 0 || f.data[at-1] == 0 {
			f.enter(GTPU, etherIPEither, at)
			return
		}
		size := int(f.data[at]) * 4
		if size == 0 {
			break
		}
		at += size
	}
	f.Odd = TunnelHeader
}

// teredo passes over the indications in front of the IPv6 packet (RFC 4380,
// section 5.1.1). What does not look like one is not Teredo.
func (f *frame) teredo(at int) {
	if f.has(at, 4) && f.be16(at) == 1 { // authentication
		at += 13 + int(f.data[at+2]) + int(f.data[at+3])
	}
	if f.has(at, 8) && f.be16(at) == 0 { // origin
		at += 8
	}
	if f.has(at, ipv6Header) && f.data[at]>>4 == 6 && f.has(at, ipv6Header+int(f.be16(at+4))) {
		f.enter(Teredo, etherIPv6, at)
	}
}
