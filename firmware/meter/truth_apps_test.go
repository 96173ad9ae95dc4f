package meter_test

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// TestTruthTshark compares the names in DNS questions, in TLS and QUIC hellos
// and in the Host of HTTP with those that tshark finds. It takes minutes, so
// it runs where TAPROOT_TRUTH is set: in make truth.
func TestTruthTshark(t *testing.T) {
	if os.Getenv("TAPROOT_TRUTH") == "" {
		t.Skip("TAPROOT_TRUTH is not set")
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip(err)
	}
	dns, sni, host := score{name: "DNS names (tshark)"}, score{name: "SNI (tshark)"}, score{name: "HTTP hosts (tshark)"}
	for _, origin := range []string{"arkime", "ja4", "ipfixprobe", "joy", "retina", "ics"} {
		paths, err := filepath.Glob(filepath.Join(truthDir(t, origin), "*.pcap*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			cmd := exec.Command(tshark, "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator= ",
				"-Y", "(dns && !mdns && !llmnr && !nbns) || tls.handshake.extensions_server_name || http.host && tcp",
				"-e", "dns.qry.name", "-e", "tls.handshake.extensions_server_name", "-e", "http.host")
			raw, _ := cmd.Output() // of a file that is cut short it has what was before
			var want [3][]string
			for line := range strings.Lines(string(raw)) {
				for i, names := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
					if i < len(want) {
						want[i] = append(want[i], strings.Fields(strings.ToLower(strings.ReplaceAll(names, "<Root>", ".")))...)
					}
				}
			}
			all := facts(t, path)
			names := func(column string, kinds ...string) (out []string) {
				for _, kind := range kinds {
					for _, f := range all[kind] {
						out = append(out, strings.ToLower(f.text(column)))
					}
				}
				return strict(out)
			}
			base := filepath.Base(path)
			dns.compare(t, base, names("name", "dns"), strict(want[0]))
			sni.compare(t, base, names("sni", "tls", "quic"), strict(want[1]))
			host.compare(t, base, names("host", "http"), strict(want[2]))
		}
	}
	dns.floor(t, 139, 277)
	sni.floor(t, 163, 278)
	host.floor(t, 70, 276)
}
