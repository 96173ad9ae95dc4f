package decode

// nlpidIPv4 and nlpidIPv6 are what network layer protocols are called on
// serial lines (ISO/IEC TR 9577); nlpidSNAP says that a SNAP header follows.
const (
	nlpidIPv4 = 0xcc
	nlpidIPv6 = 0x8e
	nlpidSNAP = 0x80
)

// serial reads the headers of lines between routers: Cisco's HDLC, frame relay
// (RFC 2427; Cisco's own has an EtherType there) and ATM with LLC (RFC 2684).
func (f *frame) serial(linkType uint32) Reason {
	if len(f.data) < 8 {
		return LinkTruncated
	}
	switch linkType {
	case linkCHDLC:
		if f.be16(2) < etherMin { // CDP and its like
			return f.control(f.be16(2), 4, EtherType)
		}
		return f.ether(f.be16(2), 4)
	case linkATM:
		return f.ether(0, 0)
	}
	at := 2
	for f.data[at-1]&1 == 0 { // the address goes on
		if at++; at > 4 {
			return EtherType
		}
	}
	if f.data[at] != 3 {
		if typ := f.be16(at); typ >= etherMin {
			return f.ether(typ, at+2)
		}
		return EtherType
	}
	if at++; f.data[at] == 0 { // padding
		at++
	}
	switch f.data[at] {
	case nlpidIPv4, nlpidIPv6:
		return f.ip(at + 1)
	case nlpidSNAP:
		if len(f.data) >= at+6 && f.be16(at+1) == 0 && f.data[at+3] == 0 {
			return f.ether(f.be16(at+4), at+6)
		}
	}
	return EtherType
}
