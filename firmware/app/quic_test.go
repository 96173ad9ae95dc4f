package app_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
)

// quicClient has the keys of the client that begins with connection ID
// 8394c8f03e515708, from RFC 9001, appendix A.1, and RFC 9369, appendix A.1.
var quicClient = map[uint32]struct{ key, iv, hp, first string }{
	1:          {"1f369613dd76d5467730efcbe3b1a22d", "fa044b2f42a3fd3b46fb255c", "9f50449e04a0e810283a1e9933adedd2", "c3"},
	0x6b3343cf: {"8b1a0bc121284290a29e0971b5cd045d", "91f73e2351d8fa91660e909f", "45b95e15235d6f45a6b19cbcb0294ba9", "d3"},
}

// quicInitial seals frames as that client would.
func quicInitial(version, number uint32, frames []byte) []byte {
	k, ok := quicClient[version]
	if !ok {
		k = quicDerived(version)
	}
	frames = append(frames, make([]byte, max(0, 1162-len(frames)))...)
	b := binary.BigEndian.AppendUint32(unhex(k.first), version)
	b = append(b, unhex("08 8394c8f03e515708 00 00")...)
	b = binary.BigEndian.AppendUint16(b, 0x4000|uint16(4+len(frames)+16))
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, number)
	nonce := unhex(k.iv)
	binary.BigEndian.PutUint32(nonce[8:], binary.BigEndian.Uint32(nonce[8:])^number)
	block, _ := aes.NewCipher(unhex(k.key))
	seal, _ := cipher.NewGCM(block)
	b = seal.Seal(b, nonce, frames, b)
	head, _ := aes.NewCipher(unhex(k.hp))
	var mask [16]byte
	head.Encrypt(mask[:], b[at+4:at+20])
	b[0] ^= mask[0] & 0x0f
	for i := range 4 {
		b[at+i] ^= mask[1+i]
	}
	return b
}

// quicSalts has those of versions that no document has vectors for.
var quicSalts = map[uint32]string{
	0xfaceb001: "7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a",
	0x51303530: "504574efd066fe2f9d945cfcdbd3a7f0d3b56b45",
	0x54303531: "7a4edef4e7ccee5fa4506c19124fc8ccda6e033d",
}

// quicDerived derives the keys of that client (RFC 9001, section 5.1).
func quicDerived(version uint32) (k struct{ key, iv, hp, first string }) {
	expand := func(secret []byte, label string, size int) []byte {
		info := append([]byte{0, byte(size), byte(6 + len(label))}, "tls13 "+label+"\x00"...)
		out, _ := hkdf.Expand(sha256.New, secret, string(info), size)
		return out
	}
	initial, _ := hkdf.Extract(sha256.New, unhex("8394c8f03e515708"), unhex(quicSalts[version]))
	client := expand(initial, "client in", 32)
	for label, field := range map[string]*string{"quic key": &k.key, "quic iv": &k.iv, "quic hp": &k.hp} {
		size := 16
		if label == "quic iv" {
			size = 12
		}
		*field = hex.EncodeToString(expand(client, label, size))
	}
	k.first = "c3"
	return k
}

func cryptoFrame(at int, data []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{6}, 0x4000|uint16(at))
	b = binary.BigEndian.AppendUint16(b, 0x4000|uint16(len(data)))
	return append(b, data...)
}

func TestQUICHandshake(t *testing.T) {
	hello := clientHello(1000)[5:]
	for version, want := range map[uint32]string{1: "1", 0x6b3343cf: "2"} {
		// The hello in three frames of two packets, the last first.
		first := append(cryptoFrame(60, hello[60:]), 1)
		first = append(first, cryptoFrame(0, hello[:20])...)
		h := new(app.QUICHandshake)
		a, b := quicInitial(version, 0, first), quicInitial(version, 1, cryptoFrame(20, hello[20:60]))
		if !app.LooksLikeQUIC(a) {
			t.Error("does not look like QUIC")
		}
		if err := h.Read(1, a); err != nil || h.Started() {
			t.Fatal(err, h.Started())
		}
		if err := h.Read(1, append(b, "\x40short header"...)); err != nil || !h.Started() || h.Client != 1 {
			t.Fatal(err, h.Started())
		}
		q := &h.QUIC
		if q.Version != want || q.SNI != "example.org" || q.JA4 == "" || q.JA4[:4] != "q13d" || q.Accepted {
			t.Errorf("got %+v", q)
		}
		if err := h.Read(1, quicInitial(version, 2, []byte{0x1c, 0x41, 0x28})); err != nil || q.Error != "handshake_failure" {
			t.Errorf("got %+v, %v", q, err)
		}
	}
}

// googleHello is a hello of Google's QUIC, with padding before its name.
func googleHello() []byte {
	b := append([]byte("CHLO"), 3, 0, 0, 0)
	for _, e := range []struct {
		tag string
		end uint32
	}{{"PAD\x00", 500}, {"SNI\x00", 511}, {"VER\x00", 515}} {
		b = binary.LittleEndian.AppendUint32(append(b, e.tag...), e.end)
	}
	b = append(b, make([]byte, 500)...)
	return append(b, "example.orgQ043"...)
}

// TestQUICOfOthers: versions of Google and Facebook from before there was a
// standard.
func TestQUICOfOthers(t *testing.T) {
	tls, own := cryptoFrame(0, clientHello(1000)[5:]), googleHello()
	eight := func(frame []byte) []byte { frame[0] = 8; return frame }
	for want, b := range map[string][]byte{
		"Q043":       append(unhex("0d 0102030405060708 51303433 01 000102030405060708090a0b a0 01 1b02"), own...),
		"Q046":       append(unhex("c3 51303436 50 0102030405060708 00000001 000102030405060708090a0b a0 01 1b02"), own...),
		"Q050":       quicInitial(0x51303530, 1, eight(cryptoFrame(0, own))),
		"T051":       quicInitial(0x54303531, 1, eight(tls)),
		"0xfaceb001": quicInitial(0xfaceb001, 1, cryptoFrame(0, clientHello(1000)[5:])),
	} {
		h := new(app.QUICHandshake)
		if err := h.Read(1, b); err != nil || !app.LooksLikeQUIC(b) || h.Client != 1 || h.QUIC.SNI != "example.org" || h.QUIC.Version != want {
			t.Errorf("%s: got %+v, %v", want, h.QUIC, err)
		}
		if tagged := want[0] == 'Q'; h.Done() != tagged || (h.QUIC.JA4 == "") != tagged {
			t.Errorf("%s: done %v, got %+v", want, h.Done(), h.QUIC)
		}
		new(app.QUICHandshake).Read(0, b[:40])
	}
	long := append(unhex("0d 0102030405060708 51303433 01"), "CHLO\xff\xff\x00\x00"...)
	if err := new(app.QUICHandshake).Read(0, long); err == nil {
		t.Error("a hello of 65535 values: no error")
	}
}

// TestQUICNegotiated: a client begins with a version that is none, and with a
// packet that was captured in part.
func TestQUICNegotiated(t *testing.T) {
	reserved := quicInitial(1, 0, nil)
	binary.BigEndian.PutUint32(reserved[1:], 0x1a2a3a4a)
	h := new(app.QUICHandshake)
	if err := h.Read(1, reserved); err != nil || !app.LooksLikeQUIC(reserved) {
		t.Fatal(err)
	}
	if err := h.Read(0, unhex("80 00000000 00 08 8394c8f03e515708 00000001")); err != nil {
		t.Fatal(err)
	}
	h.Read(1, quicInitial(1, 1, nil)[:200])
	if h.Client != 1 || h.Started() {
		t.Errorf("client is %d", h.Client)
	}
	if err := h.Read(1, quicInitial(1, 2, cryptoFrame(0, clientHello(1000)[5:]))); err != nil || !h.Started() || h.QUIC.SNI != "example.org" {
		t.Errorf("got %+v, %v", h.QUIC, err)
	}
}

func TestQUICRefuses(t *testing.T) {
	broken := quicInitial(1, 0, []byte{1})
	broken[1000] ^= 1
	for name, b := range map[string][]byte{
		"version":     unhex("c3 0a1a2a3b 08 8394c8f03e515708 00 00 4100"),
		"cut":         quicInitial(1, 0, []byte{1})[:1000],
		"seal":        broken,
		"other frame": quicInitial(1, 0, []byte{8}),
		"far crypto":  quicInitial(1, 0, []byte{6, 0x80, 1, 0, 0, 1, 0}),
	} {
		if err := new(app.QUICHandshake).Read(0, b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if app.LooksLikeQUIC(unhex("40 00000001 00 00")) || app.LooksLikeQUIC(nil) {
		t.Error("something else looks like QUIC")
	}
}

// FuzzQUICHandshake seals the frames itself, as no fuzzer could.
func FuzzQUICHandshake(f *testing.F) {
	hello := clientHello(1000)[5:]
	f.Add(cryptoFrame(0, hello), []byte("\x40"))
	f.Add(append(cryptoFrame(20, hello[20:]), cryptoFrame(0, hello[:20])...), quicInitial(1, 3, nil))
	f.Add(cryptoFrame(0, googleHello()), append(unhex("0d 0102030405060708 51303433 01"), googleHello()...))
	f.Fuzz(func(t *testing.T, frames, datagram []byte) {
		if len(frames) > 1162 {
			return
		}
		for _, version := range []uint32{1, 0x51303530} {
			h := new(app.QUICHandshake)
			h.Read(0, quicInitial(version, 1, frames))
			h.Read(0, datagram)
			h.Read(1, datagram)
			bounded(t, &h.QUIC, len(frames)+len(datagram))
		}
		bare := new(app.QUICHandshake)
		bare.Read(0, datagram)
		bounded(t, &bare.QUIC, len(datagram))
	})
}

func BenchmarkQUICInitial(b *testing.B) {
	packet := quicInitial(1, 0, cryptoFrame(0, clientHello(1000)[5:]))
	b.ReportAllocs()
	for b.Loop() {
		new(app.QUICHandshake).Read(0, packet)
	}
}
