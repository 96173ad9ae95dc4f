package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The layout of a segment; docs/format/journal.md explains it. Numbers are
// big-endian.
const (
	magic    = "taproot journal\n"
	version  = 2
	headSize = 60   // of the header that counts, with its checksum
	page     = 4096 // each of the two copies of the header has one: what a disk loses at once
	recHead  = 8 + 4 + 4
	metaSize = 32 + 16 + 8 + 8 // sensor, boot, batch, received
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A CorruptionErr says what of a segment cannot be read, and why.
type CorruptionErr struct {
	Segment uint64
	Offset  int64 // of the first byte that cannot be trusted
	Bytes   int64 // as many; 0 where it is the rest of the segment, or only the checkpoint
	Reason  string
}

func (e *CorruptionErr) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("segment %08x: header: %s", e.Segment, e.Reason)
	}
	return fmt.Sprintf("segment %08x: record at byte %d: %s; %d bytes are skipped", e.Segment, e.Offset, e.Reason, e.Bytes)
}

// marker begins each record of a segment. It is random, so that what a sensor
// puts into a batch cannot pass for a record when damage hides where the real
// ones begin.
type marker [8]byte

// header is what a segment begins with.
type header struct {
	number  uint64
	created int64 // Unix ns
	marker  marker
	prior   int64 // how many bytes of the segment before are durable, 0 where that is not known
	length  int   // of the checkpoint
}

// first returns where the first record begins.
func (h *header) first() int64 { return 2*page + 2*(int64(h.length)+4) }

// append appends both copies of the header, and both of the checkpoint.
func (h *header) append(dst []byte, checkpoint []byte) []byte {
	var one [page]byte
	b := append(one[:0], magic...)
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(checkpoint)))
	b = binary.BigEndian.AppendUint64(b, h.number)
	b = binary.BigEndian.AppendUint64(b, uint64(h.created))
	b = append(b, h.marker[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.prior))
	binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	dst = append(append(dst, one[:]...), one[:]...)
	for range 2 {
		dst = append(dst, checkpoint...)
		dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(checkpoint, castagnoli))
	}
	return dst
}

// readHeader reads the header of segment number, a file of size bytes: the
// first copy that is whole.
func readHeader(r io.ReaderAt, number uint64, size int64) (header, error) {
	var reason string
	for at := int64(0); at <= page; at += page {
		b := make([]byte, headSize)
		if at+headSize > size {
			reason = "cut short"
			continue
		}
		if _, err := r.ReadAt(b, at); err != nil {
			reason = err.Error()
			continue
		}
		h, err := parseHeader(b, number)
		if err == nil && h.first() > size {
			err = fmt.Errorf("checkpoint of %d bytes is cut short", h.length)
		}
		if err == nil {
			return h, nil
		}
		reason = err.Error()
	}
	return header{}, &CorruptionErr{Segment: number, Reason: reason}
}

func parseHeader(b []byte, number uint64) (h header, err error) {
	n := len(magic)
	switch v := binary.BigEndian.Uint32(b[n:]); {
	case string(b[:n]) != magic:
		return h, errors.New("not a journal segment")
	case crc32.Checksum(b[:headSize-4], castagnoli) != binary.BigEndian.Uint32(b[headSize-4:]):
		return h, errors.New("checksum mismatch")
	case v != version:
		return h, fmt.Errorf("version %d, want %d", v, version)
	}
	h = header{
		length:  int(binary.BigEndian.Uint32(b[n+4:])),
		number:  binary.BigEndian.Uint64(b[n+8:]),
		created: int64(binary.BigEndian.Uint64(b[n+16:])),
		marker:  marker(b[n+24:]),
		prior:   int64(binary.BigEndian.Uint64(b[n+32:])),
	}
	if h.number != number {
		return h, fmt.Errorf("is of segment %08x", h.number)
	}
	return h, nil
}

// readCheckpoint reads what is remembered of the segments before: the first
// copy that is whole.
func (h *header) readCheckpoint(r io.ReaderAt) (m memory, err error) {
	b := make([]byte, h.length+4)
	for i := range int64(2) {
		if _, err = r.ReadAt(b, 2*page+i*int64(len(b))); err != nil {
			continue
		}
		if crc32.Checksum(b[:h.length], castagnoli) != binary.BigEndian.Uint32(b[h.length:]) {
			err = errors.New("checksum mismatch")
			continue
		}
		if m, err = parseMemory(b[:h.length]); err == nil {
			return m, nil
		}
	}
	return nil, &CorruptionErr{Segment: h.number, Reason: "checkpoint: " + err.Error()}
}

// recordHead returns what comes before the body of e in a segment, without
// the marker: that is known when it is written.
func recordHead(e *Entry) (head [recHead + metaSize]byte) {
	binary.BigEndian.PutUint32(head[8:], uint32(metaSize+len(e.Body)))
	m := head[recHead:]
	copy(m, e.Sensor[:])
	copy(m[32:], e.Boot[:])
	binary.BigEndian.PutUint64(m[48:], e.Batch)
	binary.BigEndian.PutUint64(m[56:], uint64(e.Received))
	binary.BigEndian.PutUint32(head[12:], checksum(head[8:12], m, e.Body))
	return head
}

// parseMeta returns the entry of a record, without its head.
func parseMeta(m []byte) Entry {
	return Entry{
		Sensor: [32]byte(m), Boot: [16]byte(m[32:]),
		Batch: binary.BigEndian.Uint64(m[48:]), Received: int64(binary.BigEndian.Uint64(m[56:])),
		Body: m[metaSize:],
	}
}

func checksum(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}
