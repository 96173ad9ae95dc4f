package app

// MaxStream bounds what a Stream keeps: a ClientHello with post-quantum key
// shares has about 2 KB, a DNS answer over TCP rarely more than 4.
const MaxStream = 8 << 10

// A Stream puts the bytes that one side of a TCP connection sends in order,
// from the first segment it is given until its owner has seen enough. It
// takes segments in order only: what comes early is left for the sender to
// repeat, what comes twice is cut off.
type Stream struct {
	buf  []byte
	next uint32 // sequence number that follows buf
	open bool   // next is valid
	gap  bool   // the last segment came early
}

// Waits reports whether a segment is missing: the last that was added came
// early.
func (s *Stream) Waits() bool { return s.gap }

// Add takes a segment and returns what is in order and not yet consumed. It
// reports false if that is more than MaxStream, of which it returns the front.
func (s *Stream) Add(seq uint32, b []byte) ([]byte, bool) {
	if !s.open {
		s.open, s.next = true, seq
	}
	again := int(int32(s.next - seq))
	if s.gap = again < 0; s.gap || again >= len(b) {
		return s.buf, true
	}
	b = b[again:]
	fits := min(len(b), MaxStream-len(s.buf))
	s.buf = append(s.buf, b[:fits]...)
	s.next += uint32(fits)
	return s.buf, fits == len(b)
}

// Consume takes n bytes off the front.
func (s *Stream) Consume(n int) { s.buf = s.buf[:copy(s.buf, s.buf[n:])] }

// Reset makes s ready for another connection and keeps its memory.
func (s *Stream) Reset() { *s = Stream{buf: s.buf[:0]} }
