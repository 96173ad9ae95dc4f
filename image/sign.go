package image

import (
	"bytes"
	"crypto/sha256"
	"debug/pe"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"

	"crypto/x509/pkix"

	"github.com/taproot-sensor/taproot/internal/pkcs7"
)

// Places in the optional header of a PE32+ file, from the PE signature, and the
// certificate table (Microsoft PE and COFF specification, sections 3.4.3 and 6).
const (
	peCertificates   = peOptional + 144 // entry 4 of the data directories
	winCertHead      = 8
	winCertRevision  = 0x0200
	winCertPKCS7     = 0x0002
	winCertAlignment = 8
)

// Authenticode's own identifiers (Windows Authenticode Portable Executable
// Signature Format, 2008).
var (
	oidIndirectData = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 4}
	oidPEImage      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 1, 15}
	oidSHA256       = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

// signPE returns a PE file with a signature at its end, in place of one that was
// there. UEFI checks it against its db (UEFI 2.10, section 32.5.1).
func signPE(file []byte, s pkcs7.Signer) ([]byte, error) {
	file, err := unsignedPE(file)
	if err != nil {
		return nil, err
	}
	file = pad(file, winCertAlignment)
	sum, err := hashPE(file)
	if err != nil {
		return nil, err
	}
	content, err := indirectData(sum)
	if err != nil {
		return nil, err
	}
	signature, err := s.Authenticode(oidIndirectData, content)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	cert := make([]byte, winCertHead, winCertHead+len(signature)+winCertAlignment)
	le.PutUint32(cert, uint32(winCertHead+len(signature)))
	le.PutUint16(cert[4:], winCertRevision)
	le.PutUint16(cert[6:], winCertPKCS7)
	cert = pad(append(cert, signature...), winCertAlignment)
	head := file[le.Uint32(file[peSignatureAt:]):]
	le.PutUint32(head[peCertificates:], uint32(len(file)))
	le.PutUint32(head[peCertificates+4:], uint32(len(cert)))
	return append(file, cert...), nil
}

// signed reports whether a PE file has a signature, right or wrong.
func signed(file []byte) bool {
	f, err := pe.NewFile(bytes.NewReader(file))
	if err != nil {
		return false
	}
	opt, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	return ok && opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY].Size > 0
}

// unsignedPE returns a copy of a PE file without its signature.
func unsignedPE(file []byte) ([]byte, error) {
	f, err := pe.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	opt, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || opt.NumberOfRvaAndSizes <= pe.IMAGE_DIRECTORY_ENTRY_SECURITY {
		return nil, errors.New("signing: not a PE32+ program with room for a signature")
	}
	file = bytes.Clone(file)
	if at := opt.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]; at.Size > 0 {
		if int64(at.VirtualAddress)+int64(at.Size) != int64(len(file)) {
			return nil, errors.New("signing: the signature is not at the end of the file")
		}
		file = file[:at.VirtualAddress]
		head := file[binary.LittleEndian.Uint32(file[peSignatureAt:]):]
		clear(head[peCertificates : peCertificates+8])
	}
	return file, nil
}

// hashPE returns the hash of a PE file without a signature: all of it but the
// checksum and the place that says where the signature is. The sections of our
// files lie in order and without gaps that are not in the file.
func hashPE(file []byte) ([]byte, error) {
	at := int(binary.LittleEndian.Uint32(file[peSignatureAt:]))
	if at+peCertificates+8 > len(file) {
		return nil, errors.New("signing: headers are cut short")
	}
	h := sha256.New()
	h.Write(file[:at+peCheckSum])
	h.Write(file[at+peCheckSum+4 : at+peCertificates])
	h.Write(file[at+peCertificates+8:])
	return h.Sum(nil), nil
}

// indirectData returns SpcIndirectDataContent: that the hash is one of a PE file.
func indirectData(sum []byte) ([]byte, error) {
	type peImageData struct {
		Flags asn1.BitString
		File  asn1.RawValue
	}
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value peImageData
	}
	type digestInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	// The file's name, which is obsolete: SpcLink with an empty SpcString.
	file := asn1.RawValue{FullBytes: []byte{0xa0, 4, 0xa2, 2, 0x80, 0}}
	return asn1.Marshal(struct {
		Data   attribute
		Digest digestInfo
	}{
		attribute{oidPEImage, peImageData{asn1.BitString{}, file}},
		digestInfo{pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}, sum},
	})
}
