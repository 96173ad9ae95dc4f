// Package attack plays a stage whose code is an attacker's: it tries what such
// a stage would try to get out of its jail. It is for the tests of the jail and
// for images that are built to be tested; no sensor that people run has it.
//
// The tries are harmless only where they fail: some would end other processes.
package attack

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Try is one thing that must not work.
type Try struct {
	Name string
	Do   func() error
}

// frame is what a tap would be heard saying: an ARP request.
var frame = append([]byte{
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6,
	0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
}, make([]byte, 18)...)

// Sends are the ways to send on ring, a packet socket. allowed is a descriptor
// that may be written to.
func Sends(ring, allowed int) []Try {
	port := &unix.SockaddrLinklayer{Ifindex: portIndex(ring), Halen: 6}
	return []Try{
		{"sendto on the ring", func() error { return unix.Sendto(ring, frame, 0, port) }},
		{"write on the ring", func() error { _, err := unix.Write(ring, frame); return err }},
		{"writev on the ring", func() error { _, err := unix.Writev(ring, [][]byte{frame}); return err }},
		{"pwrite on the ring", func() error { _, err := unix.Pwrite(ring, frame, 0); return err }},
		{"sendmsg on the ring", func() error { return unix.Sendmsg(ring, frame, nil, nil, 0) }},
		{"sendmmsg on the ring", func() error { return raw(unix.SYS_SENDMMSG, uintptr(ring), 0, 0) }},
		{"send of a transmit ring", func() error { return raw(unix.SYS_SENDTO, uintptr(ring), 0, 0) }},
		{"sendfile to the ring", func() error { _, err := unix.Sendfile(ring, allowed, nil, len(frame)); return err }},
		{"splice to the ring", func() error { _, err := unix.Splice(allowed, nil, ring, nil, len(frame), 0); return err }},
		{"write on dup of the ring", func() error { return throughDup(ring, allowed) }},
		{"setsockopt on the ring", func() error {
			return unix.SetsockoptInt(ring, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)
		}},
	}
}

// portIndex returns the interface that ring is bound to, 0 if that is not to
// be known.
func portIndex(ring int) int {
	if name, err := unix.Getsockname(ring); err == nil {
		if port, ok := name.(*unix.SockaddrLinklayer); ok {
			return port.Ifindex
		}
	}
	return 0
}

// throughDup sends on a copy of ring's descriptor, with the number of one that
// may be written to.
func throughDup(ring, allowed int) error {
	if err := unix.Dup3(ring, allowed, 0); err != nil {
		return err
	}
	_, err := unix.Write(allowed, frame)
	return err
}

// Escapes are ways out that do not need the ring: files, sockets, programs,
// other processes, code, and parts of the kernel that have been such ways. init
// and uplink are processes of the sensor, by numbers that they have where the
// stage is; see Others for where it is alone.
func Escapes(init, uplink int) []Try {
	page := make([]byte, unix.Getpagesize())
	return []Try{
		{"open a file", func() error { return opened(unix.Open("/", unix.O_RDONLY, 0)) }},
		{"open uplink's memory", func() error { return opened(unix.Open("/proc/2/mem", unix.O_RDWR, 0)) }},
		{"make a file", func() error { return opened(unix.Open("/x", unix.O_CREAT|unix.O_WRONLY, 0o600)) }},
		{"make a file in memory", func() error { return opened(unix.MemfdCreate("x", 0)) }},
		{"make a packet socket", func() error { return opened(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)) }},
		{"make an internet socket", func() error { return opened(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)) }},
		{"make a pair of sockets", func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err }},
		{"exec", func() error { return unix.Exec("/init", []string{"/init"}, nil) }},
		{"exec by descriptor", func() error { return raw(unix.SYS_EXECVEAT, 0, uintptr(unsafe.Pointer(&page[0])), 0) }},
		{"make a process", func() error { return raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0) }},
		{"make a process by clone3", func() error { return raw(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&page[0])), 0, 0) }},
		{"make a user namespace", func() error { return unix.Unshare(unix.CLONE_NEWUSER) }},
		{"ptrace init", func() error { return unix.PtraceAttach(init) }},
		{"ptrace uplink", func() error { return unix.PtraceAttach(uplink) }},
		{"signal init", func() error { return unix.Kill(init, unix.SIGTERM) }},
		{"signal a thread of uplink", func() error { return unix.Tgkill(uplink, uplink, unix.SIGKILL) }},
		{"signal everybody", func() error { return unix.Kill(-1, unix.SIGKILL) }},
		{"a descriptor of init", func() error { return opened(unix.PidfdOpen(init, 0)) }},
		{"read uplink's memory", func() error { return memory(unix.ProcessVMReadv, uplink, page) }},
		{"write uplink's memory", func() error { return memory(unix.ProcessVMWritev, uplink, page) }},
		{"map code", func() error {
			_, err := unix.Mmap(-1, 0, len(page), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
			return err
		}},
		{"make code of memory", func() error { return raw(unix.SYS_MPROTECT, uintptr(unsafe.Pointer(&page[0])), 1, unix.PROT_EXEC) }},
		{"be ptraced again", func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }},
		{"ioctl on the console", func() error { _, err := unix.IoctlGetTermios(1, unix.TCGETS); return err }},
		{"become root", func() error { return raw(unix.SYS_SETUID, 0, 0, 0) }},
		{"another futex operation", func() error {
			const requeuePI = 12 // linux/futex.h, FUTEX_CMP_REQUEUE_PI
			return raw(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&page[0])), requeuePI, 0)
		}},
		{"bpf", func() error { return raw(unix.SYS_BPF, 0, 0, 0) }},
		{"io_uring", func() error { return raw(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&page[0])), 0) }},
		{"userfaultfd", func() error { return raw(unix.SYS_USERFAULTFD, 0, 0, 0) }},
		{"perf events", func() error { return raw(unix.SYS_PERF_EVENT_OPEN, uintptr(unsafe.Pointer(&page[0])), 0, 0) }},
		{"keys", func() error { return raw(unix.SYS_KEYCTL, 0, 0, 0) }},
		{"reboot", func() error { return raw(unix.SYS_REBOOT, 0, 0, 0) }},
		{"mount", func() error { return unix.Mount("x", "/", "tmpfs", 0, "") }},
	}
}

// MaxPID is how many process numbers Others tries. The kernel gives them in
// turn, and a machine has given a few hundred when meter begins; all 32768 that
// it has take a machine under TCG longer than a stage may be silent.
const MaxPID = 4096

// Others returns what can be got at of processes by their number, other than
// this one: of each by every call that takes one, and in /proc. It is for before
// the filter, which refuses the calls themselves. Numbers of the namespace
// around this one are none here, so that a process that cannot be named cannot
// be aimed at.
func Others() (found []string) {
	got := func(what string, pid int, err error) {
		if err != unix.ESRCH && err != unix.ENOENT {
			found = append(found, fmt.Sprintf("%s of process %d: %v", what, pid, err))
		}
	}
	page := make([]byte, 64)
	self := unix.Getpid()
	for pid := 1; pid <= MaxPID; pid++ {
		if pid == self || unix.Tgkill(self, pid, 0) == nil { // a thread of ours
			continue
		}
		got("a signal", pid, unix.Kill(pid, 0))
		got("a descriptor", pid, opened(unix.PidfdOpen(pid, 0)))
		got("memory", pid, memory(unix.ProcessVMReadv, pid, page))
	}
	for _, path := range []string{"/proc/1/mem", "/proc/2/mem", "/proc/self/root", "/proc"} {
		err := opened(unix.Open(path, unix.O_RDONLY, 0))
		got("file "+path, 0, err)
	}
	return found
}

// Denied reports whether a try was refused by the jail's filter.
func (t Try) Denied() (bool, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := t.Do()
	return errors.Is(err, unix.EPERM), err
}

func opened(fd int, err error) error {
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func raw(nr, a, b, c uintptr) error {
	pid, _, errno := syscall.RawSyscall6(nr, a, b, c, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 && (nr == unix.SYS_CLONE || nr == unix.SYS_CLONE3) {
		unix.Exit(0) // the process that must not be
	}
	return nil
}

// memory moves a page from or to another process.
func memory(move func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error), pid int, page []byte) error {
	here := []unix.Iovec{{Base: &page[0]}}
	here[0].SetLen(len(page))
	const text = 0x10000 // where a Go program begins on every architecture of ours
	_, err := move(pid, here, []unix.RemoteIovec{{Base: text, Len: len(page)}}, 0)
	return err
}
