package carrier

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"

	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/site"
)

func testCredentials(t *testing.T) *Credentials {
	t.Helper()
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCredentials(identity)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A connection that is renewed goes on, for who writes and for who waits in a
// Read; a dial that fails leaves what there is.
func TestRenew(t *testing.T) {
	var made, ends []net.Conn
	dial := func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		made, ends = append(made, near), append(ends, far)
		return near, nil
	}
	conn, err := renewing(t.Context(), dial)
	if err != nil {
		t.Fatal(err)
	}
	r := conn.(*renewed)
	read := make(chan string)
	go func() {
		buf := make([]byte, 100)
		for {
			n, err := r.Read(buf)
			if err != nil {
				close(read)
				return
			}
			read <- string(buf[:n])
		}
	}()
	for i, text := range []string{"first", "renewed"} {
		ends[i].Write([]byte(text))
		if got := <-read; got != text {
			t.Errorf("read %q, want %q", got, text)
		}
		go r.Write([]byte(text))
		buf := make([]byte, 100)
		if n, err := ends[i].Read(buf); err != nil || string(buf[:n]) != text {
			t.Errorf("the other end has %q, error %v, want %q", buf[:n], err, text)
		}
		if i == 0 {
			r.renew()
		}
	}
	r.dial = func(context.Context) (net.Conn, error) { return nil, errors.New("no road") }
	r.renew()
	if r.conn() != made[1] {
		t.Error("a dial that failed took the connection away")
	}
	r.Close()
	if _, ok := <-read; ok {
		t.Error("a closed connection is read")
	}
	r.dial = dial
	r.renew()
	if _, err := made[2].Write([]byte("x")); err == nil {
		t.Error("a connection that was made after Close stays open")
	}
}

// A certificate for another key, in another name, or no certificate is not kept.
func TestTakesItsOwnCertificateOnly(t *testing.T) {
	c, other := testCredentials(t), testCredentials(t)
	mine := c.show().Certificate[0]
	for _, bad := range [][]byte{nil, []byte("x"), other.show().Certificate[0]} {
		if err := c.take(bad); err == nil || !bytes.Equal(c.show().Certificate[0], mine) {
			t.Errorf("%d bytes were taken", len(bad))
		}
	}
}

// hostilePort is a DTLS server of the tests: it answers hellos with what answer
// says, and counts the ClientKeyExchanges that come back.
func hostilePort(t *testing.T, exchanges *atomic.Int64, answer func(hello *handshake.MessageClientHello) [][]byte) string {
	t.Helper()
	port, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	go func() {
		buf := make([]byte, 4096)
		for number := uint64(0); ; {
			n, from, err := port.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if c, ok := outer.ParseKnock(buf[:n]); ok && c == (outer.KnockCookie{}) {
				port.WriteToUDP(outer.AppendKnockAnswer(nil, outer.KnockCookie{1}), from)
			}
			if n > 13 && buf[0] == 22 && buf[13] == 16 {
				exchanges.Add(1)
			}
			if err != nil || !outer.IsClientHello(buf[:n]) {
				continue
			}
			var hello handshake.MessageClientHello
			if hello.Unmarshal(buf[25:n]) != nil {
				continue
			}
			var d []byte
			for _, message := range answer(&hello) {
				d = append(d, 22, 0xfe, 0xfd, 0, 0)
				d = append(d, binary.BigEndian.AppendUint64(nil, number)[2:]...)
				d = append(binary.BigEndian.AppendUint16(d, uint16(len(message))), message...)
				number++
			}
			port.WriteToUDP(d, from)
		}
	}()
	return port.LocalAddr().String()
}

// message returns a handshake message in one piece.
func message(kind byte, number byte, body []byte) []byte {
	size := []byte{0, byte(len(body) >> 8), byte(len(body))}
	return append(append(append([]byte{kind}, size...), 0, number, 0, 0, 0, size[0], size[1], size[2]), body...)
}

// CVE-2026-54908: a ServerKeyExchange of ECDHE_PSK that is cut or lies about its
// lengths was a panic of the client, which a sensor is. Now it is no connection.
func TestHostileServerKeyExchange(t *testing.T) {
	whole := append([]byte{0, 4, 'h', 'i', 'n', 't', 3, 0, 29, 32, 9}, make([]byte, 31)...)
	bodies := [][]byte{nil, {0}, {0xff, 0xff}, {0, 4, 'h'}, {0, 0}, {0, 0, 3}, {0, 0, 3, 0, 29}, {0, 0, 3, 0, 29, 255}, {0, 0, 3, 0, 29, 0},
		{0, 0, 1, 0, 29, 1, 1}, {0, 0, 3, 0xff, 0xff, 1, 1}, append(append([]byte{}, whole...), 1, 2, 3)}
	for n := range whole {
		bodies = append(bodies, whole[:n])
	}
	bodies = append(bodies, whole) // last, to see that the others were looked at
	var which, exchanges atomic.Int64
	addr := hostilePort(t, &exchanges, func(hello *handshake.MessageClientHello) [][]byte {
		suite := uint16(dtls.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256)
		server := handshake.MessageServerHello{
			Version: hello.Version, CipherSuiteID: &suite, CompressionMethod: &protocol.CompressionMethod{},
			Extensions: []extension.Extension{&extension.UseExtendedMasterSecret{Supported: true}},
		}
		body, err := server.Marshal()
		if err != nil {
			t.Error(err)
		}
		return [][]byte{message(2, 0, body), message(12, 1, bodies[which.Load()]), message(14, 2, nil)}
	})
	c := testCredentials(t)
	c.Device, c.PSK = "device", make([]byte, 32)
	a, err := site.ParseAddress("dtls://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bodies {
		if exchanges.Load() > 0 {
			t.Errorf("%x was taken", bodies[i-1])
		}
		which.Store(int64(i))
		wait := 50 * time.Millisecond
		if i == len(bodies)-1 { // the good one is waited for
			wait = 10 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		go func() {
			for exchanges.Load() == 0 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		if _, err := Dial(ctx, a, Options{Credentials: c}); err == nil {
			t.Errorf("handshake with %x", bodies[i])
		}
		cancel()
	}
	if exchanges.Load() == 0 {
		t.Error("a good message was not taken either")
	}
}

// A proxy that does not give a wire, or more than that, is none.
func TestHostileProxy(t *testing.T) {
	tests := []struct{ answer, want string }{
		{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "answered 407"},
		{"HTTP/1.1 200 OK\r\n\r\nand more", "more than it was asked"},
		{"SSH-2.0-OpenSSH\r\n", "malformed"},
		{strings.Repeat("x", 2*maxProxyAnswer), "EOF"},
		{"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 10000) + "\r\n", "EOF"},
		{"", "EOF"},
	}
	for _, tt := range tests {
		proxy, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1000))
			conn.Write([]byte(tt.answer))
			conn.Close()
		}()
		_, err = dialTCP(t.Context(), "collector.example:443", "http://"+proxy.Addr().String())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.20q: error = %v, want one with %q", tt.answer, err, tt.want)
		}
		proxy.Close()
	}
}
