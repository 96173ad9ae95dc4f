package meter_test

import (
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// TestMeterTunnel has a flow for the tunnel and one for what it carries, which
// names the other; the same addresses in another virtual network are another
// flow, and what cannot be read inside stays payload.
func TestMeterTunnel(t *testing.T) {
	var tr trace
	carry := func(vni byte, back bool) {
		in := frametest.Between("10.0.0.1:1000", "10.0.0.2:2000", frametest.UDP)
		out := frametest.Between("192.0.2.1:50000", "192.0.2.2:4789", frametest.UDP)
		if back {
			in.Src, in.Dst = in.Dst, in.Src
			out = frametest.Between("192.0.2.2:50001", "192.0.2.1:4789", frametest.UDP)
		}
		in.Payload = []byte("inside")
		out.Payload = append([]byte{8, 0, 0, 0, 0, 0, vni, 0}, in.Ethernet()...)
		tr.add(out.Ethernet(7))
	}
	carry(42, false)
	carry(42, true)
	carry(43, false)
	bad := frametest.Between("192.0.2.1:50000", "192.0.2.3:4789", frametest.UDP)
	bad.Payload = []byte("\x081234567short")
	tr.add(bad.Ethernet())
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"src_addr":"192.0.2.1","src_port":50000,"dst_addr":"192.0.2.2","dst_port":4789,"proto":17,"vlan":7`,
		`"src_addr":"10.0.0.1","src_port":1000,"dst_addr":"10.0.0.2","dst_port":2000,"proto":17,"vlan":7,"tunnel":1,"tunnel_type":"vxlan","vni":42,` +
			`"src_mac":"02:00:00:00:00:01","dst_mac":"02:00:00:00:00:02","src_packets":1,"dst_packets":1`,
		`"vlan":7,"tunnel":1,"tunnel_type":"vxlan","vni":43`,
		`"dst_addr":"192.0.2.3","dst_port":4789`,
	} {
		if n := strings.Count(strings.Join(out.lines["flow"], "\n"), want); n != 1 {
			t.Errorf("%d flows with %s in\n%s", n, want, strings.Join(out.lines["flow"], "\n"))
		}
	}
	if c := out.counters; len(out.lines["flow"]) != 5 || c["flow.inner_packets"] != 3 || c["decode.odd_tunnel_payload"] != 1 {
		t.Errorf("%d flows, %d inner packets, %d bad payloads", len(out.lines["flow"]), c["flow.inner_packets"], c["decode.odd_tunnel_payload"])
	}
}
