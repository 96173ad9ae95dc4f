package wss

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/site"
)

// Whatever is wrong with a token is answered with 401, before there is a
// WebSocket.
func TestTokensRefused(t *testing.T) {
	p := openPort(t)
	s, stranger := newSensor(t), newSensor(t)
	edit := func(key string, value any) func(*testing.T, jwt.MapClaims) string {
		return func(t *testing.T, c jwt.MapClaims) string {
			if c[key] = value; value == nil {
				delete(c, key)
			}
			return "Bearer " + s.sign(t, c)
		}
	}
	now := time.Now()
	raw := base64.RawURLEncoding.EncodeToString
	tests := []struct {
		name string
		make func(t *testing.T, c jwt.MapClaims) string
	}{
		{"none", func(*testing.T, jwt.MapClaims) string { return "" }},
		{"not a token", func(*testing.T, jwt.MapClaims) string { return "Bearer x.y.z" }},
		{"of another scheme", func(t *testing.T, c jwt.MapClaims) string { return "Basic " + s.sign(t, c) }},
		{"huge", func(t *testing.T, c jwt.MapClaims) string {
			c["x"] = strings.Repeat("x", 3000)
			return "Bearer " + s.sign(t, c)
		}},
		{"signed by another", func(t *testing.T, c jwt.MapClaims) string { return "Bearer " + stranger.sign(t, c) }},
		{"algorithm none", func(t *testing.T, c jwt.MapClaims) string {
			token, err := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
			if err != nil {
				t.Fatal(err)
			}
			return "Bearer " + token
		}},
		{"algorithm HS256 with the public key", func(t *testing.T, c jwt.MapClaims) string {
			token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(s.id[:])
			if err != nil {
				t.Fatal(err)
			}
			return "Bearer " + token
		}},
		{"signature cut off", func(t *testing.T, c jwt.MapClaims) string {
			token := s.sign(t, c)
			return "Bearer " + token[:strings.LastIndexByte(token, '.')+1]
		}},
		{"claims changed", func(t *testing.T, c jwt.MapClaims) string {
			parts := strings.Split(s.sign(t, c), ".")
			c["exp"] = now.Add(2 * time.Minute).Unix()
			said, _ := json.Marshal(c)
			return "Bearer " + parts[0] + "." + raw(said) + "." + parts[2]
		}},
		{"for another site", edit("aud", []string{site.Key{9}.String()})},
		{"for nobody", edit("aud", nil)},
		{"that is over", edit("exp", now.Add(-time.Minute).Unix())},
		{"without an end", edit("exp", nil)},
		{"good for long", edit("exp", now.Add(time.Hour).Unix())},
		{"good for longer than it says", func(t *testing.T, c jwt.MapClaims) string {
			c["iat"], c["exp"] = now.Add(-4*time.Minute).Unix(), now.Add(4*time.Minute).Unix()
			return "Bearer " + s.sign(t, c)
		}},
		{"without a begin", edit("iat", nil)},
		{"from tomorrow", func(t *testing.T, c jwt.MapClaims) string {
			c["iat"], c["exp"] = now.Add(24*time.Hour).Unix(), now.Add(24*time.Hour+time.Minute).Unix()
			return "Bearer " + s.sign(t, c)
		}},
		{"without an id", edit("jti", nil)},
		{"with a long id", edit("jti", strings.Repeat("x", 65))},
		{"of another connection", edit("cnf", map[string]string{"tls-exporter": exporterOf(t, p.connect(t))})},
		{"of no connection", edit("cnf", nil)},
		{"of an empty connection", edit("cnf", map[string]string{"tls-exporter": ""})},
		{"of nobody", edit("sub", nil)},
		{"of nonsense", edit("sub", "admin")},
	}
	for _, tt := range tests {
		conn := p.connect(t)
		var headers []string
		if h := tt.make(t, s.claims(p, exporterOf(t, conn))); h != "" {
			headers = []string{h}
		}
		if response := ask(t, conn, headers...); response.StatusCode != http.StatusUnauthorized || response.Header.Get("Date") == "" {
			t.Errorf("token %s: answer is %s, %v", tt.name, response.Status, response.Header)
		}
	}
	conn := p.connect(t)
	good := "Bearer " + s.sign(t, s.claims(p, exporterOf(t, conn)))
	if response := ask(t, conn, good, good); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("two tokens: answer is %s", response.Status)
	}
	if c := p.Counters(); c["upgrades"] != 0 || c["drop_token"] != uint64(len(tests)+1) {
		t.Errorf("counted %v", c)
	}
}

// A token is good once, on one connection; also by way of a proxy that has ended
// the sensor's TLS.
func TestReplayedToken(t *testing.T) {
	for name, p := range map[string]*testPort{"direct": openPort(t), "proxy": openPort(t, netip.MustParsePrefix("127.0.0.0/8"))} {
		s, conn := newSensor(t), p.connect(t)
		token := "Bearer " + s.sign(t, s.claims(p, exporterOf(t, conn)))
		if response := ask(t, conn, token); response.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s: answer is %s", name, response.Status)
		}
		if response := ask(t, p.connect(t), token); response.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: answer to the same token is %s", name, response.Status)
		}
	}
}

// The tokens that are remembered are bounded, and forgotten when they are over.
func TestTokensAreForgotten(t *testing.T) {
	var s seen
	now := time.Now()
	for i := range 3 * maxRemembered {
		if !s.first(enrol.Identity{byte(i), byte(i >> 8), byte(i >> 16)}, "x", now.Add(time.Minute), now) {
			t.Fatal("a new token is known")
		}
	}
	if len(s.until) != maxRemembered {
		t.Errorf("%d are remembered, want %d", len(s.until), maxRemembered)
	}
	last := enrol.Identity{byte((3*maxRemembered - 1) & 0xff), 0xff, 2}
	if s.first(last, "x", now.Add(time.Minute), now) {
		t.Error("the newest is not remembered")
	}
	now = now.Add(2 * time.Minute)
	if !s.first(last, "x", now.Add(time.Minute), now) || len(s.until) != 1 {
		t.Errorf("%d are remembered after they are over", len(s.until))
	}
}

// Another program checks a token as a proxy would: OpenSSL, with nothing but what
// the token says of itself.
func TestTokenByOpenSSL(t *testing.T) {
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl: scripts/install-deps test")
	}
	p, s := openPort(t), newSensor(t)
	parts := strings.Split(s.sign(t, s.claims(p, "x")), ".")
	var said struct {
		Subject string `json:"sub"`
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &said); err != nil {
		t.Fatal(err)
	}
	id, ok := outer.ParseSubject(said.Subject)
	if !ok {
		t.Fatalf("subject %q", said.Subject)
	}
	// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410, section 4).
	public := append([]byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}, id[:]...)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"key": public, "signature": signature, "text": []byte(parts[0] + "." + parts[1]), "other": []byte(parts[0] + "." + parts[1] + "x")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	verify := func(text string) error {
		cmd := exec.Command(path, "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin", "-in", text, "-sigfile", "signature")
		cmd.Dir = dir
		return cmd.Run()
	}
	if err := verify("text"); err != nil {
		t.Errorf("openssl does not take the signature: %v", err)
	}
	if err := verify("other"); err == nil {
		t.Error("openssl takes the signature for another text")
	}
}

func FuzzToken(f *testing.F) {
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": strings.Repeat("11", 32), "aud": "x", "exp": 1}).SignedString(identity)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer " + token)
	f.Add("Bearer e30.e30.")
	c := newChecker("x", time.Now)
	f.Fuzz(func(t *testing.T, authorization string) {
		if id, err := c.check(&http.Request{Header: http.Header{"Authorization": {authorization}}}, []byte("exporter")); err == nil {
			t.Fatalf("taken for %x", id)
		}
	})
}
