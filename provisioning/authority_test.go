package provisioning

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/site"
)

func testAuthority(t *testing.T) (*Authority, string) {
	t.Helper()
	dir := t.TempDir()
	a, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

// The authority is made once, kept from others, and the same after a restart.
func TestAuthorityIsKept(t *testing.T) {
	a, dir := testAuthority(t)
	path := filepath.Join(dir, "ca.key")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, error %v", info, err)
	}
	again, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.PEM(), again.PEM()) || a.KeyID() != again.KeyID() || a.KeyID() == (site.Key{}) {
		t.Error("the authority is another after a restart")
	}
	for _, bad := range []string{"", secretPrefix + "box " + strings.Repeat("11", 32), secretPrefix + "ca " + strings.Repeat("00", 32)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir); err == nil || bad != "" && strings.Contains(err.Error(), bad[len(bad)-64:]) {
			t.Errorf("%q: error = %v", bad, err)
		}
	}
}

func TestServerCertificate(t *testing.T) {
	a, _ := testAuthority(t)
	other, _ := testAuthority(t)
	server, err := a.Server([]string{"collector.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := outer.VerifyServer(server.Certificate, a.KeyID()); err != nil {
		t.Error(err)
	}
	sensor, err := a.Sensor(enrol.Identity{1}, server.PrivateKey.(*ecdsa.PrivateKey).Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := other.Server(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, chain := range map[string][][]byte{
		"of another site":                     forged.Certificate,
		"of another site, with our authority": {forged.Certificate[0], a.Certificate.Raw},
		"of a sensor":                         {sensor, a.Certificate.Raw},
		"without the authority":               server.Certificate[:1],
		"none":                                nil,
		"garbage":                             {[]byte("x")},
		"too long":                            {server.Certificate[0], a.Certificate.Raw, a.Certificate.Raw, a.Certificate.Raw},
	} {
		if err := outer.VerifyServer(chain, a.KeyID()); err == nil {
			t.Errorf("a certificate %s is taken", name)
		}
	}
}

func TestSensorCertificate(t *testing.T) {
	a, _ := testAuthority(t)
	other, _ := testAuthority(t)
	now := time.Now()
	public, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := enrol.Identity(public)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	must := func(raw []byte, err error) [][]byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return [][]byte{raw}
	}
	own := func(of enrol.Identity, by ed25519.PrivateKey, key any) [][]byte {
		t.Helper()
		template, err := outer.SensorTemplate(of, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return must(x509.CreateCertificate(rand.Reader, template, template, key, by))
	}
	tests := []struct {
		name  string
		chain [][]byte
		now   time.Time
		want  outer.Standing
	}{
		{"made by the authority", must(a.Sensor(id, key.Public(), now)), now, outer.Member},
		{"made by itself", own(id, identity, key.Public()), now, outer.Guest},
	}
	for _, tt := range tests {
		got, standing, err := outer.VerifySensor(tt.chain, a.Certificate, tt.now)
		if err != nil || got != id || standing != tt.want {
			t.Errorf("%s: %x, %v, error %v", tt.name, got, standing, err)
		}
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.Server(nil)
	if err != nil {
		t.Fatal(err)
	}
	bad := []struct {
		name  string
		chain [][]byte
		now   time.Time
	}{
		{"of another site's authority", must(other.Sensor(id, key.Public(), now)), now},
		{"in the name of another", own(id, stranger, key.Public()), now},
		{"for an RSA key", own(id, identity, rsaKey.Public()), now},
		{"for a P-384 key", own(id, identity, p384(t)), now},
		{"that is over", must(a.Sensor(id, key.Public(), now)), now.Add(sensorLife + time.Minute)},
		{"of a collector", server.Certificate, now},
		{"that is no certificate", [][]byte{make([]byte, 100)}, now},
		{"of a monster", [][]byte{make([]byte, 5000)}, now},
	}
	for _, tt := range bad {
		if got, standing, err := outer.VerifySensor(tt.chain, a.Certificate, tt.now); err == nil {
			t.Errorf("a certificate %s is taken for %x, %v", tt.name, got, standing)
		}
	}
}

func p384(t *testing.T) any {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key.Public()
}
