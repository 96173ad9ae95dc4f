package capture

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// OpenSocket opens the socket of a ring on the port ifname and starts it. It
// needs CAP_NET_RAW; RingFrom, in this or another process, needs nothing.
func OpenSocket(ifname string, opts RingOptions) (*os.File, error) {
	port, err := net.InterfaceByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("opening port %q: %w", ifname, err)
	}
	// Protocol 0 receives nothing until bind, so no frame comes in before
	// the ring is there.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening port %q: packet socket: %w", ifname, err)
	}
	if err := setUp(fd, port.Index, opts.withDefaults()); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("opening port %q: %w", ifname, err)
	}
	return os.NewFile(uintptr(fd), ifname), nil
}

// setUp makes fd a ring that receives from the port with index.
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
	if err := setFilter(fd, opts.Filter); err != nil {
		return err
	}
	if opts.LockFilter {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1); err != nil {
			return fmt.Errorf("locking the filter: %w", err)
		}
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if opts.Fanout != 0 {
		// The kernel's flow hash is symmetric here (net/packet/af_packet.c,
		// fanout_demux_hash).
		group := int(opts.Fanout) | unix.PACKET_FANOUT_HASH<<16
		if !opts.Outgoing { // the group does not ask its members
			group |= unix.PACKET_FANOUT_FLAG_IGNORE_OUTGOING << 16
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group); err != nil {
			return fmt.Errorf("joining fanout group %d: %w", opts.Fanout, err)
		}
	}
	return nil
}

// setFilter has the kernel drop what the filter refuses.
func setFilter(fd int, filter []BPF) error {
	if len(filter) == 0 {
		return nil
	}
	if len(filter) > unix.BPF_MAXINSNS {
		return fmt.Errorf("filter of %d instructions, at most %d", len(filter), unix.BPF_MAXINSNS)
	}
	code := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		code[i] = unix.SockFilter(f)
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return fmt.Errorf("attaching a filter of %d instructions: %w", len(filter), err)
	}
	return nil
}
