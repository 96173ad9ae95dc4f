package carrier

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/site"
)

// A sensor whose clock is wrong learns the time from the 401, and its next token
// is good by the collector's clock.
func TestWrongClock(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(400 * 24 * time.Hour) // by the collector's clock
	var begun []time.Time
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var said claims
		_, _, err := jwt.NewParser().ParseUnverified(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), &said)
		if err != nil {
			t.Error(err)
			return
		}
		begun = append(begun, said.IssuedAt.Time)
		if off := said.IssuedAt.Sub(now).Abs(); off > time.Minute {
			w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		ws, err := websocket.Accept(w, r, nil)
		if err == nil {
			ws.CloseNow()
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw, raw}, PrivateKey: key}}}
	server.StartTLS()
	defer server.Close()
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a := site.Address{Carrier: site.WSS, Host: host, Port: port, Path: site.DefaultPath}
	conn, err := Dial(t.Context(), a, Options{Site: site.Site{CA: outer.KeyID(ca)}, Credentials: testCredentials(t)})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if len(begun) != 2 {
		t.Errorf("%d tokens were shown, want 2: %v", len(begun), begun)
	}
	// And a collector whose authority is another is not talked to.
	if _, err := Dial(t.Context(), a, Options{Site: site.Site{CA: site.Key{1}}, Credentials: testCredentials(t)}); err == nil || len(begun) != 2 {
		t.Errorf("error = %v, %d tokens", err, len(begun))
	}
}

// Once its handshake is done, what anybody can forge is kept from the library.
func TestSieve(t *testing.T) {
	alert := []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40}
	finished := []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 20}
	sealed := []byte{23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 1, 0}
	var s sieve
	tests := []struct {
		name                    string
		done                    time.Duration // ago; 0 for not yet
		alert, finished, sealed bool
	}{
		{"in the handshake", 0, true, true, true},
		{"just after", time.Second, false, true, true},
		{"later", 2 * lateHandshake, false, false, true},
	}
	for _, tt := range tests {
		if tt.done > 0 {
			s.done.Store(time.Now().Add(-tt.done).UnixNano())
		}
		if got := [3]bool{s.passes(alert), s.passes(finished), s.passes(sealed)}; got != [3]bool{tt.alert, tt.finished, tt.sealed} {
			t.Errorf("%s: alert, handshake, data pass: %v", tt.name, got)
		}
	}
}
