// Package pkcs7 writes signatures as UEFI wants them: PKCS #7 SignedData (RFC
// 2315) with SHA-256 and RSA, by one signer whose certificate is in it.
//
// The same key and content give the same bytes. There is no reading of
// signatures here; firmware and other people's tools do that.
package pkcs7

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
)

// Object identifiers (RFC 2315, RFC 8017, RFC 5754).
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// A Signer is a key and the certificate that firmware knows it by.
type Signer struct {
	Key         *rsa.PrivateKey
	Certificate *x509.Certificate
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0,optional"`
}

type signedData struct {
	Version      int
	Digests      []pkix.AlgorithmIdentifier `asn1:"set"`
	Content      contentInfo
	Certificates asn1.RawValue
	Signers      []signerInfo `asn1:"set"`
}

type signerInfo struct {
	Version    int
	Issuer     issuerAndSerial
	Digest     pkix.AlgorithmIdentifier
	Attributes asn1.RawValue `asn1:"optional"`
	Algorithm  pkix.AlgorithmIdentifier
	Signature  []byte
}

type issuerAndSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values asn1.RawValue
}

// Detached returns SignedData, without a ContentInfo around it, over data that
// is not in it: what UEFI wants of an authenticated variable (UEFI 2.10,
// section 8.2.2).
func (s Signer) Detached(data []byte) ([]byte, error) {
	sum := sha256.Sum256(data)
	return s.sign(contentInfo{Type: oidData}, nil, sum[:])
}

// Authenticode returns a ContentInfo of SignedData that holds content, a DER
// SEQUENCE of type oid (Windows Authenticode Portable Executable Signature
// Format, 2008). What is hashed is the sequence without its own tag and length.
func (s Signer) Authenticode(oid asn1.ObjectIdentifier, content []byte) ([]byte, error) {
	var inner asn1.RawValue
	if _, err := asn1.Unmarshal(content, &inner); err != nil {
		return nil, fmt.Errorf("signing: content: %w", err)
	}
	sum := sha256.Sum256(inner.Bytes)
	typ, err := asn1.Marshal(oid)
	if err != nil {
		return nil, err
	}
	digest, err := asn1.Marshal(sum[:])
	if err != nil {
		return nil, err
	}
	attributes, err := asn1.MarshalWithParams([]attribute{
		{oidContentType, set(typ)}, {oidMessageDigest, set(digest)},
	}, "set")
	if err != nil {
		return nil, err
	}
	signed := sha256.Sum256(attributes)
	info := contentInfo{oid, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: content}}
	data, err := s.sign(info, attributes, signed[:])
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(contentInfo{oidSignedData, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: data}})
}

func set(value []byte) asn1.RawValue {
	return asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: value}
}

// sign returns SignedData with a signature of sum.
func (s Signer) sign(content contentInfo, attributes, sum []byte) ([]byte, error) {
	signature, err := rsa.SignPKCS1v15(nil, s.Key, crypto.SHA256, sum)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	sha := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	info := signerInfo{
		Version:   1,
		Issuer:    issuerAndSerial{asn1.RawValue{FullBytes: s.Certificate.RawIssuer}, s.Certificate.SerialNumber},
		Digest:    sha,
		Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue},
		Signature: signature,
	}
	if attributes != nil {
		// The set, under the tag that it has in a SignerInfo.
		var set asn1.RawValue
		if _, err := asn1.Unmarshal(attributes, &set); err != nil {
			return nil, err
		}
		info.Attributes = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: set.Bytes}
	}
	return asn1.Marshal(signedData{
		Version: 1, Digests: []pkix.AlgorithmIdentifier{sha}, Content: content,
		Certificates: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: s.Certificate.Raw},
		Signers:      []signerInfo{info},
	})
}
