package app

import (
	"encoding/hex"
	"net/netip"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// DHCPv6 options that a record has (RFC 8415, section 21).
const (
	dhcp6ClientID      = 1
	dhcp6ServerID      = 2
	dhcp6IANA          = 3
	dhcp6IATA          = 4
	dhcp6Addr          = 5
	dhcp6Params        = 6
	dhcp6Relayed       = 9
	dhcp6Status        = 13
	dhcp6Vendor        = 16
	dhcp6DNS           = 23
	dhcp6Search        = 24
	dhcp6IAPD          = 25
	dhcp6Prefix        = 26
	dhcp6FQDN          = 39
	dhcp6LinkLayer     = 79
	dhcp6RelayForward  = 12
	dhcp6RelayReply    = 13
	maxRelays          = 8 // RFC 8415, section 7.6: HOP_COUNT_LIMIT
	maxDUID            = 130
	maxDHCP6Depth      = 4
	maxDHCP6ParamBytes = 256
)

var (
	dhcp6Messages = [...]string{
		1: "SOLICIT", 2: "ADVERTISE", 3: "REQUEST", 4: "CONFIRM", 5: "RENEW", 6: "REBIND", 7: "REPLY", 8: "RELEASE",
		9: "DECLINE", 10: "RECONFIGURE", 11: "INFORMATION-REQUEST", 12: "RELAY-FORW", 13: "RELAY-REPL",
		14: "LEASEQUERY", 15: "LEASEQUERY-REPLY", 16: "LEASEQUERY-DONE", 17: "LEASEQUERY-DATA",
	}
	dhcp6Statuses = [...]string{
		0: "", 1: "UnspecFail", 2: "NoAddrsAvail", 3: "NoBinding", 4: "NotOnLink", 5: "UseMulticast", 6: "NoPrefixAvail",
	}
)

// ParseDHCP6 reads a DHCPv6 message (RFC 8415, sections 8 and 9), through its
// relays. After an error in the options the record has those before.
func ParseDHCP6(b []byte, rec *record.DHCP6) error {
	r := newReader(b)
	for {
		typ := r.uint8()
		if !r.ok {
			return errShort
		}
		if typ == 0 || int(typ) >= len(dhcp6Messages) {
			return errOther
		}
		rec.Message = dhcp6Messages[typ]
		if typ != dhcp6RelayForward && typ != dhcp6RelayReply {
			break
		}
		inner := dhcp6Relay(r, rec)
		if inner == nil || rec.Relays == maxRelays {
			return errShort
		}
		rec.Relays++
		r = newReader(inner)
	}
	if id := r.bytes(3); id != nil {
		rec.XID = uint32(id[0])<<16 | uint32(id[1])<<8 | uint32(id[2])
	}
	return dhcp6Options(r, rec, 0)
}

// dhcp6Relay returns the message that a relay's message holds.
func dhcp6Relay(r *reader, rec *record.DHCP6) (inner []byte) {
	r.bytes(1 + 16 + 16) // hop count, link address, peer address
	for r.ok && len(r.b) > 0 {
		code, v := r.uint16(), r.list16()
		switch {
		case code == dhcp6Relayed && v.ok:
			inner = v.b
		case code == dhcp6LinkLayer && len(v.b) == 8: // RFC 6939, section 4
			rec.ClientMAC = record.HardwareAddr(v.b[2:])
		}
	}
	return inner
}

// dhcp6Options reads options, some of which hold options.
func dhcp6Options(r *reader, rec *record.DHCP6, depth int) error {
	if depth == maxDHCP6Depth {
		return errOther
	}
	for r.ok && len(r.b) > 0 {
		code, v := r.uint16(), r.list16()
		if !v.ok {
			return errShort
		}
		if err := dhcp6Option(code, &v, rec, depth); err != nil {
			return err
		}
	}
	if !r.ok {
		return errShort
	}
	return nil
}

func dhcp6Option(code uint16, v *reader, rec *record.DHCP6, depth int) error {
	switch code {
	case dhcp6ClientID:
		if mac, ok := duidMAC(v.b); ok && rec.Relays == 0 {
			rec.ClientMAC = mac
		}
		rec.ClientID = hex.EncodeToString(v.b[:min(len(v.b), maxDUID)])
	case dhcp6ServerID:
		rec.ServerID = hex.EncodeToString(v.b[:min(len(v.b), maxDUID)])
	case dhcp6IANA, dhcp6IATA, dhcp6IAPD: // sections 21.4, 21.5, 21.21
		if id := v.uint32(); rec.IAID == 0 {
			rec.IAID = id
		}
		if code != dhcp6IATA {
			v.bytes(8)
		}
		return dhcp6Options(v, rec, depth+1)
	case dhcp6Addr: // section 21.6
		addr := v.bytes(16)
		v.uint32() // preferred lifetime
		dhcp6Lease(v, rec)
		if addr != nil {
			rec.Addrs = appendText(rec.Addrs, ip6(addr).String())
		}
		return dhcp6Options(v, rec, depth+1)
	case dhcp6Prefix: // section 21.22
		v.uint32()
		dhcp6Lease(v, rec)
		bits, addr := v.uint8(), v.bytes(16)
		if addr != nil && bits <= 128 {
			rec.Prefixes = appendText(rec.Prefixes, netip.PrefixFrom(ip6(addr), int(bits)).String())
		}
		return dhcp6Options(v, rec, depth+1)
	case dhcp6Status: // section 21.13
		if n := v.uint16(); n != 0 && rec.Status == "" {
			rec.Status = strconv.Itoa(int(n))
			if int(n) < len(dhcp6Statuses) {
				rec.Status = dhcp6Statuses[n]
			}
		}
	case dhcp6Vendor: // section 21.16: enterprise number, then texts
		v.uint32()
		rec.Vendor = text(v.list16().b)
	case dhcp6FQDN: // RFC 4704, section 4: flags, then a name that may be partial
		v.uint8()
		rec.FQDN = partialName(v.b)
	case dhcp6DNS:
		for len(v.b) >= 16 {
			rec.DNS = appendText(rec.DNS, ip6(v.bytes(16)).String())
		}
	case dhcp6Search:
		rec.Search = appendNames(rec.Search, v.b)
	case dhcp6Params:
		rec.Params = dhcp6ParamList(v)
	}
	return nil
}

// dhcp6Lease takes a valid lifetime.
func dhcp6Lease(v *reader, rec *record.DHCP6) {
	if n := v.uint32(); v.ok && (rec.Lease == 0 || n < rec.Lease) {
		rec.Lease = n
	}
}

// duidMAC returns the Ethernet address in a DUID of the types LLT and LL
// (RFC 8415, sections 11.2 and 11.4).
func duidMAC(b []byte) (mac record.HardwareAddr, ok bool) {
	r := newReader(b)
	typ, hardware := r.uint16(), r.uint16()
	if typ == 1 {
		r.uint32() // time
	}
	if typ != 1 && typ != 3 || hardware != 1 || len(r.b) != 6 {
		return mac, false
	}
	return record.HardwareAddr(r.b), true
}

// partialName reads a name of labels that may end without the root.
func partialName(b []byte) string {
	var name []byte
	for len(b) > 0 && b[0] > 0 && b[0] <= 63 && int(b[0]) < len(b) && len(name) < maxNameBytes {
		if len(name) > 0 {
			name = append(name, '.')
		}
		name = appendLabel(name, b[1:1+b[0]])
		b = b[1+b[0]:]
	}
	return string(name)
}

func dhcp6ParamList(v *reader) string {
	var list []byte
	for len(v.b) >= 2 && len(list) < maxDHCP6ParamBytes {
		if len(list) > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendUint(list, uint64(v.uint16()), 10)
	}
	return string(list)
}
