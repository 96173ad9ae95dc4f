package meter_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tsharkFields are what is asked of tshark for each frame.
var tsharkFields = []string{"frame.protocols", "frame.len", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
	"ip.id", "ip.frag_offset", "ipv6.fraghdr.ident", "ipv6.fraghdr.offset", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
	"dns.qry.name", "dns.a", "dns.aaaa", "tls.handshake.extensions_server_name", "tls.handshake.ja3", "tls.handshake.ja3s", "http.host"}

// tsharkTunnels are protocols that carry packets, as frame.protocols names them.
var tsharkTunnels = []string{"ip", "ipv6", "gre", "vxlan", "geneve", "gtp", "teredo", "erspan", "etherip"}

// A tsharkFrame has the values of one frame by field.
type tsharkFrame map[string][]string

// tsharkFacts is what tshark says of a capture.
type tsharkFacts struct {
	values map[string][]string // by those of tsharkFields that parsers read
	flows  directed            // of TCP and UDP, outermost
	inner  directed            // of TCP and UDP in a tunnel, innermost; packets alone

	fragments map[string][2]string // ports by what the fragments of a datagram share
}

// tsharkArgs asks for the fields, without putting fragments together: the first
// has the ports of a flow, the others are counted with it.
func tsharkArgs() []string {
	args := []string{"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"}
	for _, f := range tsharkFields {
		args = append(args, "-e", f)
	}
	return args
}

// tsharkRead reads what tshark printed.
func tsharkRead(text string) tsharkFacts {
	out := tsharkFacts{make(map[string][]string), directed{}, directed{}, make(map[string][2]string)}
	for line := range strings.Lines(text) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != len(tsharkFields) {
			continue
		}
		frame := make(tsharkFrame)
		for i, f := range tsharkFields {
			if columns[i] != "" {
				frame[f] = strings.Split(columns[i], "|")
			}
		}
		protocols := strings.Split(columns[0], ":")
		out.parsed(protocols, frame)
		out.counted(protocols, frame)
	}
	return out
}

// parsed takes what parsers read: not of mDNS, nor of what tshark has the keys
// for, nor names that it gives up on.
func (out *tsharkFacts) parsed(protocols []string, frame tsharkFrame) {
	has := func(p string) bool { return slices.Contains(protocols, p) }
	for field, values := range frame {
		name, _, _ := strings.Cut(field, ".")
		if !slices.Contains([]string{"dns", "tls", "http"}, name) || name == "dns" && !has("dns") || name == "http" && (has("tls") || !has("tcp")) {
			continue
		}
		for _, v := range values {
			if v != "<Name too long>" {
				out.values[field] = append(out.values[field], strings.ToLower(strings.ReplaceAll(v, "<Root>", ".")))
			}
		}
	}
}

// counted takes the packets and bytes of the frame's flows.
func (out *tsharkFacts) counted(protocols []string, frame tsharkFrame) {
	isIP := func(p string) bool { return p == "ip" || p == "ipv6" }
	first := slices.IndexFunc(protocols, isIP)
	if first < 0 {
		return
	}
	size, _ := strconv.Atoi(frame["frame.len"][0])
	out.add(out.flows, protocols[first:], frame, 0, size)
	last := len(protocols) - 1
	for !isIP(protocols[last]) {
		last--
	}
	if last > first && slices.Contains(tsharkTunnels, protocols[last-1]) || last > first+1 && slices.Contains(tsharkTunnels, protocols[last-3]) && protocols[last-1] == "ethertype" {
		out.add(out.inner, protocols[last:], frame, -1, 0)
	}
}

// add counts a packet whose protocols begin with IP; of several values the first
// is its own, or the last with at -1.
func (out *tsharkFacts) add(to directed, protocols []string, frame tsharkFrame, at, size int) {
	which := func(list []string) string {
		switch {
		case len(list) == 0: // cut short
			return ""
		case at < 0:
			return list[len(list)-1]
		}
		return list[0]
	}
	ip := protocols[0]
	src, dst := which(frame[ip+".src"]), which(frame[ip+".dst"])
	id, offset := frame["ip.id"], frame["ip.frag_offset"]
	if ip == "ipv6" {
		id, offset = frame["ipv6.fraghdr.ident"], frame["ipv6.fraghdr.offset"]
	}
	datagram := ""
	if len(id) > 0 {
		datagram = strings.Join([]string{src, dst, which(id)}, " ")
	}
	next := slices.DeleteFunc(slices.Clone(protocols[1:]), func(p string) bool { return strings.HasPrefix(p, "ipv6.") || p == "ah" })
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	switch {
	case src == "" || dst == "":
	case len(next) > 0 && (next[0] == "tcp" || next[0] == "udp"):
		ports := [2]string{which(frame[next[0]+".srcport"]), which(frame[next[0]+".dstport"])}
		if ports[1] == "" {
			return
		}
		proto := map[string]int{"tcp": 6, "udp": 17}[next[0]]
		to.add(src, dst, number(ports[0]), number(ports[1]), proto, 1, size)
		if proto == 17 && datagram != "" {
			out.fragments[datagram] = ports
		}
	case len(offset) > 0 && which(offset) != "0":
		if ports, ok := out.fragments[datagram]; ok {
			to.add(src, dst, number(ports[0]), number(ports[1]), 17, 1, size)
		}
	}
}

// recorded returns the packets and bytes of our flows, and the packets alone.
func recorded(flows []fact) (both, packets directed) {
	both, packets = directed{}, directed{}
	for _, f := range flows {
		src, dst, proto := f.text("src_addr"), f.text("dst_addr"), f.number("proto")
		srcPort, dstPort := f.number("src_port"), f.number("dst_port")
		both.add(src, dst, srcPort, dstPort, proto, f.number("src_packets"), f.number("src_bytes"))
		both.add(dst, src, dstPort, srcPort, proto, f.number("dst_packets"), f.number("dst_bytes"))
		packets.add(src, dst, srcPort, dstPort, proto, f.number("src_packets"), 0)
		packets.add(dst, src, dstPort, srcPort, proto, f.number("dst_packets"), 0)
	}
	return both, packets
}

// words returns the values of a column in lower case; of one with lists, the
// words of their items.
func words(all map[string][]fact, kinds []string, column string) []string {
	var found []string
	for _, kind := range kinds {
		for _, f := range all[kind] {
			list, ok := f[column].([]any)
			if !ok {
				found = append(found, strings.ToLower(f.text(column)))
			}
			for _, item := range list {
				found = append(found, strings.Fields(strings.ToLower(fmt.Sprint(item)))...)
			}
		}
	}
	return strict(found)
}

// addresses returns those of words that are addresses.
func addresses(words []string) []string {
	return slices.DeleteFunc(words, func(w string) bool { _, err := netip.ParseAddr(w); return err != nil })
}

// TestTruthTshark compares addresses, ports, packets and bytes of TCP and UDP,
// the names and addresses in DNS, names and JA3 of TLS and QUIC hellos and the
// Host of HTTP, with those that tshark finds in all of the real captures. It
// takes minutes where tshark has not printed them before, so it runs where
// TAPROOT_TRUTH is set: in make truth.
func TestTruthTshark(t *testing.T) {
	if os.Getenv("TAPROOT_TRUTH") == "" {
		t.Skip("TAPROOT_TRUTH is not set")
	}
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip(err)
	}
	flows, inner := score{name: "packets and bytes (tshark)"}, score{name: "packets in tunnels (tshark)"}
	answers := score{name: "DNS answers, in tshark's"} // which has those of all sections
	hellos := []string{"tls", "quic"}
	values := []struct {
		score         score
		field, column string
		kinds         []string
		floor, files  int
	}{
		{score{name: "DNS names (tshark)"}, "dns.qry.name", "name", []string{"dns"}, 286, 1351},
		{score{name: "SNI (tshark)"}, "tls.handshake.extensions_server_name", "sni", hellos, 168, 1354},
		{score{name: "JA3 (tshark)"}, "tls.handshake.ja3", "ja3", hellos, 322, 1352},
		{score{name: "JA3S (tshark)"}, "tls.handshake.ja3s", "ja3s", hellos, 166, 1354},
		{score{name: "HTTP hosts (tshark)"}, "http.host", "host", []string{"http"}, 130, 1352},
	}
	paths := corpus(t)
	texts := printed(t, program, tsharkArgs(), paths)
	for _, path := range paths {
		text, ok := texts[path]
		if !ok {
			continue
		}
		want, all, base := tsharkRead(text), facts(t, path), filepath.Base(path)
		both, packets := recorded(all["flow"])
		if len(want.flows) > 0 {
			flows.compare(t, base, both.sorted(), want.flows.sorted())
		}
		if len(want.inner) > 0 {
			inner.compare(t, base, packets.sorted(), want.inner.sorted())
		}
		answers.compare(t, base, slices.Concat(want.values["dns.a"], want.values["dns.aaaa"]), addresses(words(all, []string{"dns"}, "answers")))
		for i := range values {
			v := &values[i]
			v.score.compare(t, base, words(all, v.kinds, v.column), strict(want.values[v.field]))
		}
	}
	flows.floor(t, 9131, 772)
	inner.floor(t, 58, 21)
	answers.floor(t, 305, 1354)
	for i := range values {
		values[i].score.floor(t, values[i].floor, values[i].files)
	}
}
