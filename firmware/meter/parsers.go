package meter

import (
	"slices"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/flow"
)

// IP protocol numbers (IANA).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// A parser is one application protocol: how its flows are recognised, and what
// becomes of their payload. Adding a protocol is an entry in parsers, a parser
// in firmware/app and a definition in wire/record; an entry without message
// and stream gives flows their name only.
//
// A flow is recognised by the first payload of either side: it has one of the
// ports (any will do where there are none, or anywhere is set), and check
// takes the payload. Of several parsers on a port, and of several that take
// anything, the first in the table wins; those with ports are asked first.
type parser struct {
	name     string                                  // in flow.app and in counters
	over     []uint8                                 // IP protocols it runs over
	ports    []uint16                                // of either end
	anywhere bool                                    // check is good enough for any port
	check    func(b []byte) bool                     // b is not empty; nil takes all
	message  func(*apps, *flow.Record, *packet) bool // takes one datagram, or one segment where there is no stream, and reports whether it was of the protocol
	stream   func(*apps, *flow.Record, *packet, *stream) int
	end      func(*apps, *stream) // reports what a stream has, when nothing more will come
}

// A packet is a payload on its way to a parser. To stream, payload is what its
// side has sent in order and no call has used yet; stream returns how many
// bytes it used, 0 if it wants more first, and calls giveUp when it has seen
// enough.
type packet struct {
	*flow.Packet
	payload []byte
}

// parsers is the table of all protocols.
func parsers() []parser {
	return slices.Concat([]parser{
		{name: "dns", over: udpTCP, ports: []uint16{53}, message: (*apps).dnsMessage, stream: (*apps).dnsStream},
		{name: "dhcp", over: udp, ports: []uint16{67}, message: (*apps).dhcp},
		{name: nameTLS, over: tcp, check: app.LooksLikeTLS, stream: (*apps).tlsStream, end: (*apps).tlsEnd},
		{name: nameDTLS, over: udp, check: app.LooksLikeDTLS, message: (*apps).dtlsMessage, end: (*apps).tlsEnd},
		{name: "quic", over: udp, check: app.LooksLikeQUIC, message: (*apps).quic, end: (*apps).quicEnd},
		{name: nameHTTP, over: tcp, check: app.LooksLikeHTTP, stream: (*apps).http, end: (*apps).httpEnd},
		{name: "ssh", over: tcp, check: app.LooksLikeSSH, stream: (*apps).ssh, end: (*apps).sshEnd},
	}, discoveryParsers(), industrialParsers(), sessionParsers(), namedParsers())
}

// Names that parsers are told apart by.
const (
	nameTLS  = "tls"
	nameDTLS = "dtls"
	nameHTTP = "http"
	nameNBNS = "nbns"
)

// Ports that tell which side is the server.
const (
	portModbus  = 502
	portMQTT    = 1883
	portSMB     = 445
	portNetBIOS = 139
)

var (
	tcp    = []uint8{protoTCP}
	udp    = []uint8{protoUDP}
	udpTCP = []uint8{protoUDP, protoTCP}
	icmp   = []uint8{protoICMP, protoICMPv6}
)

// Values of flow.Record.Parser besides positions in the table, which count
// from 1, as those of flow.Record.App do.
const (
	parserNone = 0    // nobody wants the payload
	parserAny  = 0xff // nobody has recognised it yet
)

// takes reports whether p wants the payload of flows, over TCP or not.
func (p *parser) takes(tcp bool) bool { return p.message != nil || tcp && p.stream != nil }

// An index finds the parsers for a payload quickly.
type index struct {
	table []parser
	ports [256]map[uint16][]uint8 // by IP protocol and port
	any   [256][]uint8            // by IP protocol: of any port
	want  [256]bool               // IP protocols with parsers at all
	tls   uint8
	dtls  uint8
	web   uint8
}

func newIndex() *index {
	x := &index{table: parsers()}
	for i, p := range x.table {
		id := uint8(i + 1)
		switch p.name {
		case nameTLS:
			x.tls = id
		case nameDTLS:
			x.dtls = id
		case nameHTTP:
			x.web = id
		}
		for _, proto := range p.over {
			x.want[proto] = true
			if len(p.ports) == 0 || p.anywhere {
				x.any[proto] = append(x.any[proto], id)
			}
			if x.ports[proto] == nil {
				x.ports[proto] = make(map[uint16][]uint8)
			}
			for _, port := range p.ports {
				x.ports[proto][port] = append(x.ports[proto][port], id)
			}
		}
	}
	return x
}

// name returns the name of an application in a flow.
func (x *index) name(a uint8) string {
	if a == 0 {
		return ""
	}
	return x.table[a-1].name
}

// parserFor returns who wants the payload of a new flow.
func (x *index) parserFor(r *flow.Record) uint8 {
	if x.want[r.Key.Proto()] {
		return parserAny
	}
	return parserNone
}

// find returns who recognises b, the first payload of a side of a flow, or
// parserNone.
func (x *index) find(r *flow.Record, b []byte) uint8 {
	proto := r.Key.Proto()
	low, high := x.first(x.ports[proto][r.Key.Port(0)], b), x.first(x.ports[proto][r.Key.Port(1)], b)
	switch {
	case low != parserNone && (high == parserNone || low < high):
		return low
	case high != parserNone:
		return high
	}
	return x.first(x.any[proto], b)
}

func (x *index) first(ids []uint8, b []byte) uint8 {
	for _, id := range ids {
		if check := x.table[id-1].check; check == nil || check(b) {
			return id
		}
	}
	return parserNone
}
