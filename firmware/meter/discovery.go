package meter

import (
	"net/netip"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// discoveryParsers are the protocols of one datagram a message, by which
// networks are run and hosts find each other.
func discoveryParsers() []parser {
	return []parser{
		{name: "icmp", over: icmp, message: (*apps).icmp},
		{name: "dhcp6", over: udp, ports: []uint16{546, 547}, message: (*apps).dhcp6},
		{name: "ntp", over: udp, ports: []uint16{123}, message: (*apps).ntp},
		{name: "mdns", over: udp, ports: []uint16{5353}, message: (*apps).localName},
		{name: "llmnr", over: udp, ports: []uint16{5355}, message: (*apps).localName},
		{name: nameNBNS, over: udp, ports: []uint16{137}, message: (*apps).localName},
		{name: "ssdp", over: udp, ports: []uint16{1900}, message: (*apps).ssdp},
		{name: "snmp", over: udp, ports: []uint16{161, 162}, message: (*apps).snmp},
	}
}

// sampleAll is how many packets of each side of a flow are read one by one.
// Beyond, those with a power of two for their number are, so that a flood of
// messages makes no flood of records, whatever the speed and the shard.
const sampleAll = 16

// sampled reports whether the packet, the last one of its side, is read.
func sampled(r *flow.Record, p *packet) bool {
	n := r.Sides[p.From].Packets
	return n <= sampleAll || n&(n-1) == 0
}

// head returns what records of single messages begin with: time, flow, sender
// and receiver.
func head(r *flow.Record, p *packet) (at record.Nanos, id uint64, src netip.Addr, srcPort uint16, dst netip.Addr, dstPort uint16) {
	src, srcPort, dst, dstPort = ends(r, p.From)
	return record.Nanos(p.Time), r.ID, src, srcPort, dst, dstPort
}

func (a *apps) icmp(r *flow.Record, p *packet) bool {
	if r.Key.Proto() == protoICMPv6 && app.LooksLikeNDP(p.payload) {
		a.ndp(r, p)
		return true
	}
	if !sampled(r, p) {
		return true
	}
	rec := record.ICMP{Time: record.Nanos(p.Time), Flow: r.ID, Count: r.Sides[p.From].Packets}
	rec.SrcAddr, rec.DstAddr = r.Key.Addr(p.From), r.Key.Addr(1-p.From)
	if app.ParseICMP(r.Key.Proto(), p.payload, &rec) != nil {
		a.malformed(r)
		if rec.Message == "" {
			return true
		}
	}
	add(a.out, record.ICMPDef, &rec)
	return true
}

// ndp is not sampled: every binding counts, as in ARP.
func (a *apps) ndp(r *flow.Record, p *packet) {
	rec := record.NDP{Time: record.Nanos(p.Time), Flow: r.ID, VLAN: p.VLAN}
	rec.SrcAddr, rec.DstAddr = r.Key.Addr(p.From), r.Key.Addr(1-p.From)
	if app.ParseNDP(p.payload, &rec) != nil {
		a.malformed(r)
		if rec.Message == "" {
			return
		}
	}
	add(a.out, record.NDPDef, &rec)
}

func (a *apps) dhcp6(r *flow.Record, p *packet) bool {
	rec := record.DHCP6{Time: record.Nanos(p.Time), Flow: r.ID}
	rec.SrcAddr, rec.DstAddr = r.Key.Addr(p.From), r.Key.Addr(1-p.From)
	if app.ParseDHCP6(p.payload, &rec) != nil {
		a.malformed(r)
	}
	if rec.Message == "" {
		return false
	}
	add(a.out, record.DHCP6Def, &rec)
	return true
}

func (a *apps) ntp(r *flow.Record, p *packet) bool {
	if !sampled(r, p) {
		return true
	}
	rec := record.NTP{Count: r.Sides[p.From].Packets}
	rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
	if app.ParseNTP(p.payload, &rec) != nil {
		a.malformed(r)
		return false
	}
	add(a.out, record.NTPDef, &rec)
	return true
}

// localName takes a message of mDNS, LLMNR or NBNS.
func (a *apps) localName(r *flow.Record, p *packet) bool {
	if !sampled(r, p) {
		return true
	}
	rec := record.Names{Protocol: a.name(r.Parser), Count: r.Sides[p.From].Packets}
	rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
	var err error
	if rec.Protocol == nameNBNS {
		err = app.ParseNBNS(p.payload, &rec)
	} else {
		err = app.ParseMDNS(p.payload, &rec)
	}
	if err != nil {
		a.malformed(r)
	}
	if len(rec.Questions)+len(rec.Answers) == 0 {
		return false
	}
	add(a.out, record.NamesDef, &rec)
	return true
}

func (a *apps) ssdp(r *flow.Record, p *packet) bool {
	if !sampled(r, p) {
		return true
	}
	rec := record.SSDP{Count: r.Sides[p.From].Packets}
	rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
	if app.ParseSSDP(p.payload, &rec) != nil {
		a.malformed(r)
	}
	if rec.Method == "" {
		return false
	}
	add(a.out, record.SSDPDef, &rec)
	return true
}

func (a *apps) snmp(r *flow.Record, p *packet) bool {
	if !sampled(r, p) {
		return true
	}
	rec := record.SNMP{Count: r.Sides[p.From].Packets}
	rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
	if app.ParseSNMP(p.payload, &rec) != nil {
		a.malformed(r)
	}
	if rec.Version == "" {
		return false
	}
	add(a.out, record.SNMPDef, &rec)
	return true
}
