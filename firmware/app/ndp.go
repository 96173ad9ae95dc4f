package app

import (
	"net/netip"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxList bounds the lists of a record.
const maxList = 16

// Types of neighbour discovery (RFC 4861, section 4).
const (
	ndpRouterSolicitation    = 133
	ndpRouterAdvertisement   = 134
	ndpNeighborSolicitation  = 135
	ndpNeighborAdvertisement = 136
	ndpRedirect              = 137
)

var ndpMessages = [...]string{
	"router_solicitation", "router_advertisement", "neighbor_solicitation", "neighbor_advertisement", "redirect",
}

// LooksLikeNDP reports whether an ICMPv6 message is of neighbour discovery.
func LooksLikeNDP(b []byte) bool {
	return len(b) > 0 && b[0] >= ndpRouterSolicitation && b[0] <= ndpRedirect
}

// ParseNDP reads a message of neighbour discovery (RFC 4861, section 4) from
// its type on. After an error in the options the record has those before.
func ParseNDP(b []byte, rec *record.NDP) error {
	if !LooksLikeNDP(b) {
		return errOther
	}
	r := newReader(b)
	typ := r.uint8()
	r.bytes(3) // code, checksum
	switch typ {
	case ndpRouterSolicitation:
		r.uint32()
	case ndpRouterAdvertisement:
		hops, flags := r.uint8(), r.uint8()
		rec.HopLimit, rec.Lifetime = hops, r.uint16()
		rec.Managed, rec.Other = flags&0x80 != 0, flags&0x40 != 0
		rec.Preference = ndpPreference(flags)
		r.bytes(8) // reachable time, retransmission timer
	case ndpNeighborSolicitation, ndpNeighborAdvertisement:
		flags := r.uint32()
		rec.Target = ip6(r.bytes(16))
		if typ == ndpNeighborAdvertisement {
			rec.Router, rec.Solicited, rec.Override = flags>>31 != 0, flags>>30&1 != 0, flags>>29&1 != 0
		}
	case ndpRedirect:
		r.uint32()
		rec.Target = ip6(r.bytes(16))
		rec.Destination = ip6(r.bytes(16))
	}
	if !r.ok {
		return errShort
	}
	rec.Message = ndpMessages[typ-ndpRouterSolicitation]
	for r.ok && len(r.b) > 0 {
		kind, units := r.uint8(), int(r.uint8())
		if units == 0 { // RFC 4861, section 4.6: such a packet must be discarded
			return errOther
		}
		ndpOption(kind, r.bytes(units*8-2), rec)
	}
	if !r.ok {
		return errShort
	}
	return nil
}

// ndpPreference reads the preference of a router (RFC 4191, section 2.1).
func ndpPreference(flags uint8) string {
	switch flags >> 3 & 3 {
	case 1:
		return "high"
	case 3:
		return "low"
	}
	return ""
}

// ndpOption reads an option, v without its type and length.
func ndpOption(kind uint8, v []byte, rec *record.NDP) {
	switch {
	case kind == 1 && len(v) >= 6: // RFC 4861, section 4.6.1
		rec.SourceMAC = record.HardwareAddr(v)
	case kind == 2 && len(v) >= 6:
		rec.TargetMAC = record.HardwareAddr(v)
	case kind == 3 && len(v) == 30 && v[0] <= 128: // section 4.6.2
		rec.Prefixes = appendText(rec.Prefixes, netip.PrefixFrom(ip6(v[14:]), int(v[0])).String())
	case kind == 5 && len(v) == 6: // section 4.6.4
		r := newReader(v[2:])
		rec.MTU = r.uint32()
	case kind == 25 && len(v) >= 6: // RFC 8106, section 5.1
		for v = v[6:]; len(v) >= 16; v = v[16:] {
			rec.DNS = appendText(rec.DNS, ip6(v[:16]).String())
		}
	case kind == 31 && len(v) >= 6: // section 5.2
		rec.Search = appendNames(rec.Search, v[6:])
	}
}

// appendText appends s to a bounded list.
func appendText(list []string, s string) []string {
	if len(list) < maxList {
		list = append(list, s)
	}
	return list
}

// appendNames appends uncompressed domain names (RFC 1035, section 3.1).
// Empty ones are padding.
func appendNames(list []string, v []byte) []string {
	d := dnsReader{msg: v}
	for d.at < len(v) && len(list) < maxList {
		name := d.name()
		if d.err != nil {
			break
		}
		if name != "." {
			list = append(list, name)
		}
	}
	return list
}
