package app

import (
	"bytes"
	"encoding/binary"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Commands of SMB 1 (MS-CIFS, section 2.2.2.1).
const (
	smb1Negotiate    = 0x72
	smb1SessionSetup = 0x73
	smb1TreeConnect  = 0x75
	smb1CreateAndX   = 0xa2
	smb1Header       = 32
)

// smb1Message reads a message of SMB 1 (MS-CIFS, section 2.2.3): a header, a
// count of words, the words, a count of bytes, the bytes.
func smb1Message(m []byte, rec *record.SMB) {
	if len(m) < smb1Header+3 {
		return
	}
	command, response, unicode := m[4], m[9]&0x80 != 0, m[11]&0x80 != 0
	status := binary.LittleEndian.Uint32(m[5:])
	r := newLE(m[smb1Header:])
	words := r.bytes(2 * int(r.uint8()))
	r.le16()
	data := r.b
	if !r.ok {
		return
	}
	rec.Version = "1"
	switch {
	case command == smb1Negotiate && response:
		rec.Dialect = "NT LM 0.12"
		if len(words) >= 3 {
			rec.Signing = words[2]&8 != 0
		}
	case command == smb1SessionSetup && response:
		rec.Status = smbStatus(status)
		smb1Setup(m, words, data, unicode, true, rec)
	case command == smb1SessionSetup:
		smb1Setup(m, words, data, unicode, false, rec)
	case command == smb1TreeConnect && !response && len(words) >= 8:
		password := int(binary.LittleEndian.Uint16(words[6:])) // skipped
		if password <= len(data) {
			share, _ := smb1String(m, data[password:], unicode)
			rec.Shares = smbAdd(rec.Shares, share)
		}
	case command == smb1CreateAndX && !response && len(words) >= 7:
		name, _ := smb1String(m, data, unicode)
		rec.Files = smbAdd(rec.Files, name)
	}
}

// smb1Setup reads a session setup (MS-CIFS, section 2.2.4.53; MS-SMB, section
// 2.2.4.6). Its passwords are skipped.
func smb1Setup(m, words, data []byte, unicode, response bool, rec *record.SMB) {
	var blob int
	switch {
	case len(words) == 24: // request with a security blob
		blob = int(binary.LittleEndian.Uint16(words[14:]))
	case len(words) == 8 && response:
		blob = int(binary.LittleEndian.Uint16(words[6:]))
	case len(words) == 26 && !response: // passwords in two forms
		skip := int(binary.LittleEndian.Uint16(words[14:])) + int(binary.LittleEndian.Uint16(words[16:]))
		if skip > len(data) {
			return
		}
		data = data[skip:]
		rec.User, data = smb1String(m, data, unicode)
		rec.Domain, data = smb1String(m, data, unicode)
		rec.ClientOS, _ = smb1String(m, data, unicode)
		return
	case len(words) == 6 && response:
		rec.ServerOS, _ = smb1String(m, data, unicode)
		return
	default:
		return
	}
	if blob > len(data) {
		return
	}
	if response {
		ntlmNames(data[:blob], rec)
		if os, _ := smb1String(m, data[blob:], unicode); os != "" {
			rec.ServerOS = os
		}
		return
	}
	smbAuth(data[:blob], rec)
	if os, _ := smb1String(m, data[blob:], unicode); os != "" {
		rec.ClientOS = os
	}
}

// smb1String takes a string that ends in NUL. One in UTF-16 begins at an even
// offset from the header (MS-CIFS, section 2.2.1.1.1).
func smb1String(m, b []byte, unicode bool) (s string, rest []byte) {
	if !unicode {
		one, rest, _ := bytes.Cut(b, []byte{0})
		return text(one[:min(len(one), maxUTF16)]), rest
	}
	if (len(m)-len(b))&1 != 0 && len(b) > 0 {
		b = b[1:]
	}
	for i := 0; i+1 < len(b) && i < maxUTF16; i += 2 {
		if b[i] == 0 && b[i+1] == 0 {
			return utf16Text(b[:i]), b[i+2:]
		}
	}
	return utf16Text(b), nil
}
