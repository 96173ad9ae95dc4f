package image

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/internal/pkcs7"
)

func testSigner(t testing.TB) pkcs7.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pkcs7.Signer{Key: key, Certificate: parsed}
}

// TestSignPEReadByOthers: two other implementations accept what is signed, and
// only that.
func TestSignPEReadByOthers(t *testing.T) {
	uki, err := appendSections(testStub(t, 1024), []section{{".osrel", []byte("ID=taproot\n")}, {".linux", noise(70_001)}})
	if err != nil {
		t.Fatal(err)
	}
	s, dir := testSigner(t), t.TempDir()
	good, err := signPE(uki, s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := signPE(good, s)
	if err != nil || !bytes.Equal(good, again) {
		t.Errorf("signed again it differs (%v)", err)
	}
	if !signed(good) || signed(uki) {
		t.Error("signed does not know which of them is")
	}
	cert := filepath.Join(dir, "db.crt")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(good)
	bad[bytes.Index(bad, noise(70_001)[:64])+3]++
	other, err := signPE(uki, testSigner(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		file []byte
		ok   bool
	}{{"signed", good, true}, {"tampered", bad, false}, {"by another key", other, false}, {"unsigned", uki, false}} {
		path := writeTemp(t, tt.file)
		for _, tool := range [][]string{{"sbverify", "--cert", cert, path}, {"osslsigncode", "verify", "-CAfile", cert, "-in", path}} {
			if _, err := exec.LookPath(tool[0]); err != nil {
				t.Logf("%s is not installed", tool[0])
				continue
			}
			out, err := exec.Command(tool[0], tool[1:]...).CombinedOutput()
			if (err == nil) != tt.ok {
				t.Errorf("%s: %s: %v\n%s", tt.name, tool[0], err, out)
			}
		}
	}
}

func TestSignedBase(t *testing.T) {
	o := testBase(t)
	s := testSigner(t)
	o.Sign = &s
	m, err := Build(t.Context(), o)
	if err != nil || m.Signer == "" {
		t.Fatalf("got signer %q, %v", m.Signer, err)
	}
	o.Base, o.Sign, o.Out = o.Out, nil, filepath.Join(t.TempDir(), "again")
	if _, err := Build(t.Context(), o); err == nil || !strings.Contains(err.Error(), "must be signed again") {
		t.Errorf("a change in a signed image: got %v", err)
	}
}

func FuzzSignPE(f *testing.F) {
	s := testSigner(f)
	f.Add(testStub(f, 1024))
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, file []byte) {
		out, err := signPE(file, s)
		if err == nil && !signed(out) {
			t.Error("signed, and not signed")
		}
	})
}
