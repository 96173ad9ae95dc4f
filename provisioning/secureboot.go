package provisioning

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
	"unicode/utf16"

	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/internal/pkcs7"
)

// SecureBoot are the keys with which an owner takes over the Secure Boot of a
// machine (UEFI 2.10, section 32.3): PK may change KEK, KEK may change db, and
// what db signs is started. They are files of one directory:
//
//	PK.key KEK.key db.key   private keys, PEM, mode 0600
//	PK.crt KEK.crt db.crt   certificates, PEM
//	PK.cer …                the same as DER, which most firmware's setup reads
//	PK.esl …                as signature lists
//	PK.auth …               as signed updates of the variables
type SecureBoot struct{ PK, KEK, DB pkcs7.Signer }

// secureBootBits is the size of the RSA keys: what all firmware knows.
const secureBootBits = 2048

// secureBootYears is how long the certificates are valid. Firmware does not look
// at dates; tools do.
const secureBootYears = 30

// CreateSecureBoot makes keys in dir, which must have none.
func CreateSecureBoot(dir, owner string, now time.Time) (*SecureBoot, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making Secure Boot keys: %w", err)
	}
	var sb SecureBoot
	for _, k := range sb.all() {
		if _, err := os.Stat(filepath.Join(dir, k.name+".key")); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("making Secure Boot keys: %s has a %s.key already; a machine that knows it would need it", dir, k.name)
		}
	}
	for _, k := range sb.all() {
		var err error
		if *k.signer, err = newSigner(owner+" Secure Boot "+k.name, now); err != nil {
			return nil, fmt.Errorf("making Secure Boot keys: %s: %w", k.name, err)
		}
	}
	for _, k := range sb.all() {
		if err := sb.write(dir, k, now); err != nil {
			return nil, fmt.Errorf("making Secure Boot keys: %s: %w", k.name, err)
		}
	}
	return &sb, nil
}

// LoadSecureBootDB reads the key that signs what is started.
func LoadSecureBootDB(dir string) (pkcs7.Signer, error) {
	var s pkcs7.Signer
	key, err := readPEM(filepath.Join(dir, "db.key"), "PRIVATE KEY")
	if err != nil {
		return s, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return s, fmt.Errorf("reading %s: %w", filepath.Join(dir, "db.key"), err)
	}
	var ok bool
	if s.Key, ok = parsed.(*rsa.PrivateKey); !ok {
		return s, fmt.Errorf("reading %s: not an RSA key", filepath.Join(dir, "db.key"))
	}
	cert, err := readPEM(filepath.Join(dir, "db.crt"), "CERTIFICATE")
	if err != nil {
		return s, err
	}
	if s.Certificate, err = x509.ParseCertificate(cert); err != nil {
		return s, fmt.Errorf("reading %s: %w", filepath.Join(dir, "db.crt"), err)
	}
	if !s.Key.PublicKey.Equal(s.Certificate.PublicKey) {
		return s, fmt.Errorf("db.key and db.crt in %s are not of one key", dir)
	}
	return s, nil
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading Secure Boot keys: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("reading %s: no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}

// secureBootKey is one of the three.
type secureBootKey struct {
	name   string
	guid   [16]byte // of the variable
	signer *pkcs7.Signer
	by     *pkcs7.Signer // who signs an update of the variable
}

// GUIDs as in memory (UEFI 2.10, sections 3.3 and 32.6.1).
var (
	guidGlobal = [16]byte{0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c}
	guidImage  = [16]byte{0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f}
	guidX509   = [16]byte{0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72}
	guidPKCS7  = [16]byte{0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68, 0xee, 0x49, 0x8a, 0xa9, 0x34, 0x7d, 0x37, 0x56, 0x65, 0xa7}
)

func (sb *SecureBoot) all() []secureBootKey {
	return []secureBootKey{
		{"PK", guidGlobal, &sb.PK, &sb.PK},
		{"KEK", guidGlobal, &sb.KEK, &sb.PK},
		{"db", guidImage, &sb.DB, &sb.KEK},
	}
}

// newSigner makes a key and a certificate of its own for it.
func newSigner(name string, now time.Time) (s pkcs7.Signer, err error) {
	if s.Key, err = rsa.GenerateKey(rand.Reader, secureBootBits); err != nil {
		return s, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return s, err
	}
	cert := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(secureBootYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
		BasicConstraintsValid: true, SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &s.Key.PublicKey, s.Key)
	if err != nil {
		return s, err
	}
	s.Certificate, err = x509.ParseCertificate(der)
	return s, err
}

// write writes the files of one key.
func (sb *SecureBoot) write(dir string, k secureBootKey, now time.Time) error {
	key, err := x509.MarshalPKCS8PrivateKey(k.signer.Key)
	if err != nil {
		return err
	}
	esl := SignatureList(k.signer.Certificate)
	auth, err := authenticated(k.name, k.guid, esl, *k.by, now)
	if err != nil {
		return err
	}
	der := k.signer.Certificate.Raw
	for _, f := range []struct {
		ext  string
		data []byte
		mode fs.FileMode
	}{
		{".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600},
		{".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644},
		{".cer", der, 0o644},
		{".esl", esl, 0o644},
		{".auth", auth, 0o644},
	} {
		if err := durable.WriteFile(filepath.Join(dir, k.name+f.ext), f.data, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// SignatureList returns an EFI_SIGNATURE_LIST (UEFI 2.10, section 32.4.1) of one
// certificate. Its owner is derived from the certificate.
func SignatureList(cert *x509.Certificate) []byte {
	const head, guid = 28, 16
	b := append([]byte{}, guidX509[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(head+guid+len(cert.Raw)))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(guid+len(cert.Raw)))
	owner := sha256.Sum256(append([]byte("taproot Secure Boot owner "), cert.Raw...))
	return append(append(b, owner[:guid]...), cert.Raw...)
}

// Attributes of the variables (UEFI 2.10, section 8.2): kept, at boot and run
// time, with time-based authentication.
const secureBootAttributes = 0x27

// authenticated returns data as an update of a variable that firmware takes from
// who has the key (EFI_VARIABLE_AUTHENTICATION_2, UEFI 2.10, section 8.2.2).
func authenticated(name string, guid [16]byte, data []byte, by pkcs7.Signer, now time.Time) ([]byte, error) {
	now = now.UTC()
	stamp := binary.LittleEndian.AppendUint16(nil, uint16(now.Year()))
	stamp = append(stamp, byte(now.Month()), byte(now.Day()), byte(now.Hour()), byte(now.Minute()), byte(now.Second()))
	stamp = append(stamp, make([]byte, 9)...)
	var signed []byte
	for _, c := range utf16.Encode([]rune(name)) {
		signed = binary.LittleEndian.AppendUint16(signed, c)
	}
	signed = append(signed, guid[:]...)
	signed = binary.LittleEndian.AppendUint32(signed, secureBootAttributes)
	signed = append(append(signed, stamp...), data...)
	signature, err := by.Detached(signed)
	if err != nil {
		return nil, err
	}
	const certHead, revision, typeGUID = 24, 0x0200, 0x0ef1
	b := binary.LittleEndian.AppendUint32(stamp, uint32(certHead+len(signature)))
	b = binary.LittleEndian.AppendUint16(b, revision)
	b = binary.LittleEndian.AppendUint16(b, typeGUID)
	b = append(append(b, guidPKCS7[:]...), signature...)
	return append(b, data...), nil
}
