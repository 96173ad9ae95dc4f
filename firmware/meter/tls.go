package meter

import (
	"crypto/sha256"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// tlsStream follows a connection until nothing more is in the clear.
func (a *apps) tlsStream(r *flow.Record, p *packet, s *stream) int {
	h, _ := s.state.(*app.Handshake)
	if h == nil {
		h = new(app.Handshake)
		s.state = h
	}
	before, _ := h.Started()
	used, err := h.Read(p.From, p.payload)
	a.handshake(r, p, h, before)
	if _, either := h.Started(); err != nil && !either { // after a hello anything is an answer
		a.malformed(r)
	}
	if err != nil || h.Done() {
		a.giveUp(r)
	}
	return used
}

// First bytes of DTLS where it shares a port; below them is STUN, above them the
// call itself (RFC 7983, section 7).
const (
	minDTLS = 20
	maxDTLS = 63
)

// dtlsMessage does the same over UDP, where a datagram that is none of it may be
// anybody's.
func (a *apps) dtlsMessage(r *flow.Record, p *packet) bool {
	s := a.streams.of(a, r)
	if s == nil {
		return false
	}
	h, _ := s.state.(*app.Handshake)
	if h == nil {
		h = new(app.Handshake)
		s.state = h
	}
	before, either := h.Started()
	if first := p.payload[0]; first < minDTLS || first > maxDTLS {
		if either && first > maxDTLS {
			a.giveUp(r)
		}
		return either
	}
	err := h.ReadDatagram(p.From, p.payload)
	a.handshake(r, p, h, before)
	_, either = h.Started()
	if err != nil && !either {
		a.malformed(r)
	}
	if h.Done() {
		a.giveUp(r)
	}
	return either
}

// stun waits for the handshake of a call that STUN has found a way for (RFC
// 5764, section 5).
func (a *apps) stun(r *flow.Record, p *packet) bool {
	switch {
	case app.LooksLikeDTLS(p.payload):
		r.App, r.Parser = a.dtls, a.dtls
		return a.dtlsMessage(r, p)
	case r.Sides[0].Packets+r.Sides[1].Packets > maxUnknown:
		r.Parser = parserNone
	}
	return true
}

// handshake notes whose handshake it is, once that is known. Before says
// whether the client's hello was read before this packet.
func (a *apps) handshake(r *flow.Record, p *packet, h *app.Handshake, before bool) {
	client, either := h.Started()
	if !either || h.TLS.Time != 0 && client == before {
		return
	}
	a.recognised(r)
	r.Orient(h.Client)
	h.TLS.Time, h.TLS.Flow = record.Nanos(p.Time), r.ID
	h.TLS.SrcAddr, h.TLS.SrcPort, h.TLS.DstAddr, h.TLS.DstPort = ends(r, h.Client)
}

// tlsEnd reports the handshake and its certificates.
func (a *apps) tlsEnd(s *stream) {
	h := s.state.(*app.Handshake)
	if _, either := h.Started(); !either {
		return
	}
	h.TLS.ClientCerts = a.certificates(&h.TLS, h.Certs[0], true)
	h.TLS.ServerCerts = a.certificates(&h.TLS, h.Certs[1], false)
	add(a.out, record.TLSDef, &h.TLS)
}

// maxCertificates bounds the certificates that are remembered, and
// maxRemembered the bytes of one: reading one takes 20 µs, and a site sees the
// same few again and again.
const (
	maxCertificates = 512
	maxRemembered   = 4 << 10
)

// certificates reports a chain and returns the hashes of its certificates.
func (a *apps) certificates(tls *record.TLS, chain [][]byte, client bool) []string {
	var hashes []string
	for i, der := range chain {
		if len(der) < app.MinCertificate { // a record would be longer
			a.count.malformed["x509"]++
			continue
		}
		rec := a.certificate(der)
		rec.Time, rec.Flow = tls.Time, tls.Flow
		rec.SrcAddr, rec.DstAddr, rec.DstPort = tls.SrcAddr, tls.DstAddr, tls.DstPort
		rec.FromClient, rec.Depth = client, uint8(i)
		add(a.out, record.X509Def, &rec)
		hashes = append(hashes, rec.SHA256)
		if i == 0 && !client {
			tls.Subject, tls.Issuer = rec.Subject, rec.Issuer
		}
	}
	return hashes
}

// certificate returns what a certificate says.
func (a *apps) certificate(der []byte) record.X509 {
	sum := sha256.Sum256(der)
	if rec, ok := a.certs[sum]; ok {
		return rec
	}
	var rec record.X509
	if app.ParseCertificate(der, &rec) != nil {
		a.count.malformed["x509"]++
	}
	size := len(rec.Subject) + len(rec.Issuer)
	for _, name := range rec.SANs {
		size += len(name)
	}
	if size > maxRemembered {
		return rec
	}
	if len(a.certs) == maxCertificates {
		clear(a.certs)
	}
	a.certs[sum] = rec
	return rec
}
