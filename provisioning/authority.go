package provisioning

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/site"
)

const (
	// sensorLife is how long a sensor's certificate is good for: a month, in
	// which it is shown at least daily. A revoked sensor is refused at once.
	sensorLife = 30 * 24 * time.Hour
	// clockSkew is how far the clocks of a site's collectors may be apart.
	clockSkew = time.Hour
)

// An Authority makes the certificates that DTLS and WebSocket show: those of the
// site's collectors, and of the sensors that are approved. Its key is ECDSA
// P-256, for every TLS library has that.
type Authority struct {
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// OpenAuthority loads the authority's key from the directory of the site's keys,
// and makes it where there is none: sites have one since DTLS.
func OpenAuthority(dir string) (*Authority, error) {
	a, err := openAuthority(filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, fmt.Errorf("opening the site's certificate authority: %w", err)
	}
	return a, nil
}

func openAuthority(path string) (*Authority, error) {
	var secret Secret
	f := keyFile{"ca", &secret}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		scalar, err := key.Bytes()
		if err != nil {
			return nil, err
		}
		text := secretPrefix + f.name + " " + hex.EncodeToString(scalar) + "\n"
		if err := durable.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := f.load(path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret[:])
	if err != nil {
		return nil, fmt.Errorf("%s: not a P-256 key", path)
	}
	return newAuthority(key)
}

func newAuthority(key *ecdsa.PrivateKey) (*Authority, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "taproot site authority"},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     outer.Never,
		KeyUsage:     x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	// Without randomness ECDSA is deterministic (RFC 6979), and so the
	// certificate is the same each time.
	raw, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &Authority{Certificate: cert, key: key}, nil
}

// KeyID is what the site file says of the authority.
func (a *Authority) KeyID() site.Key { return outer.KeyID(a.Certificate) }

// PEM returns the authority's certificate, for other programs.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate.Raw})
}

// Server makes a certificate with a new key for a collector of the site. Sensors
// do not look at names; other programs may, and hosts are theirs.
func (a *Authority) Server(hosts []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "taproot collector"},
		DNSNames:    hosts,
		NotBefore:   a.Certificate.NotBefore,
		NotAfter:    outer.Never,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the collector's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{raw, a.Certificate.Raw}, PrivateKey: key}, nil
}

// Sensor makes a certificate for the key of a sensor that is approved.
func (a *Authority) Sensor(id enrol.Identity, key crypto.PublicKey, now time.Time) ([]byte, error) {
	template, err := outer.SensorTemplate(id, rand.Reader)
	if err != nil {
		return nil, err
	}
	template.NotBefore, template.NotAfter = now.Add(-clockSkew), now.Add(sensorLife)
	raw, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for sensor %s: %w", id.Code(), err)
	}
	return raw, nil
}
