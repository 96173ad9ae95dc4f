package app

// MaxStream bounds what a Stream keeps: a ClientHello with post-quantum key
// shares has about 2 KB, a chain of certificates up to 8, the head of an HTTP
// message rarely more than 8.
const MaxStream = 16 << 10

// maxEarly bounds the runs of bytes that are kept while those before them are
// missing. Paths that reorder do so by a few segments, and QUIC clients cut their hello on purpose.
const maxEarly = 8

// A Stream puts the bytes that one side of a TCP connection sends in order,
// from the first segment it is given until its owner has seen enough. What
// comes early is kept within bounds, what comes twice is cut off.
type Stream struct {
	buf   []byte // what is in order, then what came early, at its place
	size  int    // of what is in order
	next  uint32 // sequence number that follows it
	open  bool   // next is valid
	gap   bool   // a segment came too early to be kept
	early [maxEarly]run
}

// A run is a part of buf, empty if from and to are 0.
type run struct{ from, to int }

// Waits reports whether a segment is missing.
func (s *Stream) Waits() bool { return s.gap || s.early != [maxEarly]run{} }

// Awaits reports whether a segment is the first of those that are missing.
func (s *Stream) Awaits(seq uint32) bool { return s.open && seq == s.next && s.Waits() }

// StartAt passes over what is before a segment. What was kept from behind it
// stays.
func (s *Stream) StartAt(seq uint32) {
	switch skip := int32(seq - s.next); {
	case !s.open:
		s.Add(seq, nil)
	case skip == 0 && s.size == 0:
	case s.size == 0 && skip > 0 && skip < MaxStream:
		s.Consume(int(skip))
	default:
		s.Reset()
		s.Add(seq, nil)
	}
}

// Open reports whether it is known where s begins.
func (s *Stream) Open() bool { return s.open }

// Add takes a segment and returns what is in order and not yet consumed. It
// reports false if that is more than MaxStream, of which it returns the front.
func (s *Stream) Add(seq uint32, b []byte) ([]byte, bool) {
	if !s.open {
		s.open, s.next = true, seq
	}
	at := s.size + int(int32(seq-s.next)) // in buf
	if at > s.size {
		s.keep(at, b)
		return s.buf[:s.size], true
	}
	if again := s.size - at; again >= len(b) {
		return s.buf[:s.size], true
	} else if again > 0 {
		b = b[again:]
	}
	s.gap = false
	fits := min(len(b), MaxStream-s.size)
	s.put(s.size, b[:fits])
	s.grow(s.size + fits)
	return s.buf[:s.size], fits == len(b)
}

// put writes b at a place of buf.
func (s *Stream) put(at int, b []byte) {
	if need := at + len(b); need > len(s.buf) {
		if need > cap(s.buf) {
			s.buf = append(make([]byte, 0, min(max(2*need, 2<<10), MaxStream)), s.buf...)
		}
		s.buf = s.buf[:need]
	}
	copy(s.buf[at:], b)
}

// keep stores a segment that came early, if there is room.
func (s *Stream) keep(at int, b []byte) {
	end := at + len(b)
	if end > MaxStream {
		s.gap = true
		return
	}
	free := -1
	for i := range s.early {
		switch e := &s.early[i]; {
		case *e == run{}:
			free = i
		case at <= e.to && end >= e.from: // touches it
			s.put(at, b)
			e.from, e.to = min(e.from, at), max(e.to, end)
			return
		}
	}
	if free < 0 {
		s.gap = true
		return
	}
	s.put(at, b)
	s.early[free] = run{at, end}
}

// grow makes size the end of what is in order, and takes in what came early
// and now is.
func (s *Stream) grow(size int) {
	for joined := true; joined; {
		joined = false
		for i := range s.early {
			if e := &s.early[i]; *e != (run{}) && e.from <= size {
				size, joined = max(size, e.to), true
				*e = run{}
			}
		}
	}
	s.next += uint32(size - s.size)
	s.size = size
}

// Bytes returns what is in order and not yet consumed.
func (s *Stream) Bytes() []byte { return s.buf[:s.size] }

// Consume takes n bytes off the front. Where they are more than there are, the
// rest is passed over when it comes.
func (s *Stream) Consume(n int) {
	skip := max(n-s.size, 0)
	s.next += uint32(skip)
	s.buf = s.buf[:copy(s.buf, s.buf[min(n, len(s.buf)):])]
	s.size = max(s.size-n, 0)
	for i := range s.early {
		if e := &s.early[i]; *e != (run{}) {
			if e.from, e.to = max(e.from-n, 0), e.to-n; e.to <= 0 {
				*e = run{}
			}
		}
	}
	if skip > 0 {
		s.gap = false
		s.grow(s.size)
	}
	if s.size == 0 && s.early == [maxEarly]run{} {
		s.buf = s.buf[:0]
	}
}

// Reset makes s ready for another connection and keeps its memory.
func (s *Stream) Reset() { *s = Stream{buf: s.buf[:0]} }

// Held returns how many bytes of memory s has.
func (s *Stream) Held() int { return cap(s.buf) }
