package hwtest_test

import (
	"fmt"
	"strings"
)

// The columns that tshark has an opinion on. Times are not compared: they are
// the capture file's own.
const (
	flowColumns = "src_addr src_port dst_addr dst_port proto app vlan src_mac dst_mac src_packets dst_packets src_bytes dst_bytes src_flags dst_flags src_ttl dst_ttl"
	dnsColumns  = "src_addr src_port dst_addr dst_port proto id name qtype qclass rcode answers ttl response aa tc rd ra"
	tlsColumns  = "src_addr src_port dst_addr dst_port sni alpn next_protocol version cipher accepted"
	dhcpColumns = "src_addr dst_addr message xid client_mac client_addr requested assigned server next_server relay hostname domain vendor params lease routers dns"
	arpColumns  = "op sender_mac sender_addr target_mac target_addr vlan"
)

// ends are the two ends of a packet.
type ends struct {
	src, dst         string
	srcPort, dstPort uint64
	proto            uint64
}

func (e ends) reversed() ends { return ends{e.dst, e.src, e.dstPort, e.srcPort, e.proto} }

func (e ends) fact() fact {
	return newFact("src_addr", e.src, "src_port", e.srcPort, "dst_addr", e.dst, "dst_port", e.dstPort, "proto", e.proto)
}

// endsOf returns the ends of the packet's outermost IP header, or false if it
// has none.
func endsOf(p *packet) (e ends, ok bool) {
	ip := p.proto("ip", "ipv6")
	if ip == nil {
		return e, false
	}
	e = ends{src: ip.text(ip.Name + ".src"), dst: ip.text(ip.Name + ".dst")}
	if e.proto = ip.number("ip.proto"); ip.Name == "ipv6" {
		e.proto = ip.number("ipv6.nxt")
		// The chain of extension headers ends in the transport's protocol.
		for _, next := range []string{"ipv6.hopopts.nxt", "ipv6.fraghdr.nxt"} {
			if len(ip.find(next)) > 0 {
				e.proto = ip.number(next)
			}
		}
	}
	switch e.proto {
	case 6:
		tcp := p.proto("tcp")
		e.srcPort, e.dstPort = tcp.number("tcp.srcport"), tcp.number("tcp.dstport")
	case 17:
		udp := p.proto("udp")
		e.srcPort, e.dstPort = udp.number("udp.srcport"), udp.number("udp.dstport")
	}
	return e, true
}

// app returns the application of a packet in our words, or "". An ICMP error
// quotes another packet, whose application is not its own.
func (p *packet) app() string {
	if p.proto("icmp", "icmpv6") != nil {
		return "icmp"
	}
	for _, app := range []string{"dns", "tls", "http", "dhcp"} {
		if len(p.all(app)) > 0 {
			return app
		}
	}
	return ""
}

// vlanOf returns the packet's outermost VLAN id: of QinQ, if there are two.
func vlanOf(p *packet) uint64 {
	tag := p.proto("ieee8021ad", "vlan")
	if tag == nil {
		return 0
	}
	return tag.number(tag.Name + ".id")
}

// side is one direction of a flow.
type side struct{ packets, bytes, flags, ttl uint64 }

// flowTruth counts packets into flows. The one who sends first is the source;
// every ICMP message between two addresses is of one flow, named by its first.
func flowTruth(packets []packet) []fact {
	type flow struct {
		first ends
		fact  fact
		sides [2]side
	}
	flows := map[ends]*flow{}
	var order []*flow
	fragments := map[string]ends{} // ports of a fragmented datagram, by its id
	for i := range packets {
		p := &packets[i]
		e, ok := endsOf(p)
		if !ok {
			continue
		}
		ip := p.proto("ip", "ipv6")
		if id := ip.text("ip.id") + ip.text("ipv6.fraghdr.ident"); ip.number("ip.frag_offset")+ip.number("ipv6.fraghdr.offset") > 0 {
			e = fragments[e.src+id]
		} else {
			fragments[e.src+id] = e
		}
		f, from := flows[e], 0
		if f == nil {
			if f = flows[e.reversed()]; f != nil {
				from = 1
			} else {
				f = &flow{first: e, fact: e.fact()}
				if icmp := p.proto("icmp", "icmpv6"); icmp != nil {
					f.fact.set("src_port", icmp.number(icmp.Name+".type"))
					f.fact.set("dst_port", icmp.number(icmp.Name+".code"))
				}
				f.fact.set("vlan", vlanOf(p))
				f.fact.set("src_mac", p.proto("eth").text("eth.src"))
				f.fact.set("dst_mac", p.proto("eth").text("eth.dst"))
				flows[e] = f
				order = append(order, f)
			}
		}
		s := &f.sides[from]
		if s.packets == 0 {
			s.ttl = ip.number("ip.ttl") + ip.number("ipv6.hlim")
		}
		s.packets++
		s.bytes += p.proto("frame").number("frame.len")
		s.flags |= p.proto("tcp").number("tcp.flags") & 0xff
		if app := p.app(); app != "" {
			f.fact.set("app", app)
		}
	}
	var out []fact
	for _, f := range order {
		for i, name := range []string{"src", "dst"} {
			s := f.sides[i]
			f.fact.set(name+"_packets", s.packets)
			f.fact.set(name+"_bytes", s.bytes)
			f.fact.set(name+"_flags", s.flags)
			f.fact.set(name+"_ttl", s.ttl)
		}
		out = append(out, f.fact)
	}
	return out
}

var rcodes = map[uint64]string{0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}

// dnsTruth joins queries with their responses. A response of which only the
// first fragment can be read has the answers that fit in there.
func dnsTruth(packets []packet) []fact {
	var out []fact
	open := map[string]fact{}
	for i := range packets {
		p := &packets[i]
		e, ok := endsOf(p)
		if !ok || p.proto("icmp") != nil {
			continue
		}
		for _, m := range p.all("dns") {
			response := m.number("dns.flags.response") == 1
			if response {
				e = e.reversed()
			}
			key := fmt.Sprint(e, m.text("dns.id"))
			f := open[key]
			if f == nil || !response {
				f = e.fact()
				f.set("id", m.number("dns.id"))
				f.set("name", strings.ToLower(m.text("dns.qry.name")))
				f.set("qtype", m.word("dns.qry.type"))
				f.set("rd", m.number("dns.flags.recdesired") == 1)
				open[key] = f
				out = append(out, f)
			}
			if !response {
				continue
			}
			f.set("response", true)
			f.set("rcode", rcodes[m.number("dns.flags.rcode")])
			f.set("aa", m.number("dns.flags.authoritative") == 1)
			f.set("tc", m.number("dns.flags.truncated") == 1)
			f.set("ra", m.number("dns.flags.recavail") == 1)
			answers, ttl := dnsAnswers(m)
			f.set("answers", answers)
			f.set("ttl", ttl)
			delete(open, key)
		}
	}
	return out
}

// dnsAnswers returns the data of the answer section as a master file has it,
// and the least TTL.
func dnsAnswers(m *field) (answers []string, ttl uint64) {
	for i := range m.Fields {
		if m.Fields[i].Show != "Answers" {
			continue
		}
		for j := range m.Fields[i].Fields {
			rr := &m.Fields[i].Fields[j]
			if t := rr.number("dns.resp.ttl"); ttl == 0 || t < ttl {
				ttl = t
			}
			var words []string
			for _, name := range []string{"dns.a", "dns.aaaa", "dns.cname", "dns.ptr.domain_name", "dns.mx.preference", "dns.mx.mail_exchange",
				"dns.srv.priority", "dns.srv.weight", "dns.srv.port", "dns.srv.target"} {
				words = append(words, rr.texts(name)...)
			}
			for _, text := range rr.texts("dns.txt") {
				words = append(words, `"`+text+`"`)
			}
			answers = append(answers, strings.Join(words, " "))
		}
	}
	return answers, ttl
}

// tlsTruth joins the hellos of each connection.
func tlsTruth(packets []packet) []fact {
	var out []fact
	open := map[ends]fact{}
	for i := range packets {
		p := &packets[i]
		e, _ := endsOf(p)
		for _, tls := range p.all("tls") {
			for _, h := range tls.find("tls.handshake") {
				switch h.number("tls.handshake.type") {
				case 1:
					f := newFact("src_addr", e.src, "src_port", e.srcPort, "dst_addr", e.dst, "dst_port", e.dstPort)
					f.set("sni", h.text("tls.handshake.extensions_server_name"))
					f.set("alpn", h.texts("tls.handshake.extensions_alpn_str"))
					f.set("version", tlsVersion(h))
					open[e] = f
					out = append(out, f)
				case 2:
					f := open[e.reversed()]
					f.set("accepted", true)
					f.set("version", tlsVersion(h))
					f.set("cipher", h.word("tls.handshake.ciphersuite"))
					f.set("next_protocol", h.text("tls.handshake.extensions_alpn_str"))
				}
			}
		}
	}
	return out
}

// tlsVersion returns the best version that a hello names.
func tlsVersion(hello *field) string {
	best := hello.number("tls.handshake.version")
	for _, v := range hello.find("tls.handshake.extensions.supported_version") {
		best = max(best, v.number(v.Name))
	}
	return fmt.Sprintf("1.%d", best-0x0301)
}

// dhcpTruth has one fact per message.
func dhcpTruth(packets []packet) []fact {
	var out []fact
	for i := range packets {
		m := packets[i].proto("dhcp")
		if m == nil {
			continue
		}
		e, _ := endsOf(&packets[i])
		f := newFact("src_addr", e.src, "dst_addr", e.dst, "xid", m.number("dhcp.id"),
			"message", strings.ToUpper(m.word("dhcp.option.dhcp")),
			"client_mac", m.text("dhcp.hw.mac_addr"),
			"requested", m.text("dhcp.option.requested_ip_address"),
			"server", m.text("dhcp.option.dhcp_server_id"),
			"hostname", m.text("dhcp.option.hostname"),
			"domain", m.text("dhcp.option.domain_name"),
			"vendor", m.text("dhcp.option.vendor_class_id"),
			"params", strings.Join(m.texts("dhcp.option.request_list_item"), ","),
			"lease", m.number("dhcp.option.ip_address_lease_time"),
			"routers", m.texts("dhcp.option.router"),
			"dns", m.texts("dhcp.option.domain_name_server"))
		for column, field := range map[string]string{"client_addr": "client", "assigned": "your", "next_server": "server", "relay": "relay"} {
			if addr := m.text("dhcp.ip." + field); addr != "0.0.0.0" {
				f.set(column, addr)
			}
		}
		out = append(out, f)
	}
	return out
}

// arpTruth has one fact per packet.
func arpTruth(packets []packet) []fact {
	ops := map[uint64]string{1: "request", 2: "reply"}
	var out []fact
	for i := range packets {
		a := packets[i].proto("arp")
		if a == nil {
			continue
		}
		out = append(out, newFact("op", ops[a.number("arp.opcode")],
			"sender_mac", a.text("arp.src.hw_mac"), "sender_addr", a.text("arp.src.proto_ipv4"),
			"target_mac", a.text("arp.dst.hw_mac"), "target_addr", a.text("arp.dst.proto_ipv4"),
			"vlan", vlanOf(&packets[i])))
	}
	return out
}
