package enrol_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
)

// parties are a sensor and the site it belongs to.
type parties struct {
	sensor       enrol.Keys
	id           enrol.Identity
	siteIdentity ed25519.PrivateKey
	sitePrivate  *[32]byte
}

func newParties(t testing.TB) parties {
	t.Helper()
	siteKey, sitePrivate, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bootKey, bootPrivate, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, identity, _ := ed25519.GenerateKey(rand.Reader)
	_, siteIdentity, _ := ed25519.GenerateKey(rand.Reader)
	shared := new([32]byte)
	box.Precompute(shared, siteKey, bootPrivate)
	return parties{
		sensor:       enrol.Keys{Identity: identity, BootKey: bootKey, Shared: shared, Site: siteKey},
		id:           enrol.Identity(identity.Public().(ed25519.PublicKey)),
		siteIdentity: siteIdentity,
		sitePrivate:  sitePrivate,
	}
}

func (p parties) hello(t testing.TB, h *enrol.Hello) ([]byte, enrol.Nonce) {
	t.Helper()
	d, nonce, err := enrol.AppendHello(nil, p.sensor, enrol.Cookie{7}, h)
	if err != nil {
		t.Fatal(err)
	}
	return d, nonce
}

func (p parties) open(d []byte) (enrol.Hello, error) {
	s, err := enrol.ParseHello(d)
	if err != nil {
		return enrol.Hello{}, err
	}
	var shared [32]byte
	box.Precompute(&shared, &s.BootKey, p.sitePrivate)
	return s.Open(&shared, p.sensor.Site)
}

func TestHelloRoundTrip(t *testing.T) {
	p := newParties(t)
	want := enrol.Hello{Identity: p.id, Attempt: 3, Time: 1700000000, Claims: enrol.Claims{"board": "qemu-x86-64", "mac": "52:54:00:00:00:01"}}
	d, nonce := p.hello(t, &want)
	if len(d) != session.MaxDatagram {
		t.Errorf("HELLO has %d bytes, want %d", len(d), session.MaxDatagram)
	}
	if typ, _, err := session.ParseHead(d); typ != session.TypeHello || err != nil {
		t.Errorf("ParseHead = %v, %v", typ, err)
	}
	s, err := enrol.ParseHello(d)
	if err != nil || s.Cookie != (enrol.Cookie{7}) || s.Nonce != nonce || s.BootKey != *p.sensor.BootKey {
		t.Errorf("ParseHello = %+v, %v", s, err)
	}
	got, err := p.open(d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hello (-want +got)\n%s", diff)
	}
}

func TestHelloRefused(t *testing.T) {
	p, other := newParties(t), newParties(t)
	h := &enrol.Hello{Attempt: 1}
	d, _ := p.hello(t, h)
	if _, err := other.open(d); !errors.Is(err, enrol.ErrSealed) {
		t.Errorf("HELLO to another site: error = %v", err)
	}
	stolen := p // seals with its own boot key, but signs for the boot key of other
	stolen.sensor.Identity = other.sensor.Identity
	d, _ = stolen.hello(t, h)
	if got, err := p.open(d); err != nil || got.Identity != other.id {
		t.Errorf("identity = %v, %v", got.Identity, err)
	}
	wrong := p
	wrong.sensor.Site = other.sensor.Site // signed for another site, sealed to ours
	d, _ = wrong.hello(t, h)
	if _, err := p.open(d); !errors.Is(err, enrol.ErrSigned) {
		t.Errorf("HELLO signed for another site: error = %v", err)
	}
	if _, err := p.open(d[:len(d)-1]); err == nil {
		t.Error("a HELLO that is cut was taken")
	}
	if _, err := enrol.ParseHello(d[:enrol.MinHello-1]); err == nil {
		t.Error("a HELLO that is too small was parsed")
	}
	for range 200 {
		d, _ := p.hello(t, h)
		var b [2]byte
		rand.Read(b[:])
		i := 20 + (int(b[0])<<8|int(b[1]))%(len(d)-20)
		d[i] ^= 1
		if _, err := p.open(d); err == nil {
			t.Fatalf("HELLO with byte %d flipped was taken", i)
		}
	}
	for _, c := range []enrol.Claims{{"long": strings.Repeat("x", 65)}, {"": "x"}} {
		if _, _, err := enrol.AppendHello(nil, p.sensor, enrol.Cookie{}, &enrol.Hello{Claims: c}); err == nil {
			t.Errorf("claims %v were taken", c)
		}
	}
	d, _ = p.hello(t, &enrol.Hello{Claims: enrol.Claims{"host": "\x1b[2J"}})
	if _, err := p.open(d); err == nil || !strings.Contains(err.Error(), "not plain text") {
		t.Errorf("claims with a control character: error = %v", err)
	}
}

// Where the path takes no more, a HELLO is as small as its claims let it be, but
// never smaller than the answer to it.
func TestHelloSizes(t *testing.T) {
	p := newParties(t)
	many := enrol.Claims{}
	for i := range 8 {
		many[strings.Repeat("n", i+1)] = strings.Repeat("x", 60)
	}
	for _, tt := range []struct {
		size   int
		claims enrol.Claims
		want   int
	}{{1, nil, enrol.MinHello}, {700, nil, 700}, {0, many, session.MaxDatagram}, {1, many, 206 + 8*62 + 36}} {
		d, nonce := p.hello(t, &enrol.Hello{Claims: tt.claims, Size: tt.size})
		if len(d) != tt.want {
			t.Errorf("HELLO of size %d with %d claims has %d bytes, want %d", tt.size, len(tt.claims), len(d), tt.want)
		}
		if _, err := p.open(d); err != nil {
			t.Errorf("HELLO of %d bytes: %v", len(d), err)
		}
		if s, _ := enrol.ParseHello(d); s.Hint() != enrol.HintOf(p.sensor.Site) || s.Nonce != nonce {
			t.Error("the hint does not name the key")
		}
	}
	if d := enrol.AppendWelcome(nil, p.sensor.Shared, &enrol.Welcome{Status: enrol.Moved}); len(d) > enrol.MinHello {
		t.Errorf("WELCOME of %d bytes to a HELLO of %d", len(d), enrol.MinHello)
	}
}

func TestHandover(t *testing.T) {
	p := newParties(t)
	site := p.siteIdentity.Public().(ed25519.PublicKey)
	next, after := [32]byte{5}, [32]byte{6}
	want := enrol.Welcome{Status: enrol.Moved, Handover: enrol.SignHandover(p.siteIdentity, next, after)}
	d := enrol.AppendWelcome(nil, p.sensor.Shared, &want)
	got, err := enrol.OpenWelcome(d, p.sensor.Shared, site)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("welcome (-want +got)\n%s", diff)
	}
	if !got.Handover.Verify(site, sha256.Sum256(next[:])) {
		t.Error("the key that was announced is refused")
	}
	if got.Handover.Verify(site, [32]byte{1}) {
		t.Error("a key that was not announced is taken")
	}
	got.Handover.Next[0]++
	if got.Handover.Verify(site, sha256.Sum256(next[:])) {
		t.Error("a statement that the site has not signed is taken")
	}
	if _, err := enrol.OpenWelcome(d[:208], p.sensor.Shared, site); err == nil {
		t.Error("a statement that is cut is taken")
	}
}

func TestWelcome(t *testing.T) {
	p := newParties(t)
	site := p.siteIdentity.Public().(ed25519.PublicKey)
	want := enrol.Welcome{Hello: enrol.Nonce{1}, Status: enrol.Approved, Time: 5, Retry: 6, Epoch: enrol.SignEpoch(p.siteIdentity, [32]byte{9}, 77),
		Session: 8, Salt: [16]byte{1}, Window: 1 << 20}
	d := enrol.AppendWelcome(nil, p.sensor.Shared, &want)
	if len(d) >= session.MaxDatagram {
		t.Errorf("WELCOME of %d bytes amplifies", len(d))
	}
	got, err := enrol.OpenWelcome(d, p.sensor.Shared, site)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("welcome (-want +got)\n%s", diff)
	}
	for i := range d[4:] {
		bad := bytes.Clone(d)
		bad[4+i] ^= 1
		if _, err := enrol.OpenWelcome(bad, p.sensor.Shared, site); err == nil {
			t.Fatalf("WELCOME with byte %d flipped was taken", 4+i)
		}
	}
	want.Epoch.Until++
	if _, err := enrol.OpenWelcome(enrol.AppendWelcome(nil, p.sensor.Shared, &want), p.sensor.Shared, site); err == nil {
		t.Error("an epoch that the site has not signed was taken")
	}
	// A HELLO that comes back must not pass for a WELCOME.
	hello, _ := p.hello(t, &enrol.Hello{})
	if _, err := enrol.OpenWelcome(hello, p.sensor.Shared, site); err == nil {
		t.Error("a HELLO passes for a WELCOME")
	}
}

func TestCookie(t *testing.T) {
	d := enrol.AppendCookie(nil, enrol.Nonce{1}, enrol.Cookie{2})
	n, c, err := enrol.ParseCookie(d)
	if n != (enrol.Nonce{1}) || c != (enrol.Cookie{2}) || err != nil {
		t.Errorf("ParseCookie = %v, %v, %v", n, c, err)
	}
	if _, _, err := enrol.ParseCookie(d[1:]); err == nil {
		t.Error("a COOKIE that is cut was taken")
	}
}

func TestCode(t *testing.T) {
	if got, want := (enrol.Identity{1, 2, 3}).Code(), "FDZE-WNPM"; got != want {
		t.Errorf("Code = %s, want %s", got, want)
	}
}

func FuzzOpenHello(f *testing.F) {
	p := newParties(f)
	d, _ := p.hello(f, &enrol.Hello{Attempt: 1, Claims: enrol.Claims{"board": "x"}})
	f.Add(d)
	f.Fuzz(func(t *testing.T, d []byte) { p.open(d) })
}

// The claims are behind a signature, so a fuzzer that does not know the keys
// never reaches them: here it may sign.
func FuzzClaims(f *testing.F) {
	p := newParties(f)
	f.Add("board", "qemu-x86-64")
	f.Fuzz(func(t *testing.T, name, text string) {
		want := enrol.Claims{name: text}
		d, _, err := enrol.AppendHello(nil, p.sensor, enrol.Cookie{}, &enrol.Hello{Claims: want})
		if err != nil {
			return
		}
		if h, err := p.open(d); err == nil && h.Claims[name] != text {
			t.Fatalf("claims = %q, want %q", h.Claims, want)
		}
	})
}

func FuzzOpenWelcome(f *testing.F) {
	p := newParties(f)
	f.Add(enrol.AppendWelcome(nil, p.sensor.Shared, &enrol.Welcome{Status: enrol.Pending}))
	f.Fuzz(func(t *testing.T, d []byte) { enrol.OpenWelcome(d, p.sensor.Shared, make([]byte, 32)) })
}

func FuzzParseCookie(f *testing.F) {
	f.Add(enrol.AppendCookie(nil, enrol.Nonce{1}, enrol.Cookie{2}))
	f.Fuzz(func(t *testing.T, d []byte) { enrol.ParseCookie(d) })
}

// A recorded HELLO cannot be made new: it opens only with the cookie that it
// was written with.
func TestHelloIsBoundToItsCookie(t *testing.T) {
	p := newParties(t)
	d, _ := p.hello(t, &enrol.Hello{Identity: p.id, Attempt: 1})
	if _, err := p.open(d); err != nil {
		t.Fatal(err)
	}
	d[4] ^= 1
	if _, err := p.open(d); !errors.Is(err, enrol.ErrSigned) {
		t.Errorf("a HELLO with another cookie: %v, want %v", err, enrol.ErrSigned)
	}
}
