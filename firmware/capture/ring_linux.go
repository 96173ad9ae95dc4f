package capture

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Ring is a Source on a TPACKET_V3 ring (Linux,
// Documentation/networking/packet_mmap.rst). Frames are used where the kernel
// wrote them; a block goes back to the kernel when all of its frames have been
// taken and the next is asked for.
type Ring struct {
	file  *os.File
	fd    int
	wait  int // milliseconds
	mem   []byte
	size  int           // of a block
	cur   int           // offset in mem of the block in use
	at    uint32        // offset in the block of the next frame
	left  uint32        // frames of the block not yet taken
	owned bool          // the block is ours
	pace  time.Duration // in which the last block was filled, 0 if its time was up before
	stats Stats
}

// A reader that has caught up with a busy port naps for as long as it takes to
// fill one block in napBlocks, but not for longer than longestNap, before it waits
// for the next block. To be woken for each block, which 10 Gbit/s fill in 0.1 ms,
// takes as long as all else; and frames that were written a while ago have left
// the cache of the processor that wrote them, from where they come slowest.
const (
	napBlocks  = 16
	longestNap = time.Millisecond
)

// OpenRing opens the socket of a ring and maps it, for a process that may do
// both.
func OpenRing(ifname string, opts RingOptions) (Source, error) {
	rings, err := OpenRings(ifname, 1, opts)
	if err != nil {
		return nil, err
	}
	return rings[0], nil
}

// OpenRings opens n rings that share a port, as OpenSockets does.
func OpenRings(ifname string, n int, opts RingOptions) ([]Source, error) {
	files, err := OpenSockets(ifname, n, opts)
	if err != nil {
		return nil, err
	}
	var rings []Source
	for i, f := range files {
		r, err := RingFrom(f, opts)
		if err != nil {
			for _, f := range files[i:] {
				f.Close()
			}
			for _, r := range rings {
				r.Close()
			}
			return nil, err
		}
		rings = append(rings, r)
	}
	return rings, nil
}

// RingFrom maps the ring of a socket that OpenSocket made with the same
// options. The Ring owns f from then on.
func RingFrom(f *os.File, opts RingOptions) (Source, error) {
	opts = opts.withDefaults()
	fd := int(f.Fd())
	mem, err := unix.Mmap(fd, 0, opts.BlockSize*opts.Blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping the ring of port %q: %w", f.Name(), err)
	}
	return &Ring{file: f, fd: fd, wait: int(max(opts.Wait, 0) / time.Millisecond), mem: mem, size: opts.BlockSize}, nil
}

// header returns the header of the block in use. The kernel writes to it.
func (r *Ring) header() *unix.TpacketHdrV1 { return blockAt(r.mem, r.cur) }

func blockAt(mem []byte, at int) *unix.TpacketHdrV1 {
	desc := (*unix.TpacketBlockDesc)(unsafe.Pointer(&mem[at]))
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&desc.Hdr))
}

// NextBatch implements Source.
func (r *Ring) NextBatch(frames []Frame) (int, error) {
	for r.left == 0 {
		if ok, err := r.nextBlock(); !ok || err != nil {
			return 0, err
		}
	}
	block := r.mem[r.cur : r.cur+r.size]
	n := 0
	for n < len(frames) && r.left > 0 {
		if !frameAt(block, r.at, &frames[n]) {
			r.stats.Corrupt++
			r.left = 0
			break
		}
		n++
		r.left--
		r.at += (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[r.at])).Next_offset
	}
	r.stats.Frames += uint64(n)
	return n, nil
}

// Layout of a frame in a block: header, address, and somewhere after it the
// bytes (linux/if_packet.h, TPACKET3_HDRLEN).
const (
	addressOffset = (unix.SizeofTpacket3Hdr + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1)
	frameHeader   = addressOffset + unix.SizeofSockaddrLinklayer
)

// frameAt sets *f to the frame whose header is at block[at:]. It reports false
// if that would lead out of the block.
func frameAt(block []byte, at uint32, f *Frame) bool {
	if uint64(at)+frameHeader > uint64(len(block)) {
		return false
	}
	h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[at]))
	start := uint64(at) + uint64(h.Mac)
	end := start + uint64(h.Snaplen)
	if end > uint64(len(block)) {
		return false
	}
	addr := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&block[at+addressOffset]))
	f.set(block[start:end:end], int64(h.Sec)*1e9+int64(h.Nsec), h.Len, linkType(addr.Hatype))
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		f.VLAN = uint16(h.Hv1.Vlan_tci)
		f.VLANType = unix.ETH_P_8021Q
		if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 && h.Hv1.Vlan_tpid != 0 {
			f.VLANType = h.Hv1.Vlan_tpid
		}
		f.WireLen += 4
	}
	return true
}

// linkType returns the LINKTYPE_ number for what a port of hardware type
// hatype gives a raw packet socket.
func linkType(hatype uint16) uint32 {
	switch hatype {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK:
		return 1 // LINKTYPE_ETHERNET
	case unix.ARPHRD_PPP:
		return 9 // LINKTYPE_PPP
	}
	return 101 // LINKTYPE_RAW: tunnels without a header of their own
}

// nextBlock gives the block in use back and takes the next one, waiting for it
// if need be. It reports false if none came in time.
func (r *Ring) nextBlock() (bool, error) {
	if r.owned {
		atomic.StoreUint32(&r.header().Block_status, unix.TP_STATUS_KERNEL)
		r.cur = (r.cur + r.size) % len(r.mem)
		r.owned = false
	}
	if !r.ready() && r.wait > 0 {
		r.nap()
	}
	if !r.ready() {
		if err := r.poll(); err != nil {
			return false, err
		}
		if !r.ready() {
			return false, nil
		}
	}
	h := r.header()
	r.pace = 0
	if h.Block_status&unix.TP_STATUS_BLK_TMO == 0 {
		first, last := &h.Ts_first_pkt, &h.Ts_last_pkt // in nanoseconds, whatever the name
		r.pace = time.Duration(int64(last.Sec)-int64(first.Sec))*time.Second + time.Duration(int64(last.Usec)-int64(first.Usec))
	}
	r.owned, r.left, r.at = true, h.Num_pkts, h.Offset_to_first_pkt
	return true, nil
}

// nap lets a busy port fill some blocks.
func (r *Ring) nap() {
	d := min(r.pace*time.Duration(len(r.mem)/r.size)/napBlocks, longestNap)
	if d <= 0 {
		return
	}
	timeout := unix.NsecToTimespec(int64(d))
	_, _ = unix.Ppoll(nil, &timeout, nil) // a signal ends it early
}

func (r *Ring) ready() bool {
	return atomic.LoadUint32(&r.header().Block_status)&unix.TP_STATUS_USER != 0
}

// poll waits for a block. A port that went down wakes it with an error that
// must be fetched; frames come again when the port is up.
func (r *Ring) poll() error {
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds, r.wait); err != nil {
		if err == unix.EINTR {
			return nil
		}
		return fmt.Errorf("waiting for frames of port %q: %w", r.Name(), err)
	}
	if fds[0].Revents&unix.POLLERR != 0 {
		r.stats.LinkDown++
		if _, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
			return fmt.Errorf("fetching the error of port %q: %w", r.Name(), err)
		}
	}
	return nil
}

// Stats implements Source. The kernel's counters start again at each reading.
func (r *Ring) Stats() Stats {
	if s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		r.stats.Dropped += uint64(s.Drops)
		r.stats.Freezes += uint64(s.Freeze_q_cnt)
	}
	return r.stats
}

// Backlog returns which part of the ring's blocks has frames that wait.
func (r *Ring) Backlog() float64 {
	waiting := 0
	for at := 0; at < len(r.mem); at += r.size {
		if at != r.cur && atomic.LoadUint32(&blockAt(r.mem, at).Block_status)&unix.TP_STATUS_USER != 0 {
			waiting++
		}
	}
	return float64(waiting*r.size) / float64(len(r.mem))
}

// Name implements Source.
func (r *Ring) Name() string { return r.file.Name() }

// Close implements Source.
func (r *Ring) Close() error {
	unix.Munmap(r.mem)
	return r.file.Close()
}
