package wss

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

// testPort is a listener whose datagrams the test sees.
type testPort struct {
	*Listener
	status atomic.Int32

	mu   sync.Mutex
	came []string
}

func (p *testPort) Receive(d []byte, from edge.Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came = append(p.came, string(d))
	from.Via.Send(append([]byte("got "), d...), from.Addr)
}

func openPort(t *testing.T, proxies ...netip.Prefix) *testPort {
	t.Helper()
	authority, err := provisioning.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &testPort{}
	p.Listener, err = Listen("127.0.0.1:0", Config{
		Authority: authority, Identity: site.Key{1, 2, 3}, Proxies: proxies, Log: slog.New(slog.DiscardHandler),
		Status: func(enrol.Identity) enrol.Status { return enrol.Status(p.status.Load()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.Run(ctx, p) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.Close()
	})
	return p
}

// connect makes a TLS connection.
func (p *testPort) connect(t *testing.T) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", p.Addr().String(), &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"http/1.1"},
		VerifyConnection: func(s tls.ConnectionState) error {
			chain := [][]byte{s.PeerCertificates[0].Raw, s.PeerCertificates[1].Raw}
			return outer.VerifyServer(chain, p.cfg.Authority.KeyID())
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func exporterOf(t *testing.T, conn *tls.Conn) string {
	t.Helper()
	state := conn.ConnectionState()
	b, err := state.ExportKeyingMaterial(outer.ExporterLabel, nil, outer.ExporterSize)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

type sensor struct {
	id       enrol.Identity
	identity ed25519.PrivateKey
}

func newSensor(t *testing.T) sensor {
	t.Helper()
	public, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sensor{enrol.Identity(public), identity}
}

// claims are those of a good token, which a test may change.
func (s sensor) claims(p *testPort, exporter string) jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{
		"sub": outer.Subject(s.id), "aud": []string{outer.Audience(p.cfg.Identity)}, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"jti": rand.Text(), "cnf": map[string]string{"tls-exporter": exporter},
	}
}

func (s sensor) sign(t *testing.T, c jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(s.identity)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ask asks for a WebSocket on conn, with the header Authorization.
func ask(t *testing.T, conn net.Conn, authorization ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://collector"+site.DefaultPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
		"Sec-Websocket-Protocol": {outer.Subprotocol}, "Sec-Websocket-Extensions": {"permessage-deflate"},
	}
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	response, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// A good token opens a WebSocket, without compression.
func TestUpgrade(t *testing.T) {
	p := openPort(t)
	s, conn := newSensor(t), p.connect(t)
	if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Errorf("TLS version %x", v)
	}
	response := ask(t, conn, "Bearer "+s.sign(t, s.claims(p, exporterOf(t, conn))))
	if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Protocol") != outer.Subprotocol ||
		response.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("answer is %s, %v", response.Status, response.Header)
	}
}

// A sensor that was revoked gets no WebSocket, and loses what it has; other
// paths and methods are nobody's.
func TestRefused(t *testing.T) {
	p := openPort(t)
	s, conn := newSensor(t), p.connect(t)
	if response := ask(t, conn, "Bearer "+s.sign(t, s.claims(p, exporterOf(t, conn)))); response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer is %s", response.Status)
	}
	p.status.Store(int32(enrol.Refused))
	p.Revoke(s.id)
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("its WebSocket goes on")
	}
	conn = p.connect(t)
	if response := ask(t, conn, "Bearer "+s.sign(t, s.claims(p, exporterOf(t, conn)))); response.StatusCode != http.StatusForbidden {
		t.Errorf("answer is %s", response.Status)
	}
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST " + site.DefaultPath + " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"} {
		conn := p.connect(t)
		conn.Write([]byte(request))
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %v, error %v", request, response, err)
		}
	}
	if _, err := tls.Dial("tcp", p.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
}

// Who is refused is not heard again on that connection: it would have a place
// for as long as it goes on asking.
func TestRefusedOnce(t *testing.T) {
	p := openPort(t)
	conn := p.connect(t)
	if response := ask(t, conn, "Bearer x"); response.StatusCode != http.StatusUnauthorized || !response.Close {
		t.Errorf("answer is %s, %v", response.Status, response.Header)
	}
	conn.SetReadDeadline(time.Now().Add(3 * time.Second)) // less than requestTimeout
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("the connection stays open: %v", err)
	}
}

// Sensors that nobody has approved take no more than their share of the
// WebSockets; one that is approved gives its place back.
func TestGuests(t *testing.T) {
	p := openPort(t)
	p.status.Store(int32(enrol.Pending))
	ws := p.open(t, newSensor(t))
	for p.guests.Enter(p.Addr().Addr()) {
	}
	request := func() int {
		s, conn := newSensor(t), p.connect(t)
		return ask(t, conn, "Bearer "+s.sign(t, s.claims(p, exporterOf(t, conn)))).StatusCode
	}
	if code := request(); code != http.StatusServiceUnavailable {
		t.Errorf("one guest too many is answered %d", code)
	}
	p.status.Store(int32(enrol.Approved))
	if code := request(); code != http.StatusSwitchingProtocols {
		t.Errorf("an approved sensor is answered %d while there are many guests", code)
	}
	head := session.Head(session.TypeData, 1)
	if err := ws.Write(t.Context(), websocket.MessageBinary, head[:]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !p.guests.Enter(p.Addr().Addr()) {
		t.Error("a sensor that was approved still has a guest's place")
	}
}

// One sensor has few WebSockets: another ends its oldest.
func TestOneSensorsWebSockets(t *testing.T) {
	p := openPort(t)
	s := newSensor(t)
	first, others := p.open(t, s), p.open(t, newSensor(t))
	for range maxEach {
		p.open(t, s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, _, err := first.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the oldest goes on: %v", err)
	}
	if err := others.Write(ctx, websocket.MessageBinary, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := others.Read(ctx); err != nil {
		t.Errorf("another sensor's has ended: %v", err)
	}
}

// open opens a WebSocket as a sensor does.
func (p *testPort) open(t *testing.T, s sensor) *websocket.Conn {
	t.Helper()
	conn := p.connect(t)
	ws, _, err := websocket.Dial(t.Context(), "wss://collector"+site.DefaultPath, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{
			DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		}},
		HTTPHeader:   http.Header{"Authorization": {"Bearer " + s.sign(t, s.claims(p, exporterOf(t, conn)))}},
		Subprotocols: []string{outer.Subprotocol},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return ws
}

// One message is one datagram, both ways; text is none, and a message that is
// too long ends the connection.
func TestMessages(t *testing.T) {
	p := openPort(t)
	ws := p.open(t, newSensor(t))
	ws.SetReadLimit(10_000)
	if err := ws.Write(t.Context(), websocket.MessageText, []byte("text")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"a", strings.Repeat("x", session.MaxDatagram)} {
		if err := ws.Write(t.Context(), websocket.MessageBinary, []byte(d)); err != nil {
			t.Fatal(err)
		}
		kind, got, err := ws.Read(t.Context())
		if err != nil || kind != websocket.MessageBinary || string(got) != "got "+d {
			t.Errorf("answer is %v %q, error %v", kind, got, err)
		}
	}
	ws.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20))
	if _, _, err := ws.Read(t.Context()); err == nil {
		t.Error("a message of 1 MB does not end the connection")
	}
	if c := p.Counters(); c["datagrams"] != 2 || c["drop_text"] != 1 {
		t.Errorf("counted %v", c)
	}
}

// A sensor that does not read what it is sent holds nobody up, and costs a queue.
func TestSlowReader(t *testing.T) {
	p := openPort(t)
	ws := p.open(t, newSensor(t))
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte("x")); err != nil {
		t.Fatal(err)
	}
	var c *conn
	for deadline := time.Now().Add(10 * time.Second); c == nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		p.Listener.mu.Lock()
		for _, all := range p.conns {
			c = all[0]
		}
		p.Listener.mu.Unlock()
	}
	for range 20_000 { // more than the kernel's buffers take
		c.Send(make([]byte, 1200), c.from)
	}
	if p.Counters()["drop_send"] == 0 {
		t.Errorf("24 MB were sent to who does not read; counted %v", p.Counters())
	}
}
