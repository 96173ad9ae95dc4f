package journal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/taproot-sensor/taproot/internal/ranges"
)

// The layout of a segment; docs/format/journal.md explains it. Numbers are
// big-endian.
const (
	magic      = "taproot journal\n"
	version    = 1
	headerSize = len(magic) + 4 + 4 + 8 + 8 // then the checkpoint and its checksum
	headSize   = 4 + 4                      // length and checksum before a record
	metaSize   = 32 + 16 + 8 + 8            // sensor, boot, batch, received
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A CorruptionErr says where a segment cannot be read, and why.
type CorruptionErr struct {
	Segment uint64
	Offset  int64 // of the first byte that cannot be trusted
	Reason  string
}

func (e *CorruptionErr) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("segment %08x: header: %s", e.Segment, e.Reason)
	}
	return fmt.Sprintf("segment %08x: record at byte %d: %s", e.Segment, e.Offset, e.Reason)
}

// Bounds of the memory, for each sensor.
const (
	// keptBoots is how many boots are remembered, the newest: only the one
	// that runs sends, if only after years without a network.
	keptBoots = 4
	// maxRuns is how many runs the batches of a boot are remembered in; beyond
	// it the lowest gap counts as stored. It is twice what the edge has above
	// the floor of a session, so that the gap was given up by the sensor.
	maxRuns = 16384
)

// memory is what the journal ever stored.
type memory map[bootKey]*bootBatches

type bootKey struct {
	sensor [32]byte
	boot   [16]byte
}

type bootBatches struct {
	set  ranges.Set
	last int64 // newest Received
}

func (m memory) contains(k bootKey, batch uint64) bool {
	b := m[k]
	return b != nil && b.set.Contains(batch)
}

func (m memory) add(k bootKey, batch uint64, received int64) {
	b := m[k]
	if b == nil {
		b = new(bootBatches)
		m[k] = b
	}
	b.set.Add(batch)
	if runs := b.set.Runs(); len(runs) > maxRuns {
		b.set.AddRange(ranges.Range{First: runs[0].First, Last: runs[1].Last})
	}
	b.last = max(b.last, received)
}

// forget drops all but the newest boots of each sensor.
func (m memory) forget() {
	sensors := make(map[[32]byte][]bootKey)
	for k := range m {
		sensors[k.sensor] = append(sensors[k.sensor], k)
	}
	for _, boots := range sensors {
		slices.SortFunc(boots, func(a, b bootKey) int { return cmp.Compare(m[b].last, m[a].last) })
		for _, k := range boots[min(len(boots), keptBoots):] {
			delete(m, k)
		}
	}
}

func (m memory) append(dst []byte) []byte {
	for k, b := range m {
		dst = append(dst, k.sensor[:]...)
		dst = append(dst, k.boot[:]...)
		dst = binary.BigEndian.AppendUint64(dst, uint64(b.last))
		dst = appendSet(dst, b.set)
	}
	return dst
}

func parseMemory(b []byte) (memory, error) {
	m := make(memory)
	for len(b) > 0 {
		if len(b) < 56 {
			return nil, errors.New("checkpoint is cut short")
		}
		k := bootKey{[32]byte(b), [16]byte(b[32:])}
		last := int64(binary.BigEndian.Uint64(b[48:]))
		set, rest, err := parseSet(b[56:])
		if err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
		m[k] = &bootBatches{set, last}
		b = rest
	}
	return m, nil
}

// appendSet appends the number of runs, and for each how far its first number
// is from the last of the run before, and its last from its first.
func appendSet(dst []byte, set ranges.Set) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(set.Runs())))
	var end uint64
	for _, r := range set.Runs() {
		dst = binary.AppendUvarint(dst, r.First-end)
		dst = binary.AppendUvarint(dst, r.Last-r.First)
		end = r.Last
	}
	return dst
}

func parseSet(b []byte) (set ranges.Set, rest []byte, err error) {
	var end uint64
	uvarint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = errors.New("set is cut short")
			return 0
		}
		b = b[n:]
		return v
	}
	for runs := uvarint(); runs > 0 && err == nil; runs-- {
		r := ranges.Range{First: end + uvarint()}
		r.Last = r.First + uvarint()
		if r.First < end || r.Last < r.First {
			err = errors.New("set is out of order")
		}
		set.AddRange(r)
		end = r.Last
	}
	return set, b, err
}

// appendHeader appends the header of segment number with a checkpoint of m.
func appendHeader(dst []byte, number uint64, created int64, m memory) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.BigEndian.AppendUint32(dst, version)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, number)
	dst = binary.BigEndian.AppendUint64(dst, uint64(created))
	dst = m.append(dst)
	binary.BigEndian.PutUint32(dst[start+len(magic)+4:], uint32(len(dst)-start-headerSize))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// readHeader reads the header of a segment of size bytes and returns its
// checkpoint and where the first record begins.
func readHeader(r io.ReaderAt, number uint64, size int64) (memory, int64, error) {
	bad := func(format string, a ...any) (memory, int64, error) {
		return nil, 0, &CorruptionErr{Segment: number, Reason: fmt.Sprintf(format, a...)}
	}
	fixed := make([]byte, headerSize)
	if size < int64(headerSize)+4 {
		return bad("%d bytes are too short", size)
	}
	if _, err := r.ReadAt(fixed, 0); err != nil {
		return nil, 0, err
	}
	b := fixed[len(magic):]
	if string(fixed[:len(magic)]) != magic {
		return bad("not a journal segment")
	}
	if v := binary.BigEndian.Uint32(b); v != version {
		return bad("version %d, want %d", v, version)
	}
	end := int64(headerSize) + int64(binary.BigEndian.Uint32(b[4:]))
	if end+4 > size {
		return bad("checkpoint is cut short")
	}
	whole := make([]byte, end+4)
	if _, err := r.ReadAt(whole, 0); err != nil {
		return nil, 0, err
	}
	if crc32.Checksum(whole[:end], castagnoli) != binary.BigEndian.Uint32(whole[end:]) {
		return bad("checksum mismatch")
	}
	if n := binary.BigEndian.Uint64(b[8:]); n != number {
		return bad("is of segment %08x", n)
	}
	m, err := parseMemory(whole[headerSize:end])
	if err != nil {
		return bad("%v", err)
	}
	return m, end + 4, nil
}

// recordHead returns what comes before the body of e in a segment.
func recordHead(e *Entry) (head [headSize + metaSize]byte) {
	binary.BigEndian.PutUint32(head[:], uint32(metaSize+len(e.Body)))
	m := head[headSize:]
	copy(m, e.Sensor[:])
	copy(m[32:], e.Boot[:])
	binary.BigEndian.PutUint64(m[48:], e.Batch)
	binary.BigEndian.PutUint64(m[56:], uint64(e.Received))
	binary.BigEndian.PutUint32(head[4:], checksum(head[:4], m, e.Body))
	return head
}

func checksum(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	return sum
}

// scanner reads the records of one segment in order.
type scanner struct {
	r      io.ReaderAt
	number uint64
	off    int64  // of the next record
	end    int64  // of what may be read
	buf    []byte // bytes of the segment from off on
	mem    []byte // what buf is a part of
}

const scanChunk = 256 << 10

// next returns the record at off; its body is valid until the next call. It
// returns io.EOF at the end and a CorruptionErr where there is no record.
func (s *scanner) next() (Entry, error) {
	if s.off >= s.end {
		return Entry{}, io.EOF
	}
	bad := func(reason string) (Entry, error) {
		return Entry{}, &CorruptionErr{s.number, s.off, reason}
	}
	head, err := s.peek(headSize)
	if err != nil {
		return Entry{}, err
	}
	if head == nil {
		return bad("cut short")
	}
	size := int64(binary.BigEndian.Uint32(head))
	if size < metaSize || size > metaSize+MaxBody {
		return bad(fmt.Sprintf("length %d is out of bounds", size))
	}
	rec, err := s.peek(headSize + int(size))
	if err != nil {
		return Entry{}, err
	}
	if rec == nil {
		return bad("cut short")
	}
	if checksum(rec[:4], rec[headSize:]) != binary.BigEndian.Uint32(rec[4:]) {
		return bad("checksum mismatch")
	}
	s.off += int64(len(rec))
	s.buf = s.buf[len(rec):]
	m := rec[headSize:]
	return Entry{
		Sensor: [32]byte(m), Boot: [16]byte(m[32:]),
		Batch: binary.BigEndian.Uint64(m[48:]), Received: int64(binary.BigEndian.Uint64(m[56:])),
		Body: m[metaSize:],
	}, nil
}

// peek returns the n bytes at off, or nil where the segment ends before.
func (s *scanner) peek(n int) ([]byte, error) {
	if int64(n) > s.end-s.off {
		return nil, nil
	}
	if n > len(s.buf) {
		want := int(min(int64(max(n, scanChunk)), s.end-s.off))
		if cap(s.mem) < want {
			s.mem = make([]byte, want)
		}
		have := copy(s.mem[:want], s.buf)
		if _, err := s.r.ReadAt(s.mem[have:want], s.off+int64(have)); err != nil {
			return nil, err
		}
		s.buf = s.mem[:want]
	}
	return s.buf[:n], nil
}
