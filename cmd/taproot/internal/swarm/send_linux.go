package swarm

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/wire/session"
)

// maxSegments is how many datagrams one write holds: 64 KiB (UDP_MAX_SEGMENTS
// of linux/udp.h allows 128).
const maxSegments = (1<<16 - 1 - 8 - 40) / session.MaxDatagram

// buffer holds datagrams that are to be sent.
type buffer struct {
	plain    []byte
	segments []byte // datagrams of full size, the last may be shorter
}

// segmentSize is the control message that has the kernel cut a write into
// datagrams of full size (UDP_SEGMENT of linux/udp.h).
var segmentSize = func() []byte {
	oob := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(oob[unix.CmsgLen(0):], session.MaxDatagram)
	return oob
}()

// flush sends what is in buf by one call and empties it.
func (k *socket) flush(buf *buffer) {
	k.conn.WriteMsgUDP(buf.segments, segmentSize, nil) // what does not go out is sent again later
	buf.segments = buf.segments[:0]
}
