package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// http follows a connection from head to head.
func (a *apps) http(r *flow.Record, p *packet, s *stream) int {
	h, _ := s.state.(*app.HTTP)
	if h == nil {
		id, key := r.ID, r.Key // r itself may move
		h = app.NewHTTP(func(rec *record.HTTP) {
			client := h.Client
			rec.Flow = id
			rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = key.Addr(client), key.Port(client), key.Addr(1-client), key.Port(1-client)
			add(a.out, record.HTTPDef, rec)
		})
		s.state = h
	}
	before := h.Started()
	used, err := h.Read(p.From, record.Nanos(p.Time), p.payload)
	if h.Started() && !before {
		a.recognised(r)
		r.Orient(h.Client)
	}
	switch {
	case err != nil:
		if !h.Started() {
			a.malformed(r)
		}
		a.giveUp(r)
	case h.Tunnel:
		a.giveUp(r)
		r.Parser = parserAny // TLS may follow
	}
	return used
}

// httpEnd reports the requests that got no response.
func (a *apps) httpEnd(s *stream) { s.state.(*app.HTTP).Flush() }
