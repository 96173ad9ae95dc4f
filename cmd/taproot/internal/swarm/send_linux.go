package swarm

import (
	"encoding/binary"
	"net"
	"time"
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

// stampSize is the room for the control message that says when a datagram came.
var stampSize = unix.CmsgSpace(int(unsafe.Sizeof(unix.Timespec{})))

// stamp has the kernel say when datagrams come (SO_TIMESTAMPNS of
// asm-generic/socket.h).
func stamp(conn *net.UDPConn) error {
	rc, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	if err := rc.Control(func(fd uintptr) { serr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) }); err != nil {
		return err
	}
	return serr
}

// came returns when the kernel had a datagram: who is to read it may have waited
// for the processor since.
func came(oob []byte) time.Time {
	all, err := unix.ParseSocketControlMessage(oob)
	for i := 0; err == nil && i < len(all); i++ {
		if m := &all[i]; m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			return time.Unix((*unix.Timespec)(unsafe.Pointer(&m.Data[0])).Unix())
		}
	}
	return time.Now()
}
