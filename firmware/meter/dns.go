package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

func (a *apps) dnsMessage(r *flow.Record, p *packet) bool {
	rec := &a.message
	*rec = record.DNS{Time: record.Nanos(p.Time), Flow: r.ID, Proto: r.Key.Proto()}
	if app.ParseDNS(p.payload, rec) != nil {
		a.malformed(r)
		if rec.QType == "" {
			return false // not even a question
		}
	}
	client := p.From
	if rec.Response {
		client = 1 - client
	}
	r.Orient(client)
	rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = ends(r, client)
	a.dns.Add(rec)
	return true
}

// dnsStream takes messages of a TCP connection, each behind its length
// (RFC 1035, section 4.2.2).
func (a *apps) dnsStream(r *flow.Record, p *packet, _ *stream) int {
	if len(p.payload) < 2 {
		return 0
	}
	size := 2 + int(p.payload[0])<<8 + int(p.payload[1])
	if size > app.MaxStream { // of a zone transfer
		return size
	}
	if size > len(p.payload) {
		return 0
	}
	if a.dnsMessage(r, &packet{p.Packet, p.payload[2:size]}) {
		a.recognised(r)
	}
	return size
}
