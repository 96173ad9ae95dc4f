package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
)

// A Tap is the far end of the cable in a tap port of a machine. It puts frames on
// the cable and keeps those that the machine puts there, which must be none.
//
// Each frame is one datagram of a Unix socket, or a frame of one of the host's
// interfaces. A machine of QEMU that does not take frames makes Send wait: the
// cable loses nothing.
type Tap struct {
	conn io.ReadWriteCloser
	done chan struct{} // closed when the reader has ended

	mu    sync.Mutex
	count uint64
	first [][]byte // the first frames that came out, for the test to show
}

const firstFrames = 8

func tapNetdev(id, sockets string) string {
	return fmt.Sprintf("dgram,id=%s,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s",
		id, filepath.Join(sockets, "port-"+id), filepath.Join(sockets, "cable-"+id))
}

// dialTap plugs a port's cable in; QEMU has made its end when it speaks QMP.
func dialTap(id, sockets string) (*Tap, error) {
	conn, err := net.DialUnix("unixgram",
		&net.UnixAddr{Net: "unixgram", Name: filepath.Join(sockets, "cable-"+id)},
		&net.UnixAddr{Net: "unixgram", Name: filepath.Join(sockets, "port-"+id)})
	if err != nil {
		return nil, fmt.Errorf("plugging in the tap port: %w", err)
	}
	return plugIn(conn), nil
}

// plugIn listens to what comes out of a cable.
func plugIn(conn io.ReadWriteCloser) *Tap {
	t := &Tap{conn: conn, done: make(chan struct{})}
	go t.listen()
	return t
}

func (t *Tap) listen() {
	defer close(t.done)
	buf := make([]byte, 65536)
	for {
		n, err := t.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			continue // the port went away for a moment; Close ends this
		}
		t.mu.Lock()
		t.count++
		if len(t.first) < firstFrames {
			t.first = append(t.first, append([]byte(nil), buf[:n]...))
		}
		t.mu.Unlock()
	}
}

func (t *Tap) close() {
	t.conn.Close()
	<-t.done
}

// Heard returns how many frames the machine has sent, and the first of them.
func (t *Tap) Heard() (uint64, [][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count, t.first
}

// Send puts one frame on the cable.
func (t *Tap) Send(frame []byte) error {
	if _, err := t.conn.Write(frame); err != nil {
		return fmt.Errorf("sending into the tap port: %w", err)
	}
	return nil
}

// Replay sends the frames of a capture file, pause apart, and returns how many
// it sent.
func (t *Tap) Replay(ctx context.Context, path string, pause time.Duration) (int, error) {
	sent := 0
	for frame, err := range Frames(path) {
		if err != nil {
			return sent, err
		}
		if err := t.Send(frame); err != nil {
			return sent, err
		}
		sent++
		select {
		case <-ctx.Done():
			return sent, ctx.Err()
		case <-time.After(pause):
		}
	}
	return sent, nil
}

// linkEthernet is LINKTYPE_ETHERNET of tcpdump.org's list.
const linkEthernet = 1

// Frames gives the Ethernet frames of a capture file, in order.
func Frames(path string) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		src, err := capture.OpenFile(path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer src.Close()
		frames := make([]capture.Frame, 64)
		for {
			n, err := src.NextBatch(frames)
			for _, f := range frames[:n] {
				if f.LinkType != linkEthernet {
					yield(nil, fmt.Errorf("capture %q: link type is %d, a tap port takes Ethernet (1)", path, f.LinkType))
					return
				}
				if !yield(f.Data, nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}
