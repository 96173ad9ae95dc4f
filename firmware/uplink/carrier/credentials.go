package carrier

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
)

// Credentials are what a sensor shows to carriers: a key of this boot, and a
// certificate for it that the sensor has made itself or, once it is approved, the
// site's authority has. A device that cannot do certificates has a key that it
// shares with the collector instead.
type Credentials struct {
	// Device and PSK are set before the first dial, or never.
	Device string
	PSK    []byte

	identity ed25519.PrivateKey
	key      *ecdsa.PrivateKey

	mu          sync.Mutex
	certificate []byte        // DER
	ahead       time.Duration // by how much the collector's clock is ahead
}

// NewCredentials makes those of a boot.
func NewCredentials(identity ed25519.PrivateKey) (*Credentials, error) {
	c := &Credentials{identity: identity}
	if err := c.make(); err != nil {
		return nil, fmt.Errorf("making the sensor's certificate: %w", err)
	}
	return c, nil
}

func (c *Credentials) make() (err error) {
	if c.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template, err := outer.SensorTemplate(c.id(), rand.Reader)
	if err != nil {
		return err
	}
	c.certificate, err = x509.CreateCertificate(rand.Reader, template, template, c.key.Public(), c.identity)
	return err
}

func (c *Credentials) id() enrol.Identity {
	return enrol.Identity(c.identity.Public().(ed25519.PublicKey))
}

// show returns the certificate to show.
func (c *Credentials) show() tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return tls.Certificate{Certificate: [][]byte{c.certificate}, PrivateKey: c.key}
}

// take keeps a certificate that a collector has made, if it is for the sensor's
// key. It comes over a connection to the site's collector.
func (c *Credentials) take(der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if !c.key.PublicKey.Equal(cert.PublicKey) || cert.Subject.CommonName != outer.Subject(c.id()) {
		return errors.New("certificate is for another sensor")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certificate = der
	return nil
}

// now is the time by the collector's clock, as far as it is known.
func (c *Credentials) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

// setClock notes what the collector's clock says.
func (c *Credentials) setClock(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = time.Until(now)
}
