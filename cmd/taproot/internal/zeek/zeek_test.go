package zeek

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

// write makes logs of records of one kind and returns the fields of the lines
// of one log, by the names in its head.
func write[T any](t *testing.T, path string, def *record.Def, records ...*T) []map[string]string {
	t.Helper()
	b := record.NewBuilder(def)
	for _, r := range records {
		record.Append(b, r)
	}
	block, _, err := record.ParseBlock(b.AppendBlock(nil))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := New(dir, "test")
	w.now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	if err := w.Write(&block); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, path+".log"))
	if err != nil {
		t.Fatal(err)
	}
	head := "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t" + path + "\n#open\t2026-01-02-03-04-05\n#fields\tts\t"
	if !strings.HasPrefix(string(text), head) || !strings.HasSuffix(string(text), "\n#close\t2026-01-02-03-04-05\n") {
		t.Errorf("log %q, want it to begin with %q and to end with #close", text, head)
	}
	var names, types []string
	var rows []map[string]string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case cells[0] == "#fields":
			names = cells[1:]
		case cells[0] == "#types":
			if types = cells[1:]; len(types) != len(names) {
				t.Errorf("%d types for %d fields", len(types), len(names))
			}
		case line[0] != '#':
			if len(cells) != len(names) {
				t.Fatalf("line %q has %d fields, want %d", line, len(cells), len(names))
			}
			row := make(map[string]string)
			for i, c := range cells {
				row[names[i]] = c
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func expect(t *testing.T, row map[string]string, want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got := row[want[i]]; got != want[i+1] {
			t.Errorf("%s is %q, want %q", want[i], got, want[i+1])
		}
	}
}

func TestConn(t *testing.T) {
	ends := func(src, dst string) record.Flow {
		return record.Flow{Start: 1_500_000_000_123_456_789, SrcAddr: netip.MustParseAddr(src), DstAddr: netip.MustParseAddr(dst)}
	}
	tcp := ends("10.0.0.1", "8.8.8.8")
	tcp.ID, tcp.SrcPort, tcp.DstPort, tcp.Proto, tcp.App, tcp.VLAN, tcp.SrcMAC = 7, 1000, 443, 6, "tls", 5, record.HardwareAddr{2}
	tcp.Duration, tcp.SrcPackets, tcp.SrcBytes, tcp.SrcPayload = 1500*time.Millisecond, 2, 150, 42
	tcp.SrcRepeated, tcp.SrcMissed, tcp.DstMissed, tcp.History, tcp.State = 10, 3, 4, "ShADad", "SF"
	lone := ends("2001:db8::1", "2606::1")
	lone.App, lone.History = "icmp", "D"
	lone.ID, lone.SrcPort, lone.DstPort, lone.Proto, lone.SrcPackets, lone.SrcPayload, lone.Tunnel = 8, 128, 0, 58, 1, 20, 7
	udp := ends("1.1.1.1", "192.168.0.1")
	udp.ID, udp.Proto, udp.App, udp.DstPackets = 9, 17, "mdns", 1
	rows := write(t, "conn", record.FlowDef, &tcp, &lone, &udp)
	if len(rows) != 3 {
		t.Fatalf("%d lines, want 3", len(rows))
	}
	expect(t, rows[0], "ts", "1500000000.123456", "id.orig_h", "10.0.0.1", "id.orig_p", "1000", "id.resp_h", "8.8.8.8", "id.resp_p", "443",
		"proto", "tcp", "service", "ssl", "duration", "1.500000", "orig_bytes", "35", "resp_bytes", "4", "conn_state", "SF", "local_orig", "T",
		"local_resp", "F", "missed_bytes", "7", "history", "ShADad", "orig_pkts", "2", "orig_ip_bytes", "114", "resp_pkts", "0",
		"tunnel_parents", "-")
	expect(t, rows[1], "proto", "icmp", "id.orig_p", "128", "id.resp_p", "129", "service", "-", "duration", "-", "orig_bytes", "-",
		"conn_state", "OTH", "history", "-", "local_orig", "T", "local_resp", "F", "orig_ip_bytes", "-", "tunnel_parents", rows[0]["uid"])
	expect(t, rows[2], "proto", "udp", "service", "dns", "conn_state", "SHR", "local_orig", "F", "local_resp", "T")
	if rows[0]["uid"] == rows[1]["uid"] || rows[0]["uid"][0] != 'C' {
		t.Errorf("uids %q and %q, want two that begin with C", rows[0]["uid"], rows[1]["uid"])
	}
}

func TestDNS(t *testing.T) {
	rows := write(t, "dns", record.DNSDef,
		&record.DNS{Time: 1, Proto: 17, ID: 9, Name: "a.example", QType: "TYPE1234", QClass: "CH"},
		&record.DNS{Time: 1, Proto: 6, Name: "b.example", QType: "ANY", Response: true, RCode: "NOERROR", RTT: time.Millisecond, TTL: 60, Answers: []string{"x,y", "", "-"}},
		&record.DNS{Time: 1, Response: true, RCode: "RCODE23"},
	)
	expect(t, rows[0], "trans_id", "9", "qclass", "3", "qclass_name", "C_CHAOS", "qtype", "1234", "qtype_name", "query-1234",
		"rcode", "-", "rcode_name", "-", "rtt", "-", "answers", "-", "TTLs", "-", "rejected", "F")
	expect(t, rows[1], "qclass", "1", "qclass_name", "C_INTERNET", "qtype", "255", "qtype_name", "*", "rcode", "0", "rcode_name", "NOERROR",
		"rtt", "0.001000", "answers", `x\x2cy,(empty),\x2d`, "TTLs", "60.000000,60.000000,60.000000")
	expect(t, rows[2], "query", "-", "qtype", "-", "qclass", "-", "rcode", "23", "rejected", "T")
}

// TestDNSAnswers: answers in Zeek's words.
func TestDNSAnswers(t *testing.T) {
	answer := func(qtype string, answers ...string) *record.DNS {
		return &record.DNS{Time: 1, Proto: 17, Response: true, RCode: "NOERROR", QType: qtype, Answers: answers}
	}
	rows := write(t, "dns", record.DNSDef,
		answer("MX", "alias.example", "10 a.example", "20 b.example"),
		answer("SRV", "1 2 5060 sip.example"),
		answer("SOA", "ns.example admin.example 1 2 3 4 5"),
		answer("TXT", "alias.example", `"v=spf1 -all" "a\"b\009c\\"`),
		&record.DNS{Time: 1, Response: true, RCode: "REFUSED"},
		&record.DNS{Time: 1, Response: true, RCode: "REFUSED", EDNS: true},
	)
	for i, want := range []string{"alias.example,a.example,b.example", "sip.example", "ns.example", `alias.example,TXT 11 v=spf1 -all TXT 6 a"b\x09c\\`, "-", "-"} {
		expect(t, rows[i], "answers", want)
	}
	expect(t, rows[4], "rejected", "T")
	expect(t, rows[5], "rejected", "F")
}

// TestHTTP: hosts without ports, no body where there is none, and missed bytes of
// connections that were established.
func TestHTTP(t *testing.T) {
	rows := write(t, "http", record.HTTPDef,
		&record.HTTP{Time: 1, Method: "HEAD", Host: "h.example:8080", Status: 200, Size: 5},
		&record.HTTP{Time: 1, Method: "GET", Host: "[2001:db8::1]:80", Status: 200, Size: 5},
		&record.HTTP{Time: 1, Method: "GET", Host: "[2001:db8::1]", Status: 304, Size: 5},
	)
	expect(t, rows[0], "host", "h.example", "response_body_len", "0")
	expect(t, rows[1], "host", "[2001:db8::1]", "response_body_len", "5")
	expect(t, rows[2], "host", "[2001:db8::1]", "response_body_len", "0")
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""}, {"plain", "plain"}, {"tab\tline\n", `tab\x09line\x0a`}, {`back\slash`, `back\\slash`}, {"grüße", "grüße"},
		{"\xff", `\xff`}, {"-", `\x2d`}, {"--", "--"}, {"(empty)", `\x28empty)`}, {"#close", `\x23close`}, {"a,b", "a,b"},
	} {
		if got := string(appendText(nil, tt.in, false)); got != tt.want {
			t.Errorf("%q is written %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestColumns compares every log's head with Zeek's own.
func TestColumns(t *testing.T) {
	const id = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p "
	for kind, tt := range map[string]struct{ names, types string }{
		"flow": {id + "proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents",
			"time string addr port addr port enum string interval count count string bool bool count string count count count count set[string]"},
		"dns": {id + "proto trans_id rtt query qclass qclass_name qtype qtype_name rcode rcode_name AA TC RD RA Z answers TTLs rejected",
			"time string addr port addr port enum count interval string count string count string count string bool bool bool bool count vector[string] vector[interval] bool"},
		"tls": {id + "version cipher curve server_name resumed last_alert next_protocol established ssl_history cert_chain_fps client_cert_chain_fps sni_matches_cert",
			"time string addr port addr port string string string string bool string string bool string vector[string] vector[string] bool"},
		"http": {id + "trans_depth method host uri referrer version user_agent origin request_body_len response_body_len status_code status_msg info_code info_msg tags username password proxied orig_fuids orig_filenames orig_mime_types resp_fuids resp_filenames resp_mime_types",
			"time string addr port addr port count string string string string string string string count count count string count string set[enum] string string set[string] vector[string] vector[string] vector[string] vector[string] vector[string] vector[string]"},
		"x509": {"ts fingerprint certificate.version certificate.serial certificate.subject certificate.issuer certificate.not_valid_before certificate.not_valid_after certificate.key_alg certificate.sig_alg certificate.key_type certificate.key_length certificate.exponent certificate.curve san.dns san.uri san.email san.ip basic_constraints.ca basic_constraints.path_len host_cert client_cert",
			"time string count string string string time time string string string count string string vector[string] vector[string] vector[string] vector[addr] bool count bool bool"},
		"ssh": {id + "version auth_success auth_attempts direction client server cipher_alg mac_alg compression_alg kex_alg host_key_alg host_key",
			"time string addr port addr port count bool count enum string string string string string string string string"},
		"weird": {id + "name addl notice peer source", "time string addr port addr port string string bool string string"},
	} {
		var names, types []string
		for _, f := range logs[kind].fields {
			names, types = append(names, f.name), append(types, f.typ)
		}
		want := strings.Fields(tt.names)
		if len(names) < len(want) || !slices.Equal(names[:len(want)], want) {
			t.Errorf("%s has columns %v, want %v", kind, names, want)
		}
		if want = strings.Fields(tt.types); len(types) < len(want) || !slices.Equal(types[:len(want)], want) {
			t.Errorf("%s has types %v, want %v", kind, types, want)
		}
	}
}

// TestKinds checks that every log is of a kind that is defined.
func TestKinds(t *testing.T) {
	for kind := range logs {
		if record.Lookup(kind) == nil {
			t.Errorf("log of kind %q, which is not defined", kind)
		}
	}
}
