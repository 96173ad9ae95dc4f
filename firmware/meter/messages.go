package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

func (a *apps) arp(now int64, vlan uint16, b []byte) {
	defer func() { a.caught(recover()) }()
	rec := record.ARP{Time: record.Nanos(now), VLAN: vlan}
	if app.ParseARP(b, &rec) != nil {
		a.count.malformed["arp"]++
		return
	}
	add(a.out, record.ARPDef, &rec)
}

func (a *apps) dhcp(r *flow.Record, p *packet) bool {
	rec := record.DHCP{
		Time: record.Nanos(p.Time), Flow: r.ID,
		SrcAddr: r.Key.Addr(p.From), DstAddr: r.Key.Addr(1 - p.From),
	}
	err := app.ParseDHCP(p.payload, &rec)
	if err != nil {
		a.malformed(r)
	}
	if rec.Message == "" {
		return app.IsShort(err) && !a.whole // cut before it says what it is
	}
	add(a.out, record.DHCPDef, &rec)
	return true
}
