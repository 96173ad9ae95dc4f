// Package flood sends forged datagrams at a collector, as many as a machine
// can: by segmentation offload, so that the sender is not what is measured.
//
// Most claim to be DATA of sessions that do not exist or, where some are given,
// of ones that do; the rest are HELLOs that nobody sealed, and noise. It is for
// loopback and for namespaces of one's own.
package flood

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	// dataSize is the size of a forged DATA: as small as a flood would have it,
	// to be many.
	dataSize = 100
	// perWrite is how many datagrams one write is cut into (UDP_MAX_SEGMENTS of
	// linux/udp.h was 64 until Linux 6.9).
	perWrite = 64
	// hellosOf and noiseOf are one in how many writes.
	hellosOf, noiseOf = 256, 16
)

// Config says how to flood.
type Config struct {
	To       netip.AddrPort
	Rate     float64  // datagrams per second; 0 for as many as go
	Sockets  int      // sources; default 32
	Sessions []uint32 // that exist; half of the DATA claims to be of one
}

// Run floods until ctx ends and counts in sent. One goroutine sends several
// million datagrams a second.
func Run(ctx context.Context, cfg Config, sent *atomic.Uint64) error {
	if cfg.Sockets == 0 {
		cfg.Sockets = 32
	}
	var conns []*net.UDPConn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range cfg.Sockets {
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(cfg.To))
		if err != nil {
			return fmt.Errorf("flooding: %w", err)
		}
		conns = append(conns, c)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	data, noise := make([]byte, perWrite*dataSize), make([]byte, perWrite*dataSize)
	hello := make([]byte, 2*session.MaxDatagram)
	began, done := time.Now(), 0
	for n := 0; ctx.Err() == nil; n++ {
		b, size := data, dataSize
		switch {
		case n%hellosOf == 0:
			b, size = hello, session.MaxDatagram
			forge(rnd, b, size, session.TypeHello, nil)
		case n%noiseOf == 0:
			b = noise
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
		default:
			forge(rnd, b, size, session.TypeData, cfg.Sessions)
		}
		// What the kernel has no room for is lost, as in any flood.
		conns[n%len(conns)].WriteMsgUDP(b, segmentSize(uint16(size)), nil)
		done += len(b) / size
		sent.Add(uint64(len(b) / size))
		if cfg.Rate > 0 {
			if ahead := time.Duration(float64(done)/cfg.Rate*1e9) - time.Since(began); ahead > time.Millisecond {
				time.Sleep(ahead)
			}
		}
	}
	return nil
}

// forge writes datagrams of size bytes into b: a right head, wrong all the rest.
func forge(rnd *rand.Rand, b []byte, size int, t session.Type, sessions []uint32) {
	for ; len(b) >= size; b = b[size:] {
		id := rnd.Uint32()
		if len(sessions) > 0 && id%2 == 0 {
			id = sessions[rnd.IntN(len(sessions))]
		}
		head := session.Head(t, id)
		copy(b, head[:])
		for i := len(head); i+8 <= min(size, 80); i += 8 { // number, tag, and for a HELLO cookie and key
			binary.NativeEndian.PutUint64(b[i:], rnd.Uint64())
		}
		if t == session.TypeData {
			b[8] &= 0x7f // the top bit is the collector's
		}
	}
}

// segmentSize is the control message that has the kernel cut a write into
// datagrams (UDP_SEGMENT of linux/udp.h).
func segmentSize(size uint16) []byte {
	oob := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
	h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(oob[unix.CmsgLen(0):], size)
	return oob
}
