package decode

// PPP protocol numbers (IANA).
const (
	pppIPv4   = 0x0021
	pppIPv6   = 0x0057
	pppMPLS   = 0x0281
	pppMPLSUp = 0x0283
)

// ppp reads a PPP header (RFC 1661, section 2; RFC 1662, section 3.1), whose
// address, control and first protocol byte may have been left out.
func (f *frame) ppp(at int) Reason {
	if len(f.data) >= at+2 && f.data[at] == 0xff && f.data[at+1] == 0x03 {
		at += 2
	}
	if len(f.data) < at+2 {
		return LinkTruncated
	}
	proto, size := f.be16(at), 2
	if f.data[at]&1 != 0 {
		proto, size = uint16(f.data[at]), 1
	}
	switch proto {
	case pppIPv4, pppIPv6:
		return f.ip(at + size)
	case pppMPLS, pppMPLSUp:
		return f.mpls(at + size)
	}
	return PPPProtocol
}

// pppoe reads the header of a PPPoE session (RFC 2516, section 4).
func (f *frame) pppoe(at int) Reason {
	const header = 6
	if len(f.data) < at+header {
		return LinkTruncated
	}
	if f.data[at] != 0x11 || f.data[at+1] != 0 {
		return PPPoEHeader
	}
	return f.ppp(at + header)
}
