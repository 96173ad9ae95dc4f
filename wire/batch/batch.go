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
	Records int    // records in the batch
	Batch   []byte // as Append makes it
}

// Numbered is a batch that has its number on the wire: from 0 at each boot.
type Numbered struct {
	Number uint64
	Frame
}

// frameHead is the size of a frame's head: length u32, records u32, class u8.
const frameHead = 9

// WriteFrame writes f to w in one call of Write.
func WriteFrame(w io.Writer, f Frame) error {
	b := make([]byte, 0, frameHead+len(f.Batch))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Batch)))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Records))
	b = append(b, byte(f.Class))
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
	size, records, class := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:]), Class(head[8])
	if size == 0 || size > MaxSize || records > MaxRaw || class > Bulk {
		return Frame{}, fmt.Errorf("reading frame: %d bytes, %d records, class %d: out of range", size, records, class)
	}
	f := Frame{Class: class, Records: int(records), Batch: make([]byte, size)}
	if _, err := io.ReadFull(r, f.Batch); err != nil {
		return Frame{}, fmt.Errorf("reading frame: cut short: %v", err)
	}
	return f, nil
}
