package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Block types of draft-ietf-opsawg-pcapng, section 11.1.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrderMagic = 0x1a2b3c4d

	optionEnd      = 0
	optionTsResol  = 9
	optionTsOffset = 14

	// maxInterfaces bounds the interfaces of one section.
	maxInterfaces = 1 << 16
)

// pcapng reads the block format.
type pcapng struct {
	order      order
	interfaces []pcapngInterface
	last       int64 // time of the frame before: a simple packet block has none
}

type pcapngInterface struct {
	linkType uint32
	snapLen  uint32
	perUnit  int64  // nanoseconds per unit of time, or 0
	perSec   uint64 // units per second, valid iff perUnit is 0
	offset   int64  // seconds
}

func (p *pcapng) next(w *window, frame *Frame) (bool, error) {
	b := w.buf[w.pos:w.end]
	if len(b) < 12 {
		return false, errMore
	}
	if binary.LittleEndian.Uint32(b) == blockSection {
		p.order = order(b[8] == byteOrderMagic>>24)
		if magic := b[8:12]; p.order.uint32(magic) != byteOrderMagic {
			return false, fmt.Errorf("section with byte-order magic % x", magic)
		}
	}
	typ, size := p.order.uint32(b), p.order.uint32(b[4:])
	if size < 12 || size%4 != 0 {
		return false, fmt.Errorf("block of %d bytes", size)
	}
	if size > maxRecord {
		if mustRead(typ) {
			return false, fmt.Errorf("block of %d bytes", size)
		}
		return false, p.skipBlock(w, size)
	}
	if uint64(size) > uint64(len(b)) {
		return false, errMore
	}
	if again := p.order.uint32(b[size-4:]); again != size {
		return false, fmt.Errorf("block of %d bytes ends with length %d", size, again)
	}
	got, err := p.block(typ, b[8:size-4], frame)
	if err == nil {
		w.pos += int(size)
	}
	return got, err
}

// mustRead reports whether frames or their meaning depend on a block.
func mustRead(typ uint32) bool {
	switch typ {
	case blockSection, blockInterface, blockPacket, blockSimple, blockEnhanced:
		return true
	}
	return false
}

// skipBlock passes over a block too large for the window, such as a name
// resolution or decryption secrets block.
func (p *pcapng) skipBlock(w *window, size uint32) error {
	if !w.skip(int64(size)) {
		return errors.New("file ends inside a block")
	}
	return nil
}

func (p *pcapng) need(w *window) int {
	if w.len() < 12 {
		return 12
	}
	return int(p.order.uint32(w.buf[w.pos+4:]))
}

var errShortBlock = errors.New("block is too short for its fields")

// block reads the body of one whole block.
func (p *pcapng) block(typ uint32, body []byte, frame *Frame) (bool, error) {
	switch typ {
	case blockSection:
		return false, p.section(body)
	case blockInterface:
		return false, p.addInterface(body)
	case blockSimple:
		return p.simple(body, frame)
	case blockEnhanced:
		if len(body) < 20 {
			return false, errShortBlock
		}
		return p.packet(p.order.uint32(body), body, frame)
	case blockPacket:
		if len(body) < 20 {
			return false, errShortBlock
		}
		return p.packet(uint32(p.order.uint16(body)), body, frame)
	}
	return false, nil
}

func (p *pcapng) section(body []byte) error {
	if len(body) < 16 {
		return errShortBlock
	}
	if major := p.order.uint16(body[4:]); major != 1 {
		return fmt.Errorf("pcapng version %d.%d, want 1", major, p.order.uint16(body[6:]))
	}
	p.interfaces = p.interfaces[:0]
	return nil
}

func (p *pcapng) addInterface(body []byte) error {
	if len(body) < 8 {
		return errShortBlock
	}
	if len(p.interfaces) == maxInterfaces {
		return fmt.Errorf("section has more than %d interfaces", maxInterfaces)
	}
	i := pcapngInterface{
		linkType: uint32(p.order.uint16(body)),
		snapLen:  p.order.uint32(body[4:]),
		perUnit:  1000,
	}
	for opts := body[8:]; len(opts) >= 4; {
		code, size := p.order.uint16(opts), int(p.order.uint16(opts[2:]))
		if code == optionEnd {
			break
		}
		if len(opts) < 4+size {
			return errShortBlock
		}
		value := opts[4 : 4+size]
		switch {
		case code == optionTsResol && size == 1:
			if err := i.setResolution(value[0]); err != nil {
				return err
			}
		case code == optionTsOffset && size == 8:
			i.offset = int64(p.order.uint64(value))
		}
		opts = opts[min(4+(size+3)&^3, len(opts)):]
	}
	p.interfaces = append(p.interfaces, i)
	return nil
}

// setResolution reads option if_tsresol (section 4.2): a power of 10, or of 2
// if the upper bit is set.
func (i *pcapngInterface) setResolution(v byte) error {
	n := uint(v & 0x7f)
	i.perSec = 1
	if v&0x80 != 0 {
		if n > 63 {
			return fmt.Errorf("time resolution 2^-%d", n)
		}
		i.perSec = 1 << n
	} else {
		if n > 19 {
			return fmt.Errorf("time resolution 10^-%d", n)
		}
		for range n {
			i.perSec *= 10
		}
	}
	i.perUnit = 0
	if 1e9%i.perSec == 0 {
		i.perUnit = int64(1e9 / i.perSec)
	}
	return nil
}

func (i *pcapngInterface) nanos(stamp uint64) int64 {
	if i.perUnit != 0 {
		return int64(stamp)*i.perUnit + i.offset*1e9
	}
	hi, lo := bits.Mul64(stamp%i.perSec, 1e9)
	frac, _ := bits.Div64(hi, lo, i.perSec)
	return int64(stamp/i.perSec)*1e9 + int64(frac) + i.offset*1e9
}

func (p *pcapng) iface(n uint32) (*pcapngInterface, error) {
	if n >= uint32(len(p.interfaces)) {
		return nil, fmt.Errorf("packet of interface %d, section has %d", n, len(p.interfaces))
	}
	return &p.interfaces[n], nil
}

// packet reads an enhanced packet block (section 4.3) or the obsolete packet
// block (section A): they differ only in the first word.
func (p *pcapng) packet(index uint32, body []byte, frame *Frame) (bool, error) {
	i, err := p.iface(index)
	if err != nil {
		return false, err
	}
	size, data := p.order.uint32(body[12:]), body[20:]
	if uint64(size) > uint64(len(data)) {
		return false, errShortBlock
	}
	p.last = i.nanos(uint64(p.order.uint32(body[4:]))<<32 | uint64(p.order.uint32(body[8:])))
	frame.set(data[:size:size], p.last, p.order.uint32(body[16:]), i.linkType)
	return true, nil
}

// simple reads a simple packet block (section 4.4): of interface 0, cut at its
// snap length, without a time.
func (p *pcapng) simple(body []byte, frame *Frame) (bool, error) {
	if len(body) < 4 {
		return false, errShortBlock
	}
	i, err := p.iface(0)
	if err != nil {
		return false, err
	}
	wireLen, data := p.order.uint32(body), body[4:]
	size := min(uint64(wireLen), uint64(len(data)))
	if i.snapLen != 0 {
		size = min(size, uint64(i.snapLen))
	}
	frame.set(data[:size:size], p.last, wireLen, i.linkType)
	return true, nil
}
