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

// Bounds of a record: the names that a certificate has, the attributes of who it
// is of and from, and the bytes of a serial number (RFC 5280, section 4.1.2.2: 20).
const (
	maxSANs       = 64
	maxAttributes = 64
	maxSerial     = 64
)

// MinCertificate is a little less than what version, validity, key and signature
// take.
const MinCertificate = 100

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
	rec.Subject, rec.Issuer = nameText(c.Subject), nameText(c.Issuer)
	rec.Serial = serialText(c.SerialNumber.Bytes())
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
			rec.SANs = append(rec.SANs, short(name))
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
			Issuer    asn1.RawValue
			Validity  struct{ NotBefore, NotAfter time.Time }
			Subject   asn1.RawValue
			Rest      asn1.RawValue
		}
		Algorithm pkix.AlgorithmIdentifier
		Value     asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return
	}
	rec.Subject, rec.Issuer = rawNameText(c.TBS.Subject.Bytes), rawNameText(c.TBS.Issuer.Bytes)
	rec.Serial = serialText(bytes.TrimLeft(c.TBS.Serial.Bytes, "\x00"))
	rec.NotBefore, rec.NotAfter = nanosInRange(c.TBS.Validity.NotBefore.Unix()), nanosInRange(c.TBS.Validity.NotAfter.Unix())
	rec.SelfIssued = rec.Subject == rec.Issuer
}

// nameText writes a name (RFC 4514), of one with very many attributes the first:
// the time that takes grows with their square.
func nameText(n pkix.Name) string {
	if len(n.Names) > maxAttributes {
		var some pkix.RDNSequence
		for _, a := range n.Names[:maxAttributes] {
			some = append(some, pkix.RelativeDistinguishedNameSET{a})
		}
		n = pkix.Name{}
		n.FillFromRDNSequence(&some)
	}
	return short(n.String())
}

// rawNameText does the same with what a name's sequence has in it, as far as it
// can be read.
func rawNameText(b []byte) string {
	var some pkix.RDNSequence
	for len(b) > 0 && len(some) < maxAttributes {
		var raw asn1.RawValue
		var set pkix.RelativeDistinguishedNameSET
		rest, err := asn1.Unmarshal(b, &raw)
		if err != nil || len(raw.Bytes) > maxText {
			break
		}
		if _, err := asn1.Unmarshal(raw.FullBytes, &set); err != nil {
			break
		}
		some, b = append(some, set), rest
	}
	return short(some.String())
}

func serialText(b []byte) string { return hex.EncodeToString(b[:min(len(b), maxSerial)]) }

// nanosInRange converts Unix seconds; a year that Nanos does not reach is the
// nearest it does.
func nanosInRange(sec int64) record.Nanos {
	const most = 1<<63/1_000_000_000 - 1
	return record.Nanos(min(max(sec, -most), most) * 1_000_000_000)
}
