package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// ssh follows a connection up to its new keys.
func (a *apps) ssh(r *flow.Record, p *packet, s *stream) int {
	h, _ := s.state.(*app.SSH)
	if h == nil {
		h = new(app.SSH)
		s.state = h
	}
	before := h.Started()
	used, err := h.Read(p.From, p.payload)
	if h.Started() {
		if !before {
			a.recognised(r)
			h.SSH.Time, h.SSH.Flow = record.Nanos(p.Time), r.ID
		}
		if !h.Known() {
			h.Client = r.Client
		}
		h.SSH.SrcAddr, h.SSH.SrcPort, h.SSH.DstAddr, h.SSH.DstPort = ends(r, h.Client)
	} else if err != nil {
		a.malformed(r)
	}
	if err != nil || h.Done() {
		a.giveUp(r)
	}
	return used
}

// sshEnd reports the connection.
func (a *apps) sshEnd(s *stream) {
	if h := s.state.(*app.SSH); h.Started() {
		add(a.out, record.SSHDef, h.Record())
	}
}
