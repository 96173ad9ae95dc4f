package asset_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/asset"
	"github.com/taproot-sensor/taproot/wire/record"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(n byte) record.HardwareAddr { return record.HardwareAddr{2, 0, 0, 0, 0, n} }

// gather returns a table and the lines that it reports.
func gather() (*asset.Table, *[]string) {
	var lines []string
	t := asset.NewTable(func(r *record.Asset) {
		lines = append(lines, fmt.Sprintf("%x %s %s %s %s %s %s", r.MAC[5], r.Addrs, r.Names, r.Roles, r.Vendor, r.System, r.Services))
	})
	return t, &lines
}

// learn gives records to a table, in one go.
func learn(table *asset.Table, recs ...any) {
	notes := asset.NewNotes()
	for _, rec := range recs {
		notes.Observe(rec)
	}
	table.Learn(notes.Take(nil), 1)
}

func TestAsset(t *testing.T) {
	table, lines := gather()
	printer := addr("10.0.0.9")
	learn(table,
		&record.DHCP{Time: 1, Message: "REQUEST", ClientMAC: mac(9), Hostname: "prn", Vendor: "MSFT 5.0", Params: "1,3"},
		&record.DHCP{Time: 2, Message: "ACK", SrcAddr: addr("10.0.0.1"), ClientMAC: mac(9), Assigned: printer},
		&record.ARP{Time: 3, SenderMAC: mac(1), SenderAddr: addr("10.0.0.1")},
		&record.DHCP{Time: 4, Message: "OFFER", SrcAddr: addr("10.0.0.1"), ClientMAC: mac(9)},
		&record.Names{Time: 5, Protocol: "mdns", SrcAddr: printer, Response: true, Answers: []string{
			"_ipp._tcp.local PTR Office Printer._ipp._tcp.local", "prn9.local A 10.0.0.9", "other.local A 10.0.0.77"}},
		&record.SSDP{Time: 6, SrcAddr: printer, Method: "NOTIFY", Target: "upnp:rootdevice", Server: "Linux/5 UPnP/1.0 prn/1"},
		&record.NDP{Time: 7, Message: "router_advertisement", SrcAddr: addr("fe80::1"), SourceMAC: mac(1)},
		&record.Flow{},
		&record.Names{Time: 8, SrcAddr: addr("10.0.0.200"), Response: true, Answers: []string{"ghost.local A 10.0.0.200"}},
		&record.ARP{Time: 9, SenderMAC: record.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, SenderAddr: addr("10.0.0.3")},
	)
	table.Advance(int64(time.Second))
	if len(*lines) != 0 {
		t.Errorf("written before they settled: %q", *lines)
	}
	table.Advance(int64(time.Minute))
	want := []string{
		"1 [10.0.0.1 fe80::1] [] [dhcp_server router]  [] []",
		"9 [10.0.0.9] [prn prn9.local] [] MSFT 5.0 [Linux/5 UPnP/1.0 prn/1] [_ipp._tcp.local upnp:rootdevice]",
	}
	if got := strings.Join(*lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	table.Advance(int64(2 * time.Hour)) // neither has said anything since
	table.Flush()
	if len(*lines) != 2 {
		t.Errorf("written again: %q", (*lines)[2:])
	}
	now := record.Nanos(3 * time.Hour)
	learn(table, &record.ARP{Time: now, SenderMAC: mac(2), SenderAddr: printer}) // the address has moved
	table.Flush()
	if got := strings.Join((*lines)[2:], "\n"); !strings.Contains(got, "2 [10.0.0.9]") || !strings.Contains(got, "9 [] [prn") {
		t.Errorf("after a move: %s", got)
	}
}

// TestAssetBound finds more devices than the table holds.
func TestAssetBound(t *testing.T) {
	table, lines := gather()
	const n = 10_000
	notes := asset.NewNotes()
	for i := range n {
		notes.Observe(&record.ARP{Time: record.Nanos(i + 1), SenderMAC: record.HardwareAddr{2, 0, 0, 0, byte(i >> 8), byte(i)},
			SenderAddr: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	table.Learn(notes.Take(nil), 1)
	if len(*lines) != n-8192 {
		t.Errorf("%d were written to make room, want %d", len(*lines), n-8192)
	}
	table.Flush()
	if len(*lines) != n {
		t.Errorf("%d were written, want %d", len(*lines), n)
	}
}

// TestAssetHints learns what hosts run from how they speak, wherever that was
// noted.
func TestAssetHints(t *testing.T) {
	host, server := addr("10.0.0.5"), addr("10.0.0.6")
	recs := []any{
		&record.ARP{Time: 1, SenderMAC: mac(5), SenderAddr: host},
		&record.ARP{Time: 2, SenderMAC: mac(6), SenderAddr: server},
		&record.SSH{Time: 3, SrcAddr: host, DstAddr: server, DstPort: 22, Client: "PuTTY_0.81", Server: "OpenSSH_9.2p1 Debian-2"},
		&record.HTTP{Time: 4, SrcAddr: host, DstAddr: server, DstPort: 8080, Status: 200, Server: "nginx/1.22", UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit"},
		&record.HTTP{Time: 5, SrcAddr: host, DstAddr: addr("10.0.0.7"), DstPort: 80, UserAgent: "curl/8.5.0"},
		&record.TLS{Time: 6, SrcAddr: host, DstAddr: server, DstPort: 443, Accepted: true, JA4: "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		&record.QUIC{Time: 7, SrcAddr: server, DstAddr: host, DstPort: 443, JA4: "q13d0310h3_55b375c5d22e_cd85d2d88918"},
		&record.SSH{Time: 8, SrcAddr: host, DstAddr: server, DstPort: 22, Client: "PuTTY_0.81", Server: "OpenSSH_9.2p1 Debian-2"},
	}
	want := []string{
		"5 [10.0.0.5] [] []  [PuTTY_0.81 Windows NT 10.0; Win64; x64 curl/8.5.0] []",
		"6 [10.0.0.6] [] []  [OpenSSH_9.2p1 Debian-2 nginx/1.22] [ssh 22/tcp http 8080/tcp tls 443/tcp]",
	}
	for shards := 1; shards <= 3; shards++ {
		table, lines := gather()
		var said []asset.Said
		for shard := range shards {
			notes := asset.NewNotes()
			for i, rec := range recs {
				if i*7%shards == shard {
					notes.Observe(rec)
				}
			}
			said = notes.Take(said)
		}
		table.Learn(said, shards)
		table.Flush()
		if got := strings.Join(*lines, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("%d shards: got\n%s\nwant\n%s", shards, got, strings.Join(want, "\n"))
		}
	}
}

func BenchmarkObserveFlow(b *testing.B) {
	notes := asset.NewNotes()
	rec := &record.Flow{}
	b.ReportAllocs()
	for b.Loop() {
		notes.Observe(rec)
	}
}

// TestTableBoundsText: a device that says ever more of itself is cut short.
func TestTableBoundsText(t *testing.T) {
	text := 0
	table := asset.NewTable(func(rec *record.Asset) {
		text = 0
		for _, list := range [][]string{rec.Names, rec.System, rec.Services, rec.Clients} {
			for _, s := range list {
				text += len(s)
			}
		}
	})
	notes := asset.NewNotes()
	addr := netip.MustParseAddr("10.0.0.1")
	notes.Observe(&record.ARP{Time: 1, SenderMAC: record.HardwareAddr{2}, SenderAddr: addr})
	for i := range 16 {
		long := strings.Repeat(string(rune('a'+i)), 1000)
		notes.Observe(&record.SSDP{Time: 1, SrcAddr: addr, Server: long, Target: long})
		notes.Observe(&record.SMB{Time: 1, SrcAddr: addr, Host: long})
	}
	table.Learn(notes.Take(nil), 1)
	table.Flush()
	if text < 1<<10 || text > 2<<10 {
		t.Errorf("a device has %d bytes of text", text)
	}
}
