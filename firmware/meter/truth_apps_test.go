package meter_test

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"os"
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
