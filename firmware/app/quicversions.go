package app

import (
	"encoding/binary"
	"fmt"
)

// Versions besides 1 and the drafts of it.
const (
	quic2 = 0x6b3343cf // RFC 9369

	// Facebook's, after drafts 22 and 27.
	mvfst1 = 0xfaceb001
	mvfst2 = 0xfaceb002
	mvfstE = 0xfaceb00e

	// Google's whose first packets are sealed as those of the drafts are; with T
	// the handshake in them is that of TLS.
	quicQ050 = 0x51303530
	quicT050 = 0x54303530
	quicT051 = 0x54303531
)

func quicOfGoogle(version uint32) bool {
	return version == quicQ050 || version == quicT050 || version == quicT051
}

// isReserved reports whether a version is one that clients ask for so that
// servers say which they have (RFC 9000, section 15).
func isReserved(version uint32) bool { return version&0x0f0f0f0f == 0x0a0a0a0a }

// quicSalt returns what the first keys of a version are made with (RFC 9001,
// section 5.2, and its drafts; RFC 9369, section 3.3.1).
func quicSalt(version uint32) string {
	switch {
	case version == 1, version >= 0xff000021 && version <= 0xff000022:
		return "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
	case version == quic2:
		return "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
	case version >= 0xff00001d && version <= 0xff000020:
		return "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
	case version >= 0xff000017 && version <= 0xff00001c, version == mvfst2, version == mvfstE:
		return "\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"
	case version == 0xff000015, version == 0xff000016, version == mvfst1:
		return "\x7f\xbc\xdb\x0e\x7c\x66\xbb\xe9\x19\x3a\x96\xcd\x21\x51\x9e\xbd\x7a\x02\x64\x4a"
	case version == quicQ050:
		return "\x50\x45\x74\xef\xd0\x66\xfe\x2f\x9d\x94\x5c\xfc\xdb\xd3\xa7\xf0\xd3\xb5\x6b\x45"
	case version == quicT050:
		return "\x7f\xf5\x79\xe5\xac\xd0\x72\x91\x55\x80\x30\x4c\x43\xa2\x36\x7c\x60\x48\x83\x10"
	case version == quicT051:
		return "\x7a\x4e\xde\xf4\xe7\xcc\xee\x5f\xa4\x50\x6c\x19\x12\x4f\xc8\xcc\xda\x6e\x03\x3d"
	}
	return ""
}

func quicVersion(v uint32) string {
	switch {
	case v == 1:
		return "1"
	case v == quic2:
		return "2"
	case v>>8 == 0xff0000:
		return fmt.Sprintf("draft-%d", v&0xff)
	case quicOfGoogle(v):
		return string(binary.BigEndian.AppendUint32(nil, v))
	}
	return fmt.Sprintf("0x%08x", v)
}
