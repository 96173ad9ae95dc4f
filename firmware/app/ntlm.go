package app

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"unicode/utf16"

	"github.com/taproot-sensor/taproot/wire/record"
)

// maxUTF16 bounds the bytes of a name in UTF-16.
const maxUTF16 = 512

// ntlmNames reads the names in an NTLM message (MS-NLMP, section 2.2.1), which
// stands somewhere in b behind its signature. Challenges and responses, from
// which passwords can be guessed, are never looked at.
func ntlmNames(b []byte, rec *record.SMB) bool {
	at := bytes.Index(b, []byte("NTLMSSP\x00"))
	if at < 0 || len(b) < at+12 {
		return false
	}
	m := b[at:]
	switch binary.LittleEndian.Uint32(m[8:]) {
	case 2:
		ntlmChallenge(m, rec)
	case 3:
		ntlmAuthenticate(m, rec)
	}
	return true
}

// ntlmField returns the bytes that the field at m[at:] points to.
func ntlmField(m []byte, at int) []byte {
	if len(m) < at+8 {
		return nil
	}
	size, offset := int(binary.LittleEndian.Uint16(m[at:])), int(binary.LittleEndian.Uint32(m[at+4:]))
	if offset > len(m) || size > len(m)-offset {
		return nil
	}
	return m[offset : offset+size]
}

// ntlmChallenge reads what a server says of itself (section 2.2.1.2).
func ntlmChallenge(m []byte, rec *record.SMB) {
	const negotiateVersion = 0x02000000
	if len(m) >= 56 && binary.LittleEndian.Uint32(m[20:])&negotiateVersion != 0 {
		rec.ServerOS = ntlmVersion(m[48:])
	}
	info := newLE(ntlmField(m, 40))
	for info.ok && len(info.b) >= 4 { // AV_PAIR, section 2.2.2.1
		id, value := info.le16(), info.bytes(int(info.le16()))
		switch id {
		case 0:
			return
		case 1:
			rec.ServerName = utf16Text(value)
		case 2:
			rec.ServerDomain = utf16Text(value)
		case 3:
			rec.ServerDNS = utf16Text(value)
		case 5:
			rec.ServerForest = utf16Text(value)
		}
	}
}

// ntlmAuthenticate reads who a client says it is (section 2.2.1.3).
func ntlmAuthenticate(m []byte, rec *record.SMB) {
	if len(m) < 64 {
		return
	}
	decode := utf16Text
	if m[60]&1 == 0 { // not NTLMSSP_NEGOTIATE_UNICODE
		decode = text
	}
	rec.Domain = decode(ntlmField(m, 28))
	rec.User = decode(ntlmField(m, 36))
	rec.Host = decode(ntlmField(m, 44))
	if len(m) >= 72 && binary.LittleEndian.Uint32(m[60:])&0x02000000 != 0 && rec.ClientOS == "" {
		rec.ClientOS = ntlmVersion(m[64:])
	}
}

// ntlmVersion writes a VERSION (section 2.2.2.10).
func ntlmVersion(b []byte) string {
	if b[0] == 0 {
		return ""
	}
	return strconv.Itoa(int(b[0])) + "." + strconv.Itoa(int(b[1])) + "." + strconv.Itoa(int(binary.LittleEndian.Uint16(b[2:])))
}

// utf16Text decodes UTF-16 in little-endian order, without NULs at the end.
func utf16Text(b []byte) string {
	b = b[:min(len(b), maxUTF16)]
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	for len(units) > 0 && units[len(units)-1] == 0 {
		units = units[:len(units)-1]
	}
	return string(utf16.Decode(units))
}
