package outer

import "encoding/binary"

// Parts of a DTLS 1.2 record (RFC 6347, section 4.1; RFC 9146, section 3).
const (
	recordHead      = 13
	typeCipherSpec  = 20
	typeHandshake   = 22
	typeCID         = 25
	clientHello     = 1
	helloMessageLen = recordHead + 12
)

// CIDSize is how many bytes a collector's connection IDs have.
const CIDSize = 8

// CID returns the connection ID that the first record of a DTLS datagram is for.
func CID(d []byte) (id [CIDSize]byte, ok bool) {
	if len(d) < recordHead+CIDSize || d[0] != typeCID {
		return id, false
	}
	return [CIDSize]byte(d[11:]), true
}

// IsClientHello reports whether a DTLS datagram begins a handshake: its first
// record is a whole ClientHello in the clear.
func IsClientHello(d []byte) bool {
	return len(d) > helloMessageLen && d[0] == typeHandshake && d[1] == 0xfe &&
		binary.BigEndian.Uint16(d[3:]) == 0 && d[recordHead] == clientHello
}

// Sealed reports whether every record of a DTLS datagram is of an epoch that has
// keys. The others anybody can forge: once a handshake is done they are not to
// reach a DTLS implementation, some of which end a session at one plaintext
// alert, or at one plaintext record of data. cid says whether records of type
// tls12_cid carry an ID of CIDSize bytes in this direction.
func Sealed(d []byte, cid bool) bool {
	return walk(d, cid, func(_ byte, epoch uint16) bool { return epoch > 0 })
}

// Handshaking reports whether a DTLS datagram may belong to a handshake: in the
// clear it has handshake messages and changes of cipher alone, and not the
// alerts that anybody can forge.
func Handshaking(d []byte, cid bool) bool {
	return walk(d, cid, func(kind byte, epoch uint16) bool {
		return epoch > 0 || kind == typeHandshake || kind == typeCipherSpec
	})
}

func walk(d []byte, cid bool, good func(kind byte, epoch uint16) bool) bool {
	if len(d) == 0 {
		return false
	}
	for len(d) > 0 {
		head := recordHead
		if cid && d[0] == typeCID {
			head += CIDSize
		}
		if len(d) < head {
			return false
		}
		size := head + int(binary.BigEndian.Uint16(d[head-2:]))
		if len(d) < size || !good(d[0], binary.BigEndian.Uint16(d[3:])) {
			return false
		}
		d = d[size:]
	}
	return true
}
