package edge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/wire/seal"
)

// sockets returns how many sockets serve a port on so many cores.
func sockets(cores int) int { return cores }

// share lets further sockets have the port of one that is bound. Linux makes
// them a group even then (net/core/sock_reuseport.c, reuseport_add_sock).
func share(conn *net.UDPConn) {
	if rc, err := conn.SyscallConn(); err == nil { // else the next bind says so
		shareControl("", "", rc)
	}
}

// shareControl lets a socket that is not bound yet have a port of others.
func shareControl(_, _ string, rc syscall.RawConn) error {
	return onFD(rc, func(fd int) error {
		return os.NewSyscallError("SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
}

// tune makes conn fast: a large buffer, many datagrams in one read, and a
// filter in the kernel. It returns the size of the buffer, and what could not
// be had; the socket works without.
func tune(conn *net.UDPConn) (granted int, err error) {
	rc, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	return granted, onFD(rc, func(fd int) error {
		// With CAP_NET_ADMIN no limit holds; else net.core.rmem_max does.
		var small error
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, socketBuffer) != nil {
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, socketBuffer) // it grants less, and says so below
		}
		if granted, small = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); small == nil && granted < socketBuffer {
			small = fmt.Errorf("buffer of %d bytes, want %d: raise net.core.rmem_max, or grant CAP_NET_ADMIN", granted, socketBuffer)
		}
		return errors.Join(small,
			os.NewSyscallError("SO_ATTACH_FILTER", attachFilter(fd)),
			os.NewSyscallError("UDP_GRO", unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)))
	})
}

func onFD(rc syscall.RawConn, f func(fd int) error) error {
	var err error
	if cerr := rc.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// attachFilter has the kernel drop what is not taproot's or shorter than
// anything of it, before it takes room in the buffer. Offsets are from the UDP
// header (net/ipv4/udp.c, udp_queue_rcv_one_skb). Of datagrams that came as one
// (UDP_GRO) it sees only the first.
func attachFilter(fd int) error {
	const udpHead = 8
	prog := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: udpHead},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 't'<<8 | 'p', Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: udpHead + seal.Overhead, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]})
}

// kernelDrops returns how many datagrams the kernel dropped at conn since it
// was opened: the filter's, and those that found the buffer full.
func kernelDrops(conn *net.UDPConn) (n uint32) {
	rc, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	rc.Control(func(fd uintptr) {
		const drops = 8 // SK_MEMINFO_DROPS of linux/sock_diag.h
		var info [drops + 1]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 {
			n = info[drops]
		}
	})
	return n
}

// groSize returns the size of the datagrams that came as one, from the control
// message of type UDP_GRO in oob; 0 if there is none.
func groSize(oob []byte) int {
	for len(oob) >= unix.CmsgLen(0) {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&oob[0]))
		if int(h.Len) < unix.CmsgLen(0) || int(h.Len) > len(oob) {
			return 0
		}
		if data := oob[unix.CmsgLen(0):h.Len]; h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4 {
			return int(binary.NativeEndian.Uint32(data))
		}
		oob = oob[min(unix.CmsgSpace(int(h.Len)-unix.CmsgLen(0)), len(oob)):]
	}
	return 0
}
