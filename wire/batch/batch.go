// Package batch defines a batch: a numbered run of audit records, compressed
// as one.
//
// A batch is a small head and the compressed blocks of wire/record behind it;
// docs/format/batch.md has the bytes. Compressing and decompressing are done by
// who calls: the sensor and the collector each bring their own end of zstd.
// The package also frames batches on the pipe between a sensor's processes.
package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const version = 1

// Bounds of a batch. A receiver refuses what is beyond them before it
// allocates anything.
const (
	MaxRaw  = 1 << 20   // bytes of all blocks before compression
	MaxSize = 256 << 10 // bytes of a batch, head included: at most 227 chunks on the wire
)

// Codec says how the body of a batch is compressed.
type Codec uint8

// The codecs.
const (
	None Codec = 0 // body is the blocks as they are
	Zstd Codec = 1 // one Zstandard frame (RFC 8878)
)

// Append appends a batch to dst: rawSize is the size of its blocks, body the
// same blocks compressed with codec.
func Append(dst []byte, codec Codec, rawSize int, body []byte) []byte {
	dst = append(dst, version, byte(codec))
	dst = binary.AppendUvarint(dst, uint64(rawSize))
	return append(dst, body...)
}

// Parse takes a batch apart. It does not decompress: rawSize is what the body
// must decompress to, and at most MaxRaw. The body shares memory with b.
func Parse(b []byte) (codec Codec, rawSize int, body []byte, err error) {
	switch {
	case len(b) > MaxSize:
		return 0, 0, nil, fmt.Errorf("parsing batch: %d bytes, at most %d fit", len(b), MaxSize)
	case len(b) < 3:
		return 0, 0, nil, errors.New("parsing batch: cut short")
	case b[0] != version:
		return 0, 0, nil, fmt.Errorf("parsing batch: version %d, want %d", b[0], version)
	case Codec(b[1]) > Zstd:
		return 0, 0, nil, fmt.Errorf("parsing batch: unknown codec %d", b[1])
	}
	raw, n := binary.Uvarint(b[2:])
	if n <= 0 || raw > MaxRaw {
		return 0, 0, nil, errors.New("parsing batch: size out of range")
	}
	body = b[2+n:]
	if codec = Codec(b[1]); codec == None && len(body) != int(raw) {
		return 0, 0, nil, fmt.Errorf("parsing batch: body of %d bytes, want %d", len(body), raw)
	}
	return codec, int(raw), body, nil
}

// Class orders batches by what a full spool gives up last.
type Class uint8

// The classes.
const (
	Health  Class = 0 // the sensor's own counters: given up last
	Records Class = 1 // flows and what applications said
	Bulk    Class = 2 // what is nice to have: given up first
)

// A Frame is a batch on its way from meter to uplink.
type Frame struct {
	Class   Class
	Records int         // records in the batch
	Kinds   []KindCount // how many there are of each kind, so that a drop is counted by kind
	Batch   []byte      // as Append makes it
}

// KindCount says how many records there are of a kind.
type KindCount struct {
	Kind    string
	Records int
}

// Numbered is a batch that has its number on the wire: from 0 at each boot.
type Numbered struct {
	Number uint64
	Frame
}

// Sizes of a frame's parts: length u32, records u32, class u8, kinds u8; then of
// each kind the length of its name u8, the name, records u32.
const (
	frameHead   = 10
	maxKinds    = 64
	maxKindName = 32
)

// WriteFrame writes f to w in one call of Write.
func WriteFrame(w io.Writer, f Frame) error {
	if len(f.Kinds) > maxKinds {
		return fmt.Errorf("writing frame: %d kinds, at most %d fit", len(f.Kinds), maxKinds)
	}
	b := make([]byte, 0, frameHead+len(f.Kinds)*(1+maxKindName+4)+len(f.Batch))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Batch)))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Records))
	b = append(b, byte(f.Class), byte(len(f.Kinds)))
	for _, k := range f.Kinds {
		if len(k.Kind) == 0 || len(k.Kind) > maxKindName {
			return fmt.Errorf("writing frame: kind %q: name of %d bytes, want 1 to %d", k.Kind, len(k.Kind), maxKindName)
		}
		b = append(append(b, byte(len(k.Kind))), k.Kind...)
		b = binary.BigEndian.AppendUint32(b, uint32(k.Records))
	}
	_, err := w.Write(append(b, f.Batch...))
	return err
}

// ReadFrame reads the next frame from r. The writer is a jailed process that
// parses hostile traffic, so a frame out of bounds is an error, after which r
// is of no more use. At the end of r it returns io.EOF.
func ReadFrame(r io.Reader) (Frame, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if err == io.EOF {
			return Frame{}, err
		}
		return Frame{}, fmt.Errorf("reading frame: %w", err)
	}
	size, records, class, kinds := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:]), Class(head[8]), int(head[9])
	if size == 0 || size > MaxSize || records > MaxRaw || class > Bulk || kinds > maxKinds {
		return Frame{}, fmt.Errorf("reading frame: %d bytes, %d records, class %d, %d kinds: out of range", size, records, class, kinds)
	}
	f := Frame{Class: class, Records: int(records)}
	for range kinds {
		k, err := readKind(r)
		if err != nil {
			return Frame{}, fmt.Errorf("reading frame: kind: %v", err)
		}
		f.Kinds = append(f.Kinds, k)
	}
	f.Batch = make([]byte, size)
	if _, err := io.ReadFull(r, f.Batch); err != nil {
		return Frame{}, fmt.Errorf("reading frame: cut short: %v", err)
	}
	return f, nil
}

func readKind(r io.Reader) (KindCount, error) {
	var b [maxKindName + 4]byte
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return KindCount{}, err
	}
	n := int(b[0])
	if n == 0 || n > maxKindName {
		return KindCount{}, fmt.Errorf("name of %d bytes, want 1 to %d", n, maxKindName)
	}
	if _, err := io.ReadFull(r, b[:n+4]); err != nil {
		return KindCount{}, err
	}
	for _, c := range b[:n] {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return KindCount{}, fmt.Errorf("name %q has other characters than a-z, 0-9 and _", b[:n])
		}
	}
	records := binary.BigEndian.Uint32(b[n:])
	if records > MaxRaw {
		return KindCount{}, fmt.Errorf("%d records: out of range", records)
	}
	return KindCount{string(b[:n]), int(records)}, nil
}
