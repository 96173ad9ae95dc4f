package outer_test

import (
	"testing"

	"github.com/taproot-sensor/taproot/wire/outer"
)

// record returns a DTLS 1.2 record.
func record(kind byte, epoch byte, cid string, body string) string {
	return string([]byte{kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1}) + cid + string([]byte{0, byte(len(body))}) + body
}

func TestRecords(t *testing.T) {
	hello := record(22, 0, "", "\x01\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x20"+"................................")
	tests := []struct {
		name                       string
		datagram                   string
		hello, handshaking, sealed bool
	}{
		{"ClientHello", hello, true, true, false},
		{"ServerHello", record(22, 0, "", "\x02\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02.."), false, true, false},
		{"alert in the clear", record(21, 0, "", "\x02\x28"), false, false, false},
		{"data in the clear", record(23, 0, "", "x"), false, false, false},
		{"change of cipher, Finished", record(20, 0, "", "\x01") + record(22, 1, "", "sealed"), false, true, false},
		{"data", record(23, 1, "", "sealed"), false, true, true},
		{"data with an ID", record(25, 1, "12345678", "sealed"), false, true, true},
		{"data, then an alert in the clear", record(25, 1, "12345678", "sealed") + record(21, 0, "", "\x02\x28"), false, false, false},
		{"cut", record(23, 1, "", "sealed")[:15], false, false, false},
		{"empty", "", false, false, false},
		{"web", "GET / HTTP/1.1\r\n\r\n", false, false, false},
	}
	for _, tt := range tests {
		d := []byte(tt.datagram)
		if got := outer.IsClientHello(d); got != tt.hello {
			t.Errorf("%s: IsClientHello = %v", tt.name, got)
		}
		if got := outer.Handshaking(d, true); got != tt.handshaking {
			t.Errorf("%s: Handshaking = %v", tt.name, got)
		}
		if got := outer.Sealed(d, true); got != tt.sealed {
			t.Errorf("%s: Sealed = %v", tt.name, got)
		}
	}
	if id, ok := outer.CID([]byte(record(25, 1, "12345678", "sealed"))); !ok || string(id[:]) != "12345678" {
		t.Errorf("CID = %q, %v", id, ok)
	}
}

func TestKnock(t *testing.T) {
	cookie := outer.KnockCookie{1, 2, 3}
	knock, answer := outer.AppendKnock(nil, cookie), outer.AppendKnockAnswer(nil, cookie)
	if len(answer) >= len(knock) {
		t.Errorf("an answer of %d bytes to a knock of %d", len(answer), len(knock))
	}
	if got, ok := outer.ParseKnock(knock); !ok || got != cookie {
		t.Errorf("knock reads back as %x, %v", got, ok)
	}
	if got, ok := outer.ParseKnockAnswer(answer); !ok || got != cookie {
		t.Errorf("answer reads back as %x, %v", got, ok)
	}
	for _, d := range [][]byte{nil, answer, knock[:63], append([]byte("xp"), knock[2:]...)} {
		if _, ok := outer.ParseKnock(d); ok {
			t.Errorf("%x is taken for a knock", d)
		}
	}
	for _, d := range [][]byte{nil, knock, answer[:19]} {
		if _, ok := outer.ParseKnockAnswer(d); ok {
			t.Errorf("%x is taken for an answer", d)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(record(25, 1, "12345678", "sealed")+record(21, 0, "", "\x02\x28")), true)
	f.Fuzz(func(t *testing.T, d []byte, cid bool) {
		outer.CID(d)
		outer.IsClientHello(d)
		if outer.Sealed(d, cid) && !outer.Handshaking(d, cid) {
			t.Fatal("a sealed datagram is no datagram")
		}
	})
}
