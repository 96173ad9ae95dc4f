package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// scanner reads the records of one segment in order.
type scanner struct {
	r      io.ReaderAt
	number uint64
	marker marker
	off    int64  // of the next record
	end    int64  // of what may be read
	buf    []byte // bytes of the segment from off on
	mem    []byte // what buf is a part of
}

const scanChunk = 256 << 10

// next returns the record at off; its body is valid until the next call. It
// returns io.EOF at the end. Where there is no record it returns a
// CorruptionErr, and the call after it returns the next that there is.
func (s *scanner) next() (Entry, error) {
	if s.off >= s.end {
		return Entry{}, io.EOF
	}
	rec, reason := s.record()
	if reason != "" {
		bad := &CorruptionErr{Segment: s.number, Offset: s.off, Reason: reason}
		s.resume()
		bad.Bytes = s.off - bad.Offset
		return Entry{}, bad
	}
	s.skip(len(rec))
	return parseMeta(rec[recHead:]), nil
}

// record returns the bytes of the record at off, or why there is none.
func (s *scanner) record() (rec []byte, reason string) {
	head := s.peek(recHead)
	if head == nil {
		return nil, "cut short"
	}
	size := int64(binary.BigEndian.Uint32(head[8:]))
	switch {
	case marker(head) != s.marker:
		return nil, "no marker"
	case size < metaSize || size > metaSize+MaxBody:
		return nil, fmt.Sprintf("length %d is out of bounds", size)
	}
	if rec = s.peek(recHead + int(size)); rec == nil {
		return nil, "cut short"
	}
	if checksum(rec[8:12], rec[recHead:]) != binary.BigEndian.Uint32(rec[12:]) {
		return nil, "checksum mismatch"
	}
	return rec, ""
}

// resume moves on from a damaged place to the next record that is whole, or to
// the end.
func (s *scanner) resume() {
	for s.skip(1); s.off < s.end; {
		b := s.peek(int(min(scanChunk, s.end-s.off)))
		i := bytes.Index(b, s.marker[:])
		if i < 0 {
			s.skip(max(len(b)-len(s.marker)+1, 1))
			continue
		}
		s.skip(i)
		if _, reason := s.record(); reason == "" {
			return
		}
		s.skip(1)
	}
	s.off = s.end
}

func (s *scanner) skip(n int) {
	s.off += int64(n)
	s.buf = s.buf[min(n, len(s.buf)):]
}

// peek returns the n bytes at off, or nil where the segment ends before.
func (s *scanner) peek(n int) []byte {
	if int64(n) > s.end-s.off {
		return nil
	}
	if n > len(s.buf) {
		want := int(min(int64(max(n, scanChunk)), s.end-s.off))
		if cap(s.mem) < want {
			s.mem = make([]byte, want)
		}
		have := copy(s.mem[:want], s.buf)
		s.buf = s.mem[:want]
		if _, err := s.r.ReadAt(s.buf[have:], s.off+int64(have)); err != nil {
			s.readPages(s.buf[have:], s.off+int64(have))
		}
	}
	return s.buf[:n]
}

// readPages reads what can be read, page by page. What cannot is zeros, in
// which there is no record.
func (s *scanner) readPages(b []byte, off int64) {
	for len(b) > 0 {
		n := min(int(page-off%page), len(b))
		if _, err := s.r.ReadAt(b[:n], off); err != nil {
			clear(b[:n])
		}
		b, off = b[n:], off+int64(n)
	}
}
