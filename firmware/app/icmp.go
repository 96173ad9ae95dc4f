package app

import (
	"net/netip"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// IP protocol numbers (IANA).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoSCTP   = 132
)

// Names of the IANA registries "ICMP Type Numbers" and "ICMPv6 type Numbers".
var (
	icmpTypes = map[uint8]string{
		0: "echo_reply", 3: "unreachable", 4: "source_quench", 5: "redirect", 8: "echo_request",
		9: "router_advertisement", 10: "router_solicitation", 11: "time_exceeded", 12: "parameter_problem",
		13: "timestamp_request", 14: "timestamp_reply", 15: "information_request", 16: "information_reply",
		17: "mask_request", 18: "mask_reply", 30: "traceroute", 42: "extended_echo_request", 43: "extended_echo_reply",
	}
	icmp6Types = map[uint8]string{
		1: "unreachable", 2: "packet_too_big", 3: "time_exceeded", 4: "parameter_problem",
		128: "echo_request", 129: "echo_reply", 130: "mld_query", 131: "mld_report", 132: "mld_done",
		138: "router_renumbering", 139: "node_information_query", 140: "node_information_reply",
		141: "inverse_solicitation", 142: "inverse_advertisement", 143: "mld2_report", 144: "home_agent_request",
		145: "home_agent_reply", 146: "mobile_prefix_solicitation", 147: "mobile_prefix_advertisement",
		151: "multicast_router_advertisement", 152: "multicast_router_solicitation", 153: "multicast_router_termination",
		155: "rpl", 157: "duplicate_address_request", 158: "duplicate_address_confirmation",
		160: "extended_echo_request", 161: "extended_echo_reply",
	}

	// Codes of unreachable, redirect, time exceeded and parameter problem
	// (RFC 792, RFC 1122, RFC 1812; RFC 4443, sections 3.1 to 3.4).
	icmpReasons = map[[2]uint8]string{
		{3, 0}: "net", {3, 1}: "host", {3, 2}: "protocol", {3, 3}: "port", {3, 4}: "fragmentation_needed",
		{3, 5}: "source_route", {3, 6}: "net_unknown", {3, 7}: "host_unknown", {3, 8}: "host_isolated",
		{3, 9}: "net_prohibited", {3, 10}: "host_prohibited", {3, 11}: "net_tos", {3, 12}: "host_tos",
		{3, 13}: "admin_prohibited", {3, 14}: "host_precedence", {3, 15}: "precedence_cutoff",
		{5, 0}: "net", {5, 1}: "host", {5, 2}: "net_tos", {5, 3}: "host_tos",
		{11, 0}: "hop_limit", {11, 1}: "reassembly", {12, 0}: "pointer", {12, 1}: "option_missing", {12, 2}: "length",
	}
	icmp6Reasons = map[[2]uint8]string{
		{1, 0}: "no_route", {1, 1}: "admin_prohibited", {1, 2}: "scope", {1, 3}: "host", {1, 4}: "port",
		{1, 5}: "source_policy", {1, 6}: "reject_route", {1, 7}: "source_routing",
		{3, 0}: "hop_limit", {3, 1}: "reassembly", {4, 0}: "header", {4, 1}: "next_header", {4, 2}: "option",
		{4, 3}: "first_fragment",
	}
)

// ParseICMP reads an ICMP or ICMPv6 message (RFC 792, RFC 4443) from its type
// on. What an error quotes may be cut short: the record has what is there.
func ParseICMP(proto uint8, b []byte, rec *record.ICMP) error {
	r := newReader(b)
	typ, code := r.uint8(), r.uint8()
	r.uint16() // checksum
	if !r.ok {
		return errShort
	}
	types, reasons := icmpTypes, icmpReasons
	if proto == protoICMPv6 {
		types, reasons = icmp6Types, icmp6Reasons
	}
	rec.Proto, rec.Type, rec.Code = proto, typ, code
	rec.Reason = reasons[[2]uint8{typ, code}]
	if rec.Message = types[typ]; rec.Message == "" {
		rec.Message = "type_" + strconv.Itoa(int(typ))
	}
	switch rec.Message {
	case "echo_request", "echo_reply", "timestamp_request", "timestamp_reply", "extended_echo_request", "extended_echo_reply":
		rec.ID, rec.Seq = r.uint16(), r.uint16()
	case "redirect":
		gateway := r.bytes(4)
		rec.Gateway = ip4(gateway)
		quoted(r.b, rec)
	case "packet_too_big":
		rec.MTU = r.uint32()
		quoted(r.b, rec)
	case "unreachable":
		r.uint16()
		mtu := r.uint16()
		if rec.Reason == "fragmentation_needed" { // RFC 1191, section 4
			rec.MTU = uint32(mtu)
		}
		quoted(r.b, rec)
	case "time_exceeded", "parameter_problem", "source_quench":
		r.uint32()
		quoted(r.b, rec)
	}
	if !r.ok {
		return errShort
	}
	return nil
}

// quoted reads the front of the packet that an error quotes.
func quoted(b []byte, rec *record.ICMP) {
	switch r := newReader(b); {
	case len(b) >= 20 && b[0]>>4 == 4:
		header := r.bytes(20)
		rec.QuotedProto = header[9]
		rec.QuotedSrcAddr, rec.QuotedDstAddr = ip4(header[12:16]), ip4(header[16:20])
		r.bytes(max(int(header[0]&0xf)*4-20, 0))
		if header[6]&0x1f|header[7] == 0 { // a later fragment has no ports
			quotedPorts(r, rec)
		}
	case len(b) >= 40 && b[0]>>4 == 6:
		header := r.bytes(40)
		rec.QuotedProto = header[6]
		rec.QuotedSrcAddr, rec.QuotedDstAddr = netip.AddrFrom16([16]byte(header[8:])), netip.AddrFrom16([16]byte(header[24:]))
		quotedPorts(r, rec)
	}
}

func quotedPorts(r *reader, rec *record.ICMP) {
	switch rec.QuotedProto {
	case protoTCP, protoUDP, protoSCTP:
		rec.QuotedSrcPort, rec.QuotedDstPort = r.uint16(), r.uint16()
	}
}

// ip4 returns the IPv4 address in b, if there is one.
func ip4(b []byte) netip.Addr {
	if len(b) != 4 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(b))
}

// ip6 returns the IPv6 address in b, if there is one.
func ip6(b []byte) netip.Addr {
	if len(b) != 16 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(b))
}
