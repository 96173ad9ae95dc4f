package dtls

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/session"
)

// dialTimeout is how long a test tries; a refused device is told nothing.
const dialTimeout = 2 * time.Second

// mustTimeout is how long a test tries that must succeed, on a busy machine too.
const mustTimeout = 20 * time.Second

// testPort is a listener whose datagrams the test sees.
type testPort struct {
	*Listener
	authority *provisioning.Authority
	addr      *net.UDPAddr
	status    atomic.Int32 // of every sensor

	mu   sync.Mutex
	came []string
	from []edge.Peer
}

func (p *testPort) Receive(d []byte, from edge.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came, p.from = append(p.came, string(d)), append(p.from, from)
	from.Via.Send(append([]byte("got "), d...), from.Addr)
}

// got returns the peer of the datagram d, once it has come.
func (p *testPort) got(t *testing.T, d string) edge.Peer {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		p.mu.Lock()
		for i := len(p.came) - 1; i >= 0; i-- {
			if p.came[i] == d {
				peer := p.from[i]
				p.mu.Unlock()
				return peer
			}
		}
		p.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatalf("%q has not come in 10 s; counted %v", d, p.Counters())
		}
	}
}

// counted waits until a counter is above n.
func (p *testPort) counted(t *testing.T, name string, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); p.Counters()[name] <= n; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %d after 10 s, want more than %d; counted %v", name, p.Counters()[name], n, p.Counters())
		}
	}
}

func openPort(t testing.TB, psk map[string][]byte) *testPort {
	t.Helper()
	authority, err := provisioning.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &testPort{authority: authority}
	p.Listener, err = Listen("127.0.0.1:0", Config{
		Authority: authority, PSK: psk, Log: slog.New(slog.DiscardHandler),
		Status: func(enrol.Identity) enrol.Status { return enrol.Status(p.status.Load()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.addr = net.UDPAddrFromAddrPort(p.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx, p) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// sensor is who dials.
type sensor struct {
	id       enrol.Identity
	identity ed25519.PrivateKey
	key      *ecdsa.PrivateKey
}

func newSensor(t testing.TB) sensor {
	t.Helper()
	public, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sensor{enrol.Identity(public), identity, key}
}

// member returns a certificate of the site's authority.
func (s sensor) member(t testing.TB, p *testPort) tls.Certificate {
	t.Helper()
	raw, err := p.authority.Sensor(s.id, s.key.Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: s.key}
}

// own returns a certificate that the sensor has made itself.
func (s sensor) own(t testing.TB) tls.Certificate {
	t.Helper()
	template, err := outer.SensorTemplate(s.id, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.identity)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: s.key}
}

// client returns what a sensor dials with.
func (p *testPort) client(certificate tls.Certificate) []dtls.ClientOption {
	return []dtls.ClientOption{
		dtls.WithCertificates(certificate),
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithConnectionIDGenerator(dtls.OnlySendCIDGenerator()),
		dtls.WithLoggerFactory(silent),
		dtls.WithFlightInterval(200 * time.Millisecond),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			return outer.VerifyServer(raw, p.authority.KeyID())
		}),
	}
}

// dial makes a handshake on a socket of its own, or says why not.
func (p *testPort) dial(t testing.TB, options []dtls.ClientOption) (*dtls.Conn, error) {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return p.dialFrom(t, socket, options, dialTimeout)
}

func (p *testPort) dialFrom(t testing.TB, socket net.PacketConn, options []dtls.ClientOption, within time.Duration) (*dtls.Conn, error) {
	t.Helper()
	conn, err := dtls.ClientWithOptions(socket, p.addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	return conn, conn.HandshakeContext(ctx)
}

func (p *testPort) mustDial(t testing.TB, options []dtls.ClientOption) *dtls.Conn {
	t.Helper()
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.dialFrom(t, socket, options, mustTimeout)
	if err != nil {
		t.Fatalf("%v; counted %v", err, p.Counters())
	}
	return conn
}

// say sends a datagram until it has come, since datagrams may be lost.
func say(t *testing.T, p *testPort, conn net.Conn, d string) edge.Peer {
	t.Helper()
	if _, err := conn.Write([]byte(d)); err != nil {
		t.Fatal(err)
	}
	return p.got(t, d)
}

// hear returns the next datagram.
func hear(t *testing.T, conn net.Conn) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	defer conn.SetReadDeadline(time.Time{})
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func datagram(kind session.Type, text string) string {
	head := session.Head(kind, 1)
	return string(head[:]) + text
}

// A sensor with a certificate of the site says what it likes, and is answered.
func TestMember(t *testing.T) {
	p := openPort(t, nil)
	p.status.Store(int32(enrol.Approved))
	conn := p.mustDial(t, p.client(newSensor(t).member(t, p)))
	for _, d := range []string{datagram(session.TypeHello, "hello"), datagram(session.TypeData, strings.Repeat("x", 1192))} {
		say(t, p, conn, d)
		if got := hear(t, conn); got != "got "+d {
			t.Errorf("answer is %q", got)
		}
	}
}

// A sensor that nobody knows says HELLO and nothing else; from when it is approved
// it says what it likes, and has a certificate that makes it a member.
func TestGuest(t *testing.T) {
	p := openPort(t, nil)
	p.status.Store(int32(enrol.Pending))
	s := newSensor(t)
	conn := p.mustDial(t, p.client(s.own(t)))
	hello, data := datagram(session.TypeHello, "hello"), datagram(session.TypeData, "data")
	say(t, p, conn, hello)
	hear(t, conn)
	for range 5 {
		conn.Write([]byte(data))
	}
	p.counted(t, "drop_guest", 4)
	for range 4 * guestHellos {
		conn.Write([]byte(hello))
	}
	p.counted(t, "drop_guest", 5+2*guestHellos)
	if n := p.Counters()["guests"]; n != 1 {
		t.Errorf("%d guests, want 1", n)
	}

	p.status.Store(int32(enrol.Approved))
	for deadline := time.Now().Add(10 * time.Second); p.Counters()["certificates"] == 0; time.Sleep(20 * time.Millisecond) {
		conn.Write([]byte(data))
		if time.Now().After(deadline) {
			t.Fatal("no certificate in 10 s")
		}
	}
	p.got(t, data)
	var issued []byte
	for issued == nil {
		if der, ok, err := outer.ParseIssue([]byte(hear(t, conn))); ok && err == nil {
			issued = der
		}
	}
	id, standing, err := outer.VerifySensor([][]byte{issued}, p.authority.Certificate, time.Now())
	if err != nil || id != s.id || standing != outer.Member {
		t.Errorf("the certificate is for %x, %v, error %v", id, standing, err)
	}
	if n := p.Counters()["guests"]; n != 0 {
		t.Errorf("%d guests, want 0", n)
	}
	again := p.mustDial(t, p.client(tls.Certificate{Certificate: [][]byte{issued}, PrivateKey: s.key}))
	p.status.Store(int32(enrol.Pending)) // members are not asked about
	say(t, p, again, datagram(session.TypeData, "as a member"))
}

// A sensor that was revoked gets no handshake, and loses what it has.
func TestRevoked(t *testing.T) {
	p := openPort(t, nil)
	s := newSensor(t)
	conn := p.mustDial(t, p.client(s.member(t, p)))
	say(t, p, conn, datagram(session.TypeData, "before"))
	p.status.Store(int32(enrol.Refused))
	p.Revoke(s.id)
	for deadline := time.Now().Add(10 * time.Second); p.Counters()["connections"] > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("its connection goes on")
		}
	}
	for _, certificate := range []tls.Certificate{s.member(t, p), s.own(t)} {
		if _, err := p.dial(t, p.client(certificate)); err == nil {
			t.Error("handshake with a sensor that was revoked")
		}
	}
}

// One sensor has few connections: another ends its oldest.
func TestOneSensorsConnections(t *testing.T) {
	p := openPort(t, nil)
	s := newSensor(t)
	certificate := s.member(t, p)
	first, other := p.mustDial(t, p.client(certificate)), p.mustDial(t, p.client(newSensor(t).member(t, p)))
	say(t, p, first, datagram(session.TypeHello, "first"))
	for range maxEach {
		p.mustDial(t, p.client(certificate))
	}
	for deadline := time.Now().Add(10 * time.Second); p.Counters()["connections"] != maxEach+1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections, want %d of one sensor and one of another", p.Counters()["connections"], maxEach)
		}
	}
	say(t, p, other, datagram(session.TypeHello, "other"))
}

// A sensor that starts anew at its old address and port gets a new connection,
// before the old one is idle.
func TestSameAddressAgain(t *testing.T) {
	p := openPort(t, nil)
	s := newSensor(t)
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	local := socket.LocalAddr().(*net.UDPAddr)
	conn, err := p.dialFrom(t, socket, p.client(s.member(t, p)), mustTimeout)
	if err != nil {
		t.Fatal(err)
	}
	say(t, p, conn, "first")
	socket.Close() // as a power cut, with no word of good-bye
	if socket, err = net.ListenUDP("udp", local); err != nil {
		t.Fatal(err)
	}
	if conn, err = p.dialFrom(t, socket, p.client(s.member(t, p)), mustTimeout); err != nil {
		t.Fatalf("%v; counted %v", err, p.Counters())
	}
	say(t, p, conn, "second")
}
