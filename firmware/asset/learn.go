package asset

import (
	"net/netip"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Observe learns from a record of any kind. Those that say nothing of devices
// cost a comparison.
func (t *Table) Observe(rec any) {
	switch r := rec.(type) {
	case *record.ARP:
		d := t.device(r.Time, r.SenderMAC)
		t.bind(r.Time, d, r.SenderAddr)
		if d != nil && d.rec.VLAN == 0 {
			d.rec.VLAN = r.VLAN
		}
	case *record.NDP:
		t.ndp(r)
	case *record.DHCP:
		t.dhcp(r)
	case *record.DHCP6:
		if d := t.device(r.Time, r.ClientMAC); d != nil {
			d.add(r.Time, &d.rec.Names, r.FQDN)
			d.set(r.Time, &d.rec.Vendor, r.Vendor)
		}
	case *record.LLDP:
		t.lldp(r)
	case *record.Names:
		t.names(r)
	case *record.SSDP:
		if d := t.of(r.Time, r.SrcAddr); d != nil {
			d.add(r.Time, &d.rec.System, r.Server, r.UserAgent)
			if r.Method != "M-SEARCH" && !strings.HasPrefix(r.Target, "uuid:") {
				d.add(r.Time, &d.rec.Services, r.Target)
			}
		}
	case *record.SMB:
		t.smb(r)
	case *record.BACnet:
		if d := t.of(r.Time, r.SrcAddr); d != nil && r.Service == "i_am" {
			d.add(r.Time, &d.rec.Services, "bacnet "+r.Object)
		}
	case *record.ENIP:
		if d := t.of(r.Time, r.SrcAddr); d != nil && r.Product != "" {
			d.set(r.Time, &d.rec.Vendor, r.Product)
			d.add(r.Time, &d.rec.System, r.Product+" "+r.Revision)
		}
	case *record.Modbus:
		if d := t.of(r.Time, r.SrcAddr); d != nil && r.Device != "" {
			d.set(r.Time, &d.rec.Vendor, r.Device)
		}
	}
}

func (t *Table) ndp(r *record.NDP) {
	d := t.device(r.Time, r.SourceMAC)
	t.bind(r.Time, d, r.SrcAddr)
	switch r.Message {
	case "neighbor_advertisement":
		if d = t.device(r.Time, r.TargetMAC); d != nil {
			t.bind(r.Time, d, r.Target)
			if r.Router {
				d.add(r.Time, &d.rec.Roles, "router")
			}
		}
	case "router_advertisement":
		if d != nil {
			d.add(r.Time, &d.rec.Roles, "router")
		}
	}
}

func (t *Table) dhcp(r *record.DHCP) {
	switch r.Message {
	case "OFFER", "ACK", "NAK":
		if d := t.of(r.Time, r.SrcAddr); d != nil {
			d.add(r.Time, &d.rec.Roles, "dhcp_server")
		}
		if r.Message == "ACK" {
			t.bind(r.Time, t.device(r.Time, r.ClientMAC), r.Assigned)
		}
		return
	}
	if d := t.device(r.Time, r.ClientMAC); d != nil {
		d.add(r.Time, &d.rec.Names, r.Hostname)
		d.set(r.Time, &d.rec.Vendor, r.Vendor)
		d.set(r.Time, &d.rec.Params, r.Params)
	}
}

func (t *Table) lldp(r *record.LLDP) {
	d := t.device(r.Time, r.SrcMAC)
	if d == nil {
		return
	}
	d.add(r.Time, &d.rec.Names, r.SysName)
	if r.Protocol == "cdp" && r.SysName == "" {
		d.add(r.Time, &d.rec.Names, r.ChassisID)
	}
	d.set(r.Time, &d.rec.Vendor, r.Platform)
	d.add(r.Time, &d.rec.System, r.SysDesc)
	d.add(r.Time, &d.rec.Roles, r.Capabilities...)
}

// names learns from what a host says of itself: the records that it gives, and
// the NetBIOS names that it registers.
func (t *Table) names(r *record.Names) {
	d := t.of(r.Time, r.SrcAddr)
	if d == nil || !r.Response && r.OpCode == "" {
		return
	}
	for _, answer := range r.Answers {
		name, typ, data := answerParts(answer)
		switch typ {
		case "A", "AAAA", "NB":
			if a, err := netip.ParseAddr(data); err == nil && t.byAddr[a] == d.rec.MAC {
				d.add(r.Time, &d.rec.Names, name)
			}
		case "PTR":
			if strings.HasPrefix(name, "_") && name != "_services._dns-sd._udp.local" {
				d.add(r.Time, &d.rec.Services, name)
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

func (t *Table) smb(r *record.SMB) {
	if d := t.of(r.Time, r.DstAddr); d != nil {
		d.add(r.Time, &d.rec.Names, r.ServerDNS, r.ServerName)
		d.add(r.Time, &d.rec.System, r.ServerOS)
	}
	if d := t.of(r.Time, r.SrcAddr); d != nil {
		d.add(r.Time, &d.rec.Names, r.Host)
		d.add(r.Time, &d.rec.System, r.ClientOS)
	}
}
