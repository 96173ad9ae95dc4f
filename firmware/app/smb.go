package app

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Commands of SMB 2 and 3 (MS-SMB2, section 2.2.1.2).
const (
	smb2Negotiate    = 0
	smb2SessionSetup = 1
	smb2TreeConnect  = 3
	smb2Create       = 5
	smb2Header       = 64
)

// LooksLikeSMB reports whether b begins with a message of SMB on TCP: its
// length (MS-SMB2, section 2.1), then the letters of version 1, of 2 or of an
// encrypted message; or asks for a session of NetBIOS (RFC 1002, section 4.3.2).
func LooksLikeSMB(b []byte) bool {
	if len(b) == 72 && string(b[:5]) == "\x81\x00\x00\x44 " {
		return true
	}
	return len(b) >= 8 && b[0] == 0 && (b[4] == 0xff || b[4] == 0xfe || b[4] == 0xfd) && string(b[5:8]) == "SMB"
}

// ParseSMB reads the first message of b into the record of its connection. It
// returns the message's size, of which the end of a long one need not be
// there, and whether there is more to learn. Messages of the session service
// (RFC 1002, section 4.3) that carry no SMB are passed over.
func ParseSMB(b []byte, rec *record.SMB) (size int, more bool, err error) {
	if len(b) < 4 {
		return 0, true, errShort
	}
	size = 4 + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
	if b[0] >= 0x81 && b[0] <= 0x85 && size < 1024 {
		return size, true, nil
	}
	if b[0] != 0 {
		return 0, false, errOther
	}
	if len(b) < size && len(b) < MaxStream/2 {
		return 0, true, errShort
	}
	m := b[4:min(size, len(b))]
	switch {
	case bytes.HasPrefix(m, []byte("\xfeSMB")):
		smb2Messages(m, rec)
	case bytes.HasPrefix(m, []byte("\xffSMB")):
		smb1Message(m, rec)
	case bytes.HasPrefix(m, []byte("\xfdSMB")): // encrypted from here on
		return size, false, nil
	case len(m) > 0:
		return 0, false, errOther
	}
	return size, true, nil
}

// smb2Messages reads the messages of a compound (MS-SMB2, section 2.2.1).
func smb2Messages(m []byte, rec *record.SMB) {
	for range maxList {
		if len(m) < smb2Header {
			return
		}
		r := newLE(m[12:])
		command := r.le16()
		r.le16()
		flags, next := r.le32(), int(r.le32())
		one := m
		if next >= smb2Header && next < len(m) {
			one = m[:next]
		}
		if flags&1 != 0 {
			smb2Response(command, one, rec)
		} else {
			smb2Request(command, one, rec)
		}
		if next < smb2Header || next >= len(m) {
			return
		}
		m = m[next:]
	}
}

func smb2Request(command uint16, m []byte, rec *record.SMB) {
	switch command {
	case smb2SessionSetup:
		smbAuth(m[smb2Header:], rec)
	case smb2TreeConnect: // section 2.2.9
		rec.Shares = smbAdd(rec.Shares, utf16Text(smb2Field(m, smb2Header+4)))
	case smb2Create: // section 2.2.13
		rec.Files = smbAdd(rec.Files, utf16Text(smb2Field(m, smb2Header+44)))
	}
}

func smb2Response(command uint16, m []byte, rec *record.SMB) {
	switch command {
	case smb2Negotiate: // section 2.2.4
		r := newLE(m[smb2Header:])
		r.le16()
		signing, dialect := r.le16(), r.le16()
		if !r.ok {
			return
		}
		rec.Signing = signing&2 != 0
		rec.Version = "2"
		if dialect == 0x2ff { // to be negotiated again
			return
		}
		if dialect >= 0x300 {
			rec.Version = "3"
		}
		rec.Dialect = strconv.Itoa(int(dialect>>8)) + "." + strconv.Itoa(int(dialect>>4&0xf))
		if dialect&0xf != 0 {
			rec.Dialect += "." + strconv.Itoa(int(dialect&0xf))
		}
	case smb2SessionSetup:
		ntlmNames(m[smb2Header:], rec)
		r := newLE(m[8:])
		rec.Status = smbStatus(r.le32())
	}
}

// smb2Field returns the bytes that an offset and a length point to.
func smb2Field(m []byte, at int) []byte {
	if len(m) < at+4 {
		return nil
	}
	r := newLE(m[at:])
	offset, size := int(r.le16()), int(r.le16())
	if offset > len(m) || size > len(m)-offset {
		return nil
	}
	return m[offset : offset+size]
}

// smbAuth reads the security blob of a client.
func smbAuth(b []byte, rec *record.SMB) {
	switch {
	case ntlmNames(b, rec):
		rec.Auth = "ntlm"
	case bytes.Contains(b, []byte("\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")) || bytes.Contains(b, []byte("\x2a\x86\x48\x82\xf7\x12\x01\x02\x02")):
		rec.Auth = "kerberos"
	}
}

// smbStatuses are the results of a session setup (MS-ERREF, section 2.3.1).
// Success and "more processing required" are none.
var smbStatuses = map[uint32]string{
	0: "", 0xc0000016: "", 0xc000006d: "LOGON_FAILURE", 0xc0000022: "ACCESS_DENIED", 0xc0000064: "NO_SUCH_USER",
	0xc000006a: "WRONG_PASSWORD", 0xc000006e: "ACCOUNT_RESTRICTION", 0xc000006f: "INVALID_LOGON_HOURS",
	0xc0000070: "INVALID_WORKSTATION", 0xc0000071: "PASSWORD_EXPIRED", 0xc0000072: "ACCOUNT_DISABLED",
	0xc0000193: "ACCOUNT_EXPIRED", 0xc0000224: "PASSWORD_MUST_CHANGE", 0xc0000234: "ACCOUNT_LOCKED_OUT",
	0xc000015b: "LOGON_TYPE_NOT_GRANTED", 0xc000000d: "INVALID_PARAMETER", 0xc00000bb: "NOT_SUPPORTED",
}

func smbStatus(status uint32) string {
	if name, ok := smbStatuses[status]; ok {
		return name
	}
	return "0x" + strconv.FormatUint(uint64(status), 16)
}

func smbAdd(list []string, s string) []string {
	if s != "" && len(list) < maxList && !slices.Contains(list, s) {
		list = append(list, s)
	}
	return list
}
