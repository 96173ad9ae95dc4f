package meter

import (
	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

func sessionParsers() []parser {
	return []parser{
		{name: "mqtt", over: tcp, ports: []uint16{portMQTT}, anywhere: true, check: app.LooksLikeMQTT, stream: (*apps).mqtt, end: (*apps).mqttEnd},
		{name: "smb", over: tcp, ports: []uint16{portSMB, portNetBIOS}, anywhere: true, check: app.LooksLikeSMB, stream: (*apps).smb, end: (*apps).smbEnd},
	}
}

// A session is a connection whose record is made of messages of both sides.
// The rest of a message that was read from its front is passed over.
type session[T any] struct {
	rec  T
	skip [2]int
}

// next gives parse the first message of what a side has sent, and returns how
// many bytes are used.
func (s *session[T]) next(a *apps, r *flow.Record, p *packet, parse func([]byte, *T) (int, bool, error)) int {
	if skip := min(s.skip[p.From], len(p.payload)); skip > 0 {
		s.skip[p.From] -= skip
		return skip
	}
	size, more, err := parse(p.payload, &s.rec)
	switch {
	case app.IsShort(err):
		return 0
	case err != nil:
		a.malformed(r)
		a.giveUp(r)
		return 0
	}
	a.recognised(r)
	if !more {
		a.giveUp(r)
		return 0
	}
	used := min(size, len(p.payload))
	s.skip[p.From] = size - used
	return used
}

// Held returns about how many bytes of memory s has.
func (s *session[T]) Held() (held int) {
	var lists [2][]string
	switch rec := any(&s.rec).(type) {
	case *record.MQTT:
		lists = [2][]string{rec.Published, rec.Subscribed}
	case *record.SMB:
		lists = [2][]string{rec.Shares, rec.Files}
	}
	for _, list := range lists {
		for _, text := range list {
			held += len(text)
		}
	}
	return held
}

func (a *apps) mqtt(r *flow.Record, p *packet, st *stream) int {
	s, ok := st.state.(*session[record.MQTT])
	if !ok {
		s = new(session[record.MQTT])
		st.state = s
		client := p.From
		if r.Key.Port(p.From) == portMQTT {
			client = 1 - client
		}
		r.Orient(client)
		s.rec.Time, s.rec.Flow = record.Nanos(p.Time), r.ID
		s.rec.SrcAddr, s.rec.SrcPort, s.rec.DstAddr, s.rec.DstPort = ends(r, client)
	}
	return s.next(a, r, p, app.ParseMQTT)
}

func (a *apps) mqttEnd(st *stream) {
	rec := &st.state.(*session[record.MQTT]).rec
	if rec.Version != "" || rec.ReturnCode != "" || len(rec.Published)+len(rec.Subscribed) > 0 {
		add(a.out, record.MQTTDef, rec)
	}
}

func (a *apps) smb(r *flow.Record, p *packet, st *stream) int {
	s, ok := st.state.(*session[record.SMB])
	if !ok {
		s = new(session[record.SMB])
		st.state = s
		client := p.From
		if port := r.Key.Port(p.From); port == portSMB || port == portNetBIOS {
			client = 1 - client
		}
		r.Orient(client)
		s.rec.Time, s.rec.Flow = record.Nanos(p.Time), r.ID
		s.rec.SrcAddr, s.rec.SrcPort, s.rec.DstAddr, s.rec.DstPort = ends(r, client)
	}
	return s.next(a, r, p, app.ParseSMB)
}

func (a *apps) smbEnd(st *stream) {
	if rec := &st.state.(*session[record.SMB]).rec; rec.Version != "" || rec.Auth != "" || len(rec.Shares) > 0 {
		add(a.out, record.SMBDef, rec)
	}
}
