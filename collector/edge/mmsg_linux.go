package edge

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// perRead is how many messages one read takes: what is behind them waits in
	// the socket. With UDP_GRO each may be many datagrams.
	perRead = 32
	// perWrite is how many datagrams one call sends.
	perWrite = 64
	// maxMessage holds whatever UDP_GRO makes of datagrams.
	maxMessage = 1 << 16
)

// mmsghdr is struct mmsghdr of linux/socket.h.
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// control has room for control messages, aligned as they are.
type control struct {
	_     [0]uintptr
	bytes [64]byte
}

// reader reads many datagrams by one system call, and allocates nothing for
// them.
type reader struct {
	conn  *net.UDPConn
	rc    syscall.RawConn
	call  func(fd uintptr) bool
	n     int
	err   error
	heads [perRead]mmsghdr
	names [perRead]unix.RawSockaddrInet6 // large enough for IPv4's
	oob   [perRead]control
	data  [perRead][]byte
}

func newReader(conn *net.UDPConn) *reader {
	r := &reader{conn: conn}
	iovs := make([]unix.Iovec, perRead)
	for i := range r.heads {
		r.data[i] = make([]byte, maxMessage)
		iovs[i].Base = &r.data[i][0]
		iovs[i].SetLen(maxMessage)
		h := &r.heads[i]
		h.Iov, h.Name, h.Control = &iovs[i], (*byte)(unsafe.Pointer(&r.names[i])), &r.oob[i].bytes[0]
		h.SetIovlen(1)
	}
	r.call = func(fd uintptr) bool {
		n, errno := mmsg(unix.SYS_RECVMMSG, fd, r.heads[:])
		if errno == unix.EAGAIN {
			return false
		}
		r.n, r.err = n, nil
		if errno != 0 {
			r.err = os.NewSyscallError("recvmmsg", errno)
		}
		return true
	}
	return r
}

// mmsg calls recvmmsg or sendmmsg, which take the same arguments.
func mmsg(trap, fd uintptr, heads []mmsghdr) (int, unix.Errno) {
	for {
		n, _, errno := unix.Syscall6(trap, fd, uintptr(unsafe.Pointer(&heads[0])), uintptr(len(heads)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// read waits for datagrams and gives each to receive.
func (r *reader) read(receive func(d []byte, from netip.AddrPort)) error {
	if r.rc == nil {
		var err error
		if r.rc, err = r.conn.SyscallConn(); err != nil {
			return err
		}
	}
	for i := range r.heads {
		h := &r.heads[i]
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(r.oob[i].bytes))
	}
	if err := r.rc.Read(r.call); err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	for i := range r.n {
		h := &r.heads[i]
		from := addrOf(&r.names[i])
		data := r.data[i][:h.n]
		size := groSize(r.oob[i].bytes[:h.Controllen])
		if size <= 0 {
			size = max(len(data), 1)
		}
		for len(data) > size {
			receive(data[:size], from)
			data = data[size:]
		}
		receive(data, from)
	}
	return nil
}

// addrOf returns the address that the kernel wrote into name.
func addrOf(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), portOf(&v4.Port))
	}
	a := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 { // a link-local address means nothing without it
		a = a.WithZone(strconv.Itoa(int(name.Scope_id)))
	}
	return netip.AddrPortFrom(a, portOf(&name.Port))
}

// portOf reads a port of a sockaddr, which is big-endian in memory.
func portOf(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

// writer sends many datagrams by one system call.
type writer struct {
	conn  *net.UDPConn
	v6    bool // the socket's addresses are IPv6's
	heads [perWrite]mmsghdr
	names [perWrite]unix.RawSockaddrInet6
	iovs  [perWrite]unix.Iovec
}

func newWriter(conn *net.UDPConn) *writer {
	w := &writer{conn: conn, v6: conn.LocalAddr().(*net.UDPAddr).IP.To4() == nil}
	for i := range w.heads {
		h := &w.heads[i]
		h.Iov, h.Name = &w.iovs[i], (*byte)(unsafe.Pointer(&w.names[i]))
		h.SetIovlen(1)
	}
	return w
}

// write sends all and returns how many the kernel refused.
func (w *writer) write(all []Outgoing) (refused int) {
	rc, err := w.conn.SyscallConn()
	if err != nil {
		return len(all)
	}
	for len(all) > 0 {
		n := min(len(all), perWrite)
		for i := range n {
			w.fill(i, &all[i])
		}
		sent := 0
		var errno unix.Errno
		err := rc.Write(func(fd uintptr) bool {
			sent, errno = mmsg(unix.SYS_SENDMMSG, fd, w.heads[:n])
			return errno != unix.EAGAIN
		})
		if err != nil {
			return refused + len(all)
		}
		if errno != 0 { // it is of the first: leave it out
			sent = 1
			refused++
		}
		all = all[sent:]
	}
	return refused
}

func (w *writer) fill(i int, o *Outgoing) {
	h, name := &w.heads[i], &w.names[i]
	w.iovs[i].Base = unsafe.SliceData(o.Datagram)
	w.iovs[i].SetLen(len(o.Datagram))
	if !w.v6 {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: o.To.Addr().Unmap().As4()}
		putPort(&v4.Port, o.To.Port())
		h.Namelen = unix.SizeofSockaddrInet4
		return
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: o.To.Addr().As16()}
	if zone, err := strconv.ParseUint(o.To.Addr().Zone(), 10, 32); err == nil {
		name.Scope_id = uint32(zone)
	}
	putPort(&name.Port, o.To.Port())
	h.Namelen = unix.SizeofSockaddrInet6
}

func putPort(p *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(p))[:], port)
}
