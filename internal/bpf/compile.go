package bpf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// MaxText bounds the text of a filter.
const MaxText = 512

// Compile compiles the text of a filter, as pcap-filter(7) has it, for Ethernet
// frames. Empty text is the empty program.
func Compile(text string) (Program, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("filter of %d bytes, at most %d", len(text), MaxText)
	}
	p := &parser{words: split(text)}
	if len(p.words) == 0 {
		return nil, nil
	}
	t, err := p.expression(0)
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q is not understood here", p.words[0])
	}
	var prog Program
	if err == nil {
		prog, err = program(t)
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	return prog, nil
}

// split returns the words of a filter.
func split(text string) []string {
	for _, s := range []string{"(", ")", "&&", "||"} {
		text = strings.ReplaceAll(text, s, " "+s+" ")
	}
	text = strings.ReplaceAll(text, "!", " ! ")
	return strings.Fields(text)
}

// A parser has the words that are left, and the qualifiers of the last
// primitive, which one that is only a value takes over.
type parser struct {
	words []string
	last  qualifiers
}

// qualifiers say what a value is of, each empty if it was not said.
type qualifiers struct {
	proto string // ip, ip6, arp, rarp, tcp, udp, sctp, ether
	dir   string // src, dst, both
	typ   string // host, net, port, portrange, proto
}

// maxDepth bounds parentheses in parentheses.
const maxDepth = 16

func (p *parser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *parser) next() string {
	s := p.peek()
	if s != "" {
		p.words = p.words[1:]
	}
	return s
}

// take takes the next word if it is one of these.
func (p *parser) take(words ...string) string {
	if s := p.peek(); s != "" && slices.Contains(words, s) {
		return p.next()
	}
	return ""
}

// expression reads terms joined by and and or, which bind alike, from the left.
func (p *parser) expression(depth int) (test, error) {
	left, err := p.term(depth)
	for err == nil {
		var right test
		switch p.take("and", "&&", "or", "||") {
		case "and", "&&":
			if right, err = p.term(depth); err == nil {
				left = allOf{left, right}
			}
		case "or", "||":
			if right, err = p.term(depth); err == nil {
				left = anyOf{left, right}
			}
		default:
			return left, nil
		}
	}
	return nil, err
}

func (p *parser) term(depth int) (test, error) {
	switch {
	case depth > maxDepth:
		return nil, errors.New("too many parentheses")
	case p.take("not", "!") != "":
		t, err := p.term(depth + 1)
		return notTest{t}, err
	case p.take("(") != "":
		t, err := p.expression(depth + 1)
		if err == nil && p.take(")") == "" {
			err = errors.New(`")" is missing`)
		}
		return t, err
	}
	return p.primitive()
}

func (p *parser) primitive() (test, error) {
	switch word := p.take("vlan", "less", "greater", "broadcast", "multicast"); word {
	case "vlan":
		n, err := strconv.ParseUint(p.peek(), 0, 12)
		if err != nil {
			return vlanTest{any: true}, nil
		}
		p.next()
		return vlanTest{id: uint32(n)}, nil
	case "less", "greater":
		n, err := strconv.ParseUint(p.next(), 0, 31)
		if err != nil {
			return nil, fmt.Errorf("%s: want a length in bytes", word)
		}
		if word == "less" {
			return notTest{lengthTest{jgt, uint32(n)}}, nil
		}
		return lengthTest{jge, uint32(n)}, nil
	case "broadcast":
		return macTest(0, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), nil
	case "multicast":
		return groupTest{}, nil
	}
	q, said, err := p.qualifiers()
	if err != nil {
		return nil, err
	}
	if !said {
		if p.last == (qualifiers{}) {
			return nil, fmt.Errorf("%q is not understood; there are host, net, port, portrange, src, dst, vlan, less, greater, broadcast, multicast, "+
				"ether, ip, ip6, arp, rarp, tcp, udp, sctp, icmp, icmp6, igmp, esp, ah, proto, and, or, not", p.peek())
		}
		q = p.last
	}
	if q.typ == "" && q.dir == "" && (p.peek() == "" || slices.Contains([]string{"and", "&&", "or", "||", ")"}, p.peek())) {
		p.last = qualifiers{}
		return q.alone()
	}
	p.last = q
	switch value := p.next(); q.typ {
	case "", "host":
		if q.typ == "" && strings.Contains(value, "/") {
			return q.net(value)
		}
		return q.host(value)
	case "net":
		return q.net(value)
	case "port", "portrange":
		return q.port(value)
	default:
		return q.protocol(value)
	}
}

// qualifiers reads those before a value, in any number.
func (p *parser) qualifiers() (q qualifiers, said bool, err error) {
	q.proto = p.take("ether", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "esp", "ah")
	switch q.dir = p.take("src", "dst"); {
	case q.dir == "":
	case p.take("or") != "":
		if p.take("src", "dst") == "" {
			return q, false, fmt.Errorf("%s or: want src or dst", q.dir)
		}
		q.dir = ""
	case p.peek() == "and" && len(p.words) > 1 && slices.Contains([]string{"src", "dst"}, p.words[1]) && p.words[1] != q.dir:
		p.words = p.words[2:]
		q.dir = "both"
	}
	q.typ = p.take("host", "net", "port", "portrange", "proto")
	return q, q != (qualifiers{}), nil
}

// protocols are IP protocols by name.
var protocols = map[string]uint32{
	"icmp": 1, "igmp": 2, "tcp": protoTCP, "udp": protoUDP, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58, "ospf": 89, "pim": 103, "vrrp": 112, "sctp": protoSCTP,
}

var etherTypes = map[string]uint32{"ip": etherIP, "ip6": etherIPv6, "arp": etherARP, "rarp": etherRARP}

// alone returns the test of a protocol without a value.
func (q qualifiers) alone() (test, error) {
	if typ, ok := etherTypes[q.proto]; ok {
		return etherTest(typ), nil
	}
	switch q.proto {
	case "ether":
		return nil, errors.New("ether: want host, src, dst or proto")
	case "icmp", "igmp":
		return protoTest{etherIP, protocols[q.proto]}, nil
	case "icmp6":
		return protoTest{etherIPv6, protocols[q.proto]}, nil
	}
	return either(protocols[q.proto]), nil
}

// either takes a protocol over IPv4 and IPv6.
func either(proto uint32) test {
	return anyOf{protoTest{etherIP, proto}, protoTest{etherIPv6, proto}}
}

// ends returns the test of an end, or of both, in the direction of q.
func (q qualifiers) ends(src, dst test) test {
	switch q.dir {
	case "src":
		return src
	case "dst":
		return dst
	case "both":
		return allOf{src, dst}
	}
	return anyOf{src, dst}
}

func (q qualifiers) host(value string) (test, error) {
	if q.proto == "ether" {
		mac, err := net.ParseMAC(value)
		if err != nil || len(mac) != 6 {
			return nil, fmt.Errorf("ether host %q: want an address such as 02:00:00:00:00:01", value)
		}
		return q.ends(macTest(6, mac), macTest(0, mac)), nil
	}
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" {
		return nil, fmt.Errorf("host %q: want an IP address; names are not looked up", value)
	}
	return q.prefix(netip.PrefixFrom(addr, addr.BitLen()))
}

// net reads 10.0.0.0/8, 2001:db8::/32, and the beginning of an IPv4 address.
func (q qualifiers) net(value string) (test, error) {
	p, err := netip.ParsePrefix(value)
	if parts := strings.Count(value, ".") + 1; err != nil && parts < 4 && !strings.ContainsAny(value, ":/") {
		p, err = netip.ParsePrefix(value + strings.Repeat(".0", 4-parts) + "/" + strconv.Itoa(8*parts))
	}
	if err != nil {
		if addr, e := netip.ParseAddr(value); e == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("net %q: want a network such as 10.0.0.0/8 or 2001:db8::/32", value)
	case p != p.Masked():
		return nil, fmt.Errorf("net %q has bits outside of its mask; want %s", value, p.Masked())
	}
	return q.prefix(p)
}

// prefix takes packets from and to addresses. Those of IPv4 are in ARP too.
func (q qualifiers) prefix(p netip.Prefix) (test, error) {
	var of []test
	add := func(name string, typ, src, dst uint32) {
		if q.proto == "" || q.proto == name {
			of = append(of, q.ends(prefixTest(typ, src, p), prefixTest(typ, dst, p)))
		}
	}
	if p.Addr().Is4() {
		add("ip", etherIP, 12, 16)
		add("arp", etherARP, 14, 24)
		add("rarp", etherRARP, 14, 24)
	} else {
		add("ip6", etherIPv6, 8, 24)
	}
	if len(of) == 0 {
		return nil, fmt.Errorf("%q has no addresses such as %s", q.proto, p.Addr())
	}
	return anyOf(of), nil
}

func (q qualifiers) port(value string) (test, error) {
	protos := []uint32{protoTCP, protoUDP, protoSCTP}
	switch q.proto {
	case "":
	case "tcp", "udp", "sctp":
		protos = []uint32{protocols[q.proto]}
	default:
		return nil, fmt.Errorf("%q has no ports", q.proto)
	}
	from, to, ranged := strings.Cut(value, "-")
	if q.typ == "port" || !ranged {
		from, to = value, value
	}
	low, err := portNumber(from)
	if err != nil {
		return nil, err
	}
	high, err := portNumber(to)
	if err != nil {
		return nil, err
	}
	var of []test
	for _, ether := range []uint32{etherIP, etherIPv6} {
		of = append(of, &portTest{ether, protos, q.dir, min(low, high), max(low, high)})
	}
	return anyOf(of), nil
}

// portNames are the services that filters name most. A number is always
// understood.
var portNames = map[string]uint32{"ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "bootps": 67, "bootpc": 68,
	"http": 80, "pop3": 110, "ntp": 123, "imap": 143, "imap2": 143, "snmp": 161, "bgp": 179, "ldap": 389, "https": 443, "syslog": 514, "mdns": 5353}

func portNumber(s string) (uint32, error) {
	if n, ok := portNames[s]; ok {
		return n, nil
	}
	n, err := strconv.ParseUint(s, 0, 16)
	if err != nil {
		return 0, fmt.Errorf("port %q: want a number from 0 to 65535", s)
	}
	return uint32(n), nil
}

// protocol reads "ip proto 47", "ether proto 0x88cc" and the like.
func (q qualifiers) protocol(value string) (test, error) {
	value = strings.TrimPrefix(value, `\`)
	limit, names := uint64(0xff), protocols
	if q.proto == "ether" {
		limit, names = 0xffff, etherTypes
	}
	n, ok := names[value]
	if !ok {
		number, err := strconv.ParseUint(value, 0, 16)
		if err != nil || number > limit || q.proto == "ether" && number < 0x600 {
			return nil, fmt.Errorf("proto %q: want a number or a name", value)
		}
		n = uint32(number)
	}
	switch q.proto {
	case "ether":
		return etherTest(n), nil
	case "ip", "ip6":
		return protoTest{etherTypes[q.proto], n}, nil
	case "":
		return either(n), nil
	}
	return nil, fmt.Errorf("%s proto: want ip, ip6 or ether", q.proto)
}
