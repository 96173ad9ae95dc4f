//go:build pcap && cgo

package libpcap

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/gopacket/pcap"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/internal/bpf"
)

const (
	snapLen = 65535

	// timeout is how long libpcap gathers frames before it hands them over.
	// Immediate mode would make it fall back to TPACKET_V2.
	timeout = 20 * time.Millisecond

	// buffer is what bursts are for: 1 MiB still loses frames at 1.65 Mpps.
	buffer = 16 << 20
)

// CompileFilter compiles the text of a BPF filter, as tcpdump takes it, for
// Ethernet frames.
func CompileFilter(text string) (bpf.Program, error) {
	const ethernet = 1
	code, err := pcap.CompileBPFFilter(ethernet, snapLen, text)
	if err != nil {
		return nil, fmt.Errorf("compiling filter %q: %w", text, err)
	}
	var out bpf.Program
	for _, i := range code {
		out = append(out, bpf.Instruction{Code: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	return out, nil
}

// A Source captures with libpcap, from a port or a file. Frames are copied out
// of libpcap's buffer, which holds one at a time.
type Source struct {
	handle   *pcap.Handle
	name     string
	linkType uint32
	arena    []byte // of the frames of one batch
	frames   uint64
}

// Open captures from a port, filtered if filter is not empty.
func Open(ifname, filter string) (*Source, error) {
	inactive, err := pcap.NewInactiveHandle(ifname)
	if err != nil {
		return nil, fmt.Errorf("opening port %q: %w", ifname, err)
	}
	defer inactive.CleanUp()
	if err := errors.Join(inactive.SetSnapLen(snapLen), inactive.SetPromisc(true),
		inactive.SetTimeout(timeout), inactive.SetBufferSize(buffer)); err != nil {
		return nil, fmt.Errorf("opening port %q: %w", ifname, err)
	}
	handle, err := inactive.Activate()
	if err != nil {
		return nil, fmt.Errorf("opening port %q: %w", ifname, err)
	}
	return newSource(handle, ifname, filter)
}

// OpenFile reads a capture file in whatever format libpcap knows.
func OpenFile(path, filter string) (*Source, error) {
	handle, err := pcap.OpenOffline(path)
	if err != nil {
		return nil, fmt.Errorf("opening capture: %w", err)
	}
	return newSource(handle, path, filter)
}

func newSource(handle *pcap.Handle, name, filter string) (*Source, error) {
	if filter != "" {
		if err := handle.SetBPFFilter(filter); err != nil {
			handle.Close()
			return nil, fmt.Errorf("filtering %q by %q: %w", name, filter, err)
		}
	}
	return &Source{handle: handle, name: name, linkType: uint32(handle.LinkType()), arena: make([]byte, 0, 1<<20)}, nil
}

// NextBatch implements capture.Source.
func (s *Source) NextBatch(frames []capture.Frame) (int, error) {
	s.arena = s.arena[:0]
	n := 0
	for n < len(frames) && cap(s.arena)-len(s.arena) >= snapLen {
		data, info, err := s.handle.ZeroCopyReadPacketData()
		switch {
		case errors.Is(err, pcap.NextErrorTimeoutExpired):
			s.frames += uint64(n)
			return n, nil
		case errors.Is(err, io.EOF) && n > 0:
			s.frames += uint64(n)
			return n, nil
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		case err != nil:
			return 0, fmt.Errorf("capturing from %q: %w", s.name, err)
		}
		data = data[:min(len(data), snapLen)]
		from := len(s.arena)
		s.arena = append(s.arena, data...)
		frames[n] = capture.Frame{
			Data: s.arena[from:len(s.arena):len(s.arena)], Time: info.Timestamp.UnixNano(),
			WireLen: uint32(info.Length), LinkType: s.linkType,
		}
		n++
	}
	s.frames += uint64(n)
	return n, nil
}

// Stats implements capture.Source.
func (s *Source) Stats() capture.Stats {
	out := capture.Stats{Frames: s.frames}
	if st, err := s.handle.Stats(); err == nil { // files have none
		out.Dropped = uint64(st.PacketsDropped + st.PacketsIfDropped)
	}
	return out
}

// Name implements capture.Source.
func (s *Source) Name() string { return s.name }

// Close implements capture.Source.
func (s *Source) Close() error {
	s.handle.Close()
	return nil
}
