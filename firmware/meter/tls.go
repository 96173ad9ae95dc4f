package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// tlsStream follows a connection until both hellos were seen, or the server
// has answered with something else.
func (a *apps) tlsStream(r *flow.Record, p *packet, s *stream) int {
	rec, _ := s.state.(*record.TLS)
	if rec == nil {
		rec = new(record.TLS)
		s.state = rec
	}
	hello, err := app.ParseTLSHello(p.payload, rec)
	switch {
	case err == nil:
		s.done[p.From] = true
		a.recognised(r)
		client := p.From
		if hello == app.ServerHello {
			client = 1 - client
		}
		r.Orient(client)
		if hello == app.ClientHello || rec.Time == 0 {
			rec.Time = record.Nanos(p.Time)
			rec.Flow = r.ID
			rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = ends(r, client)
		}
		if s.done[1-p.From] {
			a.giveUp(r)
		}
	case !app.IsShort(err):
		if !s.done[1-p.From] { // after a client's hello an alert is an answer too
			a.malformed(r)
		}
		a.giveUp(r)
	}
	return 0
}

// tlsEnd reports the handshake.
func (a *apps) tlsEnd(s *stream) {
	if s.done[0] || s.done[1] {
		a.out.add(record.TLSDef, s.state)
	}
}
