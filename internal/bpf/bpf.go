// Package bpf has classic BPF programs, which choose frames in the kernel, and a
// compiler for the common part of the language that tcpdump takes.
//
// Compile turns text into a Program, and Program.Match does what the kernel does
// with it, for frames of a file. A program is as text the base 64 of its
// instructions, in the order of linux/filter.h and big-endian. docs/adr/0045 says
// which part of pcap-filter(7) there is, and where it means something else.
package bpf

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// An Instruction is one of a program (linux/filter.h, struct sock_filter).
type Instruction struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// A Program is a filter for Ethernet frames. The empty one lets all in.
type Program []Instruction

// MaxProgram bounds a program: it has its place in an image, and its jumps are
// of a byte.
const MaxProgram = 250

const instructionSize = 8

// MarshalText returns p in base 64.
func (p Program) MarshalText() ([]byte, error) {
	var b []byte
	for _, i := range p {
		b = binary.BigEndian.AppendUint16(b, i.Code)
		b = append(b, i.Jt, i.Jf)
		b = binary.BigEndian.AppendUint32(b, i.K)
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads p from base 64. The kernel will check what it does.
func (p *Program) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil || len(b)%instructionSize != 0 {
		return errors.New("filter is not whole instructions in base 64")
	}
	if len(b) > MaxProgram*instructionSize {
		return fmt.Errorf("filter of %d instructions, at most %d", len(b)/instructionSize, MaxProgram)
	}
	*p = nil
	for ; len(b) > 0; b = b[instructionSize:] {
		*p = append(*p, Instruction{binary.BigEndian.Uint16(b), b[2], b[3], binary.BigEndian.Uint32(b[4:])})
	}
	return nil
}

// Instruction codes (linux/bpf_common.h): what the compiler uses, and so what
// Match knows.
const (
	ldWord   = 0x20 // A = word at K
	ldHalf   = 0x28
	ldByte   = 0x30
	ldWordX  = 0x40 // A = word at X+K
	ldHalfX  = 0x48
	ldByteX  = 0x50
	ldLen    = 0x80 // A = length of the frame
	ldxImm   = 0x01 // X = K
	ldxMem   = 0x61 // X = M[K]
	stx      = 0x03 // M[K] = X
	addX     = 0x0c // A += X
	and      = 0x54 // A &= K
	lsh      = 0x64 // A <<= K
	jeq      = 0x15
	jgt      = 0x25
	jge      = 0x35
	jset     = 0x45
	ret      = 0x06
	tax      = 0x07
	memWords = 16
)

// Ancillary loads of the kernel: the VLAN tag that a port took off the frame.
const (
	adVLANTag     = 0xfffff02c // SKF_AD_OFF + SKF_AD_VLAN_TAG
	adVLANPresent = 0xfffff030 // SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT
)

// A Frame is what a program looks at.
type Frame struct {
	Data    []byte
	WireLen uint32
	VLAN    uint16 // TCI of the tag that the port took off
	Tagged  bool   // it did
}

// Match reports whether the program lets the frame in. A program that reads
// behind the end of the frame does not, as in the kernel; nor does one with an
// instruction that Compile does not make.
func (p Program) Match(f *Frame) bool {
	if len(p) == 0 {
		return true
	}
	var a, x uint32
	var mem [memWords]uint32
	for pc := 0; pc < len(p); pc++ {
		i := p[pc]
		ok := true
		switch i.Code {
		case ldWord, ldHalf, ldByte:
			a, ok = f.load(i.Code, i.K)
		case ldWordX, ldHalfX, ldByteX:
			a, ok = f.load(i.Code-ldWordX+ldWord, x+i.K)
			ok = ok && x+i.K >= x
		case ldLen:
			a = f.WireLen
		case ldxImm:
			x = i.K
		case ldxMem:
			x = mem[i.K%memWords]
		case stx:
			mem[i.K%memWords] = x
		case addX:
			a += x
		case and:
			a &= i.K
		case lsh:
			a <<= i.K & 31
		case tax:
			x = a
		case jeq:
			pc += i.skip(a == i.K)
		case jgt:
			pc += i.skip(a > i.K)
		case jge:
			pc += i.skip(a >= i.K)
		case jset:
			pc += i.skip(a&i.K != 0)
		case ret:
			return i.K != 0
		default:
			return false
		}
		if !ok {
			return false
		}
	}
	return false
}

func (i Instruction) skip(taken bool) int {
	if taken {
		return int(i.Jt)
	}
	return int(i.Jf)
}

func (f *Frame) load(code uint16, at uint32) (uint32, bool) {
	switch at {
	case adVLANTag:
		return uint32(f.VLAN), true
	case adVLANPresent:
		if f.Tagged {
			return 1, true
		}
		return 0, true
	}
	size := map[uint16]uint32{ldWord: 4, ldHalf: 2, ldByte: 1}[code]
	if uint64(at)+uint64(size) > uint64(len(f.Data)) {
		return 0, false
	}
	b := f.Data[at:]
	switch size {
	case 4:
		return binary.BigEndian.Uint32(b), true
	case 2:
		return uint32(binary.BigEndian.Uint16(b)), true
	}
	return uint32(b[0]), true
}
