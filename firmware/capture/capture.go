// Package capture brings frames into the sensor, from a tap port or from a
// capture file, through one interface in batches.
//
// A live Source is a TPACKET_V3 ring: the kernel writes frames into memory
// that the sensor reads in place. OpenSocket needs privileges and is for init;
// RingFrom only maps and polls, so a jailed process can do it with nothing but
// the descriptor. A file Source reads pcap and pcapng in one pass, so a pipe
// will do. Neither looks inside a frame: that is package decode's work.
package capture

import "fmt"

// A Frame is one frame as captured.
type Frame struct {
	Data     []byte // valid until the next call of NextBatch
	Time     int64  // Unix nanoseconds
	WireLen  uint32 // bytes on the wire, a VLAN tag the port took off included
	LinkType uint32 // what Data begins with: a LINKTYPE_ number of tcpdump.org
	VLANType uint16 // TPID of the VLAN tag that the port took off, 0 for none
	VLAN     uint16 // its TCI, valid iff VLANType is not 0
}

// set makes f a frame without a VLAN tag that a port took off. It writes word by
// word, as the words are read right after: of a frame that is copied as a whole
// the reader would have to wait for the memory.
func (f *Frame) set(data []byte, time int64, wireLen, linkType uint32) {
	f.Data = data
	f.Time = time
	f.WireLen = wireLen
	f.LinkType = linkType
	f.VLANType, f.VLAN = 0, 0
}

// A Source gives frames in the order they were captured.
type Source interface {
	// NextBatch fills frames from the front and returns how many it filled.
	// 0 and no error means that no frame came for a while: time to look at
	// timers. The error io.EOF comes after the last frame; any other error
	// is final too.
	NextBatch(frames []Frame) (int, error)

	// Stats returns what the source has counted since it was opened.
	Stats() Stats

	// Name returns the interface or the file that frames come from.
	Name() string

	Close() error
}

// Stats are the counters of a Source.
type Stats struct {
	Frames   uint64 // frames that NextBatch returned
	Dropped  uint64 // frames that the kernel dropped because the ring was full
	Freezes  uint64 // times that the ring was full
	LinkDown uint64 // times that the port went down
	Corrupt  uint64 // ring blocks or frames whose header made no sense
}

// A FormatError says where a capture file stops making sense.
type FormatError struct {
	File   string
	Offset int64 // of the file header, record or block that is bad
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("reading capture %q: at byte %d: %s", e.File, e.Offset, e.Reason)
}
