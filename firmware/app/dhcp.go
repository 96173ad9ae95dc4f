package app

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// DHCP options that a record has (RFC 2132).
const (
	dhcpPad       = 0
	dhcpRouters   = 3
	dhcpDNS       = 6
	dhcpHostname  = 12
	dhcpDomain    = 15
	dhcpRequested = 50
	dhcpLease     = 51
	dhcpMessage   = 53
	dhcpServer    = 54
	dhcpParams    = 55
	dhcpText      = 56
	dhcpVendor    = 60
	dhcpFQDN      = 81 // RFC 4702
	dhcpEnd       = 255

	dhcpCookie = 0x63825363

	// maxDHCPAddrs bounds the addresses of one option in a record.
	maxDHCPAddrs = 8
)

// dhcpMessages are the values of option 53 (RFC 2132, section 9.6).
var dhcpMessages = [...]string{
	1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM",
}

// ParseDHCP reads a DHCPv4 message (RFC 2131, section 2). Plain BOOTP, which
// has no message type, is another protocol.
func ParseDHCP(b []byte, rec *record.DHCP) error {
	r := newReader(b)
	op, hardware := r.uint8(), r.uint16()
	r.uint8() // hops
	rec.XID = r.uint32()
	r.bytes(4) // secs, flags
	ciaddr, yiaddr, siaddr, giaddr := r.bytes(4), r.bytes(4), r.bytes(4), r.bytes(4)
	chaddr := r.bytes(16)
	r.bytes(64 + 128) // sname, file
	switch cookie := r.uint32(); {
	case !r.ok:
		return errShort
	case op != 1 && op != 2 || cookie != dhcpCookie:
		return errOther
	}
	if hardware == 0x0106 { // Ethernet, 6 bytes
		rec.ClientMAC = record.HardwareAddr(chaddr)
	}
	rec.Client, rec.Assigned = dhcpAddr(ciaddr), dhcpAddr(yiaddr)
	rec.Next, rec.Relay = dhcpAddr(siaddr), dhcpAddr(giaddr)
	for r.ok && len(r.b) > 0 {
		code := r.uint8()
		if code == dhcpPad {
			continue
		}
		if code == dhcpEnd {
			break
		}
		dhcpOption(code, r.list8().b, rec)
	}
	if rec.Message == "" {
		return errOther
	}
	if !r.ok {
		return errShort
	}
	return nil
}

func dhcpOption(code uint8, v []byte, rec *record.DHCP) {
	switch code {
	case dhcpMessage:
		if len(v) == 1 {
			rec.Message = strconv.Itoa(int(v[0]))
			if v[0] != 0 && int(v[0]) < len(dhcpMessages) {
				rec.Message = dhcpMessages[v[0]]
			}
		}
	case dhcpRequested:
		rec.Requested = dhcpAddr(v)
	case dhcpServer:
		rec.Server = dhcpAddr(v)
	case dhcpLease:
		if len(v) == 4 {
			rec.Lease = binary.BigEndian.Uint32(v)
		}
	case dhcpHostname:
		rec.Hostname = text(v)
	case dhcpFQDN:
		rec.FQDN = dhcpFullName(v)
	case dhcpText:
		rec.Text = text(v)
	case dhcpDomain:
		rec.Domain = text(v)
	case dhcpVendor:
		rec.Vendor = text(v)
	case dhcpRouters:
		rec.Routers = dhcpAddrs(v)
	case dhcpDNS:
		rec.DNS = dhcpAddrs(v)
	case dhcpParams:
		var list []byte
		for i, p := range v {
			if i > 0 {
				list = append(list, ',')
			}
			list = strconv.AppendUint(list, uint64(p), 10)
		}
		rec.Params = string(list)
	}
}

// dhcpFullName returns the name in the client's option, which is in the format of
// DNS or, of old, as text (RFC 4702, section 2).
func dhcpFullName(v []byte) string {
	const header, inDNS = 3, 4
	switch {
	case len(v) <= header:
		return ""
	case v[0]&inDNS == 0:
		return text(v[header:])
	}
	r := newReader(v[header:])
	var name []byte
	for r.ok && len(r.b) > 0 {
		label := r.list8()
		if len(label.b) == 0 {
			break
		}
		if len(name) > 0 {
			name = append(name, '.')
		}
		name = append(name, label.b...)
	}
	return string(name)
}

// dhcpAddr returns the address in v; 0.0.0.0 is none.
func dhcpAddr(v []byte) netip.Addr {
	if len(v) != 4 || [4]byte(v) == ([4]byte{}) {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(v))
}

func dhcpAddrs(v []byte) []string {
	var list []string
	for ; len(v) >= 4 && len(list) < maxDHCPAddrs; v = v[4:] {
		list = append(list, netip.AddrFrom4([4]byte(v)).String())
	}
	return list
}
