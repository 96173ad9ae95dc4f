package capture

import (
	"encoding/binary"
	"io"
)

const (
	// windowSize is how much of a file is read at once: it stays in the
	// second-level cache until its frames are decoded.
	windowSize = 256 << 10

	// maxRecord bounds one record of a file with its payload. libpcap's
	// largest snap length is 256 KiB.
	maxRecord = 1 << 20

	// releaseEvery is how many bytes of a mapped file are taken before their
	// pages are given back: resident memory is what a board runs out of.
	releaseEvery = 8 << 20
)

// A window is the part of a stream that is in memory.
type window struct {
	r    io.Reader
	buf  []byte // read and not yet taken: buf[pos:end]
	pos  int
	end  int
	base int64 // offset in the stream of buf[0]
	err  error // from r, io.EOF included

	mapped   bool // buf is the whole file and must not be written to
	released int  // bytes of buf whose pages were given back
}

func (w *window) offset() int64 { return w.base + int64(w.pos) }
func (w *window) len() int      { return w.end - w.pos }

// fill makes at least n bytes available and reports whether it could. It moves
// memory: bytes handed out before are gone.
func (w *window) fill(n int) bool {
	if w.len() >= n {
		return true
	}
	if w.mapped {
		return false
	}
	buf := w.buf
	if n > len(buf) {
		buf = make([]byte, max(n, windowSize))
	}
	copy(buf, w.buf[w.pos:w.end])
	w.base += int64(w.pos)
	w.buf, w.pos, w.end = buf, 0, w.len()
	for w.end < n && w.err == nil {
		var got int
		got, w.err = w.r.Read(w.buf[w.end:])
		w.end += got
	}
	return w.end >= n
}

// skip takes n bytes off the stream without keeping them.
func (w *window) skip(n int64) bool {
	for {
		step := min(n, int64(w.len()))
		w.pos += int(step)
		if n -= step; n == 0 {
			return true
		}
		if !w.fill(1) {
			return false
		}
	}
}

// An order is the byte order of a file: true for big-endian.
type order bool

func (o order) uint16(b []byte) uint16 {
	if o {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (o order) uint32(b []byte) uint32 {
	if o {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (o order) uint64(b []byte) uint64 {
	if o {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}
