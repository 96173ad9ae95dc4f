package meter_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// tsharkFields are what is asked of tshark for each frame.
var tsharkFields = []string{"frame.protocols", "frame.len", "dns.qry.name", "tls.handshake.extensions_server_name", "http.host",
	"ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"}

// tsharkFacts is what tshark says of a capture.
type tsharkFacts struct {
	names map[string][]string // in DNS questions, in hellos, in Host, by tsharkFields
	flows directed            // packets of TCP and UDP that are in no tunnel
}

// tsharkArgs asks for them, without putting fragments together: the first has
// the ports of a flow, the others are counted with it.
func tsharkArgs() []string {
	args := []string{"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator= "}
	for _, f := range tsharkFields {
		args = append(args, "-e", f)
	}
	return args
}

// tsharkRead reads what tshark printed.
func tsharkRead(text string) tsharkFacts {
	out := tsharkFacts{names: make(map[string][]string), flows: directed{}}
	for line := range strings.Lines(text) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != len(tsharkFields) {
			continue
		}
		frame := make(map[string][]string)
		for i, f := range tsharkFields {
			frame[f] = strings.Fields(columns[i])
		}
		out.add(strings.Split(columns[0], ":"), frame)
	}
	return out
}

func (out *tsharkFacts) add(protocols []string, frame map[string][]string) {
	has := func(p string) bool { return slices.Contains(protocols, p) }
	for field, names := range frame {
		switch {
		case field == "dns.qry.name" && has("dns"), strings.HasPrefix(field, "tls."), field == "http.host" && has("tcp"):
			for _, name := range names {
				out.names[field] = append(out.names[field], strings.ToLower(strings.ReplaceAll(name, "<Root>", ".")))
			}
		}
	}
	ends := slices.Concat(frame["ip.src"], frame["ipv6.src"], frame["ip.dst"], frame["ipv6.dst"])
	for proto, name := range map[int]string{6: "tcp", 17: "udp"} {
		src, dst := frame[name+".srcport"], frame[name+".dstport"]
		if len(ends) != 2 || len(src) != 1 || len(dst) != 1 { // in a tunnel, or of another protocol
			continue
		}
		number := func(s string) int { n, _ := strconv.Atoi(s); return n }
		out.flows.add(ends[0], ends[1], number(src[0]), number(dst[0]), proto, 1, number(frame["frame.len"][0]))
	}
}

// TestTruthTshark compares addresses, ports, packets and bytes of TCP and UDP,
// and the names in DNS questions, in TLS and QUIC hellos and in the Host of HTTP,
// with those that tshark finds in all of the real captures. It takes minutes, so
// it runs where TAPROOT_TRUTH is set: in make truth.
func TestTruthTshark(t *testing.T) {
	if os.Getenv("TAPROOT_TRUTH") == "" {
		t.Skip("TAPROOT_TRUTH is not set")
	}
	program, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip(err)
	}
	flows := score{name: "packets and bytes (tshark)"}
	names := []struct {
		score         score
		field, column string
		kinds         []string
		floor, files  int
	}{
		{score{name: "DNS names (tshark)"}, "dns.qry.name", "name", []string{"dns"}, 79, 81},
		{score{name: "SNI (tshark)"}, "tls.handshake.extensions_server_name", "sni", []string{"tls", "quic"}, 147, 81},
		{score{name: "HTTP hosts (tshark)"}, "http.host", "host", []string{"http"}, 26, 81},
	}
	paths := corpus(t)
	texts := printed(t, program, tsharkArgs(), paths)
	for _, path := range paths {
		text, ok := texts[path]
		if !ok {
			continue
		}
		want, all, base := tsharkRead(text), facts(t, path), filepath.Base(path)
		got := directed{}
		for _, f := range all["flow"] {
			src, dst, proto := f.text("src_addr"), f.text("dst_addr"), f.number("proto")
			got.add(src, dst, f.number("src_port"), f.number("dst_port"), proto, f.number("src_packets"), f.number("src_bytes"))
			got.add(dst, src, f.number("dst_port"), f.number("src_port"), proto, f.number("dst_packets"), f.number("dst_bytes"))
		}
		if len(want.flows) > 0 {
			flows.compare(t, base, slices.Sorted(slices.Values(got.lines())), slices.Sorted(slices.Values(want.flows.lines())))
		}
		for i := range names {
			n := &names[i]
			found := make(map[string]bool)
			for _, kind := range n.kinds {
				for _, f := range all[kind] {
					found[strings.ToLower(f.text(n.column))] = true
				}
			}
			n.score.compare(t, base, strict(slices.Collect(maps.Keys(found))), strict(want.names[n.field]))
		}
	}
	// The floors are what five of the folders have alone (ja4, ipfixprobe, joy,
	// retina, ics), where all is found.
	flows.floor(t, 1347, 77)
	for i := range names {
		names[i].score.floor(t, names[i].floor, names[i].files)
	}
}
