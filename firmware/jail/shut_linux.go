package jail

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// descriptors are what the filter knows of the open descriptors.
type descriptors struct {
	write []uint32 // may be written to
	rings []uint32 // may be asked for statistics, and never written to
}

// ShutIn leaves this process nothing but what it has open: it can read, write
// to out, to its supervisor and to the console, ask rings, which are packet
// sockets, for their statistics, and have memory, threads and time. It must have
// entered its Cell. It returns the ABI of the kernel's landlock, 0 if there is
// none: the filter refuses the same without it.
func ShutIn(out, rings []*os.File) (landlock int, err error) {
	if auditArch == 0 {
		return 0, fmt.Errorf("shutting in: no system call filter for %s", runtime.GOARCH)
	}
	d := descriptors{write: []uint32{uint32(unix.Stdout), uint32(unix.Stderr), reportFD}}
	for _, f := range out {
		d.write = append(d.write, uint32(f.Fd()))
	}
	for _, f := range rings {
		d.rings = append(d.rings, uint32(f.Fd()))
	}
	wake, err := wakeUps()
	if err != nil {
		return 0, err
	}
	d.write = append(d.write, wake...)
	if landlock, err = forbidFiles(); err != nil {
		return landlock, err
	}
	return landlock, install(filter(calls(d)))
}

// wakeUps returns the descriptors with which the runtime wakes its own threads:
// its eventfd, and its epoll instance, which cannot be written to. Nothing else
// that a stage has is an anonymous inode, a file without a type.
func wakeUps() (fds []uint32, err error) {
	// The runtime makes them with the first descriptor that can be polled.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("shutting in: %w", err)
	}
	r.Close()
	w.Close()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, fmt.Errorf("shutting in: %w", err)
	}
	for fd := range uint32(min(limit.Cur, 1024)) {
		var s unix.Stat_t
		if unix.Fstat(int(fd), &s) == nil && s.Mode&unix.S_IFMT == 0 {
			fds = append(fds, fd)
		}
	}
	return fds, nil
}
