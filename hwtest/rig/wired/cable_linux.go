package wired

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/boot"
)

// A Cable is this host's end of the cable in a tap port. What is written to it
// goes out as a frame; what is read from it came out of the board.
type Cable struct{ f *os.File }

// OpenCable makes an interface a cable: it has no address, and the host's own
// protocols neither speak on it nor listen.
func OpenCable(ifname string) (*Cable, error) {
	port, err := net.InterfaceByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("opening the tap cable %q: %w", ifname, err)
	}
	addrs, err := port.Addrs()
	if err != nil {
		return nil, fmt.Errorf("opening the tap cable %q: %w", ifname, err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLinkLocalUnicast() {
			return nil, fmt.Errorf("opening the tap cable %q: it has the address %s; take an interface that this host does not use", ifname, a)
		}
	}
	if err := boot.UpTap(ifname); err != nil {
		return nil, fmt.Errorf("opening the tap cable: %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the tap cable %q: packet socket: %w", ifname, err)
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network order
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: port.Index}),
	); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("opening the tap cable %q: %w", ifname, err)
	}
	return &Cable{os.NewFile(uintptr(fd), ifname)}, nil
}

// Read returns the next frame that came out of the board.
func (c *Cable) Read(p []byte) (int, error) { return c.f.Read(p) }

// fullFor is how long a port's queue may be full.
const fullFor = 5 * time.Second

// Write sends one frame. It waits while the port's queue is full.
func (c *Cable) Write(frame []byte) (int, error) {
	for deadline := time.Now().Add(fullFor); ; time.Sleep(time.Millisecond) {
		n, err := c.f.Write(frame)
		if !errors.Is(err, syscall.ENOBUFS) || time.Now().After(deadline) {
			return n, err
		}
	}
}

// Close unplugs the cable.
func (c *Cable) Close() error { return c.f.Close() }
