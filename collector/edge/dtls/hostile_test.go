package dtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
)

// plain returns a record in the clear.
func plain(kind byte, body ...byte) []byte {
	return append([]byte{kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 9, 9, 0, byte(len(body))}, body...)
}

// forgeries are datagrams that anybody can send who knows two addresses.
var forgeries = map[string][]byte{
	"fatal alert":           plain(21, 2, 40),
	"close_notify":          plain(21, 1, 0),
	"alert that is cut":     plain(21, 2),
	"data":                  plain(23, 'x'),
	"heartbeat":             plain(24, 1, 0, 1, 'x'),
	"change of cipher":      plain(20, 1),
	"handshake of nonsense": plain(22, 99, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'x'),
	"hello request":         plain(22, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0),
	"records of no length":  bytes.Repeat(plain(22), 60),
	"nothing":               {},
}

// A session goes on whatever is forged in the clear: one plaintext alert ended
// those of pion/dtls before v3.1.15, and one plaintext record of data ends those
// of v3.1.15, which answers it with a sealed fatal alert.
func TestForgedPlaintext(t *testing.T) {
	for name, forged := range forgeries {
		t.Run(name, func(t *testing.T) {
			p, w := openPort(t, nil), newWire(t)
			conn, err := p.dialFrom(t, w, p.client(newSensor(t).member(t, p)), mustTimeout)
			if err != nil {
				t.Fatal(err)
			}
			say(t, p, conn, "before")
			hear(t, conn)
			seen := p.Counters()["datagrams"]
			for range 3 {
				if _, err := w.now().WriteTo(forged, p.addr); err != nil {
					t.Fatal(err)
				}
			}
			p.counted(t, "datagrams", seen+2)
			say(t, p, conn, "after")
			if got := hear(t, conn); got != "got after" {
				t.Errorf("answer is %q", got)
			}
		})
	}
}

// The library alone ends a session at one plaintext record of data. When this
// test fails it has learnt better, and the sieve is the second of two.
func TestLibraryNeedsTheSieve(t *testing.T) {
	p, w := openPort(t, nil), newWire(t)
	conn, err := p.dialFrom(t, w, p.client(newSensor(t).member(t, p)), mustTimeout)
	if err != nil {
		t.Fatal(err)
	}
	say(t, p, conn, "before")
	hear(t, conn)
	// As if the listener had found nothing wrong with it.
	p.Listener.mu.Lock()
	c := p.Listener.byCID[[outer.CIDSize]byte(firstCID(t, w))]
	p.Listener.mu.Unlock()
	forged := &packet{n: len(forgeries["data"]), from: w.LocalAddr().(*net.UDPAddr).AddrPort()}
	copy(forged.buf[:], forgeries["data"])
	c.packets.put(forged)
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	if _, err = conn.Read(make([]byte, 100)); !errors.Is(err, io.EOF) {
		t.Errorf("without the sieve the sensor's connection says %v, and no longer that it has ended", err)
	}
}

// firstCID returns the connection ID that the client writes.
func firstCID(t *testing.T, w *wire) []byte {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.sent {
		if id, ok := outer.CID(d); ok {
			return id[:]
		}
	}
	t.Fatal("no connection ID was sent")
	return nil
}

// A NAT that gives the sensor another port does not end its session: answers
// follow, nothing is lost, and no handshake is made.
func TestNewAddress(t *testing.T) {
	p, w := openPort(t, nil), newWire(t)
	conn, err := p.dialFrom(t, w, p.client(newSensor(t).member(t, p)), mustTimeout)
	if err != nil {
		t.Fatal(err)
	}
	before := say(t, p, conn, "before")
	hear(t, conn)
	w.move(t)
	after := say(t, p, conn, "after")
	if got := hear(t, conn); got != "got after" {
		t.Errorf("answer is %q", got)
	}
	if before.Via != after.Via || before.Addr == after.Addr || after.Addr != w.LocalAddr().(*net.UDPAddr).AddrPort() {
		t.Errorf("peer was %v, is %v; the socket is at %v", before.Addr, after.Addr, w.LocalAddr())
	}
	if n := p.Counters()["handshakes"]; n != 1 {
		t.Errorf("%d handshakes, want 1", n)
	}
}

// A datagram that is repeated from another address, by who has seen it, moves
// nothing and is not taken again.
func TestRepeatedElsewhere(t *testing.T) {
	p, w := openPort(t, nil), newWire(t)
	conn, err := p.dialFrom(t, w, p.client(newSensor(t).member(t, p)), mustTimeout)
	if err != nil {
		t.Fatal(err)
	}
	say(t, p, conn, "once")
	hear(t, conn)
	w.mu.Lock()
	last := w.sent[len(w.sent)-1]
	w.mu.Unlock()
	thief, err := net.DialUDP("udp", nil, p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	seen := p.Counters()["datagrams"]
	for range 5 {
		thief.Write(last)
	}
	p.counted(t, "datagrams", seen+4)
	if peer := say(t, p, conn, "again"); peer.Addr != w.LocalAddr().(*net.UDPAddr).AddrPort() {
		t.Errorf("peer is %v, want %v", peer.Addr, w.LocalAddr())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.came) != 2 {
		t.Errorf("%d datagrams came, want 2: %q", len(p.came), p.came)
	}
}

// CVE-2026-26014: the explicit nonces of AES-GCM, which were random and would
// collide, are the numbers of the records.
func TestNoncesAreSequential(t *testing.T) {
	p, w := openPort(t, nil), newWire(t)
	conn, err := p.dialFrom(t, w, p.client(newSensor(t).member(t, p)), mustTimeout)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		say(t, p, conn, "x")
		hear(t, conn)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for side, datagrams := range map[string][][]byte{"sensor": w.sent, "collector": w.came} {
		var last uint64
		records := 0
		for _, d := range datagrams {
			head := 13
			if _, ok := outer.CID(d); ok {
				head += outer.CIDSize
			} else if d[0] != 23 {
				continue
			}
			nonce := binary.BigEndian.Uint64(d[head:])
			if epochAndNumber := binary.BigEndian.Uint64(d[3:]); nonce != epochAndNumber || nonce <= last && records > 0 {
				t.Errorf("%s: record %x has nonce %x, after %x", side, epochAndNumber, nonce, last)
			}
			last = nonce
			records++
		}
		if records < 20 {
			t.Errorf("%s: %d records seen, want 20", side, records)
		}
	}
}

// liar is a key that signs with another.
type liar struct {
	public crypto.PublicKey
	key    *ecdsa.PrivateKey
}

func (l liar) Public() crypto.PublicKey { return l.public }
func (l liar) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	return l.key.Sign(r, digest, o)
}

// What is no proof of a certificate of the site makes no connection.
func TestHandshakesRefused(t *testing.T) {
	p, other := openPort(t, nil), openPort(t, nil)
	p.status.Store(int32(enrol.Approved))
	s, victim := newSensor(t), newSensor(t)
	stolen := victim.member(t, p)
	tests := []struct {
		name    string
		options []dtls.ClientOption
	}{
		{"no certificate", p.client(tls.Certificate{})[1:]},
		{"certificate of another site", p.client(s.member(t, other))},
		{"certificate without its key", p.client(tls.Certificate{Certificate: stolen.Certificate, PrivateKey: liar{victim.key.Public(), s.key}})},
		{"certificate in the name of another", p.client(tls.Certificate{Certificate: [][]byte{forgedName(t, victim.id, s)}, PrivateKey: s.key})},
		{"huge RSA key", p.client(tls.Certificate{Certificate: [][]byte{rsaCertificate(t, s, 16384)}, PrivateKey: liar{s.key.Public(), s.key}})},
		{"ordinary RSA key", p.client(tls.Certificate{Certificate: [][]byte{rsaCertificate(t, s, 2048)}, PrivateKey: liar{s.key.Public(), s.key}})},
		{"no extended master secret", append(p.client(s.member(t, p)), dtls.WithExtendedMasterSecret(dtls.DisableExtendedMasterSecret))},
		{"suite that is not ours", append(p.client(s.member(t, p)), dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA))},
	}
	for _, tt := range tests {
		start := time.Now()
		if _, err := p.dial(t, tt.options); err == nil {
			t.Errorf("%s: handshake done", tt.name)
		} else {
			t.Logf("%s: %v after %v", tt.name, err, time.Since(start).Round(time.Millisecond))
		}
	}
	if n := p.Counters()["handshakes_done"]; n != 0 {
		t.Errorf("%d handshakes done, want 0", n)
	}
}

// forgedName returns a certificate for the key of s that names id.
func forgedName(t *testing.T, id enrol.Identity, s sensor) []byte {
	t.Helper()
	template, err := outer.SensorTemplate(id, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.identity)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// rsaCertificate returns a certificate of s for a key of so many bits, which
// nobody has.
func rsaCertificate(t *testing.T, s sensor, bits uint) []byte {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.SetBit(n, 0, 1)
	template, err := outer.SensorTemplate(s.id, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: n, E: 65537}, s.identity)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A hello that somebody changes on its way makes no connection: the collector
// checks what the client says that it has said.
func TestChangedHello(t *testing.T) {
	p, w := openPort(t, nil), newWire(t)
	// The client offers ChaCha20 first; somebody would have it another way.
	options := append(p.client(newSensor(t).member(t, p)), dtls.WithCipherSuites(
		dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256))
	changed := 0
	w.spoil = func(d []byte) {
		if at := bytes.Index(d, []byte{0xcc, 0xa9, 0xc0, 0x2b}); at > 0 && d[0] == 22 {
			copy(d[at:], []byte{0xc0, 0x2b, 0xcc, 0xa9})
			changed++
		}
	}
	if _, err := p.dialFrom(t, w, options, mustTimeout); err == nil || changed < 2 {
		t.Errorf("error = %v, %d hellos changed", err, changed)
	}
	if n := p.Counters()["handshakes_done"]; n != 0 {
		t.Errorf("%d handshakes done, want 0", n)
	}
}

// store is where a client would keep sessions for later.
type store struct {
	mu sync.Mutex
	n  int
}

func (s *store) Set([]byte, dtls.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	return nil
}
func (s *store) Get([]byte) (dtls.Session, error) { return dtls.Session{}, nil }
func (s *store) Del([]byte) error                 { return nil }

// Nothing is resumed: the collector hands out no session, with certificates or
// without.
func TestNoResumption(t *testing.T) {
	psk := map[string][]byte{"device": bytes.Repeat([]byte{7}, 32)}
	p := openPort(t, psk)
	kept := &store{}
	certificate := append(p.client(newSensor(t).member(t, p)), dtls.WithSessionStore(kept))
	device := append(p.pskClient("device", psk["device"]), dtls.WithSessionStore(kept))
	for _, options := range [][]dtls.ClientOption{certificate, device} {
		conn := p.mustDial(t, options)
		say(t, p, conn, "x")
		if state, _ := conn.ConnectionState(); len(state.SessionID) > 0 {
			t.Errorf("session %x was handed out", state.SessionID)
		}
	}
	if kept.n != 0 {
		t.Errorf("%d sessions were kept", kept.n)
	}
}

func (p *testPort) pskClient(name string, key []byte) []dtls.ClientOption {
	return []dtls.ClientOption{
		dtls.WithCipherSuites(dtls.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256),
		dtls.WithPSK(func([]byte) ([]byte, error) { return key, nil }), dtls.WithPSKIdentityHint([]byte(name)),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithConnectionIDGenerator(dtls.OnlySendCIDGenerator()), dtls.WithLoggerFactory(silent),
	}
}

// A device with a key of its own needs no certificate; one with another key, or
// without, gets nowhere.
func TestPSK(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	p := openPort(t, map[string][]byte{"device": key})
	say(t, p, p.mustDial(t, p.pskClient("device", key)), "from a device")
	say(t, p, p.mustDial(t, p.client(newSensor(t).member(t, p))), "from a sensor")
	if _, err := p.dial(t, p.pskClient("device", make([]byte, 32))); err == nil {
		t.Error("handshake with a wrong key")
	}
	if _, err := p.dial(t, p.pskClient("stranger", key)); err == nil {
		t.Error("handshake with a wrong name")
	}
	if _, err := p.dial(t, append(p.pskClient("device", key), dtls.WithCipherSuites(dtls.TLS_PSK_WITH_AES_128_GCM_SHA256))); err == nil {
		t.Error("handshake without forward secrecy")
	}
	if _, err := openPort(t, nil).dial(t, p.pskClient("device", key)); err == nil {
		t.Error("handshake where there are no such devices")
	}
}

// A peer that stops halfway does not keep another from its handshake, and what
// it sends meanwhile does not grow: pieces of messages that are never whole.
func TestHalfOpen(t *testing.T) {
	p := openPort(t, nil)
	silentPeer, err := net.DialUDP("udp", nil, p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silentPeer.Close()
	silentPeer.Write(firstHello(t, p))
	p.counted(t, "handshakes", 0)
	before := heap()
	piece := make([]byte, 1000)
	for i := range 64_000 {
		// A piece of a message of 16 MB, each with another number.
		body := append([]byte{11, 0xff, 0xff, 0xff, byte(i >> 8), byte(i), 0, 0, byte(i), 0, byte(len(piece) >> 8), byte(len(piece))}, piece...)
		d := append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 1, byte(i >> 8), byte(i), byte(len(body) >> 8), byte(len(body))}, body...)
		silentPeer.Write(d)
		if i%8000 == 0 {
			if grown := int64(heap()) - int64(before); grown > 20<<20 {
				t.Fatalf("%d MB more after %d pieces", grown>>20, i)
			}
		}
	}
	start := time.Now()
	say(t, p, p.mustDial(t, p.client(newSensor(t).member(t, p))), "meanwhile")
	t.Logf("a handshake beside it takes %v, and 64 MB of pieces %d KB", time.Since(start), (int64(heap())-int64(before))>>10)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// firstHello returns the datagram that begins a handshake.
func firstHello(t testing.TB, p *testPort) []byte {
	t.Helper()
	w := newWire(t)
	conn, err := dtls.ClientWithOptions(w, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}, p.client(newSensor(t).member(t, p))...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go conn.Handshake()
	for {
		w.mu.Lock()
		sent := w.sent
		w.mu.Unlock()
		if len(sent) > 0 {
			return sent[0]
		}
		time.Sleep(time.Millisecond)
	}
}
