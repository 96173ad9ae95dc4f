package meter_test

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ipfixprobe reads what ipfixprobe says about a capture of its own: rows of
// columns by name.
func ipfixprobe(t *testing.T, plugin string) []map[string]string {
	raw, err := os.ReadFile(filepath.Join(truthDir(t, "expected/ipfixprobe"), plugin))
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(raw))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	head := slices.IndexFunc(all, func(row []string) bool { return strings.HasPrefix(row[0], "ipaddr ") })
	var rows []map[string]string
	for i, row := range all {
		if i == head || len(row) != len(all[head]) {
			continue
		}
		m := make(map[string]string)
		for j, name := range all[head] {
			m[name[strings.LastIndexByte(name, ' ')+1:]] = row[j]
		}
		rows = append(rows, m)
	}
	return rows
}

// strict returns a list in order, without repeats and what is empty.
func strict(list []string) []string {
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// TestTruthIpfixprobeFlows compares with what ipfixprobe counts in flows, and
// with how it names them. It reports a flow in parts, and the kind of ICMP as no
// port.
func TestTruthIpfixprobeFlows(t *testing.T) {
	dir := truthDir(t, "ipfixprobe")
	number := func(m map[string]string, name string) int { n, _ := strconv.Atoi(m[name]); return n }
	sure := func(plugin string) string { return strings.ToUpper(plugin) + "_CONF_LEVEL" }
	for _, tt := range []struct {
		plugin, capture, app string // no app: packets both ways
		floor                int
	}{
		{"basic", "mixed", "", 38},
		{"basicplus", "http", "", 17},
		{"pstats", "mixed", "", 38},
		{"vlan", "vlan", "vlan", 1}, // a flow may be in several VLANs here, and has that of its first packet
		{"tls", "tls", "tls", 28},
		{"http", "http", "http", 9},
		{"ntp", "ntp", "ntp", 8},
		{"mqtt", "mqtt", "mqtt", 5},
		{"sip", "sip", "sip", 9},
		{"smtp", "smtp", "smtp", 1},
		{"netbios", "netbios", "nbns", 13},
		{"dnssd", "dnssd", "mdns", 8},
		{"ssdp", "ssdp", "ssdp", 16},
		{"wg", "wg", "wireguard", 4},
		{"ovpn", "ovpn", "openvpn", 1},
	} {
		flows := facts(t, filepath.Join(dir, "ipfixprobe__tests__functional__inputs__"+tt.capture+".pcap"))["flow"]
		var want, got []string
		counted := directed{}
		for _, m := range ipfixprobe(t, tt.plugin) {
			src, dst, proto := m["SRC_IP"], m["DST_IP"], number(m, "PROTOCOL")
			counted.add(src, dst, number(m, "SRC_PORT"), number(m, "DST_PORT"), proto, number(m, "PACKETS"), 0)
			counted.add(dst, src, number(m, "DST_PORT"), number(m, "SRC_PORT"), proto, number(m, "PACKETS_REV"), 0)
			if level, ok := m[sure(tt.plugin)]; !ok || level == "100" {
				want = append(want, strings.Join([]string{src, m["SRC_PORT"], dst, m["DST_PORT"], cmp.Or(m["VLAN_ID"], tt.app)}, " "))
			}
		}
		for _, f := range flows {
			name := f.text("app")
			if tt.plugin == "vlan" {
				name = cmp.Or(f.text("vlan"), "0")
			}
			src, dst := f.text("src_addr")+" "+cmp.Or(f.text("src_port"), "0"), f.text("dst_addr")+" "+cmp.Or(f.text("dst_port"), "0")
			got = append(got, src+" "+dst+" "+name, dst+" "+src+" "+name)
		}
		s := score{name: "flows of " + tt.plugin + " (ipfixprobe)"}
		if tt.app == "" {
			for _, f := range flows {
				if proto := f.number("proto"); proto == 1 || proto == 58 {
					delete(f, "src_port")
					delete(f, "dst_port")
				}
			}
			_, packets := recorded(flows)
			got, want = packets.lines(), counted.lines()
		}
		s.compare(t, tt.capture, strict(got), strict(want))
		s.floor(t, tt.floor, 0)
	}
}

// TestTruthIpfixprobe compares with ipfixprobe's dns, tls, http and quic.
func TestTruthIpfixprobe(t *testing.T) {
	dir := truthDir(t, "ipfixprobe")
	file := func(name string) map[string][]fact {
		return facts(t, filepath.Join(dir, "ipfixprobe__tests__functional__inputs__"+name+".pcap"))
	}
	columns := func(m map[string]string, names ...string) string {
		var out []string
		for _, name := range names {
			out = append(out, m[name])
		}
		return strings.Join(out, " ")
	}
	// In the first part of JA4 ipfixprobe counts the GREASE that the hashes
	// leave out.
	hashes := func(ja4 string) string { return ja4[strings.IndexByte(ja4, '_'):] }
	for _, tt := range []struct {
		plugin, capture string
		floor           int
		want            func(map[string]string) string
		got             func(map[string][]fact) []string
	}{
		{"dns", "dns", 8, func(m map[string]string) string {
			return strings.ToLower(m["DNS_ID"] + " " + cmp.Or(m["DNS_NAME"], ".")) // the root
		}, func(all map[string][]fact) (out []string) {
			for _, f := range all["dns"] {
				out = append(out, f.text("id")+" "+f.text("name"))
			}
			return out
		}},
		{"tls", "tls", 28, func(m map[string]string) string {
			return columns(m, "SRC_IP", "SRC_PORT", "DST_IP", "DST_PORT", "TLS_SNI", "TLS_JA3") + hashes(m["TLS_JA4"])
		}, func(all map[string][]fact) (out []string) {
			for _, f := range all["tls"] {
				out = append(out, strings.Join([]string{f.ends(), f.text("sni"), f.text("ja3")}, " ")+hashes(f.text("ja4")))
			}
			return out
		}},
		{"http", "http", 9, func(m map[string]string) string {
			return columns(m, "SRC_IP", "SRC_PORT", "DST_IP", "DST_PORT", "HTTP_REQUEST_METHOD", "HTTP_REQUEST_HOST", "HTTP_REQUEST_URL",
				"HTTP_REQUEST_AGENT", "HTTP_RESPONSE_STATUS_CODE", "HTTP_RESPONSE_CONTENT_TYPE", "HTTP_RESPONSE_SERVER")
		}, func(all map[string][]fact) (out []string) {
			for _, f := range all["http"] {
				out = append(out, strings.Join([]string{f.ends(), f.text("method"), f.text("host"), f.text("uri"), f.text("user_agent"),
					cmp.Or(f.text("status"), "0"), f.text("type"), f.text("server")}, " "))
			}
			return out
		}},
		{"quic", "quic_initial-sample", 1, func(m map[string]string) string {
			return columns(m, "SRC_IP", "SRC_PORT", "DST_IP", "DST_PORT", "QUIC_SNI")
		}, func(all map[string][]fact) (out []string) {
			for _, f := range all["quic"] {
				out = append(out, f.ends()+" "+f.text("sni"))
			}
			return out
		}},
	} {
		var want []string
		for _, m := range ipfixprobe(t, tt.plugin) {
			want = append(want, tt.want(m))
		}
		s := score{name: tt.plugin + " (ipfixprobe)"}
		s.compare(t, tt.capture, strict(tt.got(file(tt.capture))), strict(want))
		s.floor(t, tt.floor, 0)
	}
}
