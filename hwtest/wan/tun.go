//go:build linux

package wan

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// openTUN makes a TUN port in a namespace. Packets that the kernel writes to it
// are whole: nothing is left to a network card to checksum or to cut.
func openTUN(namespace, port string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result)
	go func() { // on a thread of its own that ends with it, and with it its namespace
		runtime.LockOSThread()
		f, err := openTUNHere(namespace, port)
		done <- result{f, err}
	}()
	r := <-done
	return r.f, r.err
}

func openTUNHere(namespace, port string) (*os.File, error) {
	ns, err := os.Open(filepath.Join("/run/netns", namespace))
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering namespace %s: %w", namespace, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(port)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("making TUN port: %w", err)
	}
	return os.NewFile(uintptr(fd), "tun"), nil
}
