package meter

import (
	"net/netip"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
	"github.com/taproot-sensor/taproot/wire/record"
)

// Values of flow.Record.App: what a flow turned out to carry.
const (
	appNone = iota
	appDNS
	appTLS
	appDHCP
	appARP // in counters only
	numApps
)

var appNames = [numApps]string{"", "dns", "tls", "dhcp", "arp"}

// Values of flow.Record.Parser: who wants the flow's payload.
const (
	parserNone = iota
	parserTCP  // nobody has seen a payload yet
	parserDNS
	parserDNSStream
	parserTLS
	parserDHCP
)

// parserFor returns who wants the payload of a new flow.
func parserFor(r *flow.Record) uint8 {
	low, high := r.Key.Port(0), r.Key.Port(1)
	either := func(port uint16) bool { return low == port || high == port }
	switch r.Key.Proto() {
	case protoTCP:
		if either(53) {
			return parserDNSStream
		}
		return parserTCP
	case protoUDP:
		if either(53) {
			return parserDNS
		}
		if either(67) {
			return parserDHCP
		}
	}
	return parserNone
}

const (
	protoTCP = 6
	protoUDP = 17
)

// apps gives payloads to the parsers and their records to the output.
type apps struct {
	out     *output
	dns     *app.Transactions
	streams streams
	count   appCounts
}

type appCounts struct {
	malformed [numApps]uint64 // messages that a parser refused, wholly or in part
	panics    uint64          // of parsers; the flow went on without
	overflow  uint64          // streams given up because they held too much
	stolen    uint64          // streams given up because another flow needed the room
	gaps      uint64          // sides of streams that ended waiting for a segment
}

func newApps(out *output) *apps {
	a := &apps{out: out}
	a.dns = app.NewTransactions(func(rec *record.DNS) { out.add(record.DNSDef, rec) })
	return a
}

// payload gives the payload of a packet of flow r to its parser. A parser that
// panics is a bug of ours that somebody's traffic has found: the flow goes on
// without it.
func (a *apps) payload(r *flow.Record, p *flow.Packet, seq uint32, b []byte) {
	defer func() {
		if a.caught(recover()) {
			a.giveUp(r)
		}
	}()
	switch r.Parser {
	case parserTCP:
		if !app.LooksLikeTLS(b) {
			r.Parser = parserNone
			return
		}
		r.Parser = parserTLS
		a.tls(r, p, seq, b)
	case parserTLS:
		a.tls(r, p, seq, b)
	case parserDNS:
		a.dnsMessage(r, p, b)
	case parserDNSStream:
		a.dnsStream(r, p, seq, b)
	case parserDHCP:
		a.dhcp(r, p, b)
	}
}

// caught counts the panic that was recovered, if any.
func (a *apps) caught(panicked any) bool {
	if panicked == nil {
		return false
	}
	a.count.panics++
	return true
}

func (a *apps) arp(now int64, vlan uint16, b []byte) {
	defer func() { a.caught(recover()) }()
	rec := record.ARP{Time: record.Nanos(now), VLAN: vlan}
	if app.ParseARP(b, &rec) != nil {
		a.count.malformed[appARP]++
		return
	}
	a.out.add(record.ARPDef, &rec)
}

func (a *apps) dhcp(r *flow.Record, p *flow.Packet, b []byte) {
	rec := record.DHCP{
		Time: record.Nanos(p.Time), Flow: r.ID,
		SrcAddr: r.Key.Addr(p.From), DstAddr: r.Key.Addr(1 - p.From),
	}
	if app.ParseDHCP(b, &rec) != nil {
		a.count.malformed[appDHCP]++
	}
	if rec.Message != "" {
		r.App = appDHCP
		a.out.add(record.DHCPDef, &rec)
	}
}

func (a *apps) dnsMessage(r *flow.Record, p *flow.Packet, b []byte) {
	rec := record.DNS{Time: record.Nanos(p.Time), Flow: r.ID, Proto: r.Key.Proto()}
	if app.ParseDNS(b, &rec) != nil {
		a.count.malformed[appDNS]++
		if rec.QType == "" {
			return // not even a question
		}
	}
	r.App = appDNS
	client := p.From
	if rec.Response {
		client = 1 - client
	}
	rec.SrcAddr, rec.SrcPort, rec.DstAddr, rec.DstPort = ends(r, client)
	a.dns.Add(&rec)
}

// dnsStream takes messages of a TCP connection, each behind its length
// (RFC 1035, section 4.2.2).
func (a *apps) dnsStream(r *flow.Record, p *flow.Packet, seq uint32, b []byte) {
	s := a.streams.of(a, r)
	if s == nil {
		return
	}
	side := &s.sides[p.From]
	buf, ok := side.Add(seq, b)
	for len(buf) >= 2 {
		size := 2 + int(buf[0])<<8 + int(buf[1])
		if size > len(buf) {
			break
		}
		a.dnsMessage(r, p, buf[2:size])
		side.Consume(size)
		buf = buf[:len(buf)-size]
	}
	if !ok {
		a.count.overflow++
		a.giveUp(r)
	}
}

// tls follows a connection until both hellos were seen, or the server has
// answered with something else.
func (a *apps) tls(r *flow.Record, p *flow.Packet, seq uint32, b []byte) {
	s := a.streams.of(a, r)
	if s == nil || s.done[p.From] {
		return
	}
	buf, ok := s.sides[p.From].Add(seq, b)
	hello, err := app.ParseTLSHello(buf, &s.tls)
	switch {
	case err == nil:
		s.done[p.From] = true
		r.App = appTLS
		client := p.From
		if hello == app.ServerHello {
			client = 1 - client
		}
		r.Orient(client)
		if hello == app.ClientHello || s.tls.Time == 0 {
			s.tls.Time = record.Nanos(p.Time)
			s.tls.Flow = r.ID
			s.tls.SrcAddr, s.tls.SrcPort, s.tls.DstAddr, s.tls.DstPort = ends(r, client)
		}
		if s.done[1-p.From] {
			a.giveUp(r)
		}
	case !app.IsShort(err):
		if !s.done[1-p.From] { // after a client's hello an alert is an answer too
			a.count.malformed[appTLS]++
		}
		a.giveUp(r)
	case !ok:
		a.count.overflow++
		a.giveUp(r)
	}
}

// ends returns the two ends of a flow, the client's first.
func ends(r *flow.Record, client uint8) (src netip.Addr, srcPort uint16, dst netip.Addr, dstPort uint16) {
	return r.Key.Addr(client), r.Key.Port(client), r.Key.Addr(1 - client), r.Key.Port(1 - client)
}

// giveUp ends the parsing of a flow. What its stream has becomes a record.
func (a *apps) giveUp(r *flow.Record) {
	r.Parser = parserNone
	a.streams.release(a, r)
}

// advance lets time pass until now, in Unix ns.
func (a *apps) advance(now int64) { a.dns.Advance(now) }

// flush reports what still waits.
func (a *apps) flush() { a.dns.Flush() }
