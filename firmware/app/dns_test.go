package app_test

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

// question is www.Example.org, type A, class IN, at offset 12.
const question = "03777777 07 4578616d706c65 03 6f7267 00 0001 0001"

// dns makes a message of a header and hexadecimal answers.
func dns(flags, questions, answers uint16, body string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0xab, 0xcd}, flags)
	b = binary.BigEndian.AppendUint16(b, questions)
	b = binary.BigEndian.AppendUint16(b, answers)
	return append(append(b, 0, 0, 0, 0), unhex(body)...)
}

// answer makes a record of the question's name.
func answer(typ, ttl, data string) string {
	return "c00c" + typ + "0001" + ttl + hex16(len(unhex(data))) + data
}

func hex16(n int) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>12&15], digits[n>>8&15], digits[n>>4&15], digits[n&15]})
}

func TestParseDNS(t *testing.T) {
	var rec record.DNS
	if err := app.ParseDNS(dns(0x0100, 1, 0, question), &rec); err != nil {
		t.Fatal(err)
	}
	if want := (record.DNS{ID: 0xabcd, Name: "www.example.org", QType: "A", Recursion: true}); !reflect.DeepEqual(rec, want) {
		t.Errorf("query: got %+v\nwant %+v", rec, want)
	}
	body := question +
		answer("0005", "00000e10", "05 616c696173 c010") +
		answer("0001", "0000003c", "c0000201") +
		answer("001c", "00000e10", "20010db8 00000000 00000000 00000001") +
		answer("000f", "00000e10", "000a 046d61696c c010") +
		answer("0010", "00000e10", "03 612262 02 c3a4") +
		answer("0021", "00000e10", "0001 0002 01bb c00c") +
		answer("0006", "00000e10", "c010 c00c 00000001 00000002 00000003 00000004 00000005") +
		answer("0101", "00000e10", "00 05 6973737565 6361") +
		answer("0002", "00000e10", "00") +
		answer("ff12", "00000e10", "0102")
	rec = record.DNS{}
	if err := app.ParseDNS(dns(0x8583, 1, 10, body), &rec); err != nil {
		t.Fatal(err)
	}
	want := record.DNS{
		ID: 0xabcd, Name: "www.example.org", QType: "A", RCode: "NXDOMAIN", TTL: 60,
		Response: true, Authority: true, Recursion: true, Available: true,
		Answers: []string{
			"alias.example.org", "192.0.2.1", "2001:db8::1", "10 mail.example.org", `"a\"b" "\195\164"`,
			"1 2 443 www.example.org", "example.org www.example.org 1 2 3 4 5", `0 issue "ca"`, ".", `\# 2 0102`,
		},
	}
	if !reflect.DeepEqual(rec, want) {
		t.Errorf("response: got %+v\nwant %+v", rec, want)
	}
}

// TestParseDNSTypes has data in master file form, some of it from the
// documents that define the types.
func TestParseDNSTypes(t *testing.T) {
	for _, tt := range []struct{ typ, data, want string }{
		{"0023", "0064 000a 01 73 07 7369702b443255 00 c00c", `100 10 "s" "sip+D2U" "" www.example.org`},
		{"002b", "ec45 05 01 2bb183af", "60485 5 1 2bb183af"},
		{"0030", "0100 03 05 0101", "256 3 5 AQE="},
		{"002e", "0001 05 03 00015180 3e9a7b1c 3e72ee1c 0a52 c010 0101", "A 5 3 86400 20030414091052 20030315091052 2642 example.org AQE="},
		{"002f", "c010 0006 400100000003", "example.org A MX RRSIG NSEC"},
		{"0032", "01 01 000c 04 aabbccdd 02 0405 00 01 40", "1 1 12 aabbccdd 0g2g A"},
		{"0033", "01 00 0000 00", "1 0 0 -"},
		{"0034", "03 01 01 ab", "3 1 1 ab"},
		{"0041", "0001 00 0001 0006 02 6832 02 6833 0003 0002 01bb 0004 0004 c0000201", "1 . alpn=h2,h3 port=443 ipv4hint=192.0.2.1"},
		{"0041", "0000 c010", "0 example.org"},
		{"0100", "000a 0001 687474703a2f2f61", `10 1 "http://a"`},
		{"000d", "03 783836 05 4c696e7578", `"x86" "Linux"`},
		{"002c", "01 02 abcd", "1 2 abcd"},
		{"003d", "", `\# 0`},
		{"0001", "c000020100", `\# 5 c000020100`},
	} {
		var rec record.DNS
		if err := app.ParseDNS(dns(0x8000, 1, 1, question+answer(tt.typ, "00000001", tt.data)), &rec); err != nil || len(rec.Answers) != 1 || rec.Answers[0] != tt.want {
			t.Errorf("type %s: got %q, %v, want %q", tt.typ, rec.Answers, err, tt.want)
		}
	}
}

func TestParseEDNS(t *testing.T) {
	// A response with an authority record, then OPT with subnet and errors.
	msg := dns(0x81b0, 1, 1, question+answer("0001", "00000001", "c0000201")+answer("0002", "00000001", "c010")+
		"00 0029 04d0 01008000 0018 0008 0007 0001 18 00 c63364 000f 0009 0012 706f6c69637921")
	msg[9], msg[11] = 1, 1
	var rec record.DNS
	if err := app.ParseDNS(msg, &rec); err != nil {
		t.Fatal(err)
	}
	if !rec.EDNS || rec.UDPSize != 1232 || !rec.DO || rec.RCode != "BADVERS" || rec.Subnet != "198.51.100.0/24" || !rec.Data || !rec.Checking ||
		!reflect.DeepEqual(rec.Errors, []string{"18 prohibited: policy!"}) || len(rec.Answers) != 1 {
		t.Errorf("got %+v", rec)
	}
}

func TestParseDNSOdd(t *testing.T) {
	label63 := "3f" + strings.Repeat("61", 63)
	for _, tt := range []struct {
		name     string
		msg      []byte
		wantErr  bool
		wantName string
		answers  int
	}{
		{"escaped name", dns(0, 1, 0, "05 61 2e 20 5c ff 00 0001 0001"), false, `a\.\032\\\255`, 0},
		{"root", dns(0, 1, 0, "00 0002 0001"), false, ".", 0},
		{"no question", dns(0x8005, 0, 0, ""), false, "", 0},
		{"header cut", dns(0, 1, 0, "")[:11], true, "", 0},
		{"question cut", dns(0, 1, 0, question)[:30], true, "", 0},
		{"two questions", dns(0, 2, 0, question+question), true, "", 0},
		{"pointer to itself", dns(0, 1, 0, "c00c 0001 0001"), true, "", 0},
		{"pointer forward", dns(0, 1, 0, "c020 0001 0001"), true, "", 0},
		{"pointers in a circle", dns(0, 1, 0, "01 61 c00c 0001 0001"), true, "", 0},
		{"unknown label type", dns(0, 1, 0, "40 0001 0001"), true, "", 0},
		{"longest name", dns(0, 1, 0, label63+label63+label63+"3d"+strings.Repeat("61", 61)+"00 0001 0001"), false, "*", 0},
		{"name too long", dns(0, 1, 0, label63+label63+label63+label63+"00 0001 0001"), true, "", 0},
		{"answer cut", dns(0x8000, 1, 2, question+answer("0001", "00000001", "c0000201")+"c00c"), true, "www.example.org", 1},
		{"answer of a wrong size", dns(0x8000, 1, 1, question+answer("0001", "00000001", "c00002")), false, "www.example.org", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rec record.DNS
			err := app.ParseDNS(tt.msg, &rec)
			if (err != nil) != tt.wantErr || len(rec.Answers) != tt.answers {
				t.Errorf("got %+v, %v", rec, err)
			}
			if rec.Name != tt.wantName && (tt.wantName != "*" || rec.Name == "") {
				t.Errorf("name %q, want %q", rec.Name, tt.wantName)
			}
		})
	}
}

func TestTransactions(t *testing.T) {
	var got []record.DNS
	tr := app.NewTransactions(func(rec *record.DNS) { got = append(got, *rec) })
	const second = record.Nanos(time.Second)
	query := func(flow uint64, id uint16, at record.Nanos) *record.DNS {
		return &record.DNS{Flow: flow, ID: id, Time: at, Name: "a", QType: "A"}
	}
	response := func(flow uint64, id uint16, at record.Nanos) *record.DNS {
		r := query(flow, id, at)
		r.Response = true
		return r
	}
	check := func(want ...record.DNS) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		got = nil
	}
	tr.Add(query(1, 1, second))
	tr.Add(query(1, 1, 2*second)) // asked again
	tr.Add(query(2, 1, 2*second))
	tr.Add(response(1, 1, 3*second))
	answered := *response(1, 1, second)
	answered.RTT = 2 * time.Second
	check(answered)
	tr.Add(response(1, 1, 4*second)) // answered again
	check(*response(1, 1, 4*second))
	tr.Advance(int64(12 * second))
	check()
	tr.Advance(int64(13 * second))
	check(*query(2, 1, 2*second))
	tr.Add(query(3, 1, 20*second))
	tr.Flush()
	check(*query(3, 1, 20*second))

	for i := range 10_000 { // more than there is room for
		tr.Add(query(uint64(i), 1, 30*second))
	}
	if len(got) != 10_000-4096 {
		t.Errorf("%d queries reported early, want %d", len(got), 10_000-4096)
	}
	tr.Flush()
	if len(got) != 10_000 {
		t.Errorf("%d queries reported of 10000", len(got))
	}
}

// TestLooksLikeDNS: what may be on any port is one question in the letters of
// hosts.
func TestLooksLikeDNS(t *testing.T) {
	for name, b := range map[string][]byte{
		"query":    dns(0x0100, 1, 0, question),
		"response": dns(0x8180, 1, 1, question+answer("0005", "00000e10", "05 616c696173 c010")),
		"root":     dns(0x0100, 1, 0, "00 0002 0001"),
	} {
		if !app.LooksLikeDNS(b) {
			t.Errorf("%s does not look like DNS", name)
		}
	}
	for name, b := range map[string][]byte{
		"cut":           dns(0x0100, 1, 0, question)[:20],
		"two questions": dns(0x0100, 2, 0, question+question),
		"update":        dns(0x2800, 1, 0, question),
		"an answer":     dns(0x0100, 1, 1, question),
		"a space":       dns(0x0100, 1, 0, "03 612062 00 0001 0001"),
		"a pointer":     dns(0x0100, 1, 0, "c00c 0001 0001"),
		"another type":  dns(0x0100, 1, 0, "00 1234 0001"),
		"another class": dns(0x0100, 1, 0, "00 0001 0003"),
		"zeros":         make([]byte, 100),
		"nothing":       nil,
	} {
		if app.LooksLikeDNS(b) {
			t.Errorf("%s looks like DNS", name)
		}
	}
}

func FuzzParseDNS(f *testing.F) {
	f.Add(dns(0x0100, 1, 0, question))
	f.Add(dns(0x8180, 1, 2, question+answer("0005", "00000e10", "05 616c696173 c010")+answer("0010", "00000001", "03 612262 02 c3a4")))
	f.Add(dns(0x8180, 1, 2, question+answer("0006", "00000e10", "c010 c00c 00000001 00000002 00000003 00000004 00000005")+answer("0101", "00000e10", "00 05 6973737565 6361")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var rec record.DNS
		app.ParseDNS(b, &rec)
		if app.LooksLikeDNS(b) && rec.QType == "" {
			t.Error("looks like DNS, and has no question")
		}
		if len(rec.Name) > 4*255 || len(rec.Answers) > 64 {
			t.Errorf("name of %d bytes, %d answers", len(rec.Name), len(rec.Answers))
		}
	})
}
