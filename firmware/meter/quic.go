package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// quic follows the first packets of a connection until both hellos were read.
func (a *apps) quic(r *flow.Record, p *packet) bool {
	s := a.streams.of(a, r)
	if s == nil {
		return false
	}
	h, _ := s.state.(*app.QUICHandshake)
	if h == nil {
		h = new(app.QUICHandshake)
		s.state = h
	}
	before := h.Started()
	err := h.Read(p.From, p.payload)
	if h.Started() && !before {
		a.recognised(r)
		r.Orient(h.Client)
		q := &h.QUIC
		q.Time, q.Flow = record.Nanos(p.Time), r.ID
		q.SrcAddr, q.SrcPort, q.DstAddr, q.DstPort = ends(r, h.Client)
	}
	if err != nil && !h.Started() {
		a.malformed(r)
	}
	if h.Done() || h.Started() && p.payload[0]&0x80 == 0 { // a short header: the handshake is over
		a.giveUp(r)
	}
	return h.Started()
}

// quicEnd reports the handshake.
func (a *apps) quicEnd(s *stream) {
	if h := s.state.(*app.QUICHandshake); h.Started() {
		add(a.out, record.QUICDef, &h.QUIC)
	}
}
