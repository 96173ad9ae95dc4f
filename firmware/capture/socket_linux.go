package capture

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/internal/bpf"
)

// OpenSocket opens the socket of a ring on the port ifname and starts it. It
// needs CAP_NET_RAW; RingFrom, in this or another process, needs nothing.
func OpenSocket(ifname string, opts RingOptions) (*os.File, error) {
	files, err := OpenSockets(ifname, 1, opts)
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// OpenSockets opens n sockets that share the frames of the port ifname. All
// packets between two addresses go to the same socket, fragments and what they
// carry included, and on every port to the socket of the same number: the two
// directions of a link may come from two ports.
func OpenSockets(ifname string, n int, opts RingOptions) ([]*os.File, error) {
	port, err := net.InterfaceByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("opening port %q: %w", ifname, err)
	}
	var files []*os.File
	err = func() error {
		for range n {
			// Protocol 0 receives nothing until bind, so no frame comes in
			// before the ring is there.
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("packet socket: %w", err)
			}
			files = append(files, os.NewFile(uintptr(fd), ifname))
			if err := setUp(fd, port.Index, opts.withDefaults()); err != nil {
				return err
			}
		}
		if n > 1 {
			if err := share(files, opts); err != nil {
				return err
			}
		}
		for _, f := range files {
			if err := letIn(int(f.Fd()), opts); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return nil, fmt.Errorf("opening port %q: %w", ifname, err)
	}
	return files, nil
}

// nothing is a filter that refuses all.
var nothing = bpf.Program{{Code: unix.BPF_RET | unix.BPF_K}}

// setUp makes fd a ring that is bound to the port with index, and lets no frame
// in yet.
func setUp(fd, index int, opts RingOptions) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3: %w", err)
	}
	// The kernel checks the frame fields and then ignores them: a V3 ring
	// packs frames of any size into its blocks.
	const frameSize = 2048
	req := unix.TpacketReq3{
		Block_size:     uint32(opts.BlockSize),
		Block_nr:       uint32(opts.Blocks),
		Frame_size:     frameSize,
		Frame_nr:       uint32(opts.BlockSize / frameSize * opts.Blocks),
		Retire_blk_tov: uint32(opts.Retire.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("ring of %d blocks of %d bytes: %w", opts.Blocks, opts.BlockSize, err)
	}
	if !opts.Outgoing {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
			return fmt.Errorf("leaving out outgoing frames: %w", err)
		}
	}
	mreq := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
		return fmt.Errorf("promiscuous mode: %w", err)
	}
	if err := attach(fd, nothing); err != nil {
		return err
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// share makes a group of sockets, which must be bound: a frame goes to the one
// that the group's program names.
func share(files []*os.File, opts RingOptions) error {
	mode := unix.PACKET_FANOUT_CBPF
	if !opts.Outgoing { // the group does not ask its members
		mode |= unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING
	}
	first := int(files[0].Fd())
	// The kernel finds a number that no other group has.
	if err := unix.SetsockoptInt(first, unix.SOL_PACKET, unix.PACKET_FANOUT, (mode|unix.PACKET_FANOUT_FLAG_UNIQUEID)<<16); err != nil {
		return fmt.Errorf("making a fanout group: %w", err)
	}
	group, err := unix.GetsockoptInt(first, unix.SOL_PACKET, unix.PACKET_FANOUT)
	if err != nil {
		return fmt.Errorf("making a fanout group: %w", err)
	}
	prog := program(pairHash)
	if err := unix.SetsockoptSockFprog(first, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, &prog); err != nil {
		return fmt.Errorf("giving the fanout group its program: %w", err)
	}
	for _, f := range files[1:] {
		if err := unix.SetsockoptInt(int(f.Fd()), unix.SOL_PACKET, unix.PACKET_FANOUT, group&0xffff|mode<<16); err != nil {
			return fmt.Errorf("joining fanout group %d: %w", group&0xffff, err)
		}
	}
	return nil
}

// letIn lets in what the options' filter does.
func letIn(fd int, opts RingOptions) error {
	if len(opts.Filter) > 0 {
		if err := attach(fd, opts.Filter); err != nil {
			return err
		}
	} else if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
		return fmt.Errorf("detaching the filter: %w", err)
	}
	if opts.LockFilter {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1); err != nil {
			return fmt.Errorf("locking the filter: %w", err)
		}
	}
	return nil
}

// attach has the kernel drop what the filter refuses.
func attach(fd int, filter bpf.Program) error {
	if len(filter) > unix.BPF_MAXINSNS {
		return fmt.Errorf("filter of %d instructions, at most %d", len(filter), unix.BPF_MAXINSNS)
	}
	prog := program(filter)
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attaching a filter of %d instructions: %w", len(filter), err)
	}
	return nil
}

func program(code bpf.Program) unix.SockFprog {
	filter := make([]unix.SockFilter, len(code))
	for i, f := range code {
		filter[i] = unix.SockFilter(f)
	}
	return unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
}
