package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxSANs bounds the names of a certificate in a record.
const maxSANs = 64

// ParseCertificate reads a certificate in DER (RFC 5280). If that is not wholly
// possible, rec has its size, its SHA-256 and who it says it is of and from.
func ParseCertificate(der []byte, rec *record.X509) error {
	sum := sha256.Sum256(der)
	rec.SHA256, rec.Bytes = hex.EncodeToString(sum[:]), uint32(len(der))
	c, err := x509.ParseCertificate(der)
	if err != nil {
		readNames(der, rec)
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

// readNames reads what a certificate says before its key, for those whose key or
// extensions nobody can use: a curve of its own, a negative serial number.
func readNames(der []byte, rec *record.X509) {
	var c struct {
		TBS struct {
			Version   int `asn1:"optional,explicit,default:0,tag:0"`
			Serial    asn1.RawValue
			Signature pkix.AlgorithmIdentifier
			Issuer    pkix.RDNSequence
			Validity  struct{ NotBefore, NotAfter time.Time }
			Subject   pkix.RDNSequence
			Rest      asn1.RawValue
		}
		Algorithm pkix.AlgorithmIdentifier
		Value     asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return
	}
	rec.Subject, rec.Issuer = c.TBS.Subject.String(), c.TBS.Issuer.String()
	rec.Serial = hex.EncodeToString(bytes.TrimLeft(c.TBS.Serial.Bytes, "\x00"))
	rec.NotBefore, rec.NotAfter = nanosInRange(c.TBS.Validity.NotBefore.Unix()), nanosInRange(c.TBS.Validity.NotAfter.Unix())
	rec.SelfIssued = rec.Subject == rec.Issuer
}

// nanosInRange converts Unix seconds; a year that Nanos does not reach is the
// nearest it does.
func nanosInRange(sec int64) record.Nanos {
	const most = 1<<63/1_000_000_000 - 1
	return record.Nanos(min(max(sec, -most), most) * 1_000_000_000)
}
