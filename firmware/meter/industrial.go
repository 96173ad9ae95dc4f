package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

func industrialParsers() []parser {
	return []parser{
		{name: "modbus", over: tcp, ports: []uint16{portModbus}, message: (*apps).modbus},
		{name: "dnp3", over: udpTCP, ports: []uint16{20000}, anywhere: true, check: app.LooksLikeDNP3, message: (*apps).dnp3},
		{name: "s7", over: tcp, ports: []uint16{102}, message: (*apps).s7},
		{name: "enip", over: udpTCP, ports: []uint16{44818}, message: (*apps).enip},
		{name: "bacnet", over: udp, ports: []uint16{47808}, message: (*apps).bacnet},
	}
}

// Connections between controllers last for months and carry a poll a second.
// So they get no stream: a segment is read alone, from its first byte, where
// their messages begin; of one that goes on in the next segment only the front
// is known. What changes a device is recorded each time, the polls are sampled.

// maxInSegment bounds the messages of one segment.
const maxInSegment = 16

func (a *apps) modbus(r *flow.Record, p *packet) bool {
	return a.each(r, p, func(b []byte, all bool) (int, error) {
		var rec record.Modbus
		n, err := app.ParseModbus(b, r.Key.Port(p.From) == portModbus, &rec)
		if err == nil && (all || rec.Write || rec.Exception != "") {
			rec.Count = r.Sides[p.From].Packets
			rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
			add(a.out, record.ModbusDef, &rec)
		}
		return n, err
	})
}

func (a *apps) dnp3(r *flow.Record, p *packet) bool {
	return a.each(r, p, func(b []byte, all bool) (int, error) {
		var rec record.DNP3
		n, err := app.ParseDNP3(b, &rec)
		if err == nil && (all || app.DNP3Changes(rec.Function)) {
			rec.Count = r.Sides[p.From].Packets
			rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
			add(a.out, record.DNP3Def, &rec)
		}
		return n, err
	})
}

// s7 names a flow only once S7comm was in it: others use the port too.
func (a *apps) s7(r *flow.Record, p *packet) bool {
	found := false
	a.each(r, p, func(b []byte, all bool) (int, error) {
		var rec record.S7
		n, err := app.ParseS7(b, &rec)
		found = found || rec.Protocol != "" && rec.Protocol != "cotp"
		if rec.Message != "" && (all || app.S7Changes(rec.Function)) {
			rec.Count = r.Sides[p.From].Packets
			rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
			add(a.out, record.S7Def, &rec)
		}
		return n, err
	})
	return found
}

func (a *apps) enip(r *flow.Record, p *packet) bool {
	return a.each(r, p, func(b []byte, all bool) (int, error) {
		var rec record.ENIP
		n, err := app.ParseENIP(b, &rec, all)
		if rec.Command != "" && (all || app.CIPChanges(rec.Service)) {
			rec.Count = r.Sides[p.From].Packets
			rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
			add(a.out, record.ENIPDef, &rec)
		}
		return n, err
	})
}

func (a *apps) bacnet(r *flow.Record, p *packet) bool {
	return a.each(r, p, func(b []byte, all bool) (int, error) {
		var rec record.BACnet
		err := app.ParseBACnet(b, &rec)
		if rec.PDU != "" && (all || app.BACnetChanges(rec.Service)) {
			rec.Count = r.Sides[p.From].Packets
			rec.Time, rec.Flow, rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = head(r, p)
			add(a.out, record.BACnetDef, &rec)
		}
		return len(b), err
	})
}

// each gives parse the messages of a payload, one after the other, and
// reports whether the first was one. Of a payload that is not sampled only the
// first is read.
func (a *apps) each(r *flow.Record, p *packet, parse func(b []byte, all bool) (int, error)) bool {
	b, all := p.payload, sampled(r, p)
	for i := 0; len(b) > 0 && i < maxInSegment && (i == 0 || all); i++ {
		n, err := parse(b, all)
		switch {
		case err != nil && i == 0 && !app.IsShort(err):
			a.malformed(r)
			if r.App == 0 && r.Sides[0].Packets+r.Sides[1].Packets > maxUnknown {
				a.giveUp(r) // something else uses the port
			}
			return false
		case err != nil || n == 0:
			return true
		}
		b = b[n:]
	}
	return true
}
