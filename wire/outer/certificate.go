// Package outer is what a sensor and its collector agree on outside of the
// datagrams of package session, when DTLS or WebSocket carries them: the
// certificates that both show, the token that opens a WebSocket, and which DTLS
// records are worth a look.
//
// None of it replaces what is inside: a datagram is sealed and signed all the
// same, so what is here keeps strangers out of a connection, and no more.
// docs/format/carriers.md has the bytes.
package outer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/site"
)

// MaxCertificate bounds a certificate that is shown, in bytes. Those made here
// have about 400.
const MaxCertificate = 2048

// Never is the end of a certificate that none is set for (RFC 5280, section
// 4.1.2.5).
var Never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// begun is the begin of certificates that are for always.
var begun = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// KeyID returns what a site says of its certificate authority: the SHA-256 of
// its public key.
func KeyID(ca *x509.Certificate) site.Key { return sha256.Sum256(ca.RawSubjectPublicKeyInfo) }

// VerifyServer checks the chain that a collector shows, its own certificate
// first: it must be for a server and signed by the authority that ca names.
// Dates are not looked at, since a sensor that has just booted may have none,
// and neither are names: the authority makes server certificates for the
// collectors of the site and nobody else.
func VerifyServer(chain [][]byte, ca site.Key) error {
	certs, err := parse(chain)
	if err != nil {
		return fmt.Errorf("collector's certificate: %w", err)
	}
	leaf := certs[0]
	for _, authority := range certs[1:] {
		if KeyID(authority) != ca || !authority.IsCA {
			continue
		}
		if err := leaf.CheckSignatureFrom(authority); err != nil {
			return fmt.Errorf("collector's certificate: %w", err)
		}
		if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
			return errors.New("collector's certificate is not for a server")
		}
		return nil
	}
	return errors.New("collector's certificate is not of the site's authority: is \"ca\" in the site file its own?")
}

// Standing is what a sensor's certificate proves.
type Standing int

const (
	// Guest made its certificate itself, with its identity: it is who it says,
	// and it is for the collector's registry whether that is somebody.
	Guest Standing = iota
	// Member has a certificate of the site's authority.
	Member
)

// VerifySensor checks the chain that a sensor shows, and returns whose it is.
// It proves the certificate alone; that the peer has the key, the handshake does.
func VerifySensor(chain [][]byte, ca *x509.Certificate, now time.Time) (enrol.Identity, Standing, error) {
	certs, err := parse(chain)
	if err != nil {
		return enrol.Identity{}, Guest, fmt.Errorf("sensor's certificate: %w", err)
	}
	leaf := certs[0]
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		return enrol.Identity{}, Guest, errors.New("sensor's certificate: key is not ECDSA P-256")
	}
	id, ok := ParseSubject(leaf.Subject.CommonName)
	if !ok {
		return enrol.Identity{}, Guest, fmt.Errorf("sensor's certificate: name %.80q is no identity", leaf.Subject.CommonName)
	}
	if leaf.SignatureAlgorithm == x509.PureEd25519 {
		if !ed25519.Verify(id[:], leaf.RawTBSCertificate, leaf.Signature) {
			return enrol.Identity{}, Guest, fmt.Errorf("certificate of sensor %s: signed by another", id.Code())
		}
		return id, Guest, nil
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return enrol.Identity{}, Guest, fmt.Errorf("certificate of sensor %s: %w", id.Code(), err)
	}
	return id, Member, nil
}

func parse(chain [][]byte) (certs []*x509.Certificate, err error) {
	if len(chain) == 0 || len(chain) > 3 {
		return nil, fmt.Errorf("chain of %d, want 1 to 3", len(chain))
	}
	for _, raw := range chain {
		if len(raw) > MaxCertificate {
			return nil, fmt.Errorf("%d bytes, at most %d fit", len(raw), MaxCertificate)
		}
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			return nil, err
		}
		certs = append(certs, c)
	}
	return certs, nil
}

// SensorTemplate is a certificate of a sensor, to be signed by the site's
// authority or, for a Guest, by the sensor's identity. Its serial number is
// taken from random.
func SensorTemplate(id enrol.Identity, random io.Reader) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, err
	}
	serial[0] &= 0x7f // a serial number is positive (RFC 5280, section 4.1.2.2)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: Subject(id)},
		NotBefore:    begun,
		NotAfter:     Never,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, nil
}
