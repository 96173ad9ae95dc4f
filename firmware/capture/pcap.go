package capture

import (
	"errors"
	"fmt"
)

// Magic numbers of the classic format as a little-endian machine reads them
// (draft-ietf-opsawg-pcap, section 4).
const (
	magicMicros        = 0xa1b2c3d4
	magicMicrosSwapped = 0xd4c3b2a1
	magicNanos         = 0xa1b23c4d
	magicNanosSwapped  = 0x4d3cb2a1

	pcapFileHeader   = 24
	pcapRecordHeader = 16
)

// compressed has who unpacks a file, by how it begins (RFC 1952, section 2.3.1;
// RFC 8878, section 3.1.1).
var compressed = map[string]string{"\x1f\x8b": "zcat", "\x28\xb5\x2f\xfd": "zstdcat"}

// linkTypeMask keeps the link type of the last word of a file header: the
// upper bits say how long the frames' FCS is (section 4).
const linkTypeMask = 0x03ffffff

// pcap reads the classic format.
type pcap struct {
	order    order
	unit     int64 // nanoseconds per unit of the fraction
	linkType uint32
}

func newPcap(w *window, magic uint32) (*pcap, error) {
	p := &pcap{}
	switch magic {
	case magicMicros, magicMicrosSwapped:
		p.unit = 1000
	case magicNanos, magicNanosSwapped:
		p.unit = 1
	default:
		for begin, unpack := range compressed {
			if string(w.buf[:len(begin)]) == begin {
				return nil, fmt.Errorf("it is compressed; read it by way of a pipe: %s FILE | taproot sensor --read -", unpack)
			}
		}
		return nil, fmt.Errorf("not a pcap or pcapng file: it begins with % x", w.buf[:4])
	}
	p.order = order(magic == magicMicrosSwapped || magic == magicNanosSwapped)
	if !w.fill(pcapFileHeader) {
		return nil, errors.New("file header is cut short")
	}
	h := w.buf[:pcapFileHeader]
	if major := p.order.uint16(h[4:]); major != 2 {
		return nil, fmt.Errorf("pcap version %d.%d, want 2", major, p.order.uint16(h[6:]))
	}
	p.linkType = p.order.uint32(h[20:]) & linkTypeMask
	w.pos = pcapFileHeader
	return p, nil
}

func (p *pcap) next(w *window, frame *Frame) (bool, error) {
	b := w.buf[w.pos:w.end]
	if len(b) < pcapRecordHeader {
		return false, errMore
	}
	size := p.order.uint32(b[8:])
	if size > maxRecord {
		return false, fmt.Errorf("record of %d bytes", size)
	}
	if uint64(len(b)) < pcapRecordHeader+uint64(size) {
		return false, errMore
	}
	end := pcapRecordHeader + int(size)
	at := int64(p.order.uint32(b))*1e9 + int64(p.order.uint32(b[4:]))*p.unit
	frame.set(b[pcapRecordHeader:end:end], at, p.order.uint32(b[12:]), p.linkType)
	w.pos += end
	return true, nil
}

func (p *pcap) need(w *window) int {
	if w.len() < pcapRecordHeader {
		return pcapRecordHeader
	}
	return pcapRecordHeader + int(p.order.uint32(w.buf[w.pos+8:]))
}
