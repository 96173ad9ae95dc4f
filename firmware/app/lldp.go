package app

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxTLVs bounds the values of a message that are looked at.
const maxTLVs = 128

// Bits of the LLDP system capabilities (IEEE 802.1AB, section 8.5.8.1).
var lldpCapabilities = [...]string{
	"other", "repeater", "bridge", "wlan", "router", "telephone", "docsis", "station", "cvlan", "svlan", "relay",
}

// ParseLLDP reads an LLDP data unit (IEEE 802.1AB, section 8). After an error
// the record has what came before.
func ParseLLDP(b []byte, rec *record.LLDP) error {
	r := newReader(b)
	rec.Protocol = "lldp"
	for range maxTLVs {
		head := r.uint16()
		v := r.bytes(int(head & 0x1ff))
		if !r.ok {
			return errShort
		}
		if head>>9 == 0 {
			break
		}
		lldpTLV(uint8(head>>9), v, rec)
	}
	if rec.ChassisID == "" || rec.PortID == "" { // mandatory
		return errOther
	}
	return nil
}

func lldpTLV(typ uint8, v []byte, rec *record.LLDP) {
	switch typ {
	case 1:
		rec.ChassisID = lldpID(v, 4, 5)
	case 2:
		rec.PortID = lldpID(v, 3, 4)
	case 3:
		r := newReader(v)
		rec.TTL = r.uint16()
	case 4:
		rec.PortDesc = text(v)
	case 5:
		rec.SysName = text(v)
	case 6:
		rec.SysDesc = text(v)
	case 7:
		if len(v) >= 4 {
			rec.Capabilities = bitNames(uint32(v[2])<<8|uint32(v[3]), lldpCapabilities[:])
		}
	case 8: // length of subtype and address, subtype (IANA address family)
		if len(v) >= 2 && int(v[0]) <= len(v)-1 && v[0] > 0 {
			if a := familyAddr(v[1], v[2:1+int(v[0])]); a != "" {
				rec.Addrs = appendText(rec.Addrs, a)
			}
		}
	case 127:
		lldpOrganisation(v, rec)
	}
}

// lldpOrganisation reads the values that other bodies defined: IEEE 802.1
// (port VLAN) and ANSI/TIA-1057 (LLDP-MED).
func lldpOrganisation(v []byte, rec *record.LLDP) {
	r := newReader(v)
	switch head := r.uint32(); head {
	case 0x0080c201:
		rec.PortVLAN = r.uint16()
	case 0x0012bb02: // network policy: application, then flags, VLAN, priorities
		if app, bits := r.uint8(), uint32(r.uint8())<<16|uint32(r.uint16()); app == 1 && r.ok {
			rec.VoiceVLAN = uint16(bits >> 9 & 0xfff)
		}
	case 0x0012bb08:
		rec.Serial = text(r.b)
	case 0x0012bb09:
		rec.Platform = text(r.b)
	case 0x0012bb0a:
		rec.Platform = strings.TrimSpace(rec.Platform + " " + text(r.b))
	}
}

// lldpID reads a chassis or port id, of which two subtypes are addresses.
func lldpID(v []byte, mac, network uint8) string {
	switch {
	case len(v) < 2:
		return ""
	case v[0] == mac && len(v) == 7:
		return hexMAC(v[1:])
	case v[0] == network && familyAddr(v[1], v[2:]) != "":
		return familyAddr(v[1], v[2:])
	}
	return text(v[1:])
}

// familyAddr returns an address of an IANA address family.
func familyAddr(family uint8, b []byte) string {
	switch {
	case family == 1 && len(b) == 4, family == 2 && len(b) == 16:
		a, _ := netip.AddrFromSlice(b)
		return a.String()
	case family == 6 && len(b) == 6:
		return hexMAC(b)
	}
	return ""
}

// bitNames returns the names of the bits that are set.
func bitNames(bits uint32, names []string) []string {
	var list []string
	for i, name := range names {
		if bits>>i&1 != 0 && name != "" {
			list = append(list, name)
		}
	}
	return list
}

// Bits of the CDP capabilities.
var cdpCapabilities = [...]string{
	"router", "bridge", "source_route_bridge", "switch", "host", "igmp", "repeater", "telephone", "remote",
}

// ParseCDP reads a message of the Cisco Discovery Protocol, version 1 or 2.
// After an error the record has what came before.
func ParseCDP(b []byte, rec *record.LLDP) error {
	r := newReader(b)
	version := r.uint8()
	rec.TTL = uint16(r.uint8())
	r.uint16() // checksum
	if !r.ok {
		return errShort
	}
	if version != 1 && version != 2 {
		return errOther
	}
	rec.Protocol = "cdp"
	for range maxTLVs {
		if len(r.b) == 0 {
			break
		}
		typ, size := r.uint16(), int(r.uint16())
		if !r.ok || size < 4 {
			return errShort
		}
		v := r.bytes(size - 4)
		if !r.ok {
			return errShort
		}
		cdpTLV(typ, v, rec)
	}
	if rec.ChassisID == "" {
		return errOther
	}
	return nil
}

func cdpTLV(typ uint16, v []byte, rec *record.LLDP) {
	r := newReader(v)
	switch typ {
	case 1:
		rec.ChassisID = text(v)
	case 2, 0x16:
		cdpAddrs(r, rec)
	case 3:
		rec.PortID = text(v)
	case 4:
		rec.Capabilities = bitNames(r.uint32(), cdpCapabilities[:])
	case 5:
		rec.SysDesc = text(v)
	case 6:
		rec.Platform = text(v)
	case 9:
		rec.VTPDomain = text(v)
	case 10:
		rec.PortVLAN = r.uint16()
	case 11:
		rec.Duplex = "half"
		if r.uint8() != 0 {
			rec.Duplex = "full"
		}
	case 14:
		if r.uint8(); len(r.b) >= 2 {
			rec.VoiceVLAN = r.uint16()
		}
	case 20:
		rec.SysName = text(v)
	}
}

// cdpAddrs reads addresses: protocol type, length and protocol, address. 0xcc
// is IPv4's NLPID, IPv6 comes as 802.2 with its EtherType.
func cdpAddrs(r *reader, rec *record.LLDP) {
	for range min(r.uint32(), maxList) {
		r.uint8()
		proto, addr := r.list8(), r.list16()
		if !addr.ok {
			return
		}
		a, ok := netip.AddrFromSlice(addr.b)
		if s := a.String(); ok && (len(proto.b) == 1 || len(proto.b) == 8) && !slices.Contains(rec.Addrs, s) {
			rec.Addrs = appendText(rec.Addrs, s)
		}
	}
}
