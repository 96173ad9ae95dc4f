package asset

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Learn takes what was said of devices in some Notes, in the order of its times.
// It uses the memory of all.
func (t *Table) Learn(all []Said, notes int) {
	if notes > 1 {
		all = join(all)
	}
	all = inOrder(all)
	for i := range all {
		t.learn(all[i].first, &all[i].Fact)
	}
}

func (t *Table) learn(now record.Nanos, f *Fact) {
	var d *device
	if f.mac != (record.HardwareAddr{}) {
		if d = t.device(now, f.mac); d != nil {
			d.rec.Last = max(d.rec.Last, now)
		}
	} else {
		d = t.of(now, f.addr)
	}
	if d == nil {
		return
	}
	if d.rec.VLAN == 0 {
		d.rec.VLAN = f.vlan
	}
	switch f.kind {
	case binds:
		t.bind(now, d, f.addr)
	case claimed:
		if t.byAddr[f.also] == d.rec.MAC {
			d.add(now, &d.rec.Names, f.text)
		}
	case named:
		d.add(now, &d.rec.Names, f.text)
	case role:
		d.add(now, &d.rec.Roles, f.text)
	case vendor:
		d.set(now, &d.rec.Vendor, f.text)
	case params:
		d.set(now, &d.rec.Params, f.text)
	case system:
		d.add(now, &d.rec.System, f.text)
	case service:
		d.add(now, &d.rec.Services, f.text)
	case client:
		d.add(now, &d.rec.Clients, f.text)
	}
	t.wakes[d.place] = d.wake()
}

// Observe notes what a record of any kind says. Those that say nothing of
// devices cost a comparison.
func (n *Notes) Observe(rec any) {
	switch r := rec.(type) {
	case *record.ARP:
		n.add(r.Time, Fact{kind: binds, mac: r.SenderMAC, addr: r.SenderAddr, vlan: r.VLAN})
	case *record.NDP:
		n.ndp(r)
	case *record.DHCP:
		n.dhcp(r)
	case *record.DHCP6:
		n.of(r.Time, r.ClientMAC, named, r.FQDN)
		n.of(r.Time, r.ClientMAC, vendor, r.Vendor)
	case *record.LLDP:
		n.lldp(r)
	case *record.Names:
		n.names(r)
	case *record.SSDP:
		n.at(r.Time, r.SrcAddr, system, r.Server, r.UserAgent)
		if r.Method != "M-SEARCH" && !strings.HasPrefix(r.Target, "uuid:") {
			n.at(r.Time, r.SrcAddr, service, r.Target)
		}
	case *record.SMB:
		n.at(r.Time, r.DstAddr, named, r.ServerDNS, r.ServerName)
		n.at(r.Time, r.DstAddr, system, r.ServerOS)
		n.at(r.Time, r.SrcAddr, named, r.Host)
		n.at(r.Time, r.SrcAddr, system, r.ClientOS)
	case *record.BACnet:
		if r.Service == "i_am" {
			n.at(r.Time, r.SrcAddr, service, "bacnet "+r.Object)
		}
	case *record.ENIP:
		if r.Product != "" {
			n.at(r.Time, r.SrcAddr, vendor, r.Product)
			n.at(r.Time, r.SrcAddr, system, r.Product+" "+r.Revision)
		}
	case *record.Modbus:
		n.at(r.Time, r.SrcAddr, vendor, r.Device)
	case *record.SSH:
		n.at(r.Time, r.SrcAddr, system, r.Client)
		if r.Server != "" {
			n.at(r.Time, r.DstAddr, system, r.Server)
			n.at(r.Time, r.DstAddr, service, at("ssh", r.DstPort, "tcp"))
		}
	case *record.HTTP:
		n.at(r.Time, r.SrcAddr, system, platform(r.UserAgent))
		if r.Status != 0 {
			n.at(r.Time, r.DstAddr, system, r.Server)
			n.at(r.Time, r.DstAddr, service, at("http", r.DstPort, "tcp"))
		}
	case *record.TLS:
		n.at(r.Time, r.SrcAddr, client, r.JA4)
		if r.Accepted {
			n.at(r.Time, r.DstAddr, service, tlsService(r))
		}
	case *record.QUIC:
		n.at(r.Time, r.SrcAddr, client, r.JA4)
		if r.Accepted {
			n.at(r.Time, r.DstAddr, service, at("quic", r.DstPort, "udp"))
		}
	}
}

// of notes what is said of a device by its hardware address, which says also
// that it is there.
func (n *Notes) of(now record.Nanos, mac record.HardwareAddr, k kind, texts ...string) {
	n.add(now, Fact{kind: present, mac: mac})
	for _, s := range texts {
		n.add(now, Fact{kind: k, mac: mac, text: s})
	}
}

// at notes what is said of whoever has an address.
func (n *Notes) at(now record.Nanos, addr netip.Addr, k kind, texts ...string) {
	for _, s := range texts {
		n.add(now, Fact{kind: k, addr: addr, text: s})
	}
}

// at returns a service and where it is, such as "ssh 22/tcp".
func at(name string, port uint16, transport string) string {
	return name + " " + strconv.Itoa(int(port)) + "/" + transport
}

// platform returns what a User-Agent says of the system: of a browser the
// first comment (RFC 9110, section 10.1.5), and else all of it.
func platform(agent string) string {
	if strings.HasPrefix(agent, "Mozilla/") {
		if _, after, ok := strings.Cut(agent, "("); ok {
			comment, _, _ := strings.Cut(after, ")")
			return comment
		}
	}
	return agent
}

func (n *Notes) ndp(r *record.NDP) {
	n.add(r.Time, Fact{kind: binds, mac: r.SourceMAC, addr: r.SrcAddr})
	switch r.Message {
	case "neighbor_advertisement":
		n.add(r.Time, Fact{kind: binds, mac: r.TargetMAC, addr: r.Target})
		if r.Router {
			n.of(r.Time, r.TargetMAC, role, "router")
		}
	case "router_advertisement":
		n.of(r.Time, r.SourceMAC, role, "router")
	}
}

func (n *Notes) dhcp(r *record.DHCP) {
	switch r.Message {
	case "OFFER", "ACK", "NAK":
		n.at(r.Time, r.SrcAddr, role, "dhcp_server")
		if r.Message == "ACK" {
			n.add(r.Time, Fact{kind: binds, mac: r.ClientMAC, addr: r.Assigned})
		}
		return
	}
	n.of(r.Time, r.ClientMAC, named, r.Hostname)
	n.of(r.Time, r.ClientMAC, vendor, r.Vendor)
	n.of(r.Time, r.ClientMAC, params, r.Params)
}

func (n *Notes) lldp(r *record.LLDP) {
	n.of(r.Time, r.SrcMAC, named, r.SysName)
	if r.Protocol == "cdp" && r.SysName == "" {
		n.of(r.Time, r.SrcMAC, named, r.ChassisID)
	}
	n.of(r.Time, r.SrcMAC, vendor, r.Platform)
	n.of(r.Time, r.SrcMAC, system, r.SysDesc)
	n.of(r.Time, r.SrcMAC, role, r.Capabilities...)
}

// names notes what a host says of itself: the records that it gives, and the
// NetBIOS names that it registers.
func (n *Notes) names(r *record.Names) {
	if !r.Response && r.OpCode == "" {
		return
	}
	for _, answer := range r.Answers {
		name, typ, data := answerParts(answer)
		switch typ {
		case "A", "AAAA", "NB":
			if a, err := netip.ParseAddr(data); err == nil {
				n.add(r.Time, Fact{kind: claimed, addr: r.SrcAddr, text: name, also: a})
			}
		case "PTR":
			if strings.HasPrefix(name, "_") && name != "_services._dns-sd._udp.local" {
				n.at(r.Time, r.SrcAddr, service, name)
			}
		}
	}
}

// answerParts takes an answer of a record apart. Names may have blanks, types
// have none and are in capitals.
func answerParts(s string) (name, typ, data string) {
	for _, typ := range [...]string{"A", "AAAA", "NB", "PTR"} {
		if name, data, ok := strings.Cut(s, " "+typ+" "); ok {
			return name, typ, data
		}
	}
	return s, "", ""
}

// tlsService returns what a server of TLS or DTLS is called.
func tlsService(r *record.TLS) string {
	if strings.HasPrefix(r.Version, "DTLS") {
		return at("dtls", r.DstPort, "udp")
	}
	return at("tls", r.DstPort, "tcp")
}
