//go:build !linux

package swarm

import (
	"net"
	"time"

	"github.com/taproot-sensor/taproot/wire/session"
)

// maxSegments is how many datagrams buffer holds.
const maxSegments = 54

// buffer holds datagrams that are to be sent.
type buffer struct {
	plain    []byte
	segments []byte // datagrams of full size, the last may be shorter
}

// flush sends what is in buf and empties it.
func (k *socket) flush(buf *buffer) {
	for b := buf.segments; len(b) > 0; b = b[min(len(b), session.MaxDatagram):] {
		k.conn.Write(b[:min(len(b), session.MaxDatagram)]) // what does not go out is sent again later
	}
	buf.segments = buf.segments[:0]
}

const stampSize = 0

func stamp(*net.UDPConn) error { return nil }

// came returns the time, since the kernel is not asked when a datagram came.
func came([]byte) time.Time { return time.Now() }
