package app

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxSANs bounds the names of a certificate in a record.
const maxSANs = 64

// ParseCertificate reads a certificate in DER (RFC 5280). If that is not
// possible, rec has its size and its SHA-256.
func ParseCertificate(der []byte, rec *record.X509) error {
	sum := sha256.Sum256(der)
	rec.SHA256, rec.Bytes = hex.EncodeToString(sum[:]), uint32(len(der))
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	rec.Subject, rec.Issuer = c.Subject.String(), c.Issuer.String()
	rec.Serial = hex.EncodeToString(c.SerialNumber.Bytes())
	rec.NotBefore, rec.NotAfter = nanosInRange(c.NotBefore.Unix()), nanosInRange(c.NotAfter.Unix())
	rec.Signature = c.SignatureAlgorithm.String()
	rec.Key = c.PublicKeyAlgorithm.String()
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		rec.KeyBits = uint32(key.N.BitLen())
	case *ecdsa.PublicKey:
		rec.KeyBits = uint32(key.Params().BitSize)
	case ed25519.PublicKey:
		rec.KeyBits = 256
	}
	rec.CA = c.IsCA
	rec.SelfIssued = string(c.RawSubject) == string(c.RawIssuer)
	add := func(name string) {
		if len(rec.SANs) < maxSANs {
			rec.SANs = append(rec.SANs, name)
		}
	}
	for _, name := range c.DNSNames {
		add(name)
	}
	for _, addr := range c.IPAddresses {
		add(addr.String())
	}
	for _, addr := range c.EmailAddresses {
		add(addr)
	}
	for _, uri := range c.URIs {
		add(uri.String())
	}
	return nil
}

// nanosInRange converts Unix seconds; a year that Nanos does not reach is the
// nearest it does.
func nanosInRange(sec int64) record.Nanos {
	const most = 1<<63/1_000_000_000 - 1
	return record.Nanos(min(max(sec, -most), most) * 1_000_000_000)
}
